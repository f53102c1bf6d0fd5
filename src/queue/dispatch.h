/* dispatch.h - jobs leave for an agent, and come back when it goes. */
#pragma once
#include "queue/core.h"

/* Leases of one agent at once, at most. Local has as many for one mailbox
 * template, so that many deliveries share each sync; 512 bodies of at most
 * ADMIT_INLINE_MAX stay below what it keeps waiting in memory. */
enum { LEASES_RELAY = 500, LEASES_LOCAL = 2048 };

/* How a job leaves: all zero, as its destination says; else over a connection that
 * was turned round (turn.h), and this is what becomes of it if it comes back. */
struct way {
    uint64_t         turn;      /* ticket */
    enum sched_state was;
    int64_t          due;       /* of SCHED_DEFERRED: mono ms */
};

/* What an agent has. Kept until it answers, dies or takes too long. */
struct lease {
    uint64_t     number;        /* first: names it in the roster; MSG_DELIVER.job */
    struct job  *job;
    struct peer *agent;
    struct list  link;          /* among the agent's */
    int64_t      deadline;      /* mono ms */
    uint32_t     nrcpts;
    uint32_t     conf;          /* queue->routes when it was routed or before */
    struct way   way;
    struct slice sender, rcpts; /* as sent; in bytes[] */
    char         bytes[];
};

/* dispatch_work - hand out what may go; true: there is more */
bool dispatch_work(struct queue *q);

/* dispatch_peer_gone - its jobs are ready again, no attempt counted */
void dispatch_peer_gone(struct queue *q, struct peer *p);

/* dispatch_overdue - who has not answered for hours will not */
void dispatch_overdue(struct queue *q);

/* lease_end - forget a lease; the job stays LEASED for the caller to move */
void lease_end(struct queue *q, struct lease *l);

/* lease_back - the job is as it was before it was leased */
void lease_back(struct queue *q, struct lease *l);

/* dispatch_choose - the least busy agent of a lane that can take one more, or NULL */
struct peer *dispatch_choose(const struct queue *q, enum lane lane);

/* dispatch_turn - give a job, LEASED already, to this agent for this destination */
void dispatch_turn(struct queue *q, struct job *job, struct peer *agent, const struct way *way,
                   struct slice destination);

/* lease_next - read lease->rcpts: start with wire_reader(l->rcpts) */
struct lease_rcpt {
    uint32_t     index;
    struct slice address, original, extra;
};
bool lease_next(struct wire *w, struct lease_rcpt *r);
