/* load_wire.c - sockets and TLS of a load. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>
#include "cli/load_wire.h"

enum { RECORD = 16 << 10, SOURCES = 250 };

static char input[WIRE_INPUT];      /* what was just read, of whichever connection */
static char sealed[WIRE_INPUT];     /* the same, before it is opened */

/* --- opening and closing ------------------------------------------------------------------ */

/* bind_source - another of the many addresses that a loopback interface has, each with ports
 * of its own */

static bool bind_source(int fd, unsigned source)
{
    struct sockaddr_in from = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK + source),
    };
    int one = 1;

    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
    return bind(fd, (struct sockaddr *)&from, sizeof from) == 0;
}

static bool is_loopback(const struct wire_target *t)
{
    const struct sockaddr_in *to = (const struct sockaddr_in *)&t->to;

    return to->sin_family == AF_INET && ntohl(to->sin_addr.s_addr) >> 24 == 127;
}

static int try_connect(const struct wire_target *t)
{
    int fd = socket(t->to.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), one = 1, error;

    if (fd < 0)
        return -1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if ((t->source == 0 || bind_source(fd, t->source))
        && (connect(fd, (const struct sockaddr *)&t->to, t->to_size) == 0 || errno == EINPROGRESS))
        return fd;
    error = errno;
    close(fd);
    errno = error;
    return -1;
}

bool wire_open(struct wire *w, struct wire_target *t, void *user)
{
    struct epoll_event e = { .events = EPOLLIN, .data.ptr = user };

    w->fd = try_connect(t);
    if (w->fd < 0 && errno == EADDRNOTAVAIL && is_loopback(t) && t->source < SOURCES) {
        t->source++;
        w->fd = try_connect(t);
    }
    w->tls = NULL;
    w->brisk = NULL;
    w->blocked = false;
    w->first = w->n = 0;
    w->carried = 0;
    return w->fd >= 0 && epoll_ctl(t->epoll, EPOLL_CTL_ADD, w->fd, &e) == 0;
}

