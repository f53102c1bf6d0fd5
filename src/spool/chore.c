/* chore.c - spares, index files, and the way of a segment back to a spare.
 *
 * One chore at a time, beside the flushes: a spare is made, an index file written, the
 * index of a segment loaded for the cleaner, or a segment that the cleaner found clean
 * retired. Beginning and end run where the journal does, the work between them on any
 * thread. A retired segment's name must be gone for good before anything that speaks
 * of it may go, so retiring ends with a sync.
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include "spool/inside.h"

enum { SPARE_PATIENCE_MS = 1000 };

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

/* --- choosing what to do --------------------------------------------------- */

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
    return j->nspares < SPARES_LEAST && can_spare(j, DISK_RESERVE);
}

/* may_spare - the next burst finds them ready, and need not share the disk with their
 * zeros. Where little is appended there is no burst to be ready for. */

static bool may_spare(struct journal *j)
{
    return j->resting && j->appended > j->o.segment_size / SPARES_WORTH && j->nspares < SPARES_KEPT
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
    struct segment *s;

    if (j->chore.under_way)
        return false;
    if (must_spare(j)) {
        chore_for(j, CHORE_SPARE, NULL);
    } else if (cleaner_step(j)) {
        chore_for(j, CHORE_NONE, NULL);
    } else if (j->cleaner.clean) {
        chore_for(j, CHORE_RETIRE, journal_segment(j, j->cleaner.number));
    } else if ((s = unindexed(j)) != NULL) {
        chore_for(j, CHORE_INDEX, s);
    } else if ((s = cleaner_choose(j)) != NULL) {
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
    if (c->error != 0)
        cleaner_give_up(j);
    else
        cleaner_begin(j, &c->image);
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
