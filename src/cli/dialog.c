/* dialog.c - the client's side of SMTP for people to watch. */
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include "cli/dialog.h"
#include "cli/text.h"
#include "smtp/address.h"
#include "smtp/data.h"

enum { PIECE = 32 << 10, LINE = 4096 };

static int64_t now_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* --- what is printed -------------------------------------------------------------- */

void dialog_note(const struct dialog *d, const char *fmt, ...)
{
    char line[LINE];
    va_list ap;

    if (d->quiet)
        return;
    va_start(ap, fmt);
    vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    text_puts(stdout, line);
    putchar('\n');
    fflush(stdout);
}

static void note_took(const struct dialog *d, const char *what)
{
    dialog_note(d, "[%s]  %.1f ms", what, (double)(now_us() - d->asked) / 1000);
}

/* show_reply - the lines as they came, not as the reader understood them */

static void show_reply(struct dialog *d)
{
    double ms = (double)(now_us() - d->asked) / 1000;
    struct slice raw = slice_trim(buf_view(&d->raw)), line, rest;
    bool more = !d->quiet && d->raw.n > 0;

    while (more) {
        more = slice_cut(raw, '\n', &line, &rest);
        fputs("< ", stdout);
        text_print(stdout, slice_trim(line));
        if (more)
            putchar('\n');
        else
            printf("  [%.1f ms]\n", ms);
        raw = rest;
    }
    fflush(stdout);
}

/* tell_story - a step for those who read JSON: what we said, what they answered */

static void tell_story(const struct dialog *d, const char *said)
{
    const struct reply_in *r = &d->reader.reply;
    json_t *step;

    if (d->story == NULL)
        return;
    step = json_object();
    if (said != NULL)
        json_object_set_new(step, "say", json_string(said));
    json_object_set_new(step, "code", json_integer((json_int_t)r->code));
    if (r->status[0] != 0)
        json_object_set_new(step, "status", json_sprintf("%u.%u.%u", r->status[0], r->status[1],
                                                         r->status[2]));
    json_object_set_new(step, "text", json_stringn(r->text, r->len));
    json_object_set_new(step, "microseconds", json_integer((json_int_t)(now_us() - d->asked)));
    json_array_append_new(d->story, step);
}

static void hang_up(struct dialog *d)
{
    secure_end(&d->secure);
    close(d->fd);
    d->fd = -1;
}

static int lost(struct dialog *d, const char *why)
{
    dialog_note(d, "[Connection lost: %s]", why);
    if (d->quiet)
        fprintf(stderr, "postrider: connection lost: %s\n", why);
    hang_up(d);
    return EX_TEMPFAIL;
}

/* --- connecting ------------------------------------------------------------------- */

bool dialog_server(struct dialog *d, const char *server)
{
    struct slice s = slice_cstr(server), host, port = SLICE_LIT("25");
    uint64_t n;

    if (s.n > 0 && s.p[0] == '[') {
        if (!slice_cut(slice_from(s, 1), ']', &host, &s) || (s.n > 0 && s.p[0] != ':'))
            return false;
        if (s.n > 0)
            port = slice_from(s, 1);
    } else if (slice_chr(s, ':') == slice_rchr(s, ':')) {
        if (slice_cut(s, ':', &host, &s))
            port = s;
    } else {
        host = s;               /* an IPv6 address without brackets or port */
    }
    if (host.n == 0 || host.n >= sizeof d->host || !slice_u64(port, &n) || n == 0 || n > 65535)
        return false;
    snprintf(d->host, sizeof d->host, "%.*s", SLICE(host));
    snprintf(d->port, sizeof d->port, "%u", (unsigned)n);
    return true;
}

static bool wait_for(const struct dialog *d, short events)
{
    struct pollfd p = { .fd = d->fd, .events = events };
    int n;

    do
        n = poll(&p, 1, d->timeout > 0 && d->timeout < INT32_MAX ? (int)d->timeout : -1);
    while (n < 0 && errno == EINTR);
    if (n == 0)
        errno = ETIMEDOUT;
    return n > 0;
}

static bool connected(const struct dialog *d)
{
    socklen_t n = sizeof errno;
    int error = 0;

    if (!wait_for(d, POLLOUT) || getsockopt(d->fd, SOL_SOCKET, SO_ERROR, &error, &n) < 0)
        return false;
    errno = error;
    return error == 0;
}

