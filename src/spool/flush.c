/* flush.c - a batch on its way into one segment: where it goes, and the writing.
 *
 * journal_flush_begin takes as many of the waiting units as fit. When that
 * needs a fresh segment, journal_flush_work writes it under the name of a spare;
 * it gets its number when it is whole and durable.
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include "spool/inside.h"

/* --- beginning a flush ----------------------------------------------------- */

/* prefix - how many units, from the first, fit into so many bytes */

static size_t prefix(const struct batch *b, uint64_t room)
{
    size_t n = 0;

    while (n < b->nunits && (uint64_t)b->units[n].at + b->units[n].bytes <= room)
        n++;
    return n;
}

/* item_place - where the record will be, and what it links to. The entry's
 * chain grows at once, so that the next record of the flush can link to this
 * one; a flush that fails takes it back. */

static void item_place(struct journal *j, struct item *item)
{
    struct flush *f = &j->flush;
    struct journal_entry *e = item_entry(j, item);
    char *record = f->batch.bytes.p + item->at;

    item->place = (struct journal_place){ f->number, f->start + item->at };
    if (e == NULL)
        return;
    if (record_in_chain(item->type)) {
        item->before = e->outcome;
        record_set_word(record, item->chain_start ? 0 : place_word(e->outcome));
        e->outcome = item->place;
    } else if (item->type == RECORD_REMOVED) {
        record_set_word(record, place_word(e->message));
        if (e->flags & ENTRY_COPIED)
            record_set_copied(record);
    }
}

/* take - the first n waiting units become the flying ones */

static bool take(struct journal *j, size_t n)
{
    struct batch *rest = &j->flush.batch, all = j->waiting;

    if (n < all.nunits) {
        if (!batch_move(rest, &all, n, all.nunits)) {
            batch_free(rest);
            return false;
        }
        all.bytes.n = all.units[n].at;
        all.nitems = all.units[n].first;
        all.nunits = n;
    }
    j->waiting = *rest;
    j->flush.batch = all;
    return true;
}

static bool has_message(const struct batch *b, const struct unit *u)
{
    for (size_t i = 0; i < u->count; i++)
        if (b->items[u->first + i].type == RECORD_MESSAGE)
            return true;
    return false;
}

/* refuse_mail - keep the last spare of a full disk for outcomes and removals:
 * they make room again, new mail does not. False: nothing else is left. */

static bool refuse_mail(struct batch *b)
{
    bool left = false;

    for (size_t i = 0; i < b->nunits; i++) {
        if (!b->units[i].own && b->units[i].error == 0 && has_message(b, &b->units[i]))
            b->units[i].error = ENOSPC;
        left |= b->units[i].error == 0;
    }
    return left;
}

static bool disk_full(const struct journal *j)
{
    return j->disk->free_bytes(j->disk->ctx) < (int64_t)j->o.segment_size * DISK_RESERVE;
}

/* bulk_note - a segment is left. When few flushes filled it, zeros in the next ones would
 * cost more than what they spare: a change of metadata for each flush. */

static void bulk_note(struct journal *j, const struct segment *last)
{
    if (last != NULL && last->flushes > 0 && last->end > j->o.segment_size / 2)
        j->bulk = last->flushes < BULK_FLUSHES;
}

static void begin_fresh(struct journal *j)
{
    const struct segment *last = j->nsegments > 0 ? j->segments[j->nsegments - 1] : NULL;
    struct flush *f = &j->flush;

    f->number = j->next_number;
    f->start = f->synced = SEGMENT_START;
    f->handle = -1;
    f->previous = (struct journal_place){ last != NULL ? last->number : 0,
                                          last != NULL ? last->end : 0 };
    if (j->nspares <= 1 && disk_full(j) && !refuse_mail(&f->batch)) {
        for (size_t i = 0; i < f->batch.nunits; i++)
            f->batch.units[i].bytes = 0;
        f->batch.bytes.n = 0;
        return;
    }
    bulk_note(j, last);
    f->fresh = true;
    j->next_number++;
    f->make = j->nspares == 0;
    f->zeros = !j->bulk;
    f->spare = f->make ? j->next_spare++ : j->spares[--j->nspares];
}

bool journal_flush_begin(struct journal *j)
{
    struct segment *s = journal_segment(j, j->active);
    struct flush *f = &j->flush;
    uint64_t size = j->o.segment_size;
    size_t n = 0;

    if (f->under_way || (j->ncuts > 0 && !cuts_take(j)) || j->waiting.nunits == 0)
        return false;
    f->fresh = f->named = f->make = f->done = false;
    f->why = (struct why){ 0 };
    f->size = size;
    if (s != NULL && sector_up(s->end) < size)
        n = prefix(&j->waiting, size - sector_up(s->end));
    if (!take(j, n > 0 ? n : prefix(&j->waiting, size - SEGMENT_START)))
        return false;
    if (n > 0) {
        f->number = s->number;
        f->start = sector_up(s->end);
        f->synced = s->end;
        f->handle = j->handle;
    } else if (f->batch.bytes.n > 0) {
        begin_fresh(j);
    }
    for (size_t i = 0; i < f->batch.nunits; i++)
        for (size_t k = 0; k < f->batch.units[i].count && f->batch.units[i].error == 0; k++)
            item_place(j, &f->batch.items[f->batch.units[i].first + k]);
    f->under_way = true;
    j->resting = false;
    return true;
}

