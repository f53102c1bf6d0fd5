/* stream_tls.c - TLS between a stream's buffers and its socket.
 *
 * What comes from the socket is read into one shared buffer, decrypted into the
 * other one, and shown there, so an idle secret connection holds no buffer
 * either. Whatever the owner must hear is told from the loop: a handshake that
 * goes on because of a signature, or text that waited inside while the owner
 * paused, comes with the kick, a timer of no time.
 *
 *     socket --> cipher[] --> session --> shared[] (in)
 *     socket <-- sealed[] <-- session <-- out
 *
 * Bytes stay in `early` when the session does not take them yet, and in `late`
 * when they must wait for a write that is under way. Both are usually empty.
 *
 * What came from the socket in one piece is worked off in one turn, and all that is
 * sealed meanwhile (the end of a handshake, replies, the farewell) gathers in `late`
 * and goes with one system call when the turn ends.
 */
#include <assert.h>
#include <stdlib.h>
#include "net/inside.h"

enum {
    SEALED_MAX = 68 << 10,      /* a piece of `out` as records */
    PIECE_MAX  = 64 << 10,
    LATE_MAX   = 64 << 10,
    GATHER_MAX = 16 << 10,      /* so much does not wait for the end of a turn */
    OUT_KEEP   = 512,           /* bytes of `out` kept by an idle stream */
};

struct stream_tls {
    struct stream      *stream;         /* NULL: closed */
    struct tls_session *session;
    bool                secure;
    bool                more;           /* the owner has not been shown all that came */
    bool                turning;        /* what is sealed gathers in `late` */
    struct buf          early, late;
    int                 trouble;        /* to be told with the next kick; 0: none */
    uv_timer_t          kick;
};

static char cipher[STREAM_IN_MAX];
static char sealed_bytes[SEALED_MAX];

/* --- the kick ------------------------------------------------------------- */

static void tls_turn(struct stream *s, struct slice *in);

/* early_keep - what the session left of `in` */

static void early_keep(struct stream *s, struct slice in)
{
    struct stream_tls *tls = s->tls;

    buf_clear(&tls->early);
    if (in.n > 0 && !buf_put(&tls->early, in.p, in.n))
        stream_fail(s, UV_ENOMEM);
}

static void on_kick(uv_timer_t *timer)
{
    struct stream_tls *tls = timer->data;
    struct stream *s = tls->stream;
    struct slice in = buf_view(&tls->early);
    size_t before = in.n;

    if (s == NULL || s->finishing || s->error != 0)
        return;
    if (tls->trouble != 0) {
        stream_fail(s, tls->trouble);
        return;
    }
    tls_turn(s, &in);
    if (s->tls == NULL)
        return;
    buf_drop(&tls->early, before - in.n);
    buf_shrink(&tls->early, 0);
    reading_set(s);
}

static void on_wake(void *user)
{
    struct stream_tls *tls = user;

    uv_timer_start(&tls->kick, on_kick, 0, 0);
}

void tls_kick(struct stream *s)
{
    if (s->tls->more)
        on_wake(s->tls);
}

/* tls_trouble - told from the loop, because we may be inside a call of the owner's */

static void tls_trouble(struct stream *s, int status)
{
    s->tls->trouble = status;
    on_wake(s->tls);
}

/* --- to the socket -------------------------------------------------------- */

/* waits - must sealed bytes stay here for now? */

static bool waits(const struct stream *s)
{
    return s->writing || s->tls->turning;
}

/* sealed_begin - the buffer for what the session wants to send: as much as may
 * still wait */

static struct buf sealed_begin(const struct stream *s)
{
    size_t late = s->tls->late.n;
    size_t room = !waits(s) ? SEALED_MAX : late < LATE_MAX ? LATE_MAX - late : 0;

    return (struct buf){ .p = sealed_bytes, .cap = SEALED_MAX, .max = room };
}

static void sealed_send(struct stream *s, const struct buf *sealed)
{
    const char *p = sealed->p + sealed->start;

    if (sealed->n == 0)
        return;
    if (waits(s) ? !buf_put(&s->tls->late, p, sealed->n) : !stream_send(s, p, sealed->n))
        tls_trouble(s, UV_ENOMEM);
}

