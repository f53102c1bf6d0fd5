/* watch.c - failures counted, in their own time. */
#include "links/watch.h"

bool watch_failed(struct watch *w, const struct watch_options *o, int64_t now)
{
    if (o->suppress || (w->state != WATCH_UP && now < w->next))
        return false;
    w->next = now + o->retry;
    if (w->state == WATCH_DOWN)
        return false;
    w->failures++;
    w->state = w->failures >= o->failures ? WATCH_DOWN : WATCH_GLITCH;
    return w->state == WATCH_DOWN;
}

bool watch_worked(struct watch *w)
{
    bool was_down = w->state == WATCH_DOWN;

    w->state = WATCH_UP;
    w->failures = 0;
    return was_down;
}

int64_t watch_due(const struct watch *w)
{
    return w->state == WATCH_UP ? INT64_MAX : w->next;
}

bool watch_untold(const struct watch *w)
{
    return w->told_down != (w->state == WATCH_DOWN);
}

void watch_told(struct watch *w)
{
    w->told_down = w->state == WATCH_DOWN;
}
