/* sched.h - when, how many at once, and who is next.
 *
 * Pure: events and `now` (monotonic ms) in, decisions out. No clock, no I/O;
 * it owns its destinations and nothing else. A job is a message's recipients
 * for one destination; the owner embeds a `struct sched_job` in its own
 * structure. Every attached job is in exactly one state:
 *
 *     PARKED    the owner is deciding (just accepted, or an answer has come)
 *     READY     may go as soon as its destination may
 *     LEASED    an agent has it
 *     DEFERRED  until its time
 *     HELD      until a person says otherwise
 *
 *     PARKED -> READY            sched_ready
 *     PARKED -> DEFERRED         sched_defer, sched_defer_until
 *     READY -> LEASED            sched_next
 *     any -> LEASED              sched_lease (it goes another way than its destination's)
 *     LEASED -> PARKED           sched_result (an answer: the destination learns)
 *     LEASED -> READY            sched_again (no answer: nobody learns)
 *     DEFERRED -> READY          sched_advance, sched_ready
 *     any -> HELD, PARKED        sched_hold, sched_park
 *
 * A destination has a window of attempts at once: it grows by one with each
 * success and is halved by trouble. Trouble without a success in between puts
 * the whole destination into back-off: its jobs stay ready and wait; when the
 * time is over one of them probes, and each success lets one more go at once,
 * so that recovery is no stampede (F21) and a dead host costs one attempt a
 * back-off whatever waits for it. Destinations take turns, and so do senders
 * within one (A165). A lane is a kind of agent; lanes do not wait for each other.
 *
 * Jobs have a level (RFC 6710): what is ready on a higher one goes first, among
 * destinations and within one; the turns above are among those of the same level.
 * A level changes nothing about when a job is tried again.
 */
#pragma once
#include "base/heap.h"
#include "base/list.h"
#include "base/slice.h"

enum {
    SCHED_LANES  = 2,
    SCHED_TURNS  = 4,           /* groups of senders that take turns */
    SCHED_LOWEST = -9, SCHED_HIGHEST = 9, SCHED_LEVELS = SCHED_HIGHEST - SCHED_LOWEST + 1,
};

enum sched_state { SCHED_PARKED, SCHED_READY, SCHED_LEASED, SCHED_DEFERRED, SCHED_HELD,
                   SCHED_STATES };

/* What an answer says about the destination. */
enum sched_news {
    SCHED_GOOD,         /* it spoke to us, whatever it said of the mail */
    SCHED_BAD_SESSION,  /* this connection failed */
    SCHED_BAD_HOST,     /* the destination as a whole failed */
};

/* What became of the destination by it, for the log. */
enum sched_change { SCHED_SAME, SCHED_DOWN, SCHED_UP };

/* Ready jobs of one level. */
struct rank {
    struct rank *next;              /* the next lower one that was ever needed */
    int          level;
    uint32_t     n;
    unsigned     turn;              /* whose is next */
    struct list  ready[SCHED_TURNS];
};

struct destination {
    struct list      active;        /* in a ring of the lane, while something may go */
    struct list      idle;          /* among the destinations without jobs */
    struct rank     *ranks;         /* highest first; `usual` is one of them */
    struct rank      usual;         /* level 0 */
    int              ring;          /* level of the ring that it is in, if it is in one */
    struct heap_node backoff;       /* key: `until` */
    uint32_t         count[SCHED_STATES];
    uint32_t         window;        /* attempts at once */
    uint32_t         failures;      /* back-offs in a row */
    uint8_t          bad_sessions;  /* in a row */
    uint8_t          lane;
    bool             good;          /* a success since the last trouble */
    int64_t          until;         /* held back until (mono ms); 0: not */
    char            *reason;        /* why, or NULL */
    void            *user;          /* the owner's */
    size_t           n;
    char             text[];        /* its name, with a NUL */
};

/* 32 bytes; all zero: attached nowhere. */
struct sched_job {
    struct list         link;       /* in a ready list or a slot of the wheel */
    struct destination *dest;
    uint32_t            due;        /* DEFERRED: tick of the wheel */
    uint16_t            attempts;   /* stops at 65535 */
    uint8_t             state : 3;  /* enum sched_state */
    uint8_t             level : 5;  /* see sched_level */
    uint8_t             turn;       /* group of its sender; the upper half is the owner's */
};

