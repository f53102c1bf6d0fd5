/* smtpd.h - what one smtpd process holds together. */
#pragma once
#include "base/thrift.h"
#include "net/census.h"
#include "net/listener.h"
#include "smtpd/ask.h"
#include "smtpd/certificates.h"
#include "smtpd/commit.h"
#include "smtpd/logins.h"
#include "table/table.h"

struct smtpd {
    struct child    *child;
    struct server    server;
    struct commits   commits;
    struct asks      asks;
    struct certificates certificates;
    struct logins    logins;
    struct table_set tables;
    struct census    census;
    unsigned         processes;         /* smtpd processes of this generation, us included */
    uint64_t         tickets;           /* of questions to the queue */
    struct id_maker  numbers;           /* of sessions */
    struct list      clients;
    struct map       by_number;         /* clients, by the number of their session */
    size_t           nclients, ngreeting;
    int              fd_most;           /* a connection with a higher descriptor is one too many */
    struct listener  listeners[CHILD_LISTENERS];
    uv_timer_t       sweep, greeter;
    struct thrift    thrift;
    int64_t          hurry_at, drain_until;     /* mono, ms; drain_until 0: not draining */
};

/* listener_of - the index of the session's listener in the configuration */
static inline size_t listener_of(const struct smtpd *d, const struct session *s)
{
    return (size_t)(s->listen - d->server.conf->listens);
}


/* smtpd_greeting - a client waits for its greeting */
void smtpd_greeting(struct smtpd *d);

/* smtpd_left - a client is gone */
void smtpd_left(struct smtpd *d);
