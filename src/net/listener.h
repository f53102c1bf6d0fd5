/* listener.h - a listening socket that the master opened, and its connections.
 *
 * Takes a bounded batch of connections per turn of the loop, so that sessions
 * under way and the other processes on the same socket get their share. When
 * descriptors run out it gives one up to turn a connection away, and rests a
 * moment instead of spinning (A160, A166). A process that has more than its share
 * leaves a connection to the others for a moment; what is still there then, it takes.
 */
#pragma once
#include <uv.h>
#include "base/ip.h"

struct listener;

/* A connection; fd is non-blocking, sends without delay, and is the receiver's. */
typedef void listener_accept_f(struct listener *l, int fd, const struct ip *peer, uint16_t port);

/* Should another process on the same socket take the next one? */
typedef bool listener_yields_f(struct listener *l);

struct listener {
    void              *user;
    unsigned           index;       /* the owner's: which one of the configuration */
    listener_accept_f *accept;
    listener_accept_f *refuse;      /* set it after listener_open, or not: there is no
                                     * descriptor left; say so and close this one at once */
    listener_yields_f *yields;      /* set it, or not: then it never does */
    bool               waited;      /* for others to take what is there; nobody did, or not all */
    uv_poll_t          poll;
    uv_timer_t         rest;
    int                fd;          /* -1: closed */
    int                reserve;     /* given up when there is no descriptor left */
};

/* listener_open - take fd (owned from now on) and begin to accept. The memory
 * must live until the loop has run once after listener_close(). False: closed. */
bool listener_open(struct listener *l, uv_loop_t *loop, int fd, unsigned index,
                   listener_accept_f *accept, void *user);

/* listener_close - take no more connections; harmless when done twice */
void listener_close(struct listener *l);
