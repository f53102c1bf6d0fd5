/* dispatch.h - jobs leave for an agent, and come back when it goes. */
#pragma once
#include "queue/core.h"

/* Leases of one agent at once, at most. Local has as many for one mailbox
 * template, so that many deliveries share each sync; 512 bodies of at most
 * ADMIT_INLINE_MAX stay below what it keeps waiting in memory. */
enum { LEASES_RELAY = 500, LEASES_LOCAL = 512 };

/* What an agent has. Kept until it answers, dies or takes too long. */
struct lease {
    uint64_t     number;        /* first: names it in the roster; MSG_DELIVER.job */
    struct job  *job;
    struct peer *agent;
    struct list  link;          /* among the agent's */
    int64_t      deadline;      /* mono ms */
    uint32_t     nrcpts;
    uint32_t     conf;          /* queue->confs when it was routed or before */
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

/* lease_next - read lease->rcpts: start with wire_reader(l->rcpts) */
struct lease_rcpt {
    uint32_t     index;
    struct slice address, original, extra;
};
bool lease_next(struct wire *w, struct lease_rcpt *r);
