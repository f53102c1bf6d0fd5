/* stream.c - libuv handles under two buffers.
 *
 * All streams of a process read into one shared buffer, which `in` borrows
 * while its owner looks at the input; only what the owner leaves behind is
 * copied out. So an idle connection holds no buffer at all, and a busy one
 * allocates nothing. Of an owner that leaves much behind, because it waits for
 * something, the rest stays where it is, and what comes is read in behind it.
 */
#include <assert.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <unistd.h>
#include "net/inside.h"

enum {
    OUT_KEEP     = 512,         /* bytes of `out` kept by an idle stream */
    MUCH         = 4 << 10,     /* bytes left behind that are not copied to and fro */
    ROOM_LEAST   = 8 << 10,     /* to read behind them, before they are moved to the front */
    LINGER_MS    = 2000,
    LINGER_BYTES = 1 << 20,
};

static char shared[STREAM_IN_MAX];

static void stream_forget(struct stream *s)
{
    buf_free(&s->in);
    buf_free(&s->out);
    buf_free(&s->sending);
}

static void on_closed(uv_handle_t *handle)
{
    struct stream *s = handle->data;

    stream_forget(s);
    if (s->closed != NULL)
        s->closed(s);
}

static void on_timer_closed(uv_handle_t *handle)
{
    free(handle);
}

void stream_close(struct stream *s)
{
    if (s->closing)
        return;
    s->closing = true;
    s->reading = s->want = false;
    if (s->tls != NULL)
        tls_forget(s);
    if (s->linger != NULL)
        uv_close((uv_handle_t *)s->linger, on_timer_closed);
    s->linger = NULL;
    uv_close(&s->uv.handle, on_closed);
}

void stream_fail(struct stream *s, int status)
{
    if (s->closing || s->error != 0)
        return;
    s->error = -status;
    s->want = false;
    reading_set(s);
    if (s->finishing)
        stream_close(s);
    else
        s->event(s, STREAM_FAILED);
}

void stream_ended(struct stream *s)
{
    s->eof = true;
    stream_pause(s);
    s->event(s, STREAM_EOF);
}

const char *stream_error_text(const struct stream *s)
{
    const char *text = s->tls != NULL ? tls_error(s) : "";

    return text[0] != '\0' ? text : strerror(s->error);
}

/* --- reading ------------------------------------------------------------ */

static size_t input_bound(const struct stream *s)
{
    return s->in.max < sizeof shared ? s->in.max : sizeof shared;
}

/* room_behind - behind much that was left */

static char *room_behind(struct stream *s, size_t *room)
{
    size_t behind = s->in.cap - s->in.start - s->in.n;
    char *p = buf_room(&s->in, behind >= ROOM_LEAST && behind <= *room ? behind : *room);

    if (p == NULL)
        *room = 0;
    else if (s->in.cap - s->in.start - s->in.n < *room)
        *room = s->in.cap - s->in.start - s->in.n;
    return p;
}

/* What the owner left behind moves to the front of the shared buffer, so that
 * the next bytes follow it. */

char *input_room(struct stream *s, size_t *room)
{
    *room = input_bound(s) - s->in.n;
    if (s->in.n >= MUCH)
        return room_behind(s, room);
    if (s->in.n > 0)
        memcpy(shared, s->in.p + s->in.start, s->in.n);
    return shared + s->in.n;
}

static char *placed_room(struct stream *s, size_t *room)
{
    char *p = s->place != NULL && s->in.n == 0 ? s->place(s, room) : NULL;

    if (p != NULL && *room > input_bound(s))
        *room = input_bound(s);     /* all of it may be left behind */
    return p;
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    struct stream *s = handle->data;

    (void)suggested;
    s->placed = NULL;
    if (s->finishing)
        *buf = uv_buf_init(shared, sizeof shared);
    else if (s->tls != NULL)
        tls_room(s, buf);
    else if ((s->placed = placed_room(s, &buf->len)) != NULL)
        buf->base = s->placed;      /* until the next is asked for */
    else
        buf->base = input_room(s, &buf->len);
}

/* show_own - the n bytes were read behind what was left */