static bool try_address(struct dialog *d, const struct addrinfo *a)
{
    char ip[64] = "?";

    getnameinfo(a->ai_addr, a->ai_addrlen, ip, sizeof ip, NULL, 0, NI_NUMERICHOST);
    dialog_note(d, "[Contacting %s [%s]:%s...]", d->host, ip, d->port);
    d->asked = now_us();
    d->fd = socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (d->fd >= 0 && (connect(d->fd, a->ai_addr, a->ai_addrlen) == 0
                       || (errno == EINPROGRESS && connected(d)))) {
        setsockopt(d->fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
        note_took(d, "Connected");
        return true;
    }
    dialog_note(d, "[Cannot connect: %s]", strerror(errno));
    if (d->quiet)
        fprintf(stderr, "postrider: cannot connect to [%s]:%s: %s\n", ip, d->port,
                strerror(errno));
    if (d->fd >= 0)
        close(d->fd);
    d->fd = -1;
    return false;
}

int dialog_open(struct dialog *d)
{
    struct addrinfo hints = { .ai_family = d->family, .ai_socktype = SOCK_STREAM }, *all, *a;
    int error;

    d->fd = -1;
    d->in = BUF(1 << 20);
    d->raw = BUF(256 << 10);
    dialog_note(d, "[Resolving %s...]", d->host);
    error = getaddrinfo(d->host, d->port, &hints, &all);
    if (error != 0) {
        dialog_note(d, "[Cannot resolve: %s]", gai_strerror(error));
        if (d->quiet)
            fprintf(stderr, "postrider: cannot resolve %s: %s\n", d->host, gai_strerror(error));
        return error == EAI_AGAIN ? EX_TEMPFAIL : EX_NOHOST;
    }
    for (a = all; a != NULL && !try_address(d, a); a = a->ai_next)
        ;
    freeaddrinfo(all);
    return d->fd >= 0 ? EX_OK : EX_UNAVAILABLE;
}

/* --- bytes ------------------------------------------------------------------------- */

bool dialog_is_secure(const struct dialog *d)
{
    return d->secure.session != NULL;
}

static int send_all(struct dialog *d, struct slice s)
{
    ssize_t n;

    if (dialog_is_secure(d))
        return secure_write(&d->secure, s) ? EX_OK : lost(d, secure_error(&d->secure));
    while (s.n > 0) {
        n = send(d->fd, s.p, s.n, MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN && wait_for(d, POLLOUT))
            continue;
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return lost(d, strerror(errno));
        s = slice_from(s, (size_t)n);
    }
    return EX_OK;
}

ssize_t dialog_read(struct dialog *d, char *p, size_t n, bool wait)
{
    ssize_t got;

    if (dialog_is_secure(d))
        return secure_read(&d->secure, p, n, wait);
    do {
        if (wait && !wait_for(d, POLLIN))
            return -1;
        got = recv(d->fd, p, n, 0);
    } while (got < 0 && (errno == EINTR || (wait && errno == EAGAIN)));
    return got;
}

int dialog_bytes(struct dialog *d, struct slice bytes)
{
    return send_all(d, bytes);
}

static int read_more(struct dialog *d)
{
    char *room = buf_room(&d->in, PIECE);
    ssize_t n;

    if (room == NULL)
        return EX_PROTOCOL;
    n = dialog_read(d, room, PIECE, true);
    if (n < 0)
        return lost(d, errno == ETIMEDOUT ? "no answer in time"
                     : dialog_is_secure(d) ? secure_error(&d->secure) : strerror(errno));
    if (n == 0)
        return lost(d, "the server closed it");
    buf_added(&d->in, (size_t)n);
    return EX_OK;
}

static int read_reply(struct dialog *d)
{
    enum reader_result r = READER_MORE;
    int status = EX_OK;
    size_t used;

    d->reader = (struct reply_reader){ 0 };
    buf_clear(&d->raw);
    for (;;) {
        if (d->in.n > 0) {
            r = reader_next(&d->reader, buf_view(&d->in), &used);
            buf_put_slice(&d->raw, slice_first(buf_view(&d->in), used));
            buf_drop(&d->in, used);
        }
        if (r == READER_REPLY) {
            show_reply(d);
            return EX_OK;
        }
        if (r == READER_BAD) {
            show_reply(d);
            dialog_note(d, "[This is not an SMTP reply]");
            return EX_PROTOCOL;
        }
        status = read_more(d);
        if (status != EX_OK)
            return status;
    }
}

/* --- the language -------------------------------------------------------------------- */

unsigned dialog_code(const struct dialog *d)
{
    return d->reader.reply.code;
}

int dialog_judge(const struct dialog *d, int never)
{
    switch (dialog_code(d) / 100) {
    case 2: case 3: return EX_OK;
    case 4:         return EX_TEMPFAIL;
    case 5:         return never;
    default:        return EX_PROTOCOL;
    }
}

/* say_line - a line with its CRLF, and the reply to it; `shown` of it */

static int say_line(struct dialog *d, struct slice line, const char *shown)
{
    int status;

    dialog_note(d, "> %s", shown);
    d->asked = now_us();
    status = send_all(d, line);
    if (status == EX_OK)
        status = read_reply(d);
    if (status == EX_OK)
        tell_story(d, shown);
    return status;
}

int dialog_secret(struct dialog *d, struct slice line, const char *shown)
{
    struct buf whole = BUF(64 << 10);
    int status;

    buf_put_slice(&whole, line);
    buf_puts(&whole, "\r\n");
    status = whole.full ? EX_DATAERR : say_line(d, buf_view(&whole), shown);
    buf_free(&whole);
    return status;
}

int dialog_say(struct dialog *d, const char *fmt, ...)
{
    char line[LINE + 2], shown[LINE];
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(shown, sizeof shown, fmt, ap);
    va_end(ap);
    if (n < 0 || (size_t)n >= sizeof shown)
        return EX_DATAERR;
    memcpy(line, shown, (size_t)n);
    memcpy(line + n, "\r\n", 2);
    return say_line(d, slice_of(line, (size_t)n + 2), shown);
}

int dialog_greeting(struct dialog *d)
{
    int status;

    d->asked = now_us();
    status = read_reply(d);
    if (status == EX_OK)
        tell_story(d, NULL);
    return status == EX_OK ? dialog_judge(d, EX_NOPERM) : status;
}

int dialog_hello(struct dialog *d, const char *name)
{
    int status = dialog_greeting(d);

    return status == EX_OK ? dialog_ehlo(d, name) : status;
}

int dialog_ehlo(struct dialog *d, const char *name)
{
    int status = dialog_say(d, "EHLO %s", name);

    d->offers = (struct host_offers){ .flags = 0 };
    if (status == EX_OK && dialog_code(d) / 100 == 5) {
        status = dialog_say(d, "HELO %s", name);
    } else if (status == EX_OK) {
        offers_read(&d->reader.reply, &d->offers);
    }
    d->ehlo = d->reader.reply;
    return status == EX_OK ? dialog_judge(d, EX_NOPERM) : status;
}

int dialog_text(struct dialog *d, struct slice text)
{
    struct buf out = BUF(4 * PIECE);
    struct data_writer w = { 0 };
    int status = EX_OK;
    size_t whole = text.n;

    d->asked = now_us();
    for (; text.n > 0 && status == EX_OK; text = slice_from(text, PIECE)) {
        if (!data_write(&w, &out, slice_first(text, PIECE)))
            status = EX_DATAERR;
        else
            status = send_all(d, buf_view(&out));
        buf_clear(&out);
    }
    if (status == EX_OK && !data_finish(&w, &out))
        status = EX_SOFTWARE;
    if (status == EX_OK)
        status = send_all(d, buf_view(&out));
    buf_free(&out);
    if (status != EX_OK)
        return status;
    dialog_note(d, "> [%zu bytes of message]", whole);
    dialog_note(d, "> .");
    status = read_reply(d);
    if (status == EX_OK)
        tell_story(d, ".");
    return status;
}

int dialog_chunks(struct dialog *d, struct slice text, size_t size)
{
    struct slice piece;
    int status;

    do {
        bool last = size == 0 || text.n <= size;
        char line[64];
        int n = snprintf(line, sizeof line, "BDAT %zu%s\r\n", last ? text.n : size,
                         last ? " LAST" : "");

        piece = last ? text : slice_first(text, size);
        text = slice_from(text, piece.n);
        d->asked = now_us();
        status = send_all(d, slice_of(line, (size_t)n));
        if (status == EX_OK)
            status = send_all(d, piece);
        line[n - 2] = '\0';
        dialog_note(d, "> %s", line);
        if (status == EX_OK)
            status = read_reply(d);
        if (status == EX_OK)
            tell_story(d, line);
        if (last)
            break;
    } while (status == EX_OK && dialog_code(d) / 100 == 2);
    return status;
}

int dialog_tls(struct dialog *d, struct tls_client *trust, const struct tls_peer *peer)
{
    struct tls_info info;

    d->asked = now_us();
    if (d->in.n > 0)
        return lost(d, "the server spoke before the handshake");
    if (!secure_begin(&d->secure, trust, peer, d->fd, d->timeout)) {
        lost(d, secure_error(&d->secure));
        return EX_PROTOCOL;
    }
    if (tls_session_info(d->secure.session, &info)) {
        dialog_note(d, "[%s, %s, %s]  %.1f ms", info.version, info.cipher,
                    info.verified ? "certificate trusted" : info.unverified != NULL
                    ? info.unverified : "certificate not checked",
                    (double)(now_us() - d->asked) / 1000);
    }
    return EX_OK;
}

void dialog_drop(struct dialog *d)
{
    if (d->fd >= 0)
        hang_up(d);
}

void dialog_close(struct dialog *d)
{
    if (d->fd >= 0 && dialog_say(d, "QUIT") == EX_PROTOCOL)
        dialog_note(d, "[Closing without a word more]");
    if (d->fd >= 0) {
        hang_up(d);
        dialog_note(d, "[Connection closed]");
    }
    buf_free(&d->in);
    buf_free(&d->raw);
}

const char *dialog_name(char name[256])
{
    char own[256] = "";

    if (gethostname(own, sizeof own - 1) < 0 || !helo_valid(slice_cstr(own)))
        snprintf(own, sizeof own, "localhost");
    memcpy(name, own, sizeof own);
    return name;
}
