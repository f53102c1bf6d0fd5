/* verdict.c - the end of a flush: what is durable now, and what never will be.
 *
 * All that was decided here is in the entries and the segments before the
 * owner hears of it, because its answer may append again.
 */
#include <assert.h>
#include <stdio.h>
#include "spool/inside.h"

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
        j->told = u->count == 1 ? slice_of(b->bytes.p + u->at, u->bytes) : (struct slice){ 0 };
        if (u->error != 0)
            snprintf(own.text, sizeof own.text, "append: %s", strerror(u->error));
        if (done && u->error == 0)
            j->o.done(j->o.owner, u->user, FATE_DONE, &(struct why){ .fate = FATE_DONE });
        else
            j->o.done(j->o.owner, u->user, FATE_LATER, u->error != 0 ? &own : why);
    }
    j->told = (struct slice){ 0 };
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
    if (f->fresh) {
        s->image = BUF(j->o.segment_size * 2);
        index_begin(&s->image, &s->head, s->number);
    }
    index_note(&s->image, &s->head, buf_view(&f->batch.bytes), f->start);
    if (s->image.full) {
        buf_free(&s->image);    /* no memory: it will be made from the file */
        s->image.max = 0;
    }
    s->end = f->start + (uint32_t)f->batch.bytes.n;
    s->flushes++;
    j->appended += f->batch.bytes.n;
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
    f->batch = (struct batch){ .bytes = BUF_PAGED(WAITING_MAX) };
    f->under_way = false;
    batch_answer(j, &b, done, &why);
    batch_clear(&b);
    if (f->under_way)
        batch_free(&b);
    else
        f->batch = b;
}
