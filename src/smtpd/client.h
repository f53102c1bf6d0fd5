/* client.h - a connection and its session: bytes from one to the other. */
#pragma once
#include "net/stream.h"
#include "smtpd/smtpd.h"

struct client {
    struct session session;
    struct stream  stream;
    struct smtpd  *smtpd;
    struct list    link;        /* all clients of this process */
    int64_t        greet_at;    /* mono, ms; 0: greeted */
    int64_t        stuck;       /* mono, ms: it takes no replies since; 0: it does */
    bool           eof;         /* it will send no more */
    bool           over;        /* only closing is left */
};

/* client_new - a connection was taken: greet it, now or later, or turn it away */
void client_new(struct smtpd *d, const struct conf_listen *listen, int fd,
                const struct ip *peer);

/* client_turn_away - say 421 and close, without a session */
void client_turn_away(int fd, const struct ip *peer);

/* client_go - the session was answered, or may go on: take input, flush */
void client_go(struct client *c);

/* client_tick - once a second */
void client_tick(struct client *c);

/* client_greet - if it has waited long enough */
void client_greet(struct client *c);

static inline struct client *client_of(struct session *s)
{
    return s->user;
}
