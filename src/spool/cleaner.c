/* cleaner.c - copying forward what is needed of a segment, until nothing in it is.
 *
 *     record                    is needed while
 *     MESSAGE                   its message lives, and this is its newest copy
 *     OUTCOME, HELD, RELEASED   its message lives, and its chain comes through here
 *     REMOVED, CUT              the segment that it speaks of exists
 *
 * The cleaner looks at every record of one segment (by its index), appends a
 * copy of what is needed, and looks again when the copies are durable; when it
 * finds nothing, the segment may be retired.
 */
#include <errno.h>
#include <stdlib.h>
#include "spool/inside.h"

enum {
    STEP_READS = 256,           /* records looked at or read in one step */
    STEP_BYTES = 256 << 10,     /* copied in one step */
    PASSES_MAX = 8,
    CHAIN_MAX = 4096,
};

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

/* --- looking through one segment ------------------------------------------ */

void cleaner_begin(struct journal *j, struct buf *image)
{
    struct cleaner *c = &j->cleaner;
    struct buf empty = c->image;

    c->image = *image;
    *image = empty;
    c->loaded = true;
    c->copying = c->again = c->clean = false;
    c->needed = 0;
    c->at = index_entries(&c->image);
}

void cleaner_stop(struct journal *j)
{
    struct cleaner *c = &j->cleaner;

    c->number = 0;
    c->loaded = c->copying = c->clean = false;
    buf_clear(&c->image);
    buf_shrink(&c->image, 0);
}

void cleaner_give_up(struct journal *j)
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

bool cleaner_step(struct journal *j)
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

/* --- choosing what to clean -------------------------------------------------- */

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

struct segment *cleaner_choose(struct journal *j)
{
    struct segment *s = j->cleaner.number == 0 ? candidate(j) : NULL;

    if (s != NULL) {
        j->cleaner.number = s->number;
        j->cleaner.passes = 0;
    }
    return s;
}
