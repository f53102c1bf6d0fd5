/* past.c - writing outcome records, and reading a letter's chain of them. */
#include "queue/past.h"

void past_put(struct wire *w, const struct past_head *h)
{
    wire_put_u8(w, PAST_VERSION);
    wire_put_u8(w, h->flags);
    wire_put_u32(w, h->attempts);
    wire_put_i64(w, h->next);
    wire_put_bytes(w, h->destination);
    wire_put_bytes(w, h->host);
    wire_put_u32(w, h->noutcomes);
    wire_put_bytes(w, h->outcomes);
}

bool past_get(struct slice bytes, struct past_head *h)
{
    struct wire w = wire_reader(bytes);

    if (wire_get_u8(&w) != PAST_VERSION)
        return false;
    h->flags = wire_get_u8(&w);
    h->attempts = wire_get_u32(&w);
    h->next = wire_get_i64(&w);
    h->destination = wire_get_bytes(&w);
    h->host = wire_get_bytes(&w);
    h->noutcomes = wire_get_u32(&w);
    h->outcomes = wire_get_bytes(&w);
    return wire_done(&w);
}

struct reading {
    struct past  *past;
    struct arena *arena;
    bool          any;          /* a HELD or RELEASED was seen: only the newest counts */
};

/* note - records come newest first: what is known already stays. But a final
 * fate is final, even if an older unit had to be appended again behind it. */

static void note(struct reading *r, const struct past_head *h, const struct outcome *o,
                 int64_t wall)
{
    struct past_rcpt *rcpt;
    bool told, terminal;

    if (o->index >= r->past->n)
        return;
    rcpt = &r->past->rcpts[o->index];
    told = rcpt->told || (h->flags & PAST_TOLD);
    terminal = rcpt->terminal || slice_eq(h->destination, SLICE_LIT("terminal:"));
    rcpt->told = told;
    rcpt->terminal = terminal;
    if (h->flags & PAST_TOLD)
        return;
    if (rcpt->known && (rcpt->fate != FATE_LATER || o->fate == FATE_LATER))
        return;
    *rcpt = (struct past_rcpt){
        .known = true, .told = told, .terminal = terminal, .fate = o->fate, .how = o->how,
        .code = o->code, .attempts = h->attempts,
        .next = h->next, .wall = wall, .status = arena_copy(r->arena, o->status),
        .text = arena_copy(r->arena, o->text), .host = arena_copy(r->arena, h->host),
    };
}

static bool each(void *user, enum record_type type, int64_t wall, struct slice head)
{
    struct reading *r = user;
    struct past_head h;
    struct outcome o;
    struct wire w;

    if (type == RECORD_RELEASED || type == RECORD_HELD) {
        if (!r->any)
            r->past->released = type == RECORD_RELEASED;
        r->any = true;
    }
    if (type != RECORD_OUTCOME || !past_get(head, &h))
        return true;
    r->past->warned |= (h.flags & PAST_WARNED) != 0;
    r->past->warned_by |= (h.flags & PAST_BY) != 0;
    w = wire_reader(h.outcomes);
    while (outcome_next(&w, &o))
        note(r, &h, &o, wall);
    return !r->arena->spent;
}

bool past_read(struct queue *q, struct letter *m, size_t n, struct arena *arena, struct past *p)
{
    struct reading r = { .past = p, .arena = arena };
    struct why why = { 0 };

    *p = (struct past){ .rcpts = arena_array(arena, n, sizeof *p->rcpts), .n = n };
    if (p->rcpts == NULL)
        return false;
    if (m->entry.outcome.segment == 0)
        return true;
    if (!journal_history(q->journal, &m->entry, each, &r, &why)) {
        queue_trouble("read outcomes", m->entry.id, &why);
        return false;
    }
    return !arena->spent;
}
