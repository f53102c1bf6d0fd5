/* channels.c - frames in, calls out: a peer's functions speak on its channel. */
#include <stdlib.h>
#include "base/clock.h"
#include "log/log.h"
#include "queue/channels.h"

/* A peer and its channel; freed when the channel has gone. */
struct end {
    struct peer        peer;        /* first */
    struct queue      *queue;
    struct channel    *channel;
    channel_receive_f *common;      /* what every process answers (STATUS) */
    void             (*again)(void *user);
    void              *user;
};

static struct channel *channel_of(const struct peer *p)
{
    return ((const struct end *)(const void *)p)->channel;
}

static void say_welcome(struct peer *p, const struct msg_welcome *m)
{
    channel_send_msg_welcome(channel_of(p), m, -1);
}

static void say_room(struct peer *p, const struct msg_room *m)
{
    channel_send_msg_room(channel_of(p), m, -1);
}

static void say_committed(struct peer *p, const struct msg_committed *m)
{
    channel_send_msg_committed(channel_of(p), m, -1);
}

static void say_lend(struct peer *p, const struct msg_lend *m, int fd)
{
    channel_send_msg_lend(channel_of(p), m, fd);
}

static void say_bay(struct peer *p, const struct msg_bay *m, int fd)
{
    channel_send_msg_bay(channel_of(p), m, fd);
}

static bool say_deliver(struct peer *p, const struct msg_deliver *m, int fd)
{
    return (!m->file || fd >= 0) && channel_send_msg_deliver(channel_of(p), m, fd);
}

static void say_resolve(struct peer *p, const struct msg_resolve *m)
{
    channel_send_msg_resolve(channel_of(p), m, -1);
}

static void say_row(struct peer *p, const struct msg_row *m)
{
    channel_send_msg_row(channel_of(p), m, -1);
}

static void say_done(struct peer *p, const struct msg_done *m)
{
    channel_send_msg_done(channel_of(p), m, -1);
}

static void say_kicked(struct peer *p, const struct msg_kicked *m)
{
    channel_send_msg_kicked(channel_of(p), m, -1);
}

static void say_turn_answer(struct peer *p, const struct msg_turn_answer *m)
{
    channel_send_msg_turn_answer(channel_of(p), m, -1);
}

static bool say_turn_go(struct peer *p, const struct msg_turn_go *m, int fd)
{
    return fd >= 0 && channel_send_msg_turn_go(channel_of(p), m, fd);
}

static void say_turn_over(struct peer *p, const struct msg_turn_over *m)
{
    channel_send_msg_turn_over(channel_of(p), m, -1);
}

static bool say_fetch(struct peer *p, const struct msg_fetch *m)
{
    return channel_send_msg_fetch(channel_of(p), m, -1);
}

static bool say_adopt(struct peer *p, const struct msg_adopt *m, int fd)
{
    return fd >= 0 && channel_send_msg_adopt(channel_of(p), m, fd);
}

static void say_linkstate_done(struct peer *p, const struct msg_linkstate_done *m)
{
    channel_send_msg_linkstate_done(channel_of(p), m, -1);
}

static bool say_exchange(struct peer *p, const struct msg_exchange *m)
{
    return channel_send_msg_exchange(channel_of(p), m, -1);
}

static size_t pending(const struct peer *p)
{
    return channel_pending(channel_of(p));
}

static const struct peer_ops ops = {
    .welcome = say_welcome, .room = say_room, .committed = say_committed, .lend = say_lend,
    .bay = say_bay, .deliver = say_deliver, .resolve = say_resolve, .row = say_row, .done = say_done,
    .kicked = say_kicked, .turn_answer = say_turn_answer, .turn_go = say_turn_go,
    .turn_over = say_turn_over, .fetch = say_fetch, .adopt = say_adopt,
    .linkstate_done = say_linkstate_done, .exchange = say_exchange, .pending = pending,
};

static void stirred(struct channel *c)
{
    struct end *end = c->user;

    queue_at(end->queue, clock_mono(), clock_wall());
}

static bool receive(struct channel *c, uint32_t type, struct wire *w, int *fd)
{
    struct end *end = c->user;
    bool ok;

    ok = type == MSG_STATUS ? end->common(c, type, w, fd)
                            : queue_receive(end->queue, &end->peer, type, w, *fd);
    end->again(end->user);
    return ok;
}

static void gone(struct channel *c, const char *why)
{
    struct end *end = c->user;

    (void)why;
    queue_at(end->queue, clock_mono(), clock_wall());
    queue_peer_gone(end->queue, &end->peer);
    end->again(end->user);
    free(end);
}

void channels_add(struct queue *q, struct channel *c, void (*again)(void *user), void *user,
                  channel_receive_f *common)
{
    struct end *end = calloc(1, sizeof *end);

    if (end == NULL) {
        channel_close(c, "no memory for a peer");
        return;
    }
    end->queue = q;
    end->channel = c;
    end->common = common;
    end->again = again;
    end->user = user;
    c->stirred = stirred;
    c->receive = receive;
    c->gone = gone;
    c->user = end;
    queue_at(q, clock_mono(), clock_wall());
    queue_peer(q, &end->peer, c->peer, c->slot, &ops, end);
    again(user);
}
