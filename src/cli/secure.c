/* secure.c - between a TLS session, which knows no socket, and a socket. */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include "cli/secure.h"

enum { PIECE = 32 << 10, WIRE_MAX = 1 << 20 };

static bool wait_for(const struct secure *s, short events)
{
    struct pollfd p = { .fd = s->fd, .events = events };
    int n;

    do
        n = poll(&p, 1, s->timeout > 0 && s->timeout < INT32_MAX ? (int)s->timeout : -1);
    while (n < 0 && errno == EINTR);
    if (n == 0)
        errno = ETIMEDOUT;
    return n > 0;
}

static bool flush(struct secure *s)
{
    while (s->out.n > 0) {
        struct slice view = buf_view(&s->out);
        ssize_t n = send(s->fd, view.p, view.n, MSG_NOSIGNAL);

        if (n < 0 && errno == EAGAIN && wait_for(s, POLLOUT))
            continue;
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return false;
        buf_drop(&s->out, (size_t)n);
    }
    return true;
}

/* fill - more from the wire; false: errno, 0 when there is an end */

static bool fill(struct secure *s, bool wait)
{
    char *room = buf_room(&s->in, PIECE);
    ssize_t n;

    do {
        if (room == NULL || (wait && !wait_for(s, POLLIN)))
            return false;
        n = recv(s->fd, room, PIECE, 0);
    } while (n < 0 && (errno == EINTR || (wait && errno == EAGAIN)));
    if (n == 0)
        errno = 0;
    if (n <= 0)
        return false;
    buf_added(&s->in, (size_t)n);
    return true;
}

/* A call of the session works on a view of what came. */

static struct slice wire_take(struct secure *s)
{
    return buf_view(&s->in);
}

static void wire_left(struct secure *s, struct slice left)
{
    buf_drop(&s->in, s->in.n - left.n);
}

static bool handshake(struct secure *s)
{
    for (;;) {
        struct slice view = wire_take(s);
        enum tls_state state;

        tls_session_wire(s->session, &view, &s->out);
        state = tls_handshake(s->session);
        wire_left(s, view);
        if (!flush(s) || state == TLS_FAILED)
            return false;
        if (state == TLS_OPEN)
            return true;
        if (!fill(s, true)) {
            if (errno == 0)
                errno = ECONNRESET;
            return false;
        }
    }
}

bool secure_begin(struct secure *s, struct tls_client *trust, const struct tls_peer *peer,
                  int fd, int64_t timeout)
{
    *s = (struct secure){ .fd = fd, .timeout = timeout, .in = BUF(WIRE_MAX),
                          .out = BUF(WIRE_MAX) };
    s->session = tls_session_client(trust, peer, NULL, NULL);
    errno = ENOMEM;
    return s->session != NULL && handshake(s);
}

ssize_t secure_read(struct secure *s, char *p, size_t n, bool wait)
{
    for (;;) {
        struct slice view = wire_take(s);
        size_t got;

        tls_session_wire(s->session, &view, &s->out);
        got = tls_read(s->session, p, n);
        wire_left(s, view);
        if (!flush(s))
            return -1;
        if (got > 0)
            return (ssize_t)got;
        if (tls_session_state(s->session) == TLS_ENDED)
            return 0;
        errno = EPROTO;
        if (tls_session_state(s->session) == TLS_FAILED)
            return -1;
        if (!fill(s, wait)) {
            if (errno != 0)
                return -1;
            tls_cut(s->session);
            errno = ECONNRESET;
            return tls_session_state(s->session) == TLS_ENDED ? 0 : -1;
        }
    }
}

bool secure_write(struct secure *s, struct slice plain)
{
    while (plain.n > 0) {
        struct slice view = wire_take(s);
        size_t n;

        tls_session_wire(s->session, &view, &s->out);
        n = tls_write(s->session, slice_first(plain, PIECE));
        wire_left(s, view);
        plain = slice_from(plain, n);
        errno = EPROTO;
        if (tls_session_state(s->session) == TLS_FAILED || !flush(s))
            return false;
    }
    return true;
}

void secure_end(struct secure *s)
{
    struct slice view = wire_take(s);

    if (s->session != NULL && tls_session_state(s->session) == TLS_OPEN) {
        tls_session_wire(s->session, &view, &s->out);
        tls_goodbye(s->session);
        view = buf_view(&s->out);
        if (view.n > 0)
            (void)!send(s->fd, view.p, view.n, MSG_NOSIGNAL | MSG_DONTWAIT);
    }
    if (s->session != NULL)
        tls_session_free(s->session);
    buf_free(&s->in);
    buf_free(&s->out);
    *s = (struct secure){ .fd = -1 };
}

const char *secure_error(const struct secure *s)
{
    const char *text = s->session != NULL ? tls_session_error(s->session) : "";

    return text[0] != '\0' ? text : strerror(errno);
}
