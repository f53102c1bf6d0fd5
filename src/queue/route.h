/* route.h - where each recipient of a letter goes next. */
#pragma once
#include "queue/core.h"

/* A destination as in MSG_DELIVER, or "hold:PATTERN" for mail that a route holds. */
struct hop {
    struct slice text;          /* in the caller's buffer */
    enum lane    lane;
    bool         hold;
};

/* route_hop - the next hop of one address. released: routes that hold do not. */
struct hop route_hop(const struct conf *conf, const struct envelope *e, struct slice address,
                     bool released, struct buf *text);

/* route_letter - make the jobs of a letter without any, attached and PARKED.
 * skip (or NULL): recipients that are finished. False: no memory, or malformed. */
bool route_letter(struct queue *q, struct letter *m, struct slice envelope, const bool *skip);

/* route_domain - what follows the last @; empty if there is none */
struct slice route_domain(struct slice address);
