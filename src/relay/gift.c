/* gift.c - a connection given away to another process. Where it is TLS, the secret
 * stays here and this process goes between.
 */
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include "log/log.h"
#include "net/pump.h"
#include "relay/pool.h"

enum { BRIDGE_IN = 64 << 10 };

/* A link whose TLS stays here: the other end of a socket pair is somebody else's. */
struct bridge {
    struct pump   pump;
    struct stream other;
    struct link  *link;
};

static void on_bridged(struct pump *p)
{
    struct bridge *b = p->user;

    b->link->pool->nbridges--;
    link_free(b->link);
    free(b);
}

static void on_nothing(struct stream *s, enum stream_event event)
{
    (void)s;
    (void)event;
}

static void on_bridge_closed(struct stream *s)
{
    free(s->user);
}

/* bridge - the descriptor to give away, or -1: then the link is as it was */

static int bridge(struct link *link)
{
    struct bridge *b = calloc(1, sizeof *b);
    int pair[2];

    if (b == NULL)
        return -1;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) {
        free(b);
        return -1;
    }
    b->link = link;
    link->pool->nbridges++;
    if (!stream_open(&b->other, link->pool->loop, pair[0], BRIDGE_IN, CLIENT_OUT_MAX, on_nothing,
                     on_bridge_closed, b)) {
        link->pool->nbridges--;
        close(pair[1]);
        return -1;
    }
    pump_join(&b->pump, &link->stream, &b->other, on_bridged, b);
    return pair[1];
}

int link_give(struct link *link)
{
    struct tls_info info;
    bool secure = stream_tls_info(&link->stream, &info);
    int fd = secure ? bridge(link) : stream_release(&link->stream);

    if (fd < 0) {
        link_drop(link);
        return -1;
    }
    log_event(EVENT_OUTGOING, LF_STR("session", link->session), LF_STR("host", link->host),
              LF_STR("state", "reversed"));
    link_leave(link);
    pool_wake(link->pool);
    return fd;
}
