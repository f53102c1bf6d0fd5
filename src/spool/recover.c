/* recover.c - what a restart makes of the journal.
 *
 * From the newest segment to the oldest, what happened to each id is learned
 * (lives.h); then, from the oldest to the newest, every MESSAGE that is still
 * alive is reported. What was read is made durable before anyone acts on it: after
 * a kill the page cache may hold what a later power cut would take away.
 *
 * Nothing is appended to a segment that was found. Nothing is deleted but
 * spares, lent files, caches, and large files that no message can name. All of
 * it can be interrupted anywhere and begun again.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include "base/id.h"
#include "spool/inside.h"
#include "spool/lives.h"

struct recovery {
    struct journal  *j;
    struct why      *why;
    struct lives     lives;
    struct journal_place *cuts;
    size_t           ncuts, cut_cap;
    uint64_t        *large;             /* ids of living large messages */
    size_t           nlarge, large_cap;
    char           **names;             /* of journal/ or large/ */
    size_t           nnames, name_cap;
    struct buf       image;
    bool             damage;            /* something could not be parsed */
    struct journal_place durable;       /* where the older neighbour ended at least */
    bool             no_memory;
};

static bool no_memory(struct recovery *r)
{
    errno = ENOMEM;
    return why_errno(r->why, "recover", "journal");
}

static bool failed(struct recovery *r, int error, const char *doing, const char *name)
{
    errno = -error;
    return why_errno(r->why, doing, name);
}

/* --- segments that end before their end --------------------------------------- */

static uint32_t cut_of(const struct recovery *r, uint32_t segment)
{
    uint32_t end = 0;

    for (size_t i = 0; i < r->ncuts; i++)
        if (r->cuts[i].segment == segment && (end == 0 || r->cuts[i].offset < end))
            end = r->cuts[i].offset;
    return end;
}

static bool cut_learn(struct recovery *r, uint64_t word)
{
    struct journal_place *cuts = grown(r->cuts, r->ncuts, &r->cut_cap, sizeof *cuts);

    if (cuts == NULL)
        return false;
    r->cuts = cuts;
    r->cuts[r->ncuts++] = word_place(word);
    return true;
}

/* --- the names ------------------------------------------------------------- */

static void name_add(void *user, const char *name)
{
    struct recovery *r = user;
    char **names = grown(r->names, r->nnames, &r->name_cap, sizeof *names);
    char *copy = names != NULL ? strdup(name) : NULL;

    if (names != NULL)
        r->names = names;
    if (copy != NULL)
        r->names[r->nnames++] = copy;
    else
        r->no_memory = true;
}

static void names_clear(struct recovery *r)
{
    while (r->nnames > 0)
        free(r->names[--r->nnames]);
}

static bool names_list(struct recovery *r, const char *dir)
{
    int error;

    names_clear(r);
    error = r->j->disk->list(r->j->disk->ctx, dir, name_add, r);
    if (error != 0)
        return failed(r, error, "list", dir);
    return !r->no_memory || no_memory(r);
}

static bool make_dirs(struct recovery *r)
{
    static const char *const dirs[] = { "journal", "lent", "large", "quarantine" };
    struct disk *disk = r->j->disk;
    int error = 0;

    for (size_t i = 0; i < sizeof dirs / sizeof dirs[0]; i++) {
        error = disk->make_dir(disk->ctx, dirs[i]);
        if (error != 0)
            return failed(r, error, "make", dirs[i]);
    }
    error = disk->sync_dir(disk->ctx, ".");
    return error == 0 || failed(r, error, "sync", "spool");
}

/* find_segments - by their names; spares and stray index files go. A spare's
 * content may belong to a number that never became durable. */

static bool find_segments(struct recovery *r)
{
    struct disk *disk = r->j->disk;
    char name[NAME_MAX_BYTES];
    uint32_t number;

    if (!names_list(r, "journal"))
        return false;
    for (size_t i = 0; i < r->nnames; i++)
        switch (segment_file(r->names[i], &number)) {
        case FILE_SEGMENT:
            if (journal_segment_add(r->j, number) == NULL)
                return no_memory(r);
            if (number >= r->j->next_number)
                r->j->next_number = number + 1;
            break;
        case FILE_SPARE:
            disk->unlink(disk->ctx, spare_name(number, name));
            if (number >= r->j->next_spare)
                r->j->next_spare = number + 1;
            break;
        default:
            break;
        }
    for (size_t i = 0; i < r->nnames; i++)
        if (segment_file(r->names[i], &number) == FILE_INDEX
            && journal_segment(r->j, number) == NULL)
            disk->unlink(disk->ctx, index_name(number, name));
    return true;
}

/* --- one segment ----------------------------------------------------------- */

static void report(struct recovery *r, uint32_t number, const char *what, const char *where)
{
    char text[80];

    snprintf(text, sizeof text, "segment %08x %s", number, what);
    journal_quarantined(r->j, text, where);
    r->damage = true;
}

