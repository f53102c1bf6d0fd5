/* stream.h - a connection of bytes on the event loop: TCP or UNIX, either end.
 *
 * The stream has events and no policy. Input gathers in `in` (bounded: reading
 * pauses while it is full), output is put into `out` and sent by
 * stream_flush(), one system call for all of it. TLS sits between these buffers
 * and the socket without their users seeing it.
 */
#pragma once
#include <uv.h>
#include "base/buf.h"
#include "base/ip.h"
#include "tls/session.h"

enum stream_event {
    STREAM_CONNECTED,   /* stream_connect succeeded */
    STREAM_INPUT,       /* there is more in `in` */
    STREAM_DRAINED,     /* what stream_flush() could not send at once has now gone to the
                           system. Not told when it all went at once: ask stream_pending() */
    STREAM_EOF,         /* the other side will send no more; `in` may still hold bytes */
    STREAM_FAILED,      /* connect, read, write or TLS failed: `error` is the errno (TLS: EPROTO, or
                           ECONNRESET when the end was cut off), stream_error_text() the
                           words; nothing more comes */
    STREAM_SECURE,      /* the handshake of stream_tls_* is done: from now on it is TLS */
};

struct stream;
struct stream_tls;      /* stream.c */
/* The owner may call stream_close() inside. */
typedef void stream_event_f(struct stream *s, enum stream_event event);
typedef void stream_closed_f(struct stream *s);

struct stream {
    void            *user;
    stream_event_f  *event;
    stream_closed_f *closed;    /* the memory may be freed now; may be NULL */
    char          *(*place)(struct stream *s, size_t *room);    /* see below; or NULL */
    struct buf       in, out;
    int              error;
    bool             want;      /* the owner wants input */
    bool             reading, closing;
    bool             shutting, shut;    /* the other side is being told that no more comes; was told */
    union { uv_handle_t handle; uv_stream_t stream; uv_tcp_t tcp; uv_pipe_t pipe; } uv;
    uv_write_t       write;
    uv_connect_t     connect;
    uv_shutdown_t    shutdown;
    struct buf       sending;   /* what a slow peer has not yet taken */
    bool             writing;
    char            *placed;    /* where the next bytes are read to, if the owner has said so */
    bool             lent;      /* `in` is not its own memory, during STREAM_INPUT only */
    bool             eof;       /* the other side has sent all */
    bool             halving, finishing;
    uv_timer_t      *linger;    /* after stream_finish: how long to wait for the other side */
    size_t           lingered;  /* bytes thrown away meanwhile */
    struct stream_tls *tls;     /* NULL: plain */
};

enum { STREAM_IN_MAX = 64 << 10 };  /* `in` never holds more, whatever in_max says */

/* stream_open - take a connected socket (TCP: no delay is set). The stream's
 * memory is the owner's and must live until `closed`. in_max bounds `in`,
 * out_max bounds `out`. Reading begins with stream_read(). False: fd is closed,
 * no event comes, but `closed` does: the memory lives until then here too.
 *
 * The owner takes input with buf_view(&s->in) and buf_drop(&s->in, n) only. It may set
 * `place`: asked before a read, when `in` is empty and there is no TLS, where the bytes
 * should go (and how many may), so that nobody must copy them; NULL: wherever. They are
 * shown there, and what the owner does not take is copied to where it is safe. */
bool stream_open(struct stream *s, uv_loop_t *loop, int fd, size_t in_max, size_t out_max,
                 stream_event_f *event, stream_closed_f *closed, void *user);

/* stream_accepted - the same for a TCP connection that a listener (listener.h) took: it is
 * known to be one, and has no delay from there */
bool stream_accepted(struct stream *s, uv_loop_t *loop, int fd, size_t in_max, size_t out_max,
                     stream_event_f *event, stream_closed_f *closed, void *user);

/* stream_connect - to an address (from: bind to it first, or NULL), or a UNIX
 * socket path. False: it failed at once, `error` says why; `closed` still comes. */
