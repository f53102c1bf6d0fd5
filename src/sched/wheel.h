/* wheel.h - jobs that wait for their time, in slots.
 *
 * A hierarchical timing wheel: 5 levels of 64 slots, one tick is 128 ms, so it
 * reaches over four years. Going in and out costs the same for ten jobs and for
 * ten million, and a job needs no more than its link and its tick.
 */
#pragma once
#include "base/list.h"
#include <stdint.h>

enum { WHEEL_LEVELS = 5, WHEEL_BITS = 6, WHEEL_SLOTS = 1 << WHEEL_BITS, WHEEL_TICK = 128 };

/* a member is found from its link; its tick is read by the owner's function */
typedef uint32_t wheel_due_f(struct list *link);
typedef void wheel_fire_f(void *user, struct list *link);

struct wheel {
    struct list  slots[WHEEL_LEVELS][WHEEL_SLOTS];
    uint32_t     tick;      /* everything up to here has fired */
    uint64_t     n;         /* members */
    wheel_due_f *due;
};

void wheel_init(struct wheel *w, wheel_due_f *due);

/* wheel_insert - a member due after w->tick; later than the wheel reaches: at its end */
void wheel_insert(struct wheel *w, struct list *link);
void wheel_remove(struct wheel *w, struct list *link);

/* wheel_advance - fire what is due up to and including `tick`; fire() may insert */
void wheel_advance(struct wheel *w, uint32_t tick, wheel_fire_f *fire, void *user);

/* wheel_next - a tick not after the first that fires; UINT32_MAX: nothing waits */
uint32_t wheel_next(const struct wheel *w);
