/* route.h - where each recipient of a letter goes next. */
#pragma once
#include "queue/core.h"

/* A destination as in MSG_DELIVER, or "hold:PATTERN" for mail that a route holds. */
struct hop {
    struct slice text;          /* in the caller's buffer */
    enum lane    lane;
    bool         hold;
};

/* What does not stand in the way (any more). */
enum route_how {
    ROUTE_RELEASED = 1 << 0,    /* routes that hold do not */
    ROUTE_MAILBOX  = 1 << 1,    /* SOML, SAML: the terminals were tried */
};
unsigned route_how(const struct letter *m);

/* route_hop - the next hop of one address. how: enum route_how */
struct hop route_hop(const struct conf *conf, const struct envelope *e, struct slice address,
                     unsigned how, struct buf *text);

/* route_letter - make the jobs of a letter without any, attached and PARKED.
 * skip (or NULL): recipients that are finished. False: no memory. */
bool route_letter(struct queue *q, struct letter *m, const struct envelope *e, const bool *skip);

/* job_part - the part of a job whose recipients have a domain that `pick` accepts: the
 * job itself when all do; else a new one, PARKED, taken out of it. NULL: none has, or
 * no memory. */
typedef bool job_pick_f(const void *user, struct slice domain);
struct job *job_part(struct queue *q, struct job *job, const struct envelope *e, job_pick_f *pick,
                     const void *user);

/* job_move - to another destination, PARKED; false: no memory, it is where it was */
bool job_move(struct queue *q, struct job *job, struct slice destination, enum lane lane);
