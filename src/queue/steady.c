/* steady.c - following small steps, doubting large ones. */
#include "queue/steady.h"

static const int64_t JUMP = 60 * 60 * 1000, CONFIRM = 10 * 60 * 1000;

static bool near(int64_t a, int64_t b)
{
    return a - b <= JUMP && b - a <= JUMP;
}

void steady_start(struct steady *s, int64_t mono, int64_t wall, int64_t last)
{
    /* long silence, or a spool from the future: perhaps the clock is wrong, or was */
    *s = (struct steady){ .mono = mono, .wall = wall, .offset = wall - mono, .seen = wall - mono,
                          .since = mono, .doubt = last != 0 && !near(last, wall) };
}

void steady_see(struct steady *s, int64_t mono, int64_t wall)
{
    int64_t seen = wall - mono;

    if (!near(seen, s->seen)) {
        s->doubt = true;
        s->since = mono;
    } else if (s->doubt && mono - s->since >= CONFIRM) {
        s->doubt = false;
    }
    if (near(seen, s->offset))
        s->offset = seen;
    s->seen = seen;
    s->mono = mono;
    s->wall = wall;
}

int64_t steady_age(const struct steady *s, int64_t arrived)
{
    int64_t by_wall = s->wall - arrived, by_steady = s->mono + s->offset - arrived;

    if (by_steady < 0)
        return by_wall > 0 ? by_wall : 0;
    if (by_wall < 0)
        return by_steady;
    return by_wall < by_steady ? by_wall : by_steady;
}

bool steady_future(const struct steady *s, int64_t arrived)
{
    return arrived > s->wall + JUMP && arrived > s->mono + s->offset + JUMP;
}

bool steady_sure(const struct steady *s)
{
    return !s->doubt;
}
