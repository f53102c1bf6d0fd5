/* commit.h - the queue, as the sessions of this process see it.
 *
 * A commit is asked again, under the same id and nonce, whenever the queue was
 * started anew before it answered; the queue carries it out once. While there
 * is no queue, sessions wait, for a bounded time.
 */
#pragma once
#include "base/id.h"
#include "base/map.h"
#include "ipc/child.h"
#include "smtpd/bay.h"
#include "smtpd/flight.h"
#include "smtpd/session.h"

enum {
    COMMIT_STOCK = 4,       /* lent files kept ready */
    COMMIT_STOCK_MAX = COMMIT_STOCK + 60,
    COMMIT_FIRST = 2,       /* the queue lends so many unasked */
    LEND_PATIENCE = 5000,   /* ms without a file: what was asked for will not come */
};

/* What the owner does after a session was answered: take its input, flush. */
typedef void session_go_f(struct session *s);

/* A message of the queue that is no part of this. False: malformed. */
typedef bool commits_other_f(void *user, struct channel *queue, uint32_t type, struct wire *w,
                             int *fd);

struct commits {
    struct child   *child;
    struct server  *server;
    session_go_f   *go;
    void          (*wake_all)(void *user);  /* the queue can be spoken to */
    void          (*lost)(void *user);      /* the queue has gone, and what it lent */
    void           *user;
    commits_other_f *other;         /* set it after commits_begin: what else the queue says */
    struct channel *queue;          /* NULL: there is none now */
    bool            welcome;        /* it has said where our ids start */
    bool            full;           /* its disk is */
    struct id_maker ids;
    uint64_t        nonce;
    struct map      by_id;          /* flights that wait for COMMITTED */
    struct list     order;          /* the same, oldest first */
    struct list     due;            /* sessions with answers of this turn, not yet let go */
    struct list     wanting;        /* sessions that wait for a file */
    size_t          nwanting, nstock, asked;
    int64_t         asked_at;       /* mono, ms: a file was asked for, or came */
    struct lent     stock[COMMIT_STOCK_MAX];
    struct bay      bay;            /* what the queue shares with us */
};

/* commits_begin - slot: where our ids come from */
void commits_begin(struct commits *c, struct child *child, struct server *server,
                   session_go_f *go, void (*wake_all)(void *), void (*lost)(void *),
                   void *user);

/* commits_queue - a queue is there; it replaces one that has gone */
void commits_queue(struct commits *c, struct channel *queue);

/* commits_forget - a session ends; whatever it waits for is no longer wanted */
void commits_forget(struct commits *c, struct session *s);

/* commits_tick - once a second: who has waited too long */
void commits_tick(struct commits *c);

/* For struct world, which has its slots from `bay`. */
enum room commits_room(const struct commits *c);
uint64_t commits_message_id(struct commits *c);
bool commits_lend(struct commits *c, struct session *s, struct lent *lent);
void commits_lend_back(struct commits *c, struct lent *lent);
void commits_commit(struct commits *c, struct flight *f);