bool stream_connect(struct stream *s, uv_loop_t *loop, const struct ip *to, uint16_t port,
                    const struct ip *from, size_t in_max, size_t out_max,
                    stream_event_f *event, stream_closed_f *closed, void *user);
bool stream_connect_unix(struct stream *s, uv_loop_t *loop, const char *path,
                         size_t in_max, size_t out_max,
                         stream_event_f *event, stream_closed_f *closed, void *user);

/* stream_read - begin or go on reading; stream_pause - stop for now */
void stream_read(struct stream *s);
void stream_pause(struct stream *s);

/* stream_flush - send what is in `out`: at once if the socket takes it, the rest
 * as it does. Over TLS, what is flushed within one event goes together at its end (at
 * once from 16 KiB, and before the stream closes). stream_pending - bytes not yet taken
 * by the system; stream_blocked - because it would not take what was flushed:
 * STREAM_DRAINED follows. */
void stream_flush(struct stream *s);
size_t stream_pending(const struct stream *s);
bool stream_blocked(const struct stream *s);

/* stream_error_text - after STREAM_FAILED: why, for the log. Of TLS it has the
 * library's words, and nothing that the other side wrote. */
const char *stream_error_text(const struct stream *s);

/* --- TLS ----------------------------------------------------------------- */

enum stream_tls_begin {
    STREAM_TLS_BEGUN,       /* STREAM_SECURE or STREAM_FAILED follows */
    STREAM_TLS_INJECTED,    /* `in` was not empty: somebody's plain text would have been taken
                               for the other side's secret words (CVE-2011-0411, A100, A101).
                               Nothing was begun and `in` is empty now: refuse, and close. */
    STREAM_TLS_NO_MEMORY,   /* nothing was begun */
};

/* stream_tls_server, stream_tls_client - from here on both directions are TLS.
 * What is in `out` still goes plain, before the handshake ("220 go ahead"). The
 * owner has taken the command line out of `in` before. Until STREAM_SECURE
 * nothing is shown, what is put into `out` waits, and the stream reads whatever
 * stream_read() and stream_pause() were told; the deadline is the owner's. May be
 * called inside any event, on a connected stream; not twice.
 *
 * Afterwards all is as before. EOF comes after the other side's close_notify; an
 * end without it is STREAM_FAILED. */
enum stream_tls_begin stream_tls_server(struct stream *s, struct tls_server *ctx);
enum stream_tls_begin stream_tls_client(struct stream *s, struct tls_client *ctx,
                                        const struct tls_peer *peer);

/* stream_tls_info - what was agreed; false while not secure */
bool stream_tls_info(const struct stream *s, struct tls_info *info);

/* --- ends ---------------------------------------------------------------- */

/* stream_half_close - after what is in `out` has gone: tell the other side that no
 * more will come (TLS: close_notify). Reading goes on. Nothing may be put into
 * `out` afterwards. Not during a handshake. */
void stream_half_close(struct stream *s);

/* stream_release - give the connection away: returns its descriptor, which the
 * caller owns, and closes the stream without closing the connection (`closed`
 * comes as usual). -1, and the stream stays: it is TLS, ended, `in` or `out` is
 * not empty, or no descriptor is left. Outside this process the other side's
 * bytes that the kernel holds are found as they are. */
int stream_release(struct stream *s);

/* stream_finish - after what is in `out` has gone: half-close, throw away what
 * the other side still sends for at most two seconds (closing with unread input
 * would reset the connection and lose our last words), then close. No event
 * comes any more. */
void stream_finish(struct stream *s);

/* stream_end - the same where the other side has said that it sends no more (QUIT): nothing
 * of it can come between our last words and their reader, so a plain connection is closed
 * as soon as all has gone to the system */
void stream_end(struct stream *s);

/* stream_close - now; what was not sent is lost. Harmless when done twice. */
void stream_close(struct stream *s);
