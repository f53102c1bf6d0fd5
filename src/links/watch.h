/* watch.h - is a connector up, and when do the others hear of it?
 *
 *     state   means                             failure                 success   at its time
 *     UP      deliveries succeed                GLITCH, again in 60 s   UP        -
 *     GLITCH  failed once or twice              GLITCH, or DOWN at 3    UP        try again
 *     DOWN    failed three times in a row       DOWN, again in 60 s     UP        try again
 *
 * A failure that comes before its time (many deliveries fail at once when a
 * host goes away) counts as the same one. What the others are told follows
 * behind: at most one announcement in `damping`, and a change that is undone
 * before it was told is never told.
 *
 * Pure: the clock (monotonic ms) is handed in.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

enum watch_state { WATCH_UP, WATCH_GLITCH, WATCH_DOWN, WATCH_STATES };

struct watch_options {
    int64_t  retry;         /* ms between tries of a failing connector; usually 60 s */
    unsigned failures;      /* in a row until it is down; usually 3 */
    int64_t  damping;       /* ms between announcements of ups and downs; usually 10 min */
    bool     suppress;      /* connectors are never down: pure least cost */
};

/* an initialiser */
#define WATCH_USUAL { .retry = 60000, .failures = 3, .damping = 600000 }

struct watch {
    uint8_t  state;         /* enum watch_state */
    bool     told_down;     /* the state that the others have been told */
    unsigned failures;      /* in a row */
    int64_t  next;          /* when to try again; only while not UP */
};

/* watch_failed, watch_worked - a connection over it failed or succeeded.
 * True: it has gone down, or come up. */
bool watch_failed(struct watch *w, const struct watch_options *o, int64_t now);
bool watch_worked(struct watch *w);

static inline bool watch_up(const struct watch *w)
{
    return w->state != WATCH_DOWN;
}

/* watch_due - when to try it again even without mail; INT64_MAX: no need */
int64_t watch_due(const struct watch *w);

/* watch_untold - do the others believe something else? watch_told - not any more. */
bool watch_untold(const struct watch *w);
void watch_told(struct watch *w);