enum { OPEN_MAX = 32 };     /* lent files open at once */

/* --- the work, on any thread ----------------------------------------------- */

static bool fail(struct flush *f, int error, const char *doing)
{
    char name[32];

    errno = -error;
    snprintf(name, sizeof name, "segment %08x", f->number);
    return why_errno(&f->why, doing, name);
}

/* large_of - the item of a unit whose body is in a lent file, or NULL */

static struct item *large_of(const struct batch *b, const struct unit *u)
{
    return u->error == 0 && u->count == 1 && b->items[u->first].large != 0
           ? &b->items[u->first] : NULL;
}

/* keep_some - the lent files of the units from `first` on, as many as may be open at
 * once; where it stopped */

static size_t keep_some(struct disk *disk, struct batch *b, size_t first, bool *moved)
{
    struct item *item;
    size_t end, n = 0;

    for (end = first; end < b->nunits && n < OPEN_MAX; end++)
        if ((item = large_of(b, &b->units[end])) != NULL) {
            b->units[end].error = -lent_open(disk, item);
            n++;
        }
    for (size_t i = first; i < end && n > 0; i++)
        if ((item = large_of(b, &b->units[i])) != NULL) {
            b->units[i].error = -lent_keep(disk, item);
            *moved |= b->units[i].error == 0;
        }
    return end;
}

/* keep_large - lent files become large/ID before the records that name them */

static void keep_large(struct disk *disk, struct batch *b)
{
    bool moved = false;
    int error;

    for (size_t at = 0; at < b->nunits; )
        at = keep_some(disk, b, at, &moved);
    error = moved ? disk->sync_dir(disk->ctx, "large") : 0;
    for (size_t i = 0; i < b->nunits && error != 0; i++)
        if (large_of(b, &b->units[i]) != NULL)
            b->units[i].error = -error;
}

static void seal_records(struct flush *f)
{
    struct batch *b = &f->batch;

    for (size_t i = 0; i < b->nunits; i++) {
        const struct unit *u = &b->units[i];

        if (u->error != 0 && u->bytes > 0) {
            record_void(b->bytes.p + u->at, u->bytes);
            record_seal(b->bytes.p + u->at, f->number, f->synced);
        }
        for (size_t k = 0; k < u->count && u->error == 0; k++)
            record_seal(b->bytes.p + b->items[u->first + k].at, f->number, f->synced);
    }
}

static bool write_at(struct disk *disk, struct flush *f, struct slice s, uint64_t at)
{
    int error = disk_write_all(disk, f->handle, s, at);

    return error == 0 || fail(f, error, "write");
}

static bool open_fresh(struct disk *disk, struct flush *f)
{
    _Alignas(BUF_PAGE) char sector[SECTOR];
    char name[NAME_MAX_BYTES];
    int error = 0;

    if (f->make) {
        if (!spare_make(disk, f->spare, f->size, f->zeros, &f->handle, &error))
            return fail(f, error, "make");
    } else {
        f->handle = disk->open(disk->ctx, spare_name(f->spare, name),
                                DISK_WRITE | DISK_DIRECT);
        if (f->handle < 0)
            return fail(f, f->handle, "open");
    }
    segment_header(sector, f->number, f->previous);
    return write_at(disk, f, slice_of(sector, SECTOR), 0);
}

/* name_fresh - only now, whole and durable, does it get its number */

static bool name_fresh(struct disk *disk, struct flush *f)
{
    char from[NAME_MAX_BYTES], to[NAME_MAX_BYTES];
    int error;

    f->named = true;
    error = disk->rename(disk->ctx, spare_name(f->spare, from), segment_name(f->number, to));
    if (error != 0)
        return fail(f, error, "name");
    error = disk->sync_dir(disk->ctx, "journal");
    return error == 0 || fail(f, error, "sync the name of");
}

/* whole_sectors - the bytes, and zeros up to the end of the last sector: the next
 * flush begins behind it */

static struct slice whole_sectors(struct buf *b)
{
    size_t more = sector_up((uint32_t)b->n) - b->n;

    if (more > 0 && buf_room(b, more) != NULL)
        memset(b->p + b->start + b->n, 0, more);
    else
        more = 0;
    return slice_of(b->p + b->start, b->n + more);
}

static bool flush_write(struct disk *disk, struct flush *f)
{
    int error;

    keep_large(disk, &f->batch);
    seal_records(f);
    if (f->batch.bytes.n == 0)
        return true;
    if (f->fresh && !open_fresh(disk, f))
        return false;
    if (!write_at(disk, f, whole_sectors(&f->batch.bytes), f->start))
        return false;
    error = disk->sync(disk->ctx, f->handle);
    if (error != 0)
        return fail(f, error, "sync");
    return !f->fresh || name_fresh(disk, f);
}

void journal_flush_work(struct journal *j)
{
    assert(j->flush.under_way);
    j->flush.done = flush_write(j->disk, &j->flush);
}