static void late_send(struct stream *s)
{
    struct stream_tls *tls = s->tls;

    if (s->writing || tls->late.n == 0)
        return;
    if (!stream_send(s, tls->late.p + tls->late.start, tls->late.n))
        tls_trouble(s, UV_ENOMEM);
    buf_free(&tls->late);
}

/* seal - the next piece of `out` goes; false: not now */

static bool seal(struct stream *s)
{
    struct slice none = { 0 };
    struct buf sealed = sealed_begin(s);
    size_t n;

    tls_session_wire(s->tls->session, &none, &sealed);
    n = tls_write(s->tls->session, slice_first(buf_view(&s->out), PIECE_MAX));
    buf_drop(&s->out, n);
    sealed_send(s, &sealed);
    return n > 0;
}

void tls_flush(struct stream *s)
{
    if (!s->tls->turning)
        late_send(s);
    while (s->tls->secure && s->out.n > 0 && !s->writing && seal(s))
        if (s->tls->late.n >= GATHER_MAX)
            late_send(s);
    if (tls_session_state(s->tls->session) == TLS_FAILED && s->error == 0)
        on_wake(s->tls);
    buf_shrink(&s->out, OUT_KEEP);
}

void tls_farewell(struct stream *s)
{
    struct slice none = { 0 };
    struct buf sealed = sealed_begin(s);

    tls_session_wire(s->tls->session, &none, &sealed);
    tls_goodbye(s->tls->session);
    sealed_send(s, &sealed);
    late_send(s);
}

size_t tls_pending(const struct stream *s)
{
    return s->writing ? s->tls->late.n : 0;
}

/* --- from the socket ------------------------------------------------------ */

static void tls_failed(struct stream *s)
{
    bool cut = s->tls->secure && s->eof;

    stream_fail(s, cut ? UV_ECONNRESET : UV_EPROTO);
}

/* shake - the next step of the handshake; true when it is done */

static bool shake(struct stream *s, struct slice *in)
{
    struct stream_tls *tls = s->tls;
    struct buf sealed = sealed_begin(s);
    enum tls_state state;

    tls_session_wire(tls->session, in, &sealed);
    state = tls_handshake(tls->session);
    sealed_send(s, &sealed);
    tls->secure = state == TLS_OPEN;
    return tls->secure;
}

static size_t open_more(struct stream *s, struct slice *in)
{
    struct buf sealed = sealed_begin(s);
    size_t room, n;
    char *p = input_room(s, &room);

    tls_session_wire(s->tls->session, in, &sealed);
    n = tls_read(s->tls->session, p, room);
    sealed_send(s, &sealed);
    return n;
}

static bool may_show(const struct stream *s)
{
    size_t room = s->in.max < STREAM_IN_MAX ? s->in.max : STREAM_IN_MAX;

    return s->want && s->in.n < room && s->error == 0
           && tls_session_state(s->tls->session) == TLS_OPEN;
}

/* show_all - what has come, until the owner pauses. False: the stream is gone. */

static bool show_all(struct stream *s, struct slice *in)
{
    size_t n = 1;

    while (n > 0 && may_show(s)) {
        n = open_more(s, in);
        if (n > 0 && !input_show(s, n))
            return false;
    }
    s->tls->more = n > 0;
    return true;
}

/* turn - do all that can be done with what has come. False: the stream is gone. */

static bool turn(struct stream *s, struct slice *in)
{
    if (!s->tls->secure && shake(s, in)) {
        s->event(s, STREAM_SECURE);
        if (s->closing || s->finishing)
            return false;
        stream_flush(s);
    }
    return !s->tls->secure || show_all(s, in);
}

/* tls_turn - the same, and send what was gathered. Afterwards s->tls may be NULL: the
 * owner has closed the stream. */

static void tls_turn(struct stream *s, struct slice *in)
{
    struct stream_tls *tls = s->tls;
    bool open;

    tls->turning = true;
    open = turn(s, in);
    tls->turning = false;
    if (!open)
        return;
    late_send(s);
    if (tls_session_state(s->tls->session) == TLS_FAILED)
        tls_failed(s);
    else if (tls_session_state(s->tls->session) == TLS_ENDED && !s->eof)
        stream_ended(s);
}

