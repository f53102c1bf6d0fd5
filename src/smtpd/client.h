/* client.h - a connection and its session: bytes from one to the other. */
#pragma once
#include "net/pump.h"
#include "smtpd/smtpd.h"

struct client {
    struct session session;
    struct stream  stream;
    struct smtpd  *smtpd;
    struct list    link;        /* all clients of this process */
    int64_t        greet_at;    /* mono, ms; 0: greeted */
    struct ip      counted;     /* in the census, under this address */
    int64_t        stuck;       /* mono, ms: it takes no replies since; 0: it does */
    bool           eof;         /* it will send no more */
    bool           over;        /* only closing is left */
    struct handover *handover;  /* it is pumped to another process (handover.c), or NULL */
    int64_t        secure_by;   /* mono, ms: until then the TLS handshake must be done; 0: none */
};

/* client_new - a connection was taken: greet it, now or later, or turn it away. behind:
 * the client that a balancer speaks for, or NULL. */
void client_new(struct smtpd *d, const struct conf_listen *listen, int fd,
                const struct ip *peer, const struct ip *behind);

/* client_adopt - a connection that was reversed towards us: its other side waits for our
 * greeting. It is a stranger; host: who it is, for the log. */
void client_adopt(struct smtpd *d, int fd, struct slice host);

/* client_turn_away - say 421 and close, without a session */
void client_turn_away(int fd, const struct ip *peer);

/* client_go - the session was answered, or may go on: take input, flush */
void client_go(struct client *c);

/* client_tick - once a second */
void client_tick(struct client *c);

/* client_greet - if it has waited long enough */
void client_greet(struct client *c);

/* client_hand_over - for another process, roles reversed (TURN, ATRN): a descriptor of
 * the connection, which the caller closes when it has sent it. Our last reply has been
 * given to the system, or goes first. Of TLS it is one end of a socket pair, and this process stays
 * in between until both ends have closed; *secure says so. -1: it cannot be done, and
 * the connection is being closed. The session is over in any case. */
int client_hand_over(struct client *c, bool *secure);

/* handover_tick - once a second: end a pump where nothing moves any more. handover_stop -
 * end it now; the client goes from the loop. */
void handover_tick(struct client *c);
void handover_stop(struct client *c);

static inline struct client *client_of(struct session *s)
{
    return s->user;
}
