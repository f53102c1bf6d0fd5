/* reclaim.c - spares, index files, and the way of a segment back to a spare.
 *
 * A segment may go when nothing in it is needed any more:
 *
 *     record                    is needed while
 *     MESSAGE                   its message lives, and this is its newest copy
 *     OUTCOME, HELD, RELEASED   its message lives, and its chain comes through here
 *     REMOVED, CUT              the segment that it speaks of exists
 *
 * The cleaner looks at every record of one segment (by its index), appends a
 * copy of what is needed, and looks again when the copies are durable; when it
 * finds nothing, the segment is retired. Its name must be gone for good before
 * anything that speaks of it may go, so retiring ends with a sync.
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include "spool/inside.h"

enum {
    STEP_READS = 256,           /* records looked at or read in one step */
    STEP_BYTES = 256 << 10,     /* copied in one step */
    PASSES_MAX = 8,
    CHAIN_MAX = 4096,
    SPARE_PATIENCE_MS = 1000,
};

bool spare_make(struct disk *disk, uint32_t spare, uint64_t size, bool zeros, int *handle,
                int *error)
{
    char name[NAME_MAX_BYTES];

    *handle = disk->open(disk->ctx, spare_name(spare, name), DISK_CREATE | DISK_DIRECT);
    *error = *handle < 0 ? *handle : disk->reserve(disk->ctx, *handle, size, zeros);
    if (*error == 0)
        return true;
    if (*handle >= 0) {
        disk->close(disk->ctx, *handle);
        disk->unlink(disk->ctx, name);
    }
    *handle = -1;
    return false;
}

/* --- what is needed ------------------------------------------------------ */

static bool spoken_of(const struct journal *j, const struct index_entry *e)
{
    uint32_t target = word_place(e->word).segment, self = j->cleaner.number;

    if (target != self && journal_segment(j, target) != NULL)
        return true;
    if (e->type != RECORD_REMOVED || !(e->flags & RECORD_COPY))
        return false;
    /* older copies of the MESSAGE may be in any segment up to the target */
    for (size_t i = 0; i < j->nsegments && j->segments[i]->number <= target; i++)
        if (j->segments[i]->number != self)
            return true;
    return false;
}

static struct journal_entry *living(struct journal *j, uint64_t id)
{
    return j->o.entry != NULL ? j->o.entry(j->o.owner, id) : NULL;
}

static bool place_is(struct journal_place p, uint32_t segment, uint32_t offset)
{
    return p.segment == segment && p.offset == offset;
}

/* chain_through - does the message's chain come through this record? Counts
 * its reads against the budget; 1, 0, or a negative errno */

static int chain_through(struct journal *j, const struct journal_entry *m, uint32_t offset,
                         int *budget)
{
    struct journal_place at = m->outcome;
    struct buf b = BUF(j->o.segment_size);
    struct record_view r;
    int error = 0;

    while (at.segment > j->cleaner.number
           || (at.segment == j->cleaner.number && at.offset > offset)) {
        error = journal_read_record(j, at, &b, &r);
        if (error != 0)
            break;
        if (r.id != m->id || !record_in_chain(r.type) || r.word >= place_word(at)) {
            error = -EBADMSG;
            break;
        }
        at = word_place(r.word);
        --*budget;
    }
    buf_free(&b);
    return error != 0 ? error : place_is(at, j->cleaner.number, offset);
}

/* --- copying forward ----------------------------------------------------- */

static struct unit *copies_begin(struct journal *j)
{
    return unit_begin(j, &j->waiting, NULL);
}

static void copies_end(struct journal *j, struct unit *u)
{
    u->own = u->copies = true;
    j->cleaner.pending++;
    unit_end(j, &j->waiting, u);
}

static bool copy_record(struct journal *j, struct unit *u, struct journal_place at,
                        bool chain_start, bool last)
{
    struct buf b = BUF(j->o.segment_size);
    struct item item = { .copy = true, .chain_start = chain_start };
    struct record_view r;
    struct record_message m;
    int error = journal_read_record(j, at, &b, &r);
    bool text = error == 0 && r.type == RECORD_MESSAGE && record_message(r.payload, &m);
    bool fine = error == 0;

    if (fine) {
        r.part = (uint16_t)u->count;
        r.flags = (uint8_t)((r.flags & (RECORD_BIG | RECORD_COPY)) | (last ? RECORD_LAST : 0)
                            | (text ? RECORD_COPY : 0));
        fine = unit_add(&j->waiting, u, item, &r, text ? &m : NULL);
    }
    buf_free(&b);
    return fine;
}

/* chain_places - of the message's outcome records, newest first; false: unreadable */

static bool chain_places(struct journal *j, const struct journal_entry *m,
                         struct journal_place *places, size_t *n)
{
    struct journal_place at = m->outcome;
    struct buf b = BUF(j->o.segment_size);
    struct record_view r;
    bool fine = true;

