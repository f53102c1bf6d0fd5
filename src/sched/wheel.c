/* wheel.c - slots, and members falling from coarse ones into finer ones. */
#include "sched/wheel.h"

static const uint32_t mask = WHEEL_SLOTS - 1;

void wheel_init(struct wheel *w, wheel_due_f *due)
{
    for (size_t level = 0; level < WHEEL_LEVELS; level++)
        for (size_t i = 0; i < WHEEL_SLOTS; i++)
            list_init(&w->slots[level][i]);
    w->tick = 0;
    w->n = 0;
    w->due = due;
}

static struct list *slot_for(struct wheel *w, uint32_t due)
{
    const uint32_t reach = (uint32_t)1 << (WHEEL_BITS * WHEEL_LEVELS);
    uint32_t away = due - w->tick;
    unsigned level = 0;

    if (away >= reach) {
        due = w->tick + reach - 1;
        away = reach - 1;
    }
    while (away >> (WHEEL_BITS * (level + 1)) != 0)
        level++;
    return &w->slots[level][(due >> (WHEEL_BITS * level)) & mask];
}

void wheel_insert(struct wheel *w, struct list *link)
{
    list_push(slot_for(w, w->due(link)), link);
    w->n++;
}

void wheel_remove(struct wheel *w, struct list *link)
{
    list_remove(link);
    w->n--;
}

/* fall - spread a coarse slot over the finer ones, now that it is near */

static void fall(struct wheel *w, unsigned level)
{
    struct list *slot = &w->slots[level][(w->tick >> (WHEEL_BITS * level)) & mask];
    struct list whole, *link;

    list_init(&whole);
    while ((link = list_pop(slot)) != NULL)
        list_push(&whole, link);
    while ((link = list_pop(&whole)) != NULL)
        list_push(slot_for(w, w->due(link)), link);
}

static void step(struct wheel *w, wheel_fire_f *fire, void *user)
{
    struct list *slot, *link;

    w->tick++;
    for (unsigned level = WHEEL_LEVELS - 1; level > 0; level--)
        if ((w->tick & (((uint32_t)1 << (WHEEL_BITS * level)) - 1)) == 0)
            fall(w, level);
    slot = &w->slots[0][w->tick & mask];
    while ((link = list_pop(slot)) != NULL) {
        w->n--;
        fire(user, link);
    }
}

void wheel_advance(struct wheel *w, uint32_t tick, wheel_fire_f *fire, void *user)
{
    while (w->tick < tick) {
        if (w->n == 0)
            w->tick = tick;
        else
            step(w, fire, user);
    }
}

/* next_in - when the first filled slot of a level is reached */

static uint32_t next_in(const struct wheel *w, unsigned level)
{
    uint32_t here = w->tick >> (WHEEL_BITS * level);

    for (uint32_t i = 1; i <= WHEEL_SLOTS; i++)
        if (!list_empty(&w->slots[level][(here + i) & mask]))
            return (here + i) << (WHEEL_BITS * level);
    return UINT32_MAX;
}

uint32_t wheel_next(const struct wheel *w)
{
    uint32_t first = UINT32_MAX, next;

    if (w->n == 0)
        return first;
    for (unsigned level = 0; level < WHEEL_LEVELS; level++) {
        next = next_in(w, level);
        if (next < first)
            first = next;
    }
    return first;
}
