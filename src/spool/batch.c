/* batch.c - units on their way to the disk, and the records that they consist of.
 *
 * A batch is what was appended since the last flush was begun, or what this
 * flush writes. A unit is in it as a whole or not at all.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include "spool/inside.h"

struct journal_entry *item_entry(struct journal *j, const struct item *item)
{
    if (item->entry != NULL || item->type == RECORD_CUT || item->type == RECORD_REMOVED)
        return item->entry;
    return j->o.entry != NULL ? j->o.entry(j->o.owner, item->id) : NULL;
}

void batch_clear(struct batch *b)
{
    size_t keep = b->bytes.n > WAITING_KEEP / 4 ? WAITING_MAX : WAITING_KEEP;

    buf_clear(&b->bytes);
    buf_shrink(&b->bytes, keep);
    b->nitems = b->nunits = 0;
}

void batch_free(struct batch *b)
{
    buf_free(&b->bytes);
    free(b->items);
    free(b->units);
    *b = (struct batch){ .bytes = BUF_PAGED(WAITING_MAX) };
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

bool batch_move(struct batch *to, struct batch *from, size_t first, size_t end)
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
