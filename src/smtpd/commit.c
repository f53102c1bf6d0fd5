/* commit.c - commits under way, files in stock, and what the queue said last. */
#include <sys/random.h>
#include <unistd.h>
#include "base/clock.h"
#include "smtpd/commit.h"

enum {
    STUCK = 32 << 20,       /* bytes waiting for the queue: begin no more messages */
};

static struct slice key_of(const void *member)
{
    const struct flight *f = member;

    return slice_of((const char *)&f->id, sizeof f->id);
}

static struct flight *flight_at(struct list *node)
{
    return LIST_OWNER(node, struct flight, link);
}

static struct session *session_at(struct list *node)
{
    return LIST_OWNER(node, struct session, link);
}

void commits_begin(struct commits *c, struct child *child, struct server *server,
                   session_go_f *go, void (*wake_all)(void *), void (*lost)(void *),
                   void *user)
{
    *c = (struct commits){
        .child = child, .server = server, .go = go, .wake_all = wake_all, .lost = lost,
        .user = user,
        .by_id = MAP(key_of), .ids = { .slot = child->slot },
    };
    list_init(&c->order);
    list_init(&c->due);
    list_init(&c->wanting);
    if (getrandom(&c->nonce, sizeof c->nonce, 0) != (ssize_t)sizeof c->nonce)
        c->nonce = (uint64_t)clock_wall() << 20 | (uint64_t)getpid();
}

/* -------------------------------------------------------------- commits -- */

/* lay_down - a small body goes over the shelf, if there is room; our own copy stays until the
 * queue has answered, which may have to be another one */

static void lay_down(struct commits *c, struct flight *f, struct msg_commit *m)
{
    f->mark = shelf_lay(&c->bay.shelf, m->body, &m->place);
    if (f->mark == 0)
        return;
    m->bay = c->bay.number;
    m->length = m->body.n;
    m->body = (struct slice){ 0 };
}

static void send_commit(struct commits *c, struct flight *f)
{
    struct msg_commit m = {
        .id = f->id, .nonce = c->nonce, .envelope = flight_envelope(f),
        .body = buf_view(&f->body),
        .lent = f->lent.number, .length = f->length, .crc = f->crc,
        .bay = f->slot.bay, .place = f->slot.place,
    };

    lay_down(c, f, &m);
    channel_send_msg_commit(c->queue, &m, -1);
}

/* unwant - a session that tired of waiting for a file may still be in that list */

static void unwant(struct commits *c, struct session *s)
{
    if (s->link.next != &s->link)
        c->nwanting--;
    list_remove(&s->link);
}

void commits_commit(struct commits *c, struct flight *f)
{
    unwant(c, f->session);
    if (!map_put(&c->by_id, f)) {
        bay_back(&c->bay, &f->slot);
        flight_landed(f, COMMITTED_LATER);
        return;
    }
    list_push(&c->order, &f->link);
    bay_tell(&c->bay, &f->slot, f->id);
    if (c->queue != NULL && c->welcome)
        send_commit(c, f);
}

static void forget(struct commits *c, struct flight *f)
{
    map_take(&c->by_id, key_of(f));
    list_remove(&f->link);
}

/* answer - its session goes on when all is told that the queue has said in one piece: so
 * its replies go out together */

static void answer(struct commits *c, struct flight *f, enum committed how)
{
    struct session *s = f->session;

    forget(c, f);
    flight_landed(f, how);
    if (list_empty(&s->due))
        list_push(&c->due, &s->due);
}

static void let_go(struct commits *c)
{
    struct list *node;

    while ((node = list_pop(&c->due)) != NULL)
        c->go(LIST_OWNER(node, struct session, due));
}

static bool on_committed(struct commits *c, struct wire *w)
{
    struct msg_committed m;
    struct flight *f;

    if (!msg_committed_get(w, &m))
        return false;
    bay_landed(&c->bay, m.id);
    f = map_get(&c->by_id, slice_of((char *)&m.id, sizeof m.id));
    if (f == NULL)
        return true;
    shelf_read(&c->bay.shelf, f->mark);
    answer(c, f, m.fate == FATE_DONE ? COMMITTED_DONE
               : m.full ? COMMITTED_FULL : COMMITTED_LATER);
    return true;
}

/* ---------------------------------------------------------------- files -- */

/* stock_up - ask for as many as are missing */

static void stock_up(struct commits *c)
{
    size_t want = COMMIT_STOCK + c->nwanting, have = c->nstock + c->asked;

    if (want > COMMIT_STOCK_MAX)
        want = COMMIT_STOCK_MAX;
    if (c->queue == NULL || !c->welcome || have >= want)
        return;
    channel_send_msg_lend_more(c->queue, &(struct msg_lend_more){ (uint32_t)(want - have) }, -1);
    c->asked += want - have;
    c->asked_at = c->server->mono;
}

/* ask_again - the queue says nothing about files that it could not lend */

static void ask_again(struct commits *c)
{
    if (c->asked == 0 || c->server->mono - c->asked_at <= LEND_PATIENCE)
        return;
    c->asked = 0;
    stock_up(c);
}

bool commits_lend(struct commits *c, struct session *s, struct lent *lent)
{
    bool got = c->nstock > 0;

    if (got) {
        *lent = c->stock[--c->nstock];
    } else if (s->link.next == &s->link) {
        list_push(&c->wanting, &s->link);
        c->nwanting++;
    }
    stock_up(c);
    return got;
}

