/* verdicts.c - reading what stands in a RESULT. */
#include "queue/outcome.h"
#include "queue/verdicts.h"

static const struct slice no_answer = SLICE_INIT("the delivery process gave no answer");

static struct verdict *verdict_of(const struct verdicts *all, uint32_t index)
{
    for (uint32_t i = 0; i < all->n; i++)
        if (all->v[i].outcome.index == index)
            return &all->v[i];
    return NULL;
}

static bool outcome_legal(const struct outcome *o)
{
    return o->fate <= FATE_NEVER && o->how < DELIVERY_KINDS && o->code < 1000
        && o->status.n <= OUTCOME_STATUS_MAX && o->text.n <= OUTCOME_TEXT_MAX;
}

bool verdicts_begin(struct verdicts *all, const struct lease *l, struct arena *arena)
{
    struct wire w = wire_reader(l->rcpts);
    struct lease_rcpt r;
    struct verdict *v;

    *all = (struct verdicts){ .v = arena_array(arena, l->nrcpts, sizeof *all->v) };
    if (all->v == NULL)
        return false;
    while (all->n < l->nrcpts) {
        v = &all->v[all->n];
        if (!lease_next(&w, &r))
            return false;
        *v = (struct verdict){
            .outcome = { .index = r.index, .fate = FATE_LATER, .status = SLICE_LIT("4.3.0"),
                         .text = no_answer },
            .address = r.address, .original = r.original, .extra = r.extra };
        all->n++;
    }
    return true;
}

bool verdicts_read(struct verdicts *all, const struct msg_result *m)
{
    struct wire w = wire_reader(m->outcomes);
    struct verdict *v;
    struct outcome o;
    uint32_t n = 0;

    while (outcome_next(&w, &o)) {
        v = verdict_of(all, o.index);
        if (v == NULL || v->said || !outcome_legal(&o))
            return false;
        v->outcome = o;
        v->said = true;
        n++;
    }
    return wire_done(&w) && n == m->noutcomes;
}