static void show_own(struct stream *s, size_t n)
{
    buf_added(&s->in, n);
    s->lent = true;
    s->event(s, STREAM_INPUT);
    s->lent = false;
    if (s->finishing)
        buf_clear(&s->in);
}

/* show_at - let the owner see what was kept and n bytes, then take the buffer back */

static void show_at(struct stream *s, char *p, size_t n)
{
    struct buf own = s->in, left;

    s->in = (struct buf){ .p = p, .n = own.n + n, .cap = own.n + n, .max = own.n + n };
    s->lent = true;
    s->event(s, STREAM_INPUT);
    s->lent = false;
    left = s->in;
    s->in = own;
    buf_clear(&s->in);
    if (left.n > 0 && !s->closing && !s->finishing
        && !buf_put(&s->in, left.p + left.start, left.n))
        stream_fail(s, UV_ENOMEM);
}

/* input_show - room was given before, and nothing changed since */

bool input_show(struct stream *s, size_t n)
{
    if (s->in.n >= MUCH)
        show_own(s, n);
    else
        show_at(s, s->placed != NULL ? s->placed : shared, n);
    buf_shrink(&s->in, 0);
    if (s->in.n >= input_bound(s))
        stream_pause(s);
    return !s->closing && !s->finishing && s->error == 0;
}

static void linger_read(struct stream *s, ssize_t n)
{
    if (n > 0)
        s->lingered += (size_t)n;
    if (n < 0 || s->lingered > LINGER_BYTES) {
        s->eof = true;
        if (s->shut || s->error != 0)
            stream_close(s);
        else
            stream_pause(s);
    }
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct stream *s = stream->data;

    (void)buf;
    if (s->closing || n == 0)
        return;
    if (s->finishing) {
        linger_read(s, n);
    } else if (n > 0 && s->tls != NULL) {
        tls_arrived(s, (size_t)n);
    } else if (n > 0) {
        input_show(s, (size_t)n);
    } else if (n == UV_EOF && s->tls != NULL) {
        tls_ended(s);
    } else if (n == UV_EOF) {
        stream_ended(s);
    } else {
        stream_fail(s, (int)n);
    }
}

/* wants_bytes - should the socket be read now? With TLS in between that is not
 * the same as that the owner wants input. */

static bool wants_bytes(const struct stream *s)
{
    if (s->closing || s->error != 0 || s->eof)
        return false;
    return s->tls != NULL && !s->finishing ? tls_wants(s) : s->want;
}

void reading_set(struct stream *s)
{
    bool want = wants_bytes(s);

    if (s->reading && !want && !s->closing)
        uv_read_stop(&s->uv.stream);
    if (!s->reading && want)
        want = uv_read_start(&s->uv.stream, on_alloc, on_read) == 0;
    s->reading = want;
}

void stream_read(struct stream *s)
{
    if (!s->lent)
        buf_shrink(&s->in, 0);
    if (s->closing || s->eof || s->error != 0 || s->in.n >= input_bound(s))
        return;
    s->want = true;
    if (s->tls != NULL)
        tls_kick(s);
    reading_set(s);
}

void stream_pause(struct stream *s)
{
    s->want = false;
    if (!s->closing)
        reading_set(s);
}

/* --- writing ------------------------------------------------------------ */

static void on_linger_over(uv_timer_t *timer)
{
    stream_close(timer->data);
}

static void linger_begin(struct stream *s)
{
    uv_timer_t *timer = malloc(sizeof *timer);

    if (timer == NULL || uv_timer_init(s->uv.handle.loop, timer) != 0) {
        free(timer);
        stream_close(s);
        return;
    }
    timer->data = s;
    s->linger = timer;
    uv_timer_start(timer, on_linger_over, LINGER_MS, 0);
}

static void on_shutdown(uv_shutdown_t *request, int status)
{
    struct stream *s = request->handle->data;

    if (s->closing)
        return;
    s->shut = true;
    if (s->finishing && (status < 0 || s->eof))
        stream_close(s);
}

static void shutdown_begin(struct stream *s)
{
    if (s->shutting)
        return;
    s->shutting = true;
    if (uv_shutdown(&s->shutdown, &s->uv.stream, on_shutdown) != 0)
        stream_close(s);
}

/* say_end - everything has gone: tell the other side that no more comes. What still
 * has to be written for that comes back here when it is. */