void commits_lend_back(struct commits *c, struct lent *lent)
{
    if (lent->fd >= 0)
        close(lent->fd);
    if (c->queue != NULL && c->welcome)
        channel_send_msg_lend_back(c->queue, &(struct msg_lend_back){ lent->number }, -1);
}

static void hand_out(struct commits *c)
{
    struct list *node;

    while (c->nstock > 0 && (node = list_pop(&c->wanting)) != NULL) {
        c->nwanting--;
        session_wake(session_at(node));
        c->go(session_at(node));
    }
}

static bool on_lend(struct commits *c, struct wire *w, int *fd)
{
    struct msg_lend m;

    if (!msg_lend_get(w, &m) || *fd < 0 || m.number == 0)
        return false;
    if (c->nstock == COMMIT_STOCK_MAX) {        /* asked for twice, because it was late */
        commits_lend_back(c, &(struct lent){ m.number, -1 });
        return true;
    }
    c->asked_at = c->server->mono;
    c->stock[c->nstock++] = (struct lent){ m.number, *fd };
    *fd = -1;
    c->asked -= c->asked > 0;
    hand_out(c);
    return true;
}

/* on_bay - without it medium bodies go into files */

static bool on_bay(struct commits *c, struct wire *w, const int *fd)
{
    struct msg_bay m;

    if (!msg_bay_get(w, &m) || *fd < 0 || c->bay.p != NULL)
        return false;
    return bay_open(&c->bay, m.number, *fd);
}

static void stock_forget(struct commits *c)
{
    while (c->nstock > 0)
        close(c->stock[--c->nstock].fd);
    c->asked = 0;
}

/* --------------------------------------------------------- the queue itself -- */

enum room commits_room(const struct commits *c)
{
    if (c->queue == NULL || !c->welcome || channel_pending(c->queue) > STUCK)
        return ROOM_UNKNOWN;
    return c->full ? ROOM_FULL : ROOM_YES;
}

uint64_t commits_message_id(struct commits *c)
{
    return id_next(&c->ids, c->server->wall);
}

/* on_welcome - what was not answered is asked again, oldest first */

static bool on_welcome(struct commits *c, struct wire *w)
{
    struct msg_welcome m;

    if (!msg_welcome_get(w, &m) || c->welcome)
        return false;
    id_floor(&c->ids, m.floor);
    c->welcome = true;
    for (struct list *node = c->order.next; node != &c->order; node = node->next)
        send_commit(c, flight_at(node));
    stock_up(c);
    c->wake_all(c->user);
    return true;
}

static bool on_room(struct commits *c, struct wire *w)
{
    struct msg_room m;

    if (!msg_room_get(w, &m))
        return false;
    c->full = m.room == 0;
    return true;
}

static bool receive(struct channel *channel, uint32_t type, struct wire *w, int *fd)
{
    struct commits *c = channel->user;

    switch (type) {
    case MSG_WELCOME:   return on_welcome(c, w);
    case MSG_ROOM:      return on_room(c, w);
    case MSG_COMMITTED: return on_committed(c, w);
    case MSG_LEND:      return on_lend(c, w, fd);
    case MSG_BAY:       return on_bay(c, w, fd);
    default:            break;
    }
    return c->other != NULL ? c->other(c->user, channel, type, w, fd)
                            : child_receive_common(c->child, channel, type, w);
}

static void stirred(struct channel *channel)
{
    struct commits *c = channel->user;

    server_now(c->server);
}

static void rested(struct channel *channel)
{
    let_go(channel->user);
}

static void gone(struct channel *channel, const char *why)
{
    struct commits *c = channel->user;

    (void)why;
    if (c->queue != channel)
        return;         /* it has been replaced already */
    c->queue = NULL;
    c->welcome = false;
    stock_forget(c);
    c->lost(c->user);
    bay_close(&c->bay);
}

void commits_queue(struct commits *c, struct channel *queue)
{
    struct channel *old = c->queue;

    queue->user = c;
    queue->receive = receive;
    queue->gone = gone;
    queue->stirred = stirred;
    queue->rested = rested;
    if (old != NULL)
        channel_close(old, NULL);
    if (old != NULL)
        gone(old, NULL);
    c->queue = queue;
    c->welcome = c->full = false;
    c->asked = COMMIT_FIRST;
    c->asked_at = c->server->mono;
}

/* ------------------------------------------------------- time and the end -- */

void commits_forget(struct commits *c, struct session *s)
{
    for (struct list *node = s->flights.next; node != &s->flights; node = node->next) {
        struct flight *f = LIST_OWNER(node, struct flight, turn);

        if (!f->landed)
            forget(c, f);
    }
    list_remove(&s->due);
    unwant(c, s);
}

/* commits_tick - a commit that was never answered may yet be carried out; the
 * client will send it again, and mail delivered twice beats mail lost */

void commits_tick(struct commits *c)
{
    while (!list_empty(&c->order)) {
        struct flight *f = flight_at(c->order.next);

        if (f->deadline > c->server->mono)
            break;
        answer(c, f, COMMITTED_LATER);
    }
    let_go(c);
    ask_again(c);
}
