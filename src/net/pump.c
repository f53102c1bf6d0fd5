/* pump.c - the output buffer of one stream is the input of the other. */
#include <stdio.h>
#include "net/pump.h"

static size_t side_of(const struct pump *p, const struct stream *s)
{
    return s == p->side[1];
}

static void on_closed(struct stream *s)
{
    struct pump *p = s->user;

    if (++p->over == 2)
        p->done(p);
}

void pump_stop(struct pump *p)
{
    stream_close(p->side[0]);
    stream_close(p->side[1]);
}

static void pump_fail(struct pump *p, struct stream *s)
{
    if (p->error == 0) {
        p->error = s->error;
        snprintf(p->why, sizeof p->why, "%s", stream_error_text(s));
    }
    pump_stop(p);
}

/* room_in - how much more may wait for this stream's other side */

static size_t room_in(const struct stream *s)
{
    size_t pending = stream_pending(s), room = s->out.max - s->out.n;

    if (pending >= PUMP_BYTES)
        return 0;
    return room < PUMP_BYTES - pending ? room : PUMP_BYTES - pending;
}

/* side_ended - all of it has been passed on: tell the other side, and when that has
 * ended too, there is no more to do */

static void side_ended(struct pump *p, size_t i)
{
    stream_half_close(p->side[1 - i]);
    p->told[1 - i] = true;
    if (!p->told[i])
        return;
    stream_finish(p->side[0]);
    stream_finish(p->side[1]);
}

/* forward - what came from side i goes to the other, as far as there is room */

static void forward(struct pump *p, size_t i)
{
    struct stream *from = p->side[i], *to = p->side[1 - i];
    size_t room = room_in(to);
    struct slice piece = slice_first(buf_view(&from->in), room);

    if (from->closing || to->closing || p->told[1 - i])
        return;
    if (!buf_put_slice(&to->out, piece)) {
        pump_stop(p);
        return;
    }
    p->bytes[i] += piece.n;
    buf_drop(&from->in, piece.n);
    stream_flush(to);
    if (from->in.n > 0 || room_in(to) == 0)
        stream_pause(from);
    else if (p->ended[i])
        side_ended(p, i);
    else
        stream_read(from);
}

static void on_event(struct stream *s, enum stream_event event)
{
    struct pump *p = s->user;
    size_t i = side_of(p, s);

    switch (event) {
    case STREAM_INPUT:
        forward(p, i);
        break;
    case STREAM_DRAINED:
        forward(p, 1 - i);
        break;
    case STREAM_EOF:
        p->ended[i] = true;
        forward(p, i);
        break;
    case STREAM_FAILED:
        pump_fail(p, s);
        break;
    case STREAM_CONNECTED:
    case STREAM_SECURE:
        break;
    }
}

static void side_take(struct pump *p, size_t i, struct stream *s)
{
    p->side[i] = s;
    p->ended[i] = s->eof;
    s->user = p;
    s->event = on_event;
    s->closed = on_closed;
}

void pump_join(struct pump *p, struct stream *a, struct stream *b,
               pump_done_f *done, void *user)
{
    *p = (struct pump){ .user = user, .done = done };
    side_take(p, 0, a);
    side_take(p, 1, b);
    forward(p, 0);
    forward(p, 1);
}