void wire_close(struct wire *w)
{
    if (w->tls != NULL)         /* QUIT was the farewell; without one its ticket would be spoilt */
        SSL_set_shutdown(w->tls, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_free(w->tls);
    brisk_free(w->brisk);
    w->tls = NULL;
    w->brisk = NULL;
    if (w->fd >= 0)
        close(w->fd);
    w->fd = -1;
    free(w->carry);
    w->carry = NULL;
    w->carried = 0;
}

/* set_blocked - be told when it can be written to, or no longer */

static void set_blocked(struct wire *w, const struct wire_target *t, void *user, bool blocked)
{
    struct epoll_event e = { .events = EPOLLIN | (blocked ? (uint32_t)EPOLLOUT : 0), .data.ptr = user };

    if (w->blocked == blocked)
        return;
    w->blocked = blocked;
    epoll_ctl(t->epoll, EPOLL_CTL_MOD, w->fd, &e);
}

/* --- TLS ------------------------------------------------------------------------------------ */

/* accept_any - a load is no place to judge a chain of certificates, which costs more than
 * all else that a client does in a handshake */

static int accept_any(X509_STORE_CTX *store, void *user)
{
    (void)store, (void)user;
    return 1;
}

SSL_CTX *tls_load_context(int (*keep)(SSL *, SSL_SESSION *), void *user)
{
    SSL_CTX *c = SSL_CTX_new(TLS_client_method());

    if (c == NULL)
        return NULL;
    SSL_CTX_set_min_proto_version(c, TLS1_2_VERSION);
    SSL_CTX_set_mode(c, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER
                        | SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_cert_verify_callback(c, accept_any, NULL);
    SSL_CTX_set_app_data(c, user);
    SSL_CTX_set_session_cache_mode(c, keep != NULL ? SSL_SESS_CACHE_CLIENT
                                      | SSL_SESS_CACHE_NO_INTERNAL : SSL_SESS_CACHE_OFF);
    if (keep != NULL)
        SSL_CTX_sess_set_new_cb(c, keep);
    return c;
}

bool wire_is_secure(const struct wire *w)
{
    return w->tls != NULL || w->brisk != NULL;
}

bool wire_resumed(const struct wire *w)
{
    return w->tls != NULL && SSL_session_reused(w->tls) == 1;
}

bool wire_secure(struct wire *w, const struct wire_target *t)
{
    if (t->brisk)
        return (w->brisk = brisk_new(t->name)) != NULL;
    w->tls = SSL_new(t->tls);
    if (w->tls == NULL || SSL_set_fd(w->tls, w->fd) != 1)
        return false;
    if (t->name != NULL)
        SSL_set_tlsext_host_name(w->tls, t->name);
    if (t->ticket != NULL)
        SSL_set_session(w->tls, t->ticket);
    SSL_set_connect_state(w->tls);
    return true;
}

/* tls_result - what a call of the library that gave nothing means */

static enum wire_result tls_result(const struct wire *w, int returned)
{
    switch (SSL_get_error(w->tls, returned)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
        return WIRE_AGAIN;
    case SSL_ERROR_ZERO_RETURN:
        errno = 0;
        return WIRE_LOST;
    default:
        return WIRE_LOST;
    }
}

static enum wire_result receive_brisk(struct wire *w)
{
    ssize_t n = recv(w->fd, sealed, sizeof sealed, 0);

    if (n > 0) {
        brisk_take(w->brisk, slice_of(sealed, (size_t)n));
        return w->brisk->state == BRISK_FAILED ? WIRE_LOST : WIRE_OK;
    }
    if (n == 0)
        errno = 0;
    return n < 0 && (errno == EAGAIN || errno == EINTR) ? WIRE_AGAIN : WIRE_LOST;
}

static enum wire_result shake_brisk(struct wire *w, const struct wire_target *t, void *user)
{
    enum wire_result result = WIRE_OK;

    while (result == WIRE_OK && w->brisk->state == BRISK_HANDSHAKE) {
        result = wire_flush(w, t, user);
        if (result == WIRE_OK)
            result = receive_brisk(w);
    }
    return result == WIRE_OK && w->brisk->state != BRISK_OPEN ? WIRE_LOST : result;
}

enum wire_result wire_handshake(struct wire *w, const struct wire_target *t, void *user)
{
    int n;

    if (w->brisk != NULL)
        return shake_brisk(w, t, user);
    ERR_clear_error();
    errno = 0;
    n = SSL_do_handshake(w->tls);
    if (n == 1) {
        set_blocked(w, t, user, false);
        return WIRE_OK;
    }
    set_blocked(w, t, user, SSL_want_write(w->tls));
    return tls_result(w, n);
}

/* --- sending ---------------------------------------------------------------------------------- */

void wire_part(struct wire *w, struct slice bytes)
{
    if (w->first > 0) {
        w->n -= w->first;
        memmove(w->parts, w->parts + w->first, w->n * sizeof *w->parts);
        w->first = 0;
    }
    if (bytes.n > 0)
        w->parts[w->n++] = (struct iovec){ .iov_base = (void *)(uintptr_t)bytes.p, .iov_len = bytes.n };
}

static void part_sent(struct wire *w, size_t n)
{
    while (n > 0) {
        struct iovec *part = &w->parts[w->first];
        size_t some = n < part->iov_len ? n : part->iov_len;

        part->iov_base = (char *)part->iov_base + some;
        part->iov_len -= some;
        n -= some;
        if (part->iov_len == 0)
            w->first++;
    }
}

static ssize_t send_plain(struct wire *w)
{
    struct msghdr m = { .msg_iov = w->parts + w->first, .msg_iovlen = w->n - w->first };

    if (m.msg_iovlen == 1)
        return send(w->fd, m.msg_iov->iov_base, m.msg_iov->iov_len, MSG_NOSIGNAL);
    return sendmsg(w->fd, &m, MSG_NOSIGNAL);
}

/* gather - as much as one record of TLS holds, put together from the parts */

static size_t gather(const struct wire *w, char record[RECORD])
{
    size_t n = 0;

    for (unsigned i = w->first; i < w->n && n < RECORD; i++) {
        size_t some = w->parts[i].iov_len < RECORD - n ? w->parts[i].iov_len : RECORD - n;

        memcpy(record + n, w->parts[i].iov_base, some);
        n += some;
    }
    return n;
}

/* send_record - when it does not go, the next try begins with the same bytes, as the library
 * wants it */

static ssize_t send_record(struct wire *w)
{
    static char record[RECORD];
    size_t n = gather(w, record);
    int sent;

    ERR_clear_error();
    errno = 0;
    sent = SSL_write(w->tls, record, (int)n);
    if (sent > 0)
        return sent;
    if (tls_result(w, sent) == WIRE_AGAIN)
        errno = EAGAIN;
    return -1;
}

/* seal_parts - into one record: as much as it holds. False: it failed. */

static bool seal_parts(struct wire *w, size_t *n)
{
    static char record[RECORD];

    *n = gather(w, record);
    return *n == 0 || brisk_seal(w->brisk, slice_of(record, *n));
}

/* send_brisk - how much was sealed; some of that may still wait to be sent */

static ssize_t send_brisk(struct wire *w)
{
    struct buf *out = &w->brisk->out;
    size_t n = 0;
    ssize_t sent;

    errno = EPROTO;
    if (out->n < RECORD && !seal_parts(w, &n))
        return -1;
    sent = send(w->fd, buf_view(out).p, out->n, MSG_NOSIGNAL);
    if (sent > 0)
        buf_drop(out, (size_t)sent);
    return sent >= 0 || (errno == EAGAIN && n > 0) ? (ssize_t)n : -1;
}

static ssize_t send_some(struct wire *w)
{
    if (w->brisk != NULL)
        return send_brisk(w);
    return w->tls != NULL ? send_record(w) : send_plain(w);
}

static bool waits(const struct wire *w)
{
    return w->first < w->n || (w->brisk != NULL && w->brisk->out.n > 0);
}

enum wire_result wire_flush(struct wire *w, const struct wire_target *t, void *user)
{
    while (waits(w)) {
        ssize_t n = send_some(w);

        if (n >= 0) {
            part_sent(w, (size_t)n);
        } else if (errno == EAGAIN) {
            set_blocked(w, t, user, true);
            return WIRE_AGAIN;
        } else if (errno != EINTR) {
            return WIRE_LOST;
        }
    }
    set_blocked(w, t, user, false);
    return WIRE_OK;
}

/* --- receiving --------------------------------------------------------------------------------- */

/* read_tls - until the library has nothing left, as the socket would not tell of that */

static enum wire_result read_tls(struct wire *w, char *to, size_t room, size_t *got)
{
    int n = 0;

    ERR_clear_error();
    errno = 0;
    while (room > 0 && (n = SSL_read(w->tls, to, (int)room)) > 0) {
        to += n;
        room -= (size_t)n;
        *got += (size_t)n;
    }
    return *got > 0 ? WIRE_OK : tls_result(w, n);
}

static enum wire_result read_brisk(struct wire *w, char *to, size_t room, size_t *got)
{
    struct buf *plain = &w->brisk->plain;
    enum wire_result result = plain->n == 0 ? receive_brisk(w) : WIRE_OK;

    if (result != WIRE_OK)
        return result;
    *got = plain->n < room ? plain->n : room;
    if (*got > 0)
        memcpy(to, buf_view(plain).p, *got);
    buf_drop(plain, *got);
    errno = 0;
    return *got > 0 ? WIRE_OK : w->brisk->state == BRISK_OPEN ? WIRE_AGAIN : WIRE_LOST;
}

static enum wire_result read_plain(struct wire *w, char *to, size_t room, size_t *got)
{
    ssize_t n = recv(w->fd, to, room, 0);

    if (n > 0) {
        *got = (size_t)n;
        return WIRE_OK;
    }
    if (n == 0)
        errno = 0;
    return n < 0 && (errno == EAGAIN || errno == EINTR) ? WIRE_AGAIN : WIRE_LOST;
}

enum wire_result wire_read(struct wire *w, struct slice *in)
{
    size_t kept = w->carried, got = 0;
    enum wire_result result;

    if (kept > 0)
        memcpy(input, w->carry, kept);
    result = (w->brisk != NULL ? read_brisk : w->tls != NULL ? read_tls : read_plain)
                 (w, input + kept, sizeof input - kept, &got);
    *in = slice_of(input, kept + got);
    if (result == WIRE_OK)
        w->carried = 0;
    return result;
}

bool wire_more(const struct wire *w)
{
    if (w->brisk != NULL)
        return w->brisk->plain.n > 0;
    return w->tls != NULL && SSL_pending(w->tls) > 0;
}

bool wire_keep(struct wire *w, struct slice rest)
{
    if (rest.n >= WIRE_INPUT / 2)
        return false;
    if (rest.n > 0 && w->carry == NULL)
        w->carry = malloc(WIRE_INPUT / 2);
    if (rest.n > 0 && w->carry == NULL)
        return false;
    if (rest.n > 0)
        memcpy(w->carry, rest.p, rest.n);
    w->carried = rest.n;
    return true;
}

const char *wire_why(const struct wire *w, char text[160])
{
    unsigned long code = w->tls != NULL ? ERR_peek_last_error() : 0;

    if (w->brisk != NULL && w->brisk->why != NULL)
        snprintf(text, 160, "%s", w->brisk->why);
    else if (code != 0)
        ERR_error_string_n(code, text, 160);
    else
        snprintf(text, 160, "%s", errno == 0 ? "the server closed the connection" : strerror(errno));
    return text;
}