    for (*n = 0; at.segment != 0 && fine; at = word_place(r.word)) {
        fine = *n < CHAIN_MAX && journal_read_record(j, at, &b, &r) == 0 && r.id == m->id
               && record_in_chain(r.type) && r.word < place_word(at);
        if (!fine)
            break;
        places[(*n)++] = at;
    }
    buf_free(&b);
    return fine;
}

/* copy_message - its chain, and itself if `whole`, as one unit at the end of the log */

static bool copy_message(struct journal *j, struct journal_entry *m, bool whole)
{
    struct journal_place *places = malloc(CHAIN_MAX * sizeof *places);
    struct unit *u = NULL;
    bool fine;
    size_t n = 0;

    fine = places != NULL && chain_places(j, m, places, &n)
           && (u = copies_begin(j)) != NULL
           && (!whole || copy_record(j, u, m->message, false, n == 0));
    for (size_t i = n; i-- > 0 && fine; )
        fine = copy_record(j, u, places[i], i + 1 == n, i == 0);
    free(places);
    if (!fine)
        return false;
    m->flags += (uint32_t)u->count * ENTRY_PENDING;
    if (whole)
        m->flags |= ENTRY_COPIED;
    copies_end(j, u);
    return true;
}

static bool copy_tombstone(struct journal *j, const struct index_entry *e)
{
    struct unit *u = copies_begin(j);

    if (u == NULL
        || !copy_record(j, u, (struct journal_place){ j->cleaner.number, e->offset }, false, true))
        return false;
    copies_end(j, u);
    return true;
}

/* --- the cleaner --------------------------------------------------------- */

static void cleaner_stop(struct journal *j)
{
    struct cleaner *c = &j->cleaner;

    c->number = 0;
    c->loaded = c->copying = c->clean = false;
    buf_clear(&c->image);
    buf_shrink(&c->image, 0);
}

static void cleaner_give_up(struct journal *j)
{
    struct segment *s = journal_segment(j, j->cleaner.number);

    if (s != NULL)
        s->tried = j->reclaims + 1;
    cleaner_stop(j);
}

/* need - is the record needed, and by which living message? -errno: unreadable */

static int need(struct journal *j, const struct index_entry *e, struct journal_entry **m,
                bool *whole, int *budget)
{
    *m = NULL;
    *whole = false;
    if (e->type == RECORD_REMOVED || e->type == RECORD_CUT)
        return j->cleaner.passes < 2 && spoken_of(j, e);
    *m = e->type == RECORD_VOID ? NULL : living(j, e->id);
    if (*m == NULL)
        return 0;
    *whole = (*m)->message.segment == j->cleaner.number;
    if (e->type == RECORD_MESSAGE)
        return place_is((*m)->message, j->cleaner.number, e->offset);
    return *whole ? 0 : chain_through(j, *m, e->offset, budget);
}

static bool clean_entry(struct journal *j, const struct index_entry *e, int *budget)
{
    struct cleaner *c = &j->cleaner;
    struct journal_entry *m;
    bool whole;
    int needed = need(j, e, &m, &whole, budget);

    if (needed < 0)
        return false;
    if (needed == 0)
        return true;
    c->again = true;
    c->needed += e->length;
    if (!c->copying || (m != NULL && m->flags >= ENTRY_PENDING))
        return true;
    return m != NULL ? copy_message(j, m, whole) : copy_tombstone(j, e);
}

/* pass_end - all records were looked at: retire, copy, wait or give up */

static void pass_end(struct journal *j)
{
    struct cleaner *c = &j->cleaner;
    const struct segment *s = journal_segment(j, c->number);

    if (!c->again && s->live == 0 && c->pending == 0) {
        c->clean = true;
        return;
    }
    if (c->needed * 2 > s->end || ++c->passes > PASSES_MAX) {
        cleaner_give_up(j);
        return;
    }
    if (c->passes == 1)
        c->failures = j->stats.sync_failures;
    c->copying = true;
    c->again = false;
    c->needed = 0;
    c->at = index_entries(&c->image);
}

/* clean_step - look at some records. False: nothing to do now. */

static bool clean_step(struct journal *j)
{
    struct cleaner *c = &j->cleaner;
    size_t before = j->waiting.bytes.n;
    struct index_entry e;
    int budget = STEP_READS;

    if (!c->loaded || c->clean || c->pending > 0)
        return false;
    if (c->passes > 0 && c->failures != j->stats.sync_failures) {
        cleaner_stop(j);        /* some copies may be lost: begin again */
        return true;
    }
    while (index_next(&c->at, &e)) {
        if (!clean_entry(j, &e, &budget)) {
            cleaner_give_up(j);
            return true;
        }
        if (--budget <= 0 || j->waiting.bytes.n - before > STEP_BYTES)
            return true;
    }
    pass_end(j);
    return true;
}

