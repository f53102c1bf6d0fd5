/* pool.h - connections to other hosts: made, kept for the next message, counted.
 *
 * A link is one connection with its client session. While it works for
 * somebody it tells him two things: LINK_READY, there is no transaction (after
 * the beginning, and after each), and LINK_DEAD, once, with the reason in
 * client.problem; then it is gone. A link given back (link_keep) is found again
 * by its destination until it has been idle too long or carried enough.
 */
#pragma once
#include "base/list.h"
#include "conf/conf.h"
#include "net/stream.h"
#include "relay/client.h"

enum link_event { LINK_READY, LINK_DEAD };

struct link;
typedef void link_event_f(struct link *link, enum link_event event);

/* Where a link goes. */
struct target {
    struct ip    ip;            /* family 0: the UNIX socket `name` */
    uint16_t     port;
    const char  *name;          /* of the host, or the path */
    bool         lmtp, plain, loops;
};

enum { LINK_HOST = 360 };       /* "mx1.example.org [192.0.2.1]:25" */

struct pool;

struct link {
    struct list    all, idle;
    struct pool   *pool;
    struct stream  stream;
    struct client  client;
    link_event_f  *event;       /* NULL: idle */
    void          *user;
    uint64_t       hash;        /* of the destination */
    struct slice   destination; /* owned */
    int64_t        connect_by;  /* monotonic ms; 0: connected */
    int64_t        idle_since;
    char           host[LINK_HOST];
    char           session[32];
    bool           busy;        /* READY has still to be told */
    bool           looking, dead, closed;
};

/* Somebody who waits for a connection to become free. */
struct pool_waiter {
    struct list link;
    void      (*go)(void *user);
    void       *user;
};

struct pool {
    uv_loop_t         *loop;
    const struct conf *conf;
    struct list        links, idle;     /* idle: the one kept longest first */
    struct list        waiters;
    size_t             nlinks;
    uint64_t           named;           /* sessions so far */
    unsigned           slot;
    uv_timer_t         sweep;           /* all deadlines, once a second */
    bool               draining;
};

void pool_init(struct pool *pool, uv_loop_t *loop, const struct conf *conf, unsigned slot);

/* pool_take - an idle link to this destination, or NULL */
struct link *pool_take(struct pool *pool, struct slice destination, link_event_f *event,
                       void *user);

/* pool_has_room - may one more link be made? An idle one is closed for it. If
 * not, the waiter is called when there may be. */
bool pool_has_room(struct pool *pool, struct pool_waiter *waiter);

/* pool_drain - close what is idle, keep nothing any more */
void pool_drain(struct pool *pool);

/* link_new - connect. NULL: no memory. Anything else that fails is LINK_DEAD,
 * told later. */
struct link *link_new(struct pool *pool, struct slice destination, const struct target *target,
                      link_event_f *event, void *user);

/* link_send - begin a transaction on a link that is READY. The end is told from
 * inside when it comes at once. */
void link_send(struct link *link, struct client_mail *mail);

/* link_keep - give a READY link back; link_drop - end it now, nothing is told */
void link_keep(struct link *link);
void link_drop(struct link *link);
