/* clock.h - what time it is.
 *
 * Programs read the clock here, once per turn of their loop, and hand `now`
 * down; nothing that decides anything reads it itself. Wall time is for stamps
 * and expiry, monotonic time for timeouts and retry spacing.
 */
#pragma once
#include <stdint.h>
#include <time.h>

static inline int64_t clock_ms(clockid_t which)
{
    struct timespec t;

    clock_gettime(which, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* clock_wall - milliseconds since 1970 */
static inline int64_t clock_wall(void)
{
    return clock_ms(CLOCK_REALTIME);
}

/* clock_mono - milliseconds since some moment; never goes back */
static inline int64_t clock_mono(void)
{
    return clock_ms(CLOCK_MONOTONIC);
}

/* clock_second - seconds since that moment, some milliseconds late: cheaper than the rest */
static inline int64_t clock_second(void)
{
    return clock_ms(CLOCK_MONOTONIC_COARSE) / 1000;
}