void tls_room(struct stream *s, uv_buf_t *room)
{
    (void)s;
    room->base = cipher;
    room->len = sizeof cipher;
}

void tls_arrived(struct stream *s, size_t n)
{
    struct slice in = { cipher, n };

    tls_turn(s, &in);
    if (s->tls == NULL || s->finishing)
        return;
    early_keep(s, in);
    reading_set(s);
}

void tls_ended(struct stream *s)
{
    s->eof = true;
    tls_cut(s->tls->session);
    reading_set(s);
    tls_failed(s);
}

/* tls_wants - while a signature is awaited too: hardly anyone speaks then, and to stop
 * and begin again would cost two system calls */

bool tls_wants(const struct stream *s)
{
    const struct stream_tls *tls = s->tls;

    if (tls->early.n > 0)
        return false;
    return tls->secure ? s->want && !tls->more
                       : tls_session_state(tls->session) <= TLS_SIGNING;
}

bool tls_is_secure(const struct stream *s)
{
    return s->tls->secure;
}

/* --- beginning and end ---------------------------------------------------- */

static void on_kick_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void tls_forget(struct stream *s)
{
    struct stream_tls *tls = s->tls;

    if (tls->turning)
        late_send(s);
    s->tls = NULL;
    tls->stream = NULL;
    tls_session_free(tls->session);
    buf_free(&tls->early);
    buf_free(&tls->late);
    uv_close((uv_handle_t *)&tls->kick, on_kick_closed);
}

static struct stream_tls *tls_new(struct stream *s)
{
    struct stream_tls *tls = calloc(1, sizeof *tls);

    if (tls == NULL)
        return NULL;
    *tls = (struct stream_tls){ .stream = s, .early = BUF(sizeof cipher),
                                 .late = BUF(s->out.max + LATE_MAX) };
    uv_timer_init(s->uv.handle.loop, &tls->kick);
    tls->kick.data = tls;
    return tls;
}

const char *tls_error(const struct stream *s)
{
    return tls_session_error(s->tls->session);
}

/* plain_last - what is still in `out` goes before TLS, behind the write under way */

static bool plain_last(struct stream *s, struct stream_tls *tls)
{
    if (!buf_put_slice(&tls->late, buf_view(&s->out)))
        return false;
    buf_free(&s->out);
    return true;
}

/* tls_begin - false: no memory, and the stream is plain as before */

static bool tls_begin(struct stream *s, struct stream_tls *tls)
{
    if (tls == NULL)
        return false;
    stream_flush(s);
    s->tls = tls;
    if (tls->session != NULL && plain_last(s, tls))
        return true;
    tls_forget(s);
    return false;
}

static enum stream_tls_begin injected(struct stream *s)
{
    buf_clear(&s->in);
    return STREAM_TLS_INJECTED;
}

enum stream_tls_begin stream_tls_server(struct stream *s, struct tls_server *ctx)
{
    struct stream_tls *tls;

    assert(s->tls == NULL && !s->closing);
    if (s->in.n > 0)
        return injected(s);
    tls = tls_new(s);
    if (tls != NULL)
        tls->session = tls_session_server(ctx, on_wake, tls);
    if (!tls_begin(s, tls))
        return STREAM_TLS_NO_MEMORY;
    reading_set(s);
    return STREAM_TLS_BEGUN;
}

enum stream_tls_begin stream_tls_client(struct stream *s, struct tls_client *ctx,
                                        const struct tls_peer *peer)
{
    struct slice none = { 0 };
    struct stream_tls *tls;

    assert(s->tls == NULL && !s->closing);
    if (s->in.n > 0)
        return injected(s);
    tls = tls_new(s);
    if (tls != NULL)
        tls->session = tls_session_client(ctx, peer, on_wake, tls);
    if (!tls_begin(s, tls))
        return STREAM_TLS_NO_MEMORY;
    if (!shake(s, &none) && tls_session_state(tls->session) == TLS_FAILED)
        on_wake(tls);
    reading_set(s);
    return STREAM_TLS_BEGUN;
}

bool stream_tls_info(const struct stream *s, struct tls_info *info)
{
    return s->tls != NULL && s->tls->secure && tls_session_info(s->tls->session, info);
}
