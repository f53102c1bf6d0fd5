/* load_connection.c - sockets and TLS of a load. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>
#include "cli/load_connection.h"

enum { RECORD = 16 << 10, SOURCES = 250 };

static char input[CONNECTION_INPUT];      /* what was just read, of whichever connection */
static char sealed[CONNECTION_INPUT];     /* the same, before it is opened */

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

static bool is_loopback(const struct load_target *t)
{
    const struct sockaddr_in *to = (const struct sockaddr_in *)&t->to;

    return to->sin_family == AF_INET && ntohl(to->sin_addr.s_addr) >> 24 == 127;
}

static int try_connect(const struct load_target *t)
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

bool connection_open(struct connection *c, struct load_target *t, void *user)
{
    struct epoll_event e = { .events = EPOLLIN, .data.ptr = user };

    c->fd = try_connect(t);
    if (c->fd < 0 && errno == EADDRNOTAVAIL && is_loopback(t) && t->source < SOURCES) {
        t->source++;
        c->fd = try_connect(t);
    }
    c->tls = NULL;
    c->brisk = NULL;
    c->blocked = false;
    c->first = c->n = 0;
    c->carried = 0;
    return c->fd >= 0 && epoll_ctl(t->epoll, EPOLL_CTL_ADD, c->fd, &e) == 0;
}