/* --- choosing what to do --------------------------------------------------- */

/* may_clean - not the neighbour of a damaged segment: its header tells where
 * that one ended, and without it the damage would look like a torn write */

static bool may_clean(const struct journal *j, size_t at, int64_t now)
{
    const struct segment *s = j->segments[at];
    bool kept = now < s->keep_until && at + KEEP_RECOVERED >= j->nsegments;

    if (at > 0 && j->segments[at - 1]->damaged)
        return false;
    return s->number != j->active && !s->unsure && !kept && s->tried != j->reclaims + 1
        && (s->live == 0 || s->live_bytes * 4 < j->o.segment_size);
}

/* candidate - the segment most worth cleaning. Never the newest: its number
 * tells the next one, and numbers must not be used twice. */

static struct segment *candidate(struct journal *j)
{
    struct segment *best = NULL, *s;
    int64_t now = journal_wall(j);

    for (size_t i = 0; i + 1 < j->nsegments; i++) {
        s = j->segments[i];
        if (!may_clean(j, i, now))
            continue;
        if (best == NULL || s->live_bytes < best->live_bytes)
            best = s;
    }
    return best;
}

/* unindexed - not one whose CUT is not durable yet: where it ends must not be
 * known from a cache alone */

static struct segment *unindexed(struct journal *j)
{
    for (size_t i = 0; i < j->nsegments; i++)
        if (!j->segments[i]->indexed && j->segments[i]->number != j->active
            && !(j->segments[i]->abandoned && j->ncuts > 0))
            return j->segments[i];
    return NULL;
}

/* can_spare - can one be made, when so many segments must be free on the disk? */

static bool can_spare(struct journal *j, int64_t segments)
{
    return j->active != 0 && journal_wall(j) >= j->spare_again
        && j->disk->free_bytes(j->disk->ctx) > (int64_t)j->o.segment_size * segments;
}

static bool must_spare(struct journal *j)
{
    return j->nspares < SPARES_LEAST && can_spare(j, 2);
}

/* may_spare - the next burst finds them ready, and need not share the disk with their
 * zeros. Where little is appended there is no burst to be ready for. */

static bool may_spare(struct journal *j)
{
    return j->resting && j->appended > j->o.segment_size / 4 && j->nspares < SPARES_KEPT
        && can_spare(j, SPARES_ROOM);
}

/* take_image - the index that grew with the segment, if there is one */

static bool take_image(struct chore *c, struct segment *s)
{
    if (s->image.n == 0)
        return false;
    index_end(&s->image, &s->head, s->end);
    buf_free(&c->image);
    c->image = s->image;
    s->image = (struct buf){ 0 };
    return c->image.n > 0;
}

static void chore_for(struct journal *j, enum chore_kind kind, struct segment *s)
{
    struct chore *c = &j->chore;

    c->kind = kind;
    c->under_way = true;
    c->error = 0;
    c->size = j->o.segment_size;
    c->zeros = !j->bulk;
    c->spare = kind == CHORE_SPARE || kind == CHORE_RETIRE ? j->next_spare++ : 0;
    c->number = s != NULL ? s->number : 0;
    c->end = s != NULL ? s->end : 0;
    c->damaged = s != NULL && s->damaged;
    c->made = kind == CHORE_INDEX && take_image(c, s);
    if (kind == CHORE_RETIRE)
        journal_reader_close(j);
    c->reuse = s != NULL && !s->abandoned && !s->damaged && j->nspares < SPARES_KEPT;
}

bool journal_chore_begin(struct journal *j)
{
    struct cleaner *c = &j->cleaner;
    struct segment *s;

    if (j->chore.under_way)
        return false;
    if (must_spare(j)) {
        chore_for(j, CHORE_SPARE, NULL);
    } else if (clean_step(j)) {
        chore_for(j, CHORE_NONE, NULL);
    } else if (c->clean) {
        chore_for(j, CHORE_RETIRE, journal_segment(j, c->number));
    } else if ((s = unindexed(j)) != NULL) {
        chore_for(j, CHORE_INDEX, s);
    } else if (c->number == 0 && (s = candidate(j)) != NULL) {
        c->number = s->number;
        c->passes = 0;
        chore_for(j, CHORE_LOAD, s);
    } else if (may_spare(j)) {
        chore_for(j, CHORE_SPARE, NULL);
    } else {
        return false;
    }
    return true;
}

/* --- the work, on any thread ------------------------------------------------- */

static int work_spare(struct disk *disk, struct chore *c)
{
    int handle, error;

    if (!spare_make(disk, c->spare, c->size, c->zeros, &handle, &error))
        return error;
    /* or the first commit in it would wait until all of it is written */
    error = disk->sync(disk->ctx, handle);
    disk->close(disk->ctx, handle);
    return error;
}