static void say_end(struct stream *s)
{
    if (s->tls != NULL)
        tls_farewell(s);
    if (!s->writing)
        shutdown_begin(s);
}

static bool shows_drained(const struct stream *s)
{
    return s->tls == NULL || tls_is_secure(s);
}

static void on_written(uv_write_t *request, int status)
{
    struct stream *s = request->handle->data;

    s->writing = false;
    if (s->closing)
        return;
    buf_free(&s->sending);
    if (status < 0) {
        stream_fail(s, status);
        return;
    }
    stream_flush(s);
    if (s->writing)
        return;
    if (s->finishing || s->halving)
        say_end(s);
    else if (shows_drained(s))
        s->event(s, STREAM_DRAINED);
}

/* send_rest - hand over to libuv what the socket did not take. A broken
 * connection is found again there, and told from the loop, never from inside
 * stream_flush(). */

static void send_rest(struct stream *s)
{
    uv_buf_t piece = uv_buf_init(s->sending.p + s->sending.start, (unsigned)s->sending.n);

    s->writing = uv_write(&s->write, &s->uv.stream, &piece, 1, on_written) == 0;
    if (!s->writing)
        buf_free(&s->sending);
}

static size_t send_some(struct stream *s, const char *p, size_t n)
{
    uv_buf_t piece = uv_buf_init((char *)p, (unsigned)n);
    int sent = uv_try_write(&s->uv.stream, &piece, 1);

    return sent > 0 ? (size_t)sent : 0;
}

bool stream_send(struct stream *s, const char *p, size_t n)
{
    size_t sent = send_some(s, p, n);

    if (sent == n)
        return true;
    buf_free(&s->sending);
    s->sending.max = n;
    if (!buf_put(&s->sending, p + sent, n - sent))
        return false;
    send_rest(s);
    return true;
}

static void plain_flush(struct stream *s)
{
    size_t max = s->out.max;

    if (s->out.n == 0)
        return;
    buf_drop(&s->out, send_some(s, s->out.p + s->out.start, s->out.n));
    if (s->out.n == 0) {
        buf_shrink(&s->out, OUT_KEEP);
        return;
    }
    buf_free(&s->sending);
    s->sending = s->out;
    s->out = BUF(max);
    send_rest(s);
}

void stream_flush(struct stream *s)
{
    if (s->closing || s->writing || s->error != 0)
        return;
    if (s->tls != NULL)
        tls_flush(s);
    else
        plain_flush(s);
}

size_t stream_pending(const struct stream *s)
{
    return s->out.n + s->sending.n + (s->tls != NULL ? tls_pending(s) : 0);
}

bool stream_blocked(const struct stream *s)
{
    return s->writing;
}

/* --- ends --------------------------------------------------------------- */

static bool cannot_finish(const struct stream *s)
{
    return s->error != 0 || (s->shut && s->eof) || (s->tls != NULL && !tls_is_secure(s));
}

void stream_finish(struct stream *s)
{
    if (s->closing || s->finishing)
        return;
    stream_flush(s);
    s->finishing = true;
    if (cannot_finish(s)) {
        stream_close(s);
        return;
    }
    linger_begin(s);
    if (s->closing)
        return;
    if (!s->lent)
        buf_clear(&s->in);
    s->want = true;
    reading_set(s);
    if (!s->writing)
        say_end(s);
}

void stream_end(struct stream *s)
{
    stream_flush(s);
    if (!s->closing && s->tls == NULL && s->in.n == 0 && stream_pending(s) == 0)
        stream_close(s);
    else
        stream_finish(s);
}

void stream_half_close(struct stream *s)
{
    assert(s->tls == NULL || tls_is_secure(s));
    if (s->closing || s->finishing || s->halving || s->error != 0)
        return;
    stream_flush(s);
    s->halving = true;
    if (!s->writing)
        say_end(s);
}

int stream_release(struct stream *s)
{
    uv_os_fd_t fd;
    int copy = -1;

    if (s->closing || s->finishing || s->halving || s->error != 0 || s->eof || s->writing
        || s->tls != NULL || s->in.n > 0 || s->out.n > 0)
        return -1;
    if (uv_fileno(&s->uv.handle, &fd) == 0)
        copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (copy >= 0)
        stream_close(s);
    return copy;
}