static bool header_read(struct recovery *r, uint32_t number, enum segment_check *check,
                        struct journal_place *previous)
{
    struct disk *disk = r->j->disk;
    char name[NAME_MAX_BYTES], sector[SECTOR];
    int handle = disk->open(disk->ctx, segment_name(number, name), DISK_READ);
    ssize_t n;

    if (handle < 0)
        return failed(r, handle, "open", name);
    n = disk->read(disk->ctx, handle, sector, sizeof sector, 0);
    disk->close(disk->ctx, handle);
    if (n < 0)
        return failed(r, (int)n, "read", name);
    *check = n == SECTOR ? segment_check(sector, number, previous) : SEGMENT_BAD;
    if (*check == SEGMENT_FOREIGN)
        return why_text(r->why, FATE_LATER, "%s: of another format version than %d; "
                        "use the postrider that wrote it", name, SEGMENT_VERSION);
    return true;
}

/* rewrite - the same bytes over themselves: a sync that failed in a former life
 * left pages that count as clean, and only a new write makes them dirty again */

static int rewrite(struct disk *disk, int handle, uint32_t from, uint32_t end)
{
    char piece[SECTOR * 8];
    int error = 0;
    ssize_t n;

    for (; from < end && error == 0; from += (uint32_t)n) {
        n = disk->read(disk->ctx, handle, piece,
                       end - from < sizeof piece ? end - from : sizeof piece, from);
        if (n <= 0)
            return n < 0 ? (int)n : -EIO;
        error = disk_write_all(disk, handle, slice_of(piece, (size_t)n), from);
    }
    return error;
}

/* make_durable - the last flush of a segment, which may never have been synced */

static int make_durable(struct disk *disk, uint32_t number, const struct segment_scan *scan)
{
    char name[NAME_MAX_BYTES];
    int handle = disk->open(disk->ctx, segment_name(number, name), DISK_WRITE), error;

    if (handle < 0)
        return handle;
    error = rewrite(disk, handle, scan->begun, scan->end);
    if (error == 0)
        error = disk->sync(disk->ctx, handle);
    disk->close(disk->ctx, handle);
    return error;
}

/* load - the segment's index into r->image; made anew when there is none that
 * can be believed */

static bool load(struct recovery *r, struct segment *s)
{
    struct disk *disk = r->j->disk;
    char name[NAME_MAX_BYTES];
    struct index_head head;
    struct segment_scan scan = { 0 };
    uint32_t cut = cut_of(r, s->number);
    bool cached = index_read(disk, s->number, &r->image, &head);
    int error = 0;

    if (s->end == SEGMENT_START && r->durable.segment == s->number)
        s->end = r->durable.offset;
    if (!cached)
        error = index_make(disk, s->number, cut, s->end, &r->image, &head, &scan);
    if (!cached && error == 0 && cut == 0)
        error = make_durable(disk, s->number, &scan);
    if (error != 0)
        return failed(r, error, "read", segment_name(s->number, name));
    s->end = head.end;
    s->damaged |= head.damaged;
    s->indexed = true;
    if (!cached && index_write(disk, s->number, &r->image) == 0)
        r->j->stats.index_rebuilt++;
    return true;
}

static bool empty(const struct recovery *r)
{
    struct wire w = index_entries(&r->image);
    struct index_entry e;

    return !index_next(&w, &e);
}

/* set_aside - nothing in the file could be read: it goes away as it is */

static bool set_aside(struct recovery *r, struct segment *s)
{
    char name[NAME_MAX_BYTES], index[NAME_MAX_BYTES];
    int error;

    r->j->disk->unlink(r->j->disk->ctx, index_name(s->number, index));
    segment_name(s->number, name);
    error = quarantine_move(r->j->disk, name, name + strlen("journal/"));
    if (error != 0)
        return failed(r, error, "quarantine", name);
    report(r, s->number, "cannot be parsed", "quarantine");
    journal_segment_drop(r->j, s);
    return true;
}

static bool learn_all(struct recovery *r, const struct segment *s)
{
    struct wire w = index_entries(&r->image);
    uint32_t cut = cut_of(r, s->number);
    struct index_entry e;

    while (index_next(&w, &e)) {
        if (cut != 0 && e.offset >= cut)
            continue;
        if (e.type == RECORD_CUT && !cut_learn(r, e.word))
            return no_memory(r);
        if (e.id > r->j->stats.last_id)
            r->j->stats.last_id = e.id;
        if (!lives_learn(&r->lives, &e, place_word((struct journal_place){ s->number, e.offset })))
            return no_memory(r);
    }
    return true;
}

static bool learn_segment(struct recovery *r, struct segment *s)
{
    char name[NAME_MAX_BYTES];
    struct journal_place previous = { 0 };
    enum segment_check check;
    uint64_t rebuilt = r->j->stats.index_rebuilt;

    if (!header_read(r, s->number, &check, &previous) || !load(r, s))
        return false;
    r->durable = check == SEGMENT_GOOD ? previous : (struct journal_place){ 0 };
    if (r->j->stats.index_rebuilt == rebuilt)
        r->j->stats.index_used++;
    s->keep_until = journal_wall(r->j) + KEEP_RECOVERED_MS;
    if (check == SEGMENT_BAD) {
        if (empty(r))
            return set_aside(r, s);
        s->damaged = true;
    }
    if (s->damaged)
        report(r, s->number, "is damaged", segment_name(s->number, name));
    return learn_all(r, s);
}

