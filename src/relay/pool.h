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
#include "dns/dns.h"
#include "net/stream.h"
#include "relay/client.h"
#include "relay/vaults.h"

enum link_event { LINK_READY, LINK_DEAD };

struct link;
typedef void link_event_f(struct link *link, enum link_event event);

/* Where a link goes, and what it must be. */
struct target {
    struct ip       ip;         /* family 0: the UNIX socket `name` */
    uint16_t        port;
    const char     *name;       /* of the host, or the path */
    bool            lmtp, plain, loops;
    enum tls_policy tls;
    struct slice    account;    /* log in as this; lives as long as the configuration */
};

enum { LINK_HOST = 400 };       /* "mx1.example.org [192.0.2.1]:25 TLSv1.3" */

struct pool;

struct link {
    struct list    all;
    struct list    idle, same;  /* among those that are free: by time; of a bucket */
    struct pool   *pool;
    struct stream  stream;
    struct client  client;
    link_event_f  *event;       /* NULL: idle */
    void          *user;
    uint64_t       hash;        /* of the key */
    struct slice   key;         /* owned: destination, policy, account */
    char           name[DNS_NAME];      /* of the host, for its certificate */
    char           place[64];   /* "192.0.2.1:25" */
    bool           shaking;     /* the handshake has begun */
    struct vault_login login;
    /* Of a link with an owner who lends it: told when it is given back (else the pool
     * gets it), and when it dies or is dropped by who has it. */
    void         (*kept)(struct link *link, void *owner);
    void         (*lost)(struct link *link, void *owner);
    void          *owner;
    bool           lent;
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

enum { POOL_BUCKETS = 512 };

struct pool {
    uv_loop_t         *loop;
    const struct conf *conf;
    struct list        links, idle;     /* idle: the one kept longest first */
    struct list        buckets[POOL_BUCKETS];   /* the same, by the hash of their key */
    struct list        waiters;
    size_t             nlinks;
    uint64_t           most;            /* links that the process has descriptors for */
    size_t             nbridges;        /* connections given away that still go through us */
    uint64_t           named;           /* sessions so far */
    struct tls_client *tls;             /* NULL: it cannot be had */
    bool               trusts_nobody;   /* no certificate counts as verified */
    struct vaults      vaults;
    unsigned           slot;
    uv_timer_t         sweep;           /* all deadlines, once a second */
    bool               draining;
};

void pool_init(struct pool *pool, uv_loop_t *loop, const struct conf *conf, unsigned slot);

/* pool_take - an idle link with this key, or NULL */
struct link *pool_take(struct pool *pool, struct slice key, link_event_f *event, void *user);

/* pool_has_room - may one more link be made? An idle one is closed for it. If
 * not, the waiter is called when there may be. */
bool pool_has_room(struct pool *pool, struct pool_waiter *waiter);

/* pool_drain - close what is idle, keep nothing any more */
void pool_drain(struct pool *pool);

/* link_new - connect. NULL: no memory. Anything else that fails is LINK_DEAD,
 * told later. */
struct link *link_new(struct pool *pool, struct slice key, const struct target *target,
                      link_event_f *event, void *user);

/* link_adopt - a link on a connection that was handed over: the other side is the
 * server now and greets. fd is the link's from now on. NULL: no memory, fd is closed. */
struct link *link_adopt(struct pool *pool, int fd, struct slice host, link_event_f *event,
                        void *user);

/* link_send - begin a transaction on a link that is READY. The end is told from
 * inside when it comes at once. link_say - another command: READY when its reply is in
 * client.reader.reply. */
void link_send(struct link *link, struct client_mail *mail);
void link_say(struct link *link, struct slice line);

/* link_keep - give a READY link back; link_drop - end it now, nothing is told */
void link_keep(struct link *link);
void link_drop(struct link *link);

/* link_give - give the connection away: a descriptor that the caller owns, plain even
 * where the connection is TLS (then this process goes between until both ends are
 * done). The link is gone. -1: not possible; it is gone all the same. */
int link_give(struct link *link);

/* --- between link.c, pool.c and gift.c */

void link_look(struct link *link);      /* after anything happened to it */
void link_leave(struct link *link);     /* out of all lists: nobody finds it any more */
void link_free(struct link *link);
void pool_wake(struct pool *pool);      /* there may be room for a waiter now */