void connection_close(struct connection *c)
{
    if (c->tls != NULL)         /* QUIT was the farewell; without one its ticket would be spoilt */
        SSL_set_shutdown(c->tls, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_free(c->tls);
    brisk_free(c->brisk);
    c->tls = NULL;
    c->brisk = NULL;
    if (c->fd >= 0)
        close(c->fd);
    c->fd = -1;
    free(c->carry);
    c->carry = NULL;
    c->carried = 0;
}

/* set_blocked - be told when it can be written to, or no longer */

static void set_blocked(struct connection *c, const struct load_target *t, void *user, bool blocked)
{
    struct epoll_event e = { .events = EPOLLIN | (blocked ? (uint32_t)EPOLLOUT : 0), .data.ptr = user };

    if (c->blocked == blocked)
        return;
    c->blocked = blocked;
    epoll_ctl(t->epoll, EPOLL_CTL_MOD, c->fd, &e);
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

bool connection_is_secure(const struct connection *c)
{
    return c->tls != NULL || c->brisk != NULL;
}

bool connection_resumed(const struct connection *c)
{
    return c->tls != NULL && SSL_session_reused(c->tls) == 1;
}

bool connection_secure(struct connection *c, const struct load_target *t)
{
    if (t->brisk)
        return (c->brisk = brisk_new(t->name)) != NULL;
    c->tls = SSL_new(t->tls);
    if (c->tls == NULL || SSL_set_fd(c->tls, c->fd) != 1)
        return false;
    if (t->name != NULL)
        SSL_set_tlsext_host_name(c->tls, t->name);
    if (t->ticket != NULL)
        SSL_set_session(c->tls, t->ticket);
    SSL_set_connect_state(c->tls);
    return true;
}

/* tls_result - what a call of the library that gave nothing means */

static enum connection_result tls_result(const struct connection *c, int returned)
{
    switch (SSL_get_error(c->tls, returned)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
        return CONNECTION_AGAIN;
    case SSL_ERROR_ZERO_RETURN:
        errno = 0;
        return CONNECTION_LOST;
    default:
        return CONNECTION_LOST;
    }
}

static enum connection_result receive_brisk(struct connection *c)
{
    ssize_t n = recv(c->fd, sealed, sizeof sealed, 0);

    if (n > 0) {
        brisk_take(c->brisk, slice_of(sealed, (size_t)n));
        return c->brisk->state == BRISK_FAILED ? CONNECTION_LOST : CONNECTION_OK;
    }
    if (n == 0)
        errno = 0;
    return n < 0 && (errno == EAGAIN || errno == EINTR) ? CONNECTION_AGAIN : CONNECTION_LOST;
}

static enum connection_result shake_brisk(struct connection *c, const struct load_target *t,
                                          void *user)
{
    enum connection_result result = CONNECTION_OK;

    while (result == CONNECTION_OK && c->brisk->state == BRISK_HANDSHAKE) {
        result = connection_flush(c, t, user);
        if (result == CONNECTION_OK)
            result = receive_brisk(c);
    }
    return result == CONNECTION_OK && c->brisk->state != BRISK_OPEN ? CONNECTION_LOST : result;
}

enum connection_result connection_handshake(struct connection *c, const struct load_target *t,
                                            void *user)
{
    int n;

    if (c->brisk != NULL)
        return shake_brisk(c, t, user);
    ERR_clear_error();
    errno = 0;
    n = SSL_do_handshake(c->tls);
    if (n == 1) {
        set_blocked(c, t, user, false);
        return CONNECTION_OK;
    }
    set_blocked(c, t, user, SSL_want_write(c->tls));
    return tls_result(c, n);
}

/* --- sending ---------------------------------------------------------------------------------- */

void connection_part(struct connection *c, struct slice bytes)
{
    if (c->first > 0) {
        c->n -= c->first;
        memmove(c->parts, c->parts + c->first, c->n * sizeof *c->parts);
        c->first = 0;
    }
    if (bytes.n > 0)
        c->parts[c->n++] = (struct iovec){ .iov_base = (void *)(uintptr_t)bytes.p, .iov_len = bytes.n };
}

static void part_sent(struct connection *c, size_t n)
{
    while (n > 0) {
        struct iovec *part = &c->parts[c->first];
        size_t some = n < part->iov_len ? n : part->iov_len;

        part->iov_base = (char *)part->iov_base + some;
        part->iov_len -= some;
        n -= some;
        if (part->iov_len == 0)
            c->first++;
    }
}

static ssize_t send_plain(struct connection *c)
{
    struct msghdr m = { .msg_iov = c->parts + c->first, .msg_iovlen = c->n - c->first };

    if (m.msg_iovlen == 1)
        return send(c->fd, m.msg_iov->iov_base, m.msg_iov->iov_len, MSG_NOSIGNAL);
    return sendmsg(c->fd, &m, MSG_NOSIGNAL);
}

/* gather - as much as one record of TLS holds, put together from the parts */

static size_t gather(const struct connection *c, char record[RECORD])
{
    size_t n = 0;

    for (unsigned i = c->first; i < c->n && n < RECORD; i++) {
        size_t some = c->parts[i].iov_len < RECORD - n ? c->parts[i].iov_len : RECORD - n;

        memcpy(record + n, c->parts[i].iov_base, some);
        n += some;
    }
    return n;
}

/* send_record - when it does not go, the next try begins with the same bytes, as the library
 * wants it */

static ssize_t send_record(struct connection *c)
{
    static char record[RECORD];
    size_t n = gather(c, record);
    int sent;

    ERR_clear_error();
    errno = 0;
    sent = SSL_write(c->tls, record, (int)n);
    if (sent > 0)
        return sent;
    if (tls_result(c, sent) == CONNECTION_AGAIN)
        errno = EAGAIN;
    return -1;
}

/* seal_parts - into one record: as much as it holds. False: it failed. */

static bool seal_parts(struct connection *c, size_t *n)
{
    static char record[RECORD];

    *n = gather(c, record);
    return *n == 0 || brisk_seal(c->brisk, slice_of(record, *n));
}

/* send_brisk - how much was sealed; some of that may still wait to be sent */

static ssize_t send_brisk(struct connection *c)
{
    struct buf *out = &c->brisk->out;
    size_t n = 0;
    ssize_t sent;

    errno = EPROTO;
    if (out->n < RECORD && !seal_parts(c, &n))
        return -1;
    sent = send(c->fd, buf_view(out).p, out->n, MSG_NOSIGNAL);
    if (sent > 0)
        buf_drop(out, (size_t)sent);
    return sent >= 0 || (errno == EAGAIN && n > 0) ? (ssize_t)n : -1;
}

static ssize_t send_some(struct connection *c)
{
    if (c->brisk != NULL)
        return send_brisk(c);
    return c->tls != NULL ? send_record(c) : send_plain(c);
}

static bool waits(const struct connection *c)
{
    return c->first < c->n || (c->brisk != NULL && c->brisk->out.n > 0);
}

enum connection_result connection_flush(struct connection *c, const struct load_target *t,
                                        void *user)
{
    while (waits(c)) {
        ssize_t n = send_some(c);

        if (n >= 0) {
            part_sent(c, (size_t)n);
        } else if (errno == EAGAIN) {
            set_blocked(c, t, user, true);
            return CONNECTION_AGAIN;
        } else if (errno != EINTR) {
            return CONNECTION_LOST;
        }
    }
    set_blocked(c, t, user, false);
    return CONNECTION_OK;
}

/* --- receiving --------------------------------------------------------------------------------- */

/* read_tls - until the library has nothing left, as the socket would not tell of that */

static enum connection_result read_tls(struct connection *c, char *to, size_t room, size_t *got)
{
    int n = 0;

    ERR_clear_error();
    errno = 0;
    while (room > 0 && (n = SSL_read(c->tls, to, (int)room)) > 0) {
        to += n;
        room -= (size_t)n;
        *got += (size_t)n;
    }
    return *got > 0 ? CONNECTION_OK : tls_result(c, n);
}

static enum connection_result read_brisk(struct connection *c, char *to, size_t room, size_t *got)
{
    struct buf *plain = &c->brisk->plain;
    enum connection_result result = plain->n == 0 ? receive_brisk(c) : CONNECTION_OK;

    if (result != CONNECTION_OK)
        return result;
    *got = plain->n < room ? plain->n : room;
    if (*got > 0)
        memcpy(to, buf_view(plain).p, *got);
    buf_drop(plain, *got);
    errno = 0;
    if (*got > 0)
        return CONNECTION_OK;
    return c->brisk->state == BRISK_OPEN ? CONNECTION_AGAIN : CONNECTION_LOST;
}

static enum connection_result read_plain(struct connection *c, char *to, size_t room, size_t *got)
{
    ssize_t n = recv(c->fd, to, room, 0);

    if (n > 0) {
        *got = (size_t)n;
        return CONNECTION_OK;
    }
    if (n == 0)
        errno = 0;
    return n < 0 && (errno == EAGAIN || errno == EINTR) ? CONNECTION_AGAIN : CONNECTION_LOST;
}

enum connection_result connection_read(struct connection *c, struct slice *in)
{
    size_t kept = c->carried, got = 0;
    enum connection_result result;

    if (kept > 0)
        memcpy(input, c->carry, kept);
    result = (c->brisk != NULL ? read_brisk : c->tls != NULL ? read_tls : read_plain)
                 (c, input + kept, sizeof input - kept, &got);
    *in = slice_of(input, kept + got);
    if (result == CONNECTION_OK)
        c->carried = 0;
    return result;
}

bool connection_more(const struct connection *c)
{
    if (c->brisk != NULL)
        return c->brisk->plain.n > 0;
    return c->tls != NULL && SSL_pending(c->tls) > 0;
}

bool connection_keep(struct connection *c, struct slice rest)
{
    if (rest.n >= CONNECTION_INPUT / 2)
        return false;
    if (rest.n > 0 && c->carry == NULL)
        c->carry = malloc(CONNECTION_INPUT / 2);
    if (rest.n > 0 && c->carry == NULL)
        return false;
    if (rest.n > 0)
        memcpy(c->carry, rest.p, rest.n);
    c->carried = rest.n;
    return true;
}

const char *connection_why(const struct connection *c, char text[160])
{
    unsigned long code = c->tls != NULL ? ERR_peek_last_error() : 0;

    if (c->brisk != NULL && c->brisk->why != NULL)
        snprintf(text, 160, "%s", c->brisk->why);
    else if (code != 0)
        ERR_error_string_n(code, text, 160);
    else
        snprintf(text, 160, "%s", errno == 0 ? "the server closed the connection" : strerror(errno));
    return text;
}
