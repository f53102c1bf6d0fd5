/* journal.c - collecting units, and the moment they become durable.
 *
 *     waiting   journal_append adds units here
 *     flying    journal_flush_begin takes as many as fit into one segment
 *     durable   journal_flush_end fills in places and says done
 *
 * A segment whose write or sync failed is abandoned where its last good flush
 * ended. The next flush goes to a fresh segment and begins with a CUT, which
 * tells recovery that the abandoned one ends there, whatever it holds: what
 * was answered "later" does not come back.
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include "base/clock.h"
#include "base/id.h"
#include "spool/inside.h"

#define SEGMENT_SIZE ((uint64_t)64 << 20)

int64_t journal_wall(struct journal *j)
{
    return j->o.wall != NULL ? j->o.wall(j->o.owner) : clock_wall();
}

void journal_quarantined(struct journal *j, const char *what, const char *where)
{
    j->stats.quarantined++;
    if (j->o.quarantined != NULL)
        j->o.quarantined(j->o.owner, what, where);
}

/* --- segments ------------------------------------------------------------ */

/* segment_at - the place in the table of the first with this number or above */

static size_t segment_at(const struct journal *j, uint32_t number)
{
    size_t low = 0, high = j->nsegments, mid;

    while (low < high) {
        mid = low + (high - low) / 2;
        if (j->segments[mid]->number < number)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

struct segment *journal_segment(const struct journal *j, uint32_t number)
{
    size_t i = segment_at(j, number);

    return i < j->nsegments && j->segments[i]->number == number ? j->segments[i] : NULL;
}

/* grown - room for one more element; NULL and nothing changed without memory */

static void *grown(void *array, size_t n, size_t *cap, size_t size)
{
    size_t more = *cap > 0 ? *cap * 2 : 16;
    void *p;

    if (n < *cap)
        return array;
    p = reallocarray(array, more, size);
    if (p != NULL)
        *cap = more;
    return p;
}

struct segment *journal_segment_add(struct journal *j, uint32_t number)
{
    struct segment **table = grown(j->segments, j->nsegments, &j->segment_cap, sizeof *table);
    struct segment *s = calloc(1, sizeof *s);
    size_t i;

    if (table != NULL)
        j->segments = table;
    if (table == NULL || s == NULL) {
        free(s);
        return NULL;
    }
    s->number = number;
    s->end = SEGMENT_START;
    i = segment_at(j, number);
    memmove(&table[i + 1], &table[i], (j->nsegments - i) * sizeof *table);
    table[i] = s;
    j->nsegments++;
    return s;
}

void journal_segment_drop(struct journal *j, struct segment *s)
{
    size_t i = segment_at(j, s->number);

    j->nsegments--;
    memmove(&j->segments[i], &j->segments[i + 1], (j->nsegments - i) * sizeof *j->segments);
    free(s);
}

/* --- batches ------------------------------------------------------------- */

static void batch_clear(struct batch *b)
{
    buf_clear(&b->bytes);
    buf_shrink(&b->bytes, 1 << 20);
    b->nitems = b->nunits = 0;
}

static void batch_free(struct batch *b)
{
    buf_free(&b->bytes);
    free(b->items);
    free(b->units);
    *b = (struct batch){ .bytes = BUF(WAITING_MAX) };
}

struct unit *unit_begin(struct journal *j, struct batch *b, void *user)
{
    struct unit *units = grown(b->units, b->nunits, &b->unit_cap, sizeof *units);

    (void)j;
    if (units == NULL)
        return NULL;
    b->units = units;
    b->units[b->nunits] = (struct unit){
        .user = user, .at = (uint32_t)b->bytes.n, .first = b->nitems,
    };
    return &b->units[b->nunits];
}

/* unit_undo - as if unit_begin had not been called */

static bool unit_undo(struct batch *b, struct unit *u)
{
    b->bytes.n = u->at;
    b->bytes.full = false;
    b->nitems = u->first;
    return false;
}

bool unit_add(struct batch *b, struct unit *u, struct item item, const struct record_view *r,
              const struct record_message *m)
{
    struct item *items = grown(b->items, b->nitems, &b->item_cap, sizeof *items);

    if (items != NULL)
        b->items = items;
    item.at = (uint32_t)b->bytes.n;
    item.type = r->type;
    item.id = r->id;
    if (items == NULL
        || !(m != NULL ? record_put_message(&b->bytes, r, m) : record_put(&b->bytes, r)))
        return unit_undo(b, u);
    item.length = (uint32_t)(RECORD_HEADER + (m != NULL ? 16 + m->envelope.n + m->body.n
                                                        : r->payload.n));
    b->items[b->nitems++] = item;
    u->count++;
    return true;
}

/* unit_refuse - nothing of it is written; its owner will hear why */

static void unit_refuse(struct batch *b, struct unit *u, int error)
{
    b->bytes.n = u->at;
    u->bytes = 0;
    u->error = error;
}

bool unit_end(struct journal *j, struct batch *b, struct unit *u)
{
    u->bytes = (uint32_t)(b->bytes.n - u->at);
    if (u->bytes > j->o.segment_size - SEGMENT_START || u->count > UINT16_MAX)
        unit_refuse(b, u, EFBIG);
    b->nunits++;
    return true;
}

static uint64_t word_of(const struct record *r)
{
    return r->type == RECORD_MESSAGE ? r->nonce : 0;
}

static bool append_record(struct journal *j, struct unit *u, const struct record *r,
                          size_t part, bool last)
{
    struct record_message m = { r->head, r->body, r->length, r->crc };
    struct record_view v = {
        .type = (uint8_t)r->type, .part = (uint16_t)part, .id = r->entry->id,
        .flags = (uint8_t)((last ? RECORD_LAST : 0) | (r->large != 0 ? RECORD_BIG : 0)),
        .wall_ms = journal_wall(j), .word = word_of(r), .payload = r->head,
    };
    struct item item = { .entry = r->entry, .large = r->large, .large_length = r->length,
                         .large_crc = r->crc };

    return unit_add(&j->waiting, u, item, &v, r->type == RECORD_MESSAGE ? &m : NULL);
}

bool journal_append(struct journal *j, const struct record *records, size_t n, void *user)
{
    struct unit *u = unit_begin(j, &j->waiting, user);

    assert(n > 0);
    if (u == NULL)
        return false;
    for (size_t i = 0; i < n; i++) {
        assert(records[i].type >= RECORD_MESSAGE && records[i].type <= RECORD_RELEASED);
        assert(records[i].large == 0 || n == 1);
        if (!append_record(j, u, &records[i], i, i + 1 == n))
            return false;
    }
    for (size_t i = 0; i < n; i++)
        records[i].entry->flags += ENTRY_PENDING;
    return unit_end(j, &j->waiting, u);
}

/* batch_move - append units [from, to) of one batch to another */

static bool batch_move(struct batch *to, struct batch *from, size_t first, size_t end)
{
    const struct unit *u;
    uint32_t shift, at;

    for (size_t i = first; i < end; i++) {
        struct unit *units = grown(to->units, to->nunits, &to->unit_cap, sizeof *units);

        if (units == NULL)
            return false;
        to->units = units;
        u = &from->units[i];
        at = (uint32_t)to->bytes.n;
        shift = at - u->at;
        units[to->nunits] = *u;
        units[to->nunits].at = at;
        units[to->nunits].first = to->nitems;
        for (size_t k = 0; k < u->count; k++) {
            struct item *items = grown(to->items, to->nitems, &to->item_cap, sizeof *items);

            if (items == NULL)
                return false;
            to->items = items;
            items[to->nitems] = from->items[u->first + k];
            items[to->nitems++].at += shift;
        }
        if (!buf_put_slice(&to->bytes, slice_of(from->bytes.p + u->at, u->bytes)))
            return false;
        to->nunits++;
    }
    return true;
}

/* --- beginning a flush ----------------------------------------------------- */

/* prefix - how many units, from the first, fit into so many bytes */

static size_t prefix(const struct batch *b, uint64_t room)
{
    size_t n = 0;

    while (n < b->nunits && (uint64_t)b->units[n].at + b->units[n].bytes <= room)
        n++;
    return n;
}

static struct journal_entry *item_entry(struct journal *j, const struct item *item)
{
    if (item->entry != NULL || item->type == RECORD_CUT || item->type == RECORD_REMOVED)
        return item->entry;
    return j->o.entry != NULL ? j->o.entry(j->o.owner, item->id) : NULL;
}

/* item_place - where the record will be, and what it links to. The entry's
 * chain grows at once, so that the next record of the flush can link to this
 * one; item_undo takes it back. */

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
    struct batch rest = { .bytes = BUF(WAITING_MAX) }, empty = j->flush.batch;

    if (n == j->waiting.nunits) {
        j->flush.batch = j->waiting;
        j->waiting = empty;
        return true;
    }
    if (!batch_move(&rest, &j->waiting, n, j->waiting.nunits)) {
        batch_free(&rest);
        return false;
    }
    j->waiting.bytes.n = j->waiting.units[n].at;
    j->waiting.nitems = j->waiting.units[n].first;
    j->waiting.nunits = n;
    j->flush.batch = j->waiting;
    j->waiting = rest;
    batch_free(&empty);
    return true;
}

/* take_cuts - a CUT for every failed flush goes before everything else */

static bool take_cuts(struct journal *j)
{
    struct batch b = { .bytes = BUF(WAITING_MAX) };
    bool fine = true;

    if (j->waiting.nunits == 0 && journal_wall(j) - j->failed_at < CUT_PATIENCE_MS)
        return false;
    for (size_t i = 0; i < j->ncuts && fine; i++) {
        struct record_view v = { .type = RECORD_CUT, .flags = RECORD_LAST,
                                 .wall_ms = journal_wall(j),
                                 .word = place_word(j->cuts[i].place) };
        struct unit *u = j->cuts[i].place.segment != 0 ? unit_begin(j, &b, NULL) : NULL;

        if (j->cuts[i].place.segment == 0)
            continue;
        fine = u != NULL && unit_add(&b, u, (struct item){ 0 }, &v, NULL) && unit_end(j, &b, u);
        if (fine)
            b.units[b.nunits - 1].own = true;
    }
    if (!fine || !batch_move(&b, &j->waiting, 0, j->waiting.nunits)) {
        batch_free(&b);
        return false;
    }
    batch_free(&j->waiting);
    j->waiting = b;
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
    return j->disk->free_bytes(j->disk->ctx) < (int64_t)j->o.segment_size * 2;
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
    f->fresh = true;
    j->next_number++;
    f->make = j->nspares == 0;
    f->spare = f->make ? j->next_spare++ : j->spares[--j->nspares];
}

bool journal_flush_begin(struct journal *j)
{
    struct segment *s = journal_segment(j, j->active);
    struct flush *f = &j->flush;
    uint64_t size = j->o.segment_size;
    size_t n = 0;

    if (f->under_way || (j->ncuts > 0 && !take_cuts(j)) || j->waiting.nunits == 0)
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
    return true;
}

/* --- the work, on any thread ----------------------------------------------- */

static bool fail(struct flush *f, int error, const char *doing)
{
    char name[32];

    errno = -error;
    snprintf(name, sizeof name, "segment %08x", f->number);
    return why_errno(&f->why, doing, name);
}

/* keep_large - lent files become large/ID before the records that name them */

static void keep_large(struct disk *disk, struct batch *b)
{
    bool moved = false;
    int error;

    for (size_t i = 0; i < b->nunits; i++) {
        struct unit *u = &b->units[i];
        const struct item *item = &b->items[u->first];

        if (u->error != 0 || u->count != 1 || item->large == 0)
            continue;
        u->error = -lent_keep(disk, item->large, item->id, item->large_length, item->large_crc);
        moved |= u->error == 0;
    }
    error = moved ? disk->sync_dir(disk->ctx, "large") : 0;
    for (size_t i = 0; i < b->nunits && error != 0; i++)
        if (b->units[i].error == 0 && b->units[i].count == 1
            && b->items[b->units[i].first].large != 0)
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
    ssize_t n;

    while (s.n > 0) {
        n = disk->write(disk->ctx, f->handle, s, at);
        if (n <= 0)
            return fail(f, n < 0 ? (int)n : -ENOSPC, "write");
        at += (uint64_t)n;
        s = slice_from(s, (size_t)n);
    }
    return true;
}

static bool open_fresh(struct disk *disk, struct flush *f)
{
    char name[NAME_MAX_BYTES], sector[SECTOR];
    int error = 0;

    if (f->make) {
        if (!spare_make(disk, f->spare, f->size, &f->handle, &error))
            return fail(f, error, "make");
    } else {
        f->handle = disk->open(disk->ctx, spare_name(f->spare, name), DISK_WRITE);
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

static bool flush_write(struct disk *disk, struct flush *f)
{
    int error;

    keep_large(disk, &f->batch);
    seal_records(f);
    if (f->batch.bytes.n == 0)
        return true;
    if (f->fresh && !open_fresh(disk, f))
        return false;
    if (!write_at(disk, f, buf_view(&f->batch.bytes), f->start))
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

/* --- the end of a flush ------------------------------------------------------ */

static void count_live(struct journal *j, const struct journal_entry *e, bool more)
{
    struct segment *s = journal_segment(j, e->message.segment);

    if (s == NULL)
        return;
    s->live = more ? s->live + 1 : s->live - 1;
    s->live_bytes = more ? s->live_bytes + e->length : s->live_bytes - e->length;
}

static void message_durable(struct journal *j, struct journal_entry *e, const struct item *item)
{
    if (item->copy) {
        count_live(j, e, false);
        j->stats.compacted++;
    }
    e->message = item->place;
    e->length = item->length;
    if (item->large != 0)
        e->flags |= JOURNAL_LARGE;
    count_live(j, e, true);
}

static void item_durable(struct journal *j, const struct item *item)
{
    struct journal_entry *e = item_entry(j, item);
    char name[NAME_MAX_BYTES];

    j->stats.records++;
    if (e == NULL)
        return;
    e->flags -= ENTRY_PENDING;
    switch (item->type) {
    case RECORD_MESSAGE:
        message_durable(j, e, item);
        break;
    case RECORD_REMOVED:
        count_live(j, e, false);
        if (e->flags & JOURNAL_LARGE)
            j->disk->unlink(j->disk->ctx, large_name(e->id, name));
        break;
    case RECORD_HELD:
        e->flags |= JOURNAL_HELD;
        break;
    case RECORD_RELEASED:
        e->flags &= ~(uint32_t)JOURNAL_HELD;
        break;
    }
    if (item->id > j->stats.last_id)
        j->stats.last_id = item->id;
}

static void item_undo(struct journal *j, const struct item *item)
{
    struct journal_entry *e = item_entry(j, item);

    if (e == NULL)
        return;
    e->flags -= ENTRY_PENDING;
    if (item->place.segment != 0 && record_in_chain(item->type))
        e->outcome = item->before;
}

static void batch_durable(struct journal *j, const struct batch *b)
{
    for (size_t i = 0; i < b->nunits; i++) {
        const struct unit *u = &b->units[i];

        j->stats.units++;
        j->cleaner.pending -= u->copies;
        for (size_t k = 0; k < u->count; k++)
            if (u->error == 0)
                item_durable(j, &b->items[u->first + k]);
            else
                item_undo(j, &b->items[u->first + k]);
    }
}

static void batch_undo(struct journal *j, const struct batch *b)
{
    for (size_t i = b->nitems; i-- > 0; )
        item_undo(j, &b->items[i]);
    for (size_t i = 0; i < b->nunits; i++)
        j->cleaner.pending -= b->units[i].copies;
}

static void batch_answer(struct journal *j, const struct batch *b, bool done,
                         const struct why *why)
{
    for (size_t i = 0; i < b->nunits; i++) {
        const struct unit *u = &b->units[i];
        struct why own = { .fate = FATE_LATER, .error = u->error };

        if (u->own)
            continue;
        if (u->error != 0)
            snprintf(own.text, sizeof own.text, "append: %s", strerror(u->error));
        if (done && u->error == 0)
            j->o.done(j->o.owner, u->user, FATE_DONE, &(struct why){ .fate = FATE_DONE });
        else
            j->o.done(j->o.owner, u->user, FATE_LATER, u->error != 0 ? &own : why);
    }
}

/* cut_add - remember what the next flush has to say first. Without memory the
 * worst is that mail comes back which its client will send again. */

static void cut_add(struct journal *j, struct journal_place place, uint64_t orphan)
{
    struct cut *cuts = grown(j->cuts, j->ncuts, &j->cut_cap, sizeof *cuts);

    if (cuts == NULL)
        return;
    j->cuts = cuts;
    j->cuts[j->ncuts++] = (struct cut){ place, orphan };
}

static void cuts_done(struct journal *j)
{
    char name[NAME_MAX_BYTES];

    for (size_t i = 0; i < j->ncuts; i++)
        if (j->cuts[i].orphan != 0)
            j->disk->unlink(j->disk->ctx, large_name(j->cuts[i].orphan, name));
    j->ncuts = 0;
}

/* flush_failed - the segment is abandoned at the end of its last good flush */

static void flush_failed(struct journal *j)
{
    struct flush *f = &j->flush;
    struct segment *s = journal_segment(j, f->number);
    char name[NAME_MAX_BYTES];

    j->stats.sync_failures++;
    j->failed_at = journal_wall(j);
    if (f->handle >= 0)
        j->disk->close(j->disk->ctx, f->handle);
    if (f->fresh)
        j->disk->unlink(j->disk->ctx, spare_name(f->spare, name));
    if (f->fresh && f->named)
        s = journal_segment_add(j, f->number);
    if (s != NULL && f->fresh && j->active != 0)
        j->disk->close(j->disk->ctx, j->handle);
    if (s != NULL)
        j->active = 0;      /* the CUT must stand in a segment above */
    if (s != NULL) {
        s->abandoned = true;
        cut_add(j, (struct journal_place){ f->number, s->end }, 0);
    }
    for (size_t i = 0; i < f->batch.nitems; i++)
        if (f->batch.items[i].large != 0)
            cut_add(j, (struct journal_place){ 0 }, f->batch.items[i].id);
}

static bool flush_durable(struct journal *j)
{
    struct flush *f = &j->flush;
    struct segment *s = journal_segment(j, f->number);

    if (f->batch.bytes.n == 0)
        return true;
    if (f->fresh) {
        s = journal_segment_add(j, f->number);
        if (s == NULL)
            return why_text(&f->why, FATE_LATER, "no memory for a segment");
        if (j->active != 0)
            j->disk->close(j->disk->ctx, j->handle);
        j->active = f->number;
        j->handle = f->handle;
    }
    s->end = f->start + (uint32_t)f->batch.bytes.n;
    cuts_done(j);       /* every flush begins with those that there are */
    return true;
}

void journal_flush_end(struct journal *j)
{
    struct flush *f = &j->flush;
    struct batch b;
    struct why why;
    bool done;

    assert(f->under_way);
    j->stats.flushes++;
    done = f->done && flush_durable(j);
    if (done) {
        batch_durable(j, &f->batch);
    } else {
        batch_undo(j, &f->batch);
        flush_failed(j);
    }
    b = f->batch;
    why = f->why;
    f->batch = (struct batch){ .bytes = BUF(WAITING_MAX) };
    f->under_way = false;
    batch_answer(j, &b, done, &why);
    batch_clear(&b);
    if (f->under_way)
        batch_free(&b);
    else
        f->batch = b;
}

/* --- reading ------------------------------------------------------------- */

int journal_read_record(struct journal *j, struct journal_place at, struct buf *to,
                        struct record_view *r)
{
    char name[NAME_MAX_BYTES];
    bool active = at.segment == j->active && j->active != 0;
    int handle = active ? j->handle
                        : j->disk->open(j->disk->ctx, segment_name(at.segment, name), DISK_READ);
    int error;

    if (handle < 0)
        return handle;
    error = segment_record(j->disk, handle, at, to, r);
    if (!active)
        j->disk->close(j->disk->ctx, handle);
    return error;
}

/* unreadable - what was durable once and is not now is kept for a person */

static bool unreadable(struct journal *j, const struct journal_entry *e, int error,
                       const struct buf *to, struct why *why)
{
    char id[ID_TEXT + 1], what[80];

    id_text(e->id, id);
    if (error == -EBADMSG) {
        snprintf(what, sizeof what, "message %s cannot be read", id);
        if (quarantine_copy(j, id, buf_view(to)))
            journal_quarantined(j, what, "quarantine");
    }
    errno = -error;
    return why_errno(why, "read message", id);
}

bool journal_read(struct journal *j, const struct journal_entry *e, struct buf *to,
                  struct slice *envelope, struct slice *body, struct why *why)
{
    struct record_view r;
    struct record_message m;
    int error = journal_read_record(j, e->message, to, &r);

    if (error == 0 && (r.type != RECORD_MESSAGE || r.id != e->id
                       || !record_message(r.payload, &m)))
        error = -EBADMSG;
    if (error != 0)
        return unreadable(j, e, error, to, why);
    *envelope = m.envelope;
    *body = m.body;
    return true;
}

/* durable_outcome - the newest record of the chain that is on the disk already */

static struct journal_place durable_outcome(const struct journal *j,
                                            const struct journal_entry *e)
{
    const struct batch *b = &j->flush.batch;

    for (size_t i = 0; i < b->nitems && j->flush.under_way; i++)
        if (b->items[i].id == e->id && record_in_chain(b->items[i].type)
            && b->items[i].place.segment != 0)
            return b->items[i].before;
    return e->outcome;
}

bool journal_history(struct journal *j, const struct journal_entry *e,
                     journal_history_f *each, void *user, struct why *why)
{
    struct journal_place at = durable_outcome(j, e), before;
    struct buf b = BUF(j->o.segment_size);
    struct record_view r;
    char id[ID_TEXT + 1];
    int error = 0;

    while (at.segment != 0) {
        error = journal_read_record(j, at, &b, &r);
        if (error == 0 && (r.id != e->id || !record_in_chain(r.type)))
            error = -EBADMSG;
        if (error != 0 || !each(user, (enum record_type)r.type, r.wall_ms, r.payload))
            break;
        before = word_place(r.word);
        if (place_word(before) >= place_word(at))
            error = -EBADMSG;       /* links only go back */
        if (error != 0)
            break;
        at = before;
    }
    buf_free(&b);
    if (error == 0)
        return true;
    errno = -error;
    return why_errno(why, "read the history of", id_text(e->id, id));
}

/* --- the whole ----------------------------------------------------------- */

/* room_in - what is left of the segment; if it is mostly dead, what will be left
 * of it when it is reclaimed, or an empty queue could count as full for ever */

static int64_t room_in(const struct segment *s, uint64_t size)
{
    uint64_t used = s->end - SEGMENT_START;

    return (int64_t)(size - (s->live_bytes * 4 < used ? s->live_bytes + SEGMENT_START : s->end));
}

int64_t journal_room(struct journal *j)
{
    const struct segment *s = journal_segment(j, j->active);
    int64_t size = (int64_t)j->o.segment_size, room = j->disk->free_bytes(j->disk->ctx);

    if (room < 0)
        room = 0;
    room += (int64_t)j->nspares * size - 2 * size;
    if (s != NULL)
        room += room_in(s, j->o.segment_size);
    return room > 0 ? room : 0;
}

void journal_stats(const struct journal *j, struct journal_stats *s)
{
    uint64_t used;

    *s = j->stats;
    s->segments = j->nsegments;
    s->spare = j->nspares;
    s->live_bytes = s->dead_bytes = 0;
    for (size_t i = 0; i < j->nsegments; i++) {
        used = j->segments[i]->end - SEGMENT_START;
        s->live_bytes += j->segments[i]->live_bytes;
        s->dead_bytes += used > j->segments[i]->live_bytes ? used - j->segments[i]->live_bytes : 0;
    }
}

static void journal_free(struct journal *j)
{
    while (j->nsegments > 0)
        journal_segment_drop(j, j->segments[j->nsegments - 1]);
    free(j->segments);
    free(j->cuts);
    batch_free(&j->waiting);
    batch_free(&j->flush.batch);
    buf_free(&j->chore.image);
    buf_free(&j->cleaner.image);
    free(j);
}

struct journal *journal_open(const struct journal_options *options, struct why *why)
{
    struct journal *j = calloc(1, sizeof *j);

    if (j == NULL) {
        errno = ENOMEM;
        why_errno(why, "open", "journal");
        return NULL;
    }
    j->o = *options;
    j->disk = options->disk;
    if (j->o.segment_size == 0)
        j->o.segment_size = SEGMENT_SIZE;
    assert(j->o.segment_size >= 4096 && j->o.segment_size <= (uint64_t)1 << 31
           && j->o.segment_size % SECTOR == 0);
    j->waiting.bytes = j->flush.batch.bytes = BUF(WAITING_MAX);
    j->chore.image = j->cleaner.image = BUF(j->o.segment_size * 2);
    j->handle = -1;
    j->next_number = 1;
    if (recover(j, why))
        return j;
    journal_free(j);
    return NULL;
}

/* journal_close - what a restart would scan gets its index now */

void journal_close(struct journal *j)
{
    const struct segment *s = journal_segment(j, j->active);
    struct segment_scan scan;

    assert(!j->flush.under_way && !j->chore.under_way);
    if (s != NULL) {
        j->disk->close(j->disk->ctx, j->handle);
        if (index_make(j->disk, s->number, s->end, s->end, &j->chore.image, &j->chore.head, &scan) == 0
            && j->chore.head.end == s->end)
            index_write(j->disk, s->number, &j->chore.image);
    }
    journal_free(j);
}
