/* core.h - the queue: the process that owns the spool, without its process.
 *
 * Everything that touches the world is handed in: the disk, the clock
 * (queue_at), the other processes (struct peer with its table of functions),
 * and who runs the journal's flush. So the shell (main.c, channels.c) runs it
 * on the event loop, and a simulator runs it with all the world made up.
 *
 * A letter (letter.h) is a message in the queue. What happens to it:
 *
 *     COMMIT    admit.c     journal, route, answer, schedule
 *     DELIVER   dispatch.c  lease a job to an agent
 *     RESULT    outcome.c   journal, next attempt or the end
 *     failures  report.c    the report and the failures in one unit
 *     restart   recover.c   route again, go on where the outcomes left off
 *     people    people.c    list, hold, release, retry, remove, trace
 *     ETRN      kick.c      what waits for somebody goes now
 *     TURN      turn.c      whoever fetches his mail gets it over his connection
 *     timers    fetch.c     fetch ours elsewhere
 *     links     links.c     which way mail takes between our own servers
 *
 * Every recipient is at every moment in one job of its letter (in the state
 * that the schedule says), or among the failures that wait for their report,
 * or finished. queue_check() says so.
 */
#pragma once
#include "conf/conf.h"
#include "ipc/messages.h"
#include "mail/envelope.h"
#include "base/id.h"
#include "queue/share.h"
#include "queue/letter.h"
#include "queue/roster.h"
#include "queue/steady.h"

enum lane { LANE_RELAY, LANE_LOCAL };

struct peer;

/* How to speak to a peer. A function may be NULL where the role has no use for it. */
struct peer_ops {
    void (*welcome)(struct peer *p, const struct msg_welcome *m);
    void (*room)(struct peer *p, const struct msg_room *m);
    void (*committed)(struct peer *p, const struct msg_committed *m);
    void (*lend)(struct peer *p, const struct msg_lend *m, int fd);
    void (*bay)(struct peer *p, const struct msg_bay *m, int fd);
    bool (*deliver)(struct peer *p, const struct msg_deliver *m, int fd);   /* false: not taken */
    void (*resolve)(struct peer *p, const struct msg_resolve *m);
    void (*row)(struct peer *p, const struct msg_row *m);
    void (*done)(struct peer *p, const struct msg_done *m);
    void (*kicked)(struct peer *p, const struct msg_kicked *m);
    void (*turn_answer)(struct peer *p, const struct msg_turn_answer *m);
    bool (*turn_go)(struct peer *p, const struct msg_turn_go *m, int fd);   /* false: not taken */
    void (*turn_over)(struct peer *p, const struct msg_turn_over *m);
    bool (*fetch)(struct peer *p, const struct msg_fetch *m);               /* the same */
    bool (*adopt)(struct peer *p, const struct msg_adopt *m, int fd);
    void (*linkstate_done)(struct peer *p, const struct msg_linkstate_done *m);
    bool (*exchange)(struct peer *p, const struct msg_exchange *m);
    size_t (*pending)(const struct peer *p);        /* bytes not yet taken by it */
};

struct peer {
    uint64_t               serial;      /* first: never reused */
    enum role              role;
    unsigned               slot;
    const struct peer_ops *ops;
    void                  *user;        /* the shell's */
    struct list            link;        /* among its kind */
    struct list            leases;      /* agents */
    size_t                 nleases;
    int64_t                leaving;     /* gave a job back untouched: none for it until (mono ms) */
    size_t                 nlent;       /* smtpd: files lent */
    struct share           bay;         /* smtpd: memory shared with it */
    uint64_t               adopted;     /* smtpd: connections given to it */
};

struct queue_options {
    const struct conf *conf;
    struct disk       *disk;
    uint64_t           segment_size;    /* 0: the journal's default */
    uint64_t           seed;            /* of the schedule's jitter and the tables: a secret */
    int64_t            mono, wall;      /* the time */
    bool               history;         /* keep the files for `trace` */
    /* something was appended: see that the journal is flushed */
    void             (*flush)(void *user);
    void              *user;
};

struct history;
struct cache;
struct fetches;
struct links;

struct queue {
    const struct conf *conf;
    struct disk       *disk;
    struct journal    *journal;
    struct sched      *sched;
    int64_t            mono, wall;      /* now */
    int64_t            latest;          /* the greatest wall ever: smtpd's ids do not go back with the clock */
    struct steady      steady;
    void             (*flush)(void *user);
    void              *user;
    uint8_t            secret[16];      /* for hashes; of the seed: the same run is the same again */

