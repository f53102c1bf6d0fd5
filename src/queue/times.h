/* times.h - letters with a time of their own: not before (FUTURERELEASE, RFC 4865),
 * and not after (DELIVERBY, RFC 2852; a SEND that nobody sees in an hour).
 *
 * Few letters have one, so it is kept beside them, and their flag LETTER_TIMED says
 * that it is there. A time counts from the letter's arrival on the steady clock, as
 * its age does.
 */
#pragma once
#include "queue/asked.h"
#include "queue/core.h"
#include "queue/report.h"

struct timed {
    uint64_t         id;        /* of the letter; first: names it in the roster */
    struct heap_node deadline;  /* key: mono ms when something is to be done */
    int64_t          hold;      /* wall ms: not before; 0: at once */
    int64_t          by;        /* wall ms: not after; 0: none */
    bool             returns;   /* what is late fails; else its sender is told */
    bool             trace;     /* BY=...T */
    bool             send;      /* `by` is not the sender's but SEND's */
    bool             told;      /* the sender was told that `by` has passed */
};

/* times_note - remember what the sender of a letter asked; false: no memory */
bool times_note(struct queue *q, struct letter *m, const struct envelope *e);
void times_forget(struct queue *q, struct letter *m);

/* times_get - what is known of it, or NULL */
const struct timed *times_get(const struct queue *q, const struct letter *m);

/* times_told - he knows already (after a restart) */
void times_told(struct queue *q, struct letter *m);

/* times_shift - its arrival is found to have been so many ms later (a wrong clock) */
void times_shift(struct queue *q, struct letter *m, int64_t by);

/* times_wait - for so many ms more the sender wants it held; 0: it may go */
int64_t times_wait(const struct queue *q, const struct letter *m);

/* times_since - wall ms from which its lifetime counts: its arrival, or the end of the hold */
int64_t times_since(const struct queue *q, const struct letter *m);

/* times_age - ms since then; negative: that is to come */
int64_t times_age(const struct queue *q, const struct letter *m);

/* times_late - has the time passed after which it must not go? */
bool times_late(const struct queue *q, const struct letter *m);

/* times_up - is it to fail for that? Not while the clock is doubted: then it waits */
bool times_up(const struct queue *q, const struct letter *m);

/* times_failure - what kind of failure that is */
enum failure times_failure(const struct queue *q, const struct letter *m);

/* times_work - see after those whose time has come */
void times_work(struct queue *q);
int64_t times_next(const struct queue *q);      /* mono ms; INT64_MAX: none */
