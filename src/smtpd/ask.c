/* ask.c - tickets, and whose they are. */
#include <stdlib.h>
#include "base/clock.h"
#include "smtpd/ask.h"

struct ask {
    uint64_t    ticket;
    uint64_t    session;        /* its number */
    uint32_t    serial, rcpt;   /* transaction and recipient of it */
    int64_t     since;          /* mono, ms */
    struct list link;
    size_t      n;
    char        address[];
};

static struct slice key_of(const void *member)
{
    const struct ask *ask = member;

    return slice_of((const char *)&ask->ticket, sizeof ask->ticket);
}

static struct ask *ask_at(struct list *node)
{
    return LIST_OWNER(node, struct ask, link);
}

static void ask_drop(struct asks *a, struct ask *ask)
{
    map_take(&a->by_ticket, key_of(ask));
    list_remove(&ask->link);
    free(ask);
}

static void ask_send(struct asks *a, const struct ask *ask)
{
    if (a->lookup != NULL)
        channel_send_msg_resolve(a->lookup, &(struct msg_resolve){
            .ticket = ask->ticket, .address = slice_of(ask->address, ask->n) }, -1);
}

void asks_resolve(struct asks *a, struct session *s, uint32_t ticket, struct slice address)
{
    static const struct answer later;
    struct ask *ask = malloc(sizeof *ask + address.n);

    if (ask == NULL) {
        session_resolved(s, s->tx_serial, ticket, &later);
        return;
    }
    *ask = (struct ask){ .ticket = ++a->last, .session = s->number, .serial = s->tx_serial,
                         .rcpt = ticket, .since = a->server->mono, .n = address.n };
    memcpy(ask->address, address.p, address.n);
    if (!map_put(&a->by_ticket, ask)) {
        free(ask);
        session_resolved(s, s->tx_serial, ticket, &later);
        return;
    }
    list_push(&a->order, &ask->link);
    ask_send(a, ask);
}

static bool on_resolved(struct asks *a, struct wire *w)
{
    struct msg_resolved m;
    struct session *s;
    struct ask *ask;
    struct ask it;

    if (!msg_resolved_get(w, &m))
        return false;
    ask = map_get(&a->by_ticket, slice_of((char *)&m.ticket, sizeof m.ticket));
    if (ask == NULL)
        return true;
    it = *ask;
    ask_drop(a, ask);
    s = a->find(a->user, it.session);
    if (s == NULL)
        return true;
    session_resolved(s, it.serial, it.rcpt, &(struct answer){
        .fate = m.fate == FATE_DONE ? FATE_DONE : m.fate == FATE_NEVER ? FATE_NEVER : FATE_LATER,
        .nentries = m.nentries, .entries = m.entries });
    a->go(s);
    return true;
}

static bool receive(struct channel *channel, uint32_t type, struct wire *w, int *fd)
{
    struct asks *a = channel->user;

    (void)fd;
    a->server->mono = clock_mono();
    a->server->wall = clock_wall();
    return type == MSG_RESOLVED ? on_resolved(a, w)
                                : child_receive_common(a->child, channel, type, w);
}

static void gone(struct channel *channel, const char *why)
{
    struct asks *a = channel->user;

    (void)why;
    if (a->lookup == channel)
        a->lookup = NULL;
}

void asks_lookup(struct asks *a, struct channel *lookup)
{
    if (a->lookup != NULL)
        channel_close(a->lookup, NULL);
    lookup->user = a;
    lookup->receive = receive;
    lookup->gone = gone;
    a->lookup = lookup;
    for (struct list *node = a->order.next; node != &a->order; node = node->next)
        ask_send(a, ask_at(node));
}

void asks_tick(struct asks *a)
{
    while (!list_empty(&a->order)) {
        struct ask *ask = ask_at(a->order.next);

        if (a->server->mono - ask->since < 2 * WORLD_PATIENCE)
            break;
        ask_drop(a, ask);
    }
}

void asks_begin(struct asks *a, struct child *child, struct server *server,
                session_find_f *find, session_go_f *go, void *user)
{
    *a = (struct asks){
        .child = child, .server = server, .find = find, .go = go, .user = user,
        .by_ticket = MAP(key_of),
    };
    list_init(&a->order);
}