struct sched_options {
    const int64_t *retry;           /* ms; the last one repeats; at least one */
    size_t         nretry;
    unsigned       jitter;          /* per cent, at most 90 */
    unsigned       concurrency[SCHED_LANES];    /* attempts at once to one destination of a
                                                   lane, at most */
    int64_t        lifetime, warn;  /* ms; warn 0: never */
    uint64_t       seed;            /* of the jitter: the same seed, the same run */
};

struct sched;

/* sched_new - NULL: no memory. The retry list is copied. */
struct sched *sched_new(const struct sched_options *o, int64_t now);
void sched_free(struct sched *s);       /* jobs are the owner's: detach them or forget them */
bool sched_reconf(struct sched *s, const struct sched_options *o);

/* sched_destination - find or make; NULL: no memory. Lives while it has jobs,
 * and a while longer. */
struct destination *sched_destination(struct sched *s, struct slice text, unsigned lane);
struct destination *sched_find(struct sched *s, struct slice text);
struct destination *sched_each(struct sched *s, size_t *at);

/* sched_attach - give a job to a destination, PARKED. sender: any hash of it. */
void sched_attach(struct sched *s, struct sched_job *job, struct destination *d, uint64_t sender);
/* sched_detach - take it out, whatever its state */
void sched_detach(struct sched *s, struct sched_job *job);

/* sched_level - two's complement in five bits, so that zero is the usual one */
static inline int sched_level(const struct sched_job *job)
{
    return (int)(job->level ^ 16u) - 16;
}

/* sched_rank - set the level of a job that is not READY; beyond the bounds: the nearest */
void sched_rank(struct sched_job *job, int level);

void sched_ready(struct sched *s, struct sched_job *job);
void sched_hold(struct sched *s, struct sched_job *job);
void sched_park(struct sched *s, struct sched_job *job);

/* sched_defer - count an attempt and wait for the next; returns its time (mono ms).
 * sched_defer_until - wait until `due` without counting. */
int64_t sched_defer(struct sched *s, struct sched_job *job, int64_t now);
void sched_defer_until(struct sched *s, struct sched_job *job, int64_t due);

/* sched_due - when a job may go next (mono ms): its own time, or its
 * destination's; 0: now, or nobody knows (held) */
int64_t sched_due(const struct sched *s, const struct sched_job *job);

/* sched_next - lease the next job of a lane, or NULL */
struct sched_job *sched_next(struct sched *s, unsigned lane);
bool sched_pending(const struct sched *s, unsigned lane);

/* sched_lease - lease this very job, whatever its destination's state; what comes
 * of it says nothing about the destination: end it with sched_park and not sched_result */
void sched_lease(struct sched *s, struct sched_job *job);

enum sched_change sched_result(struct sched *s, struct sched_job *job, enum sched_news news,
                               struct slice reason, int64_t now);
void sched_again(struct sched *s, struct sched_job *job);

/* sched_forgive - a person says: try this destination now */
void sched_forgive(struct sched *s, struct destination *d);

/* sched_advance - it is `now`: what is due becomes ready, back-offs end */
void sched_advance(struct sched *s, int64_t now);

/* sched_wake - when sched_advance has something to do (never later than that;
 * it may be earlier); INT64_MAX: nothing is waiting */
int64_t sched_wake(const struct sched *s);

/* sched_delay - the interval after attempt number `attempts` (from 1), with jitter */
int64_t sched_delay(struct sched *s, unsigned attempts);

bool sched_expired(const struct sched *s, int64_t arrived, int64_t wall);
bool sched_warn_due(const struct sched *s, int64_t arrived, int64_t wall);

/* sched_counts - jobs in each state, over all destinations */
void sched_counts(const struct sched *s, uint64_t counts[SCHED_STATES]);

/* sched_check - do all lists and counts agree? For tests. */
bool sched_check(struct sched *s);
