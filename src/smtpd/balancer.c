/* balancer.c - peek, decide, and take exactly the line. */
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include "log/log.h"
#include "smtp/proxy.h"
#include "smtpd/balancer.h"

enum { PATIENCE = 10000 };      /* ms for the line */

struct balancer {
    struct smtpd             *smtpd;
    const struct conf_listen *listen;
    struct ip                 peer;
    int                       fd;
    uv_poll_t                 poll;
    uv_timer_t                timer;
    unsigned                  open;         /* handles not yet closed */
    struct proxy              proxy;
    bool                      good;
    size_t                    n;            /* octets taken */
    char                      line[PROXY_MAX];
};

bool balancer_is(const struct conf_listen *listen, const struct ip *peer)
{
    for (size_t i = 0; i < listen->proxy.nnets; i++)
        if (ip_net_has(&listen->proxy.nets[i], peer))
            return true;
    return false;
}

/* behind - for whom it speaks, NULL: for itself. Of whom it cannot say who he is nothing is
 * believed, nor is another machine's own address any of ours: neither gets what is granted
 * to the balancer, or to us. */

static const struct ip *behind(const struct balancer *b)
{
    static const struct ip nobody;
    const struct proxy *p = &b->proxy;

    if (p->itself)
        return NULL;
    if (!p->known || (ip_is_loopback(&p->source) && !ip_is_loopback(&b->peer)))
        return &nobody;
    return &p->source;
}

/* on_handle_closed - the last of them: the connection goes to a session, or is closed */

static void on_handle_closed(uv_handle_t *handle)
{
    struct balancer *b = handle->data;

    if (--b->open > 0)
        return;
    server_now(&b->smtpd->server);
    if (b->good)
        client_new(b->smtpd, b->listen, b->fd, &b->peer, behind(b));
    else
        close(b->fd);
    free(b);
}

static void finish(struct balancer *b, const char *why)
{
    char text[IP_TEXT];

    b->good = why == NULL;
    if (why != NULL)
        log_event(EVENT_REFUSE, LF_STR("client", ip_text(&b->peer, text)), LF_STR("why", why));
    uv_close((uv_handle_t *)&b->poll, on_handle_closed);
    uv_close((uv_handle_t *)&b->timer, on_handle_closed);
}

/* take - n octets that were peeked at are ours; false: they are gone */

static bool take(struct balancer *b, size_t n)
{
    if (recv(b->fd, b->line + b->n, n, MSG_DONTWAIT) != (ssize_t)n)
        return false;
    b->n += n;
    return true;
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct balancer *b = poll->data;
    ssize_t n = recv(b->fd, b->line + b->n, sizeof b->line - b->n, MSG_PEEK | MSG_DONTWAIT);
    enum proxy_result result;
    size_t used = 0, more;

    (void)status;
    (void)events;
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        finish(b, "left before its PROXY line");
        return;
    }
    result = proxy_read(slice_of(b->line, b->n + (size_t)n), &b->proxy, &used);
    more = result == PROXY_OK ? used - b->n : (size_t)n;
    if (result == PROXY_BAD || !take(b, more) || (result == PROXY_MORE && b->n == sizeof b->line))
        finish(b, "no PROXY line");
    else if (result == PROXY_OK)
        finish(b, NULL);
}

static void on_late(uv_timer_t *timer)
{
    finish(timer->data, "no PROXY line in time");
}

void balancer_new(struct smtpd *d, const struct conf_listen *listen, int fd,
                  const struct ip *peer)
{
    struct balancer *b = calloc(1, sizeof *b);

    if (b == NULL || uv_poll_init(d->child->loop, &b->poll, fd) != 0) {
        client_turn_away(fd, peer);
        free(b);
        return;
    }
    b->smtpd = d;
    b->listen = listen;
    b->peer = *peer;
    b->fd = fd;
    b->open = 2;
    b->poll.data = b->timer.data = b;
    uv_timer_init(d->child->loop, &b->timer);
    uv_timer_start(&b->timer, on_late, PATIENCE, 0);
    uv_poll_start(&b->poll, UV_READABLE, on_readable);
}