/* --- who lives --------------------------------------------------------------- */

static bool large_add(struct recovery *r, uint64_t id)
{
    uint64_t *large = grown(r->large, r->nlarge, &r->large_cap, sizeof *large);

    if (large == NULL)
        return false;
    r->large = large;
    r->large[r->nlarge++] = id;
    return true;
}

static bool tell_living(struct recovery *r, struct segment *s, const struct index_entry *e,
                        const struct life *life)
{
    struct journal_entry entry = {
        .id = e->id, .message = { s->number, e->offset }, .length = e->length,
        .outcome = word_place(life != NULL ? life->outcome : 0),
        .flags = (e->flags & RECORD_BIG ? (uint32_t)JOURNAL_LARGE : 0)
               | (e->flags & RECORD_COPY ? (uint32_t)ENTRY_COPIED : 0)
               | (life != NULL && life->held ? (uint32_t)JOURNAL_HELD : 0),
    };

    s->live++;
    s->live_bytes += e->length;
    if (e->flags & RECORD_BIG && !large_add(r, e->id))
        return no_memory(r);
    return r->j->o.found(r->j->o.owner, e->id, &entry, e->word, e->envelope) || no_memory(r);
}

static bool tell_segment(struct recovery *r, struct segment *s)
{
    uint32_t cut = cut_of(r, s->number);
    const struct life *life;
    struct index_entry e;
    struct wire w;

    if (!load(r, s))
        return false;
    w = index_entries(&r->image);
    while (index_next(&w, &e)) {
        if (e.type != RECORD_MESSAGE || (cut != 0 && e.offset >= cut))
            continue;
        life = lives_find(&r->lives, e.id);
        if (life != NULL && life->removed) {
            if (r->j->o.gone != NULL)
                r->j->o.gone(r->j->o.owner, e.id, e.word);
            continue;
        }
        if (life != NULL && life->copy != 0
            && life->copy != place_word((struct journal_place){ s->number, e.offset }))
            continue;
        if (!tell_living(r, s, &e, life))
            return false;
    }
    return true;
}

/* --- large files without a message --------------------------------------------- */

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

/* drop_orphans - dead or never committed, unless what was quarantined knew them */

static bool drop_orphans(struct recovery *r)
{
    struct disk *disk = r->j->disk;
    char name[NAME_MAX_BYTES];
    uint64_t id;

    if (!names_list(r, "large"))
        return false;
    if (r->nlarge > 0)
        qsort(r->large, r->nlarge, sizeof *r->large, by_value);
    for (size_t i = 0; i < r->nnames; i++) {
        if (!id_parse(slice_cstr(r->names[i]), &id)
            || (r->nlarge > 0
                && bsearch(&id, r->large, r->nlarge, sizeof id, by_value) != NULL))
            continue;
        large_name(id, name);
        if (r->damage)
            quarantine_move(disk, name, r->names[i]);
        else
            disk->unlink(disk->ctx, name);
    }
    return true;
}

/* --- the whole ----------------------------------------------------------------- */

static bool take_lock(struct recovery *r)
{
    unsigned holder = 0;
    int error = r->j->disk->lock(r->j->disk->ctx, "lock", &holder);

    if (error == -EWOULDBLOCK) {
        why_text(r->why, FATE_LATER,
                 "the spool is in use by another server (pid %u)", holder);
        r->why->error = EWOULDBLOCK;
        return false;
    }
    return error == 0 || failed(r, error, "lock", "spool");
}

static bool recover_all(struct recovery *r)
{
    struct journal *j = r->j;
    int error;

    if (!take_lock(r) || !make_dirs(r) || !find_segments(r))
        return false;
    error = lent_forget_all(j->disk);
    if (error == 0)
        error = j->disk->sync_dir(j->disk->ctx, "journal");
    if (error != 0)
        return failed(r, error, "sync", "journal");
    for (size_t i = j->nsegments; i-- > 0; )
        if (!learn_segment(r, j->segments[i]))
            return false;
    for (size_t i = 0; i < j->nsegments; i++)
        if (!tell_segment(r, j->segments[i]))
            return false;
    return drop_orphans(r);
}

bool recover(struct journal *j, struct why *why)
{
    struct recovery r = { .j = j, .why = why, .image = BUF(j->o.segment_size * 2) };
    bool done = recover_all(&r);

    j->next_lent = (uint64_t)journal_wall(j) << 16;
    names_clear(&r);
    free(r.names);
    lives_free(&r.lives);
    free(r.cuts);
    free(r.large);
    buf_free(&r.image);
    return done;
}