/* --- beginning ---------------------------------------------------------- */

static void stream_init(struct stream *s, size_t in_max, size_t out_max,
                        stream_event_f *event, stream_closed_f *closed, void *user)
{
    *s = (struct stream){
        .user = user, .event = event, .closed = closed,
        .in = BUF(in_max), .out = BUF(out_max), .sending = BUF(out_max),
    };
    s->uv.handle.data = s;
}

static bool stream_refuse(struct stream *s, int status)
{
    s->error = -status;
    stream_close(s);
    return false;
}

static bool socket_is_unix(int fd)
{
    struct sockaddr_storage sa = { .ss_family = AF_UNSPEC };
    socklen_t n = sizeof sa;

    return getsockname(fd, (struct sockaddr *)&sa, &n) == 0 && sa.ss_family == AF_UNIX;
}

/* Initialising a handle in a sound loop only fails for want of memory in
 * libuv's own bookkeeping, of which these kinds need none. */

static void handle_init(struct stream *s, uv_loop_t *loop, bool pipe)
{
    if (pipe)
        uv_pipe_init(loop, &s->uv.pipe, 0);
    else
        uv_tcp_init(loop, &s->uv.tcp);
    s->uv.handle.data = s;
}

/* open_as - a pipe, to libuv, is a UNIX socket */

static bool open_as(bool pipe, struct stream *s, uv_loop_t *loop, int fd, size_t in_max,
                    size_t out_max, stream_event_f *event, stream_closed_f *closed, void *user)
{
    int status;

    stream_init(s, in_max, out_max, event, closed, user);
    handle_init(s, loop, pipe);
    status = pipe ? uv_pipe_open(&s->uv.pipe, fd) : uv_tcp_open(&s->uv.tcp, fd);
    if (status != 0) {
        close(fd);
        return stream_refuse(s, status);
    }
    return true;
}

bool stream_open(struct stream *s, uv_loop_t *loop, int fd, size_t in_max, size_t out_max,
                 stream_event_f *event, stream_closed_f *closed, void *user)
{
    bool pipe = socket_is_unix(fd);

    if (!open_as(pipe, s, loop, fd, in_max, out_max, event, closed, user))
        return false;
    if (!pipe)
        uv_tcp_nodelay(&s->uv.tcp, 1);
    return true;
}

bool stream_accepted(struct stream *s, uv_loop_t *loop, int fd, size_t in_max, size_t out_max,
                     stream_event_f *event, stream_closed_f *closed, void *user)
{
    return open_as(false, s, loop, fd, in_max, out_max, event, closed, user);
}

static void on_connect(uv_connect_t *request, int status)
{
    struct stream *s = request->handle->data;

    if (s->closing)
        return;
    if (status < 0)
        stream_fail(s, status);
    else
        s->event(s, STREAM_CONNECTED);
}

bool stream_connect(struct stream *s, uv_loop_t *loop, const struct ip *to, uint16_t port,
                    const struct ip *from, size_t in_max, size_t out_max,
                    stream_event_f *event, stream_closed_f *closed, void *user)
{
    struct sockaddr_storage sa;
    int status = 0;

    stream_init(s, in_max, out_max, event, closed, user);
    handle_init(s, loop, false);
    if (from != NULL) {
        ip_to_sockaddr(from, 0, &sa);
        status = uv_tcp_bind(&s->uv.tcp, (struct sockaddr *)&sa, 0);
    }
    if (status == 0) {
        ip_to_sockaddr(to, port, &sa);
        status = uv_tcp_connect(&s->connect, &s->uv.tcp, (struct sockaddr *)&sa, on_connect);
    }
    if (status != 0)
        return stream_refuse(s, status);
    uv_tcp_nodelay(&s->uv.tcp, 1);
    return true;
}

bool stream_connect_unix(struct stream *s, uv_loop_t *loop, const char *path,
                         size_t in_max, size_t out_max,
                         stream_event_f *event, stream_closed_f *closed, void *user)
{
    stream_init(s, in_max, out_max, event, closed, user);
    handle_init(s, loop, true);
    uv_pipe_connect(&s->connect, &s->uv.pipe, path, on_connect);
    return true;
}
