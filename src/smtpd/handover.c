/* handover.c - a connection that another process goes on with, roles reversed.
 *
 * A plain one is given away as it is. What is secret stays here, where its keys are,
 * and is pumped to one end of a socket pair; the other end is given away.
 */
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include "log/log.h"
#include "smtpd/client.h"

enum {
    REST_MS  = 20 * 60 * 1000,  /* longer than either side waits for the other (RFC 5321 4.5.3.2) */
    CLOSE_MS = 5 * 1000,        /* after one side has ended: SMTP has nothing to say to it then */
};

struct handover {
    struct pump    pump;
    uint64_t       moved;       /* bytes until... */
    int64_t        since;       /* mono, ms */
    struct stream  inside;      /* our end of the pair */
    struct client *client;
    stream_closed_f *closed;    /* of the client's stream, as it was */
};

static void on_done(struct pump *p)
{
    struct handover *h = p->user;
    struct stream *outside = &h->client->stream;

    if (outside->error == 0)
        outside->error = p->error;
    outside->user = h->client;
    h->client->handover = NULL;
    h->closed(outside);         /* frees the client */
    free(h);
}

static void on_nothing(struct stream *s, enum stream_event event)
{
    (void)s;
    (void)event;
}

/* between - go between the client and whoever gets the descriptor; -1: no memory, or
 * no descriptors */

static int between(struct client *c)
{
    struct handover *h = calloc(1, sizeof *h);
    int ends[2];

    if (h == NULL || socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) != 0) {
        free(h);
        return -1;
    }
    c->handover = h;
    h->client = c;
    h->since = c->session.server->mono;
    h->closed = c->stream.closed;
    if (!stream_open(&h->inside, c->smtpd->child->loop, ends[0], STREAM_IN_MAX, PUMP_BYTES,
                     on_nothing, NULL, h))
        abort();                /* a socket that we have just made */
    pump_join(&h->pump, &c->stream, &h->inside, on_done, h);
    return ends[1];
}

void handover_stop(struct client *c)
{
    pump_stop(&c->handover->pump);
}

void handover_tick(struct client *c)
{
    struct handover *h = c->handover;
    const struct pump *p = &h->pump;
    int64_t now = c->session.server->mono;

    if (h->moved != p->bytes[0] + p->bytes[1]) {
        h->moved = p->bytes[0] + p->bytes[1];
        h->since = now;
    }
    if (now - h->since > (p->ended[0] || p->ended[1] ? CLOSE_MS : REST_MS))
        handover_stop(c);
}

int client_hand_over(struct client *c, bool *secure)
{
    int fd = -1;

    *secure = c->session.secure;
    c->over = true;
    if (c->stream.in.n == 0) {
        stream_flush(&c->stream);
        fd = stream_release(&c->stream);
        if (fd < 0)
            fd = between(c);
    }
    if (fd < 0)
        stream_close(&c->stream);
    return fd;
}