    struct pages       pages;
    struct roster      letters;         /* by id */
    struct roster      leases;          /* by job number */
    struct roster      reports;         /* failures waiting, by id of their letter */
    struct roster      lent;            /* lent files, by number */
    struct roster      peers;           /* by serial */
    struct roster      times;           /* of letters that have a time of their own */
    struct heap        deadlines;       /* of those */
    struct roster      gone;            /* removed lately, for repeated commits */
    struct gone       *gone_ring;
    size_t             gone_at;
    struct list        smtpds, relays, locals, lookups, consoles;
    struct list        flying;          /* units in the journal's hands */
    struct list        stalled;         /* units to append again */
    struct list        resting[2];      /* bundles that can be used again: without a pack, with one */
    size_t             nresting[2];
    struct list        questions;       /* of people, being answered */
    struct list        kicks;           /* ETRNs at work */
    struct list        turns;           /* TURNs and ATRNs */
    struct links      *links;           /* the node of the link-state routing, or NULL */
    struct fetches    *fetches;         /* timers of the configuration's fetch sections */
    int64_t            stalled_until;
    struct cache      *cache;
    struct history    *history;
    struct buf         scratch;         /* a record read from the journal */
    struct buf         hop;             /* the name of a destination, while a letter is routed */
    int                unread;          /* errno of the last letter_read that failed */
    struct id_maker    ids;
    uint64_t           id_floor;        /* the greatest id at start */
    uint64_t           id_newest;       /* and now */
    uint64_t           serial, jobs, tickets;
    size_t             sweep_at;        /* in letters.slots */
    uint32_t           confs;           /* configurations that were in force */
    uint32_t           routes;          /* times that mail may have to go elsewhere */
    uint64_t          *moved;           /* ids of letters to route again, or NULL */
    size_t             nmoved;
    int64_t            next_second;
    uint64_t           units;           /* in the journal's hands */
    bool               full;            /* ROOM 0 was said */
    bool               draining;
};

/* queue_open - recover the spool. NULL and *why when that cannot be. */
struct queue *queue_open(const struct queue_options *o, struct why *why);
void queue_close(struct queue *q);

/* queue_at - it is now; call before anything else in a turn */
void queue_at(struct queue *q, int64_t mono, int64_t wall);

/* queue_reconf - another configuration is in force: route again what moved */
void queue_reconf(struct queue *q, const struct conf *conf);

/* Peers come, speak and go. queue_receive false: malformed or not allowed,
 * cut it off (and call queue_peer_gone). fd: that came with it, or -1; it stays the
 * caller's. */
void queue_peer(struct queue *q, struct peer *p, enum role role, unsigned slot,
                const struct peer_ops *ops, void *user);
bool queue_receive(struct queue *q, struct peer *p, uint32_t type, struct wire *w, int fd);
void queue_peer_gone(struct queue *q, struct peer *p);

/* queue_work - time has passed or something came: advance the schedule, hand
 * out jobs, answer people, look after the old. A bounded piece; true: call
 * again soon. queue_wake: when to call it at the latest (mono ms). */
bool queue_work(struct queue *q);
int64_t queue_wake(const struct queue *q);

/* queue_drain - hand out no more; queue_idle - is nothing leased or unwritten? */
void queue_drain(struct queue *q);
bool queue_idle(const struct queue *q);

void queue_gauge(struct queue *q);

/* queue_check - is every recipient in exactly one place? Reads every envelope;
 * for tests. False: *why says what is wrong. */
bool queue_check(struct queue *q, struct why *why);

/* --- between the parts of the queue -------------------------------------- */

static inline struct letter *letter_get(const struct queue *q, uint64_t id)
{
    return roster_get(&q->letters, id);
}

/* letter_read - the envelope (and body) of a letter, from memory or the
 * journal; valid until the next letter_read. False: trouble, logged. */
bool letter_read(struct queue *q, struct letter *m, struct slice *envelope, struct slice *body);

/* letter_envelope - the same, of its envelope alone, taken apart */
bool letter_envelope(struct queue *q, struct letter *m, struct envelope *e);

/* letter_size - bytes of its body, given what letter_read gave */
uint64_t letter_size(struct queue *q, const struct letter *m, struct slice body);

/* letter_drop - it is removed and durable: free it */
void letter_drop(struct queue *q, struct letter *m);

/* queue_reroute - route waiting mail again, a few letters at a time: those that
 * `wanted` picks (NULL: all) */
typedef bool reroute_f(const struct queue *q, struct letter *m);
void queue_reroute(struct queue *q, reroute_f *wanted);

/* letter_held - do its routes hold all of it? */
bool letter_held(struct letter *m);

/* letter_start - its jobs leave PARKED as its flags and routes say */
void letter_start(struct queue *q, struct letter *m);

/* queue_trouble - log trouble with the spool */
void queue_trouble(const char *doing, uint64_t id, const struct why *why);