static int work_index(struct disk *disk, struct chore *c)
{
    struct segment_scan scan;
    int error;

    if (c->made)
        return index_write(disk, c->number, &c->image);
    error = index_make(disk, c->number, c->end, c->end, &c->image, &c->head, &scan);
    if (error == 0 && (c->head.damaged || c->head.end != c->end))
        return -EBADMSG;
    return error != 0 ? error : index_write(disk, c->number, &c->image);
}

static int work_load(struct disk *disk, struct chore *c)
{
    struct segment_scan scan;

    if (index_read(disk, c->number, &c->image, &c->head))
        return 0;
    return index_make(disk, c->number, c->end, c->end, &c->image, &c->head, &scan);
}

static bool right_size(struct disk *disk, const char *name, uint64_t size)
{
    int handle = disk->open(disk->ctx, name, DISK_READ);
    int64_t n = handle < 0 ? -1 : disk->size(disk->ctx, handle);

    if (handle >= 0)
        disk->close(disk->ctx, handle);
    return n == (int64_t)size;
}

static int work_retire(struct disk *disk, struct chore *c)
{
    char name[NAME_MAX_BYTES], other[NAME_MAX_BYTES];
    int error;

    segment_name(c->number, name);
    c->reuse = c->reuse && right_size(disk, name, c->size);
    disk->unlink(disk->ctx, index_name(c->number, other));
    if (c->damaged)
        error = quarantine_move(disk, name, name + strlen("journal/"));
    else if (c->reuse)
        error = disk->rename(disk->ctx, name, spare_name(c->spare, other));
    else
        error = disk->unlink(disk->ctx, name);
    if (error == 0 && c->damaged)
        error = disk->sync_dir(disk->ctx, "quarantine");
    return error != 0 ? error : disk->sync_dir(disk->ctx, "journal");
}

void journal_chore_work(struct journal *j)
{
    static int (*const work[])(struct disk *, struct chore *) = {
        [CHORE_SPARE] = work_spare, [CHORE_INDEX] = work_index,
        [CHORE_LOAD] = work_load, [CHORE_RETIRE] = work_retire,
    };

    assert(j->chore.under_way);
    if (j->chore.kind != CHORE_NONE)
        j->chore.error = work[j->chore.kind](j->disk, &j->chore);
}

/* --- and its end ------------------------------------------------------------- */

static void end_spare(struct journal *j, const struct chore *c)
{
    char name[NAME_MAX_BYTES];

    if (c->error == 0 && j->nspares < SPARES_KEPT) {
        j->spares[j->nspares++] = c->spare;
        return;
    }
    j->disk->unlink(j->disk->ctx, spare_name(c->spare, name));
    j->spare_again = journal_wall(j) + SPARE_PATIENCE_MS;
}

static void end_index(struct journal *j, struct chore *c)
{
    struct segment *s = journal_segment(j, c->number);
    char name[NAME_MAX_BYTES], what[80];

    s->indexed = true;      /* or at least tried; it is only a cache */
    buf_clear(&c->image);
    buf_shrink(&c->image, 0);
    if (c->error != -EBADMSG)
        return;
    s->damaged = true;
    snprintf(what, sizeof what, "segment %08x is damaged", c->number);
    journal_quarantined(j, what, segment_name(c->number, name));
}

static void end_load(struct journal *j, struct chore *c)
{
    struct buf empty = j->cleaner.image;

    if (c->error != 0) {
        cleaner_give_up(j);
        return;
    }
    j->cleaner.image = c->image;
    c->image = empty;
    j->cleaner.loaded = true;
    j->cleaner.copying = j->cleaner.again = j->cleaner.clean = false;
    j->cleaner.needed = 0;
    j->cleaner.at = index_entries(&j->cleaner.image);
}

static void end_retire(struct journal *j, const struct chore *c)
{
    struct segment *s = journal_segment(j, c->number);

    cleaner_stop(j);
    if (c->error != 0) {
        s->unsure = true;
        return;
    }
    journal_segment_drop(j, s);
    j->reclaims++;
    if (c->reuse && j->nspares < SPARES_KEPT)
        j->spares[j->nspares++] = c->spare;
}

void journal_chore_end(struct journal *j)
{
    struct chore *c = &j->chore;

    assert(c->under_way);
    c->under_way = false;
    switch (c->kind) {
    case CHORE_SPARE:  end_spare(j, c);  break;
    case CHORE_INDEX:  end_index(j, c);  break;
    case CHORE_LOAD:   end_load(j, c);   break;
    case CHORE_RETIRE: end_retire(j, c); break;
    case CHORE_NONE:   break;
    }
}

bool journal_tidy(struct journal *j)
{
    if (!journal_chore_begin(j))
        return false;
    journal_chore_work(j);
    journal_chore_end(j);
    return true;
}
