/* ask.c - tickets, and whose they are. */
#include <stdlib.h>
#include "smtpd/ask.h"
#include "smtpd/whois.h"

struct ask {
    uint64_t    ticket;
    uint64_t    session;        /* its number */
    bool        whois;          /* VRFY or EXPN, not a recipient */
    bool        expn, utf8;
    uint32_t    serial, rcpt;   /* transaction and recipient of it */
    int64_t     since;          /* mono, ms */
    struct list link;
    size_t      n;
    char        text[];
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
    struct slice text = slice_of(ask->text, ask->n);

    if (a->lookup == NULL)
        return;
    if (ask->whois)
        channel_send_msg_whois(a->lookup, &(struct msg_whois){
            .ticket = ask->ticket, .expn = ask->expn, .utf8 = ask->utf8, .text = text }, -1);
    else
        channel_send_msg_resolve(a->lookup, &(struct msg_resolve){
            .ticket = ask->ticket, .address = text }, -1);
}

/* ask_new - in the lists, with the session and the text in it; NULL: no memory */

static struct ask *ask_new(struct asks *a, const struct session *s, struct slice text)
{
    struct ask *ask = malloc(sizeof *ask + text.n);

    if (ask == NULL)
        return NULL;
    *ask = (struct ask){ .ticket = ++a->last, .session = s->number, .serial = s->tx_serial,
                         .since = a->server->mono, .n = text.n };
    memcpy(ask->text, text.p, text.n);
    if (!map_put(&a->by_ticket, ask)) {
        free(ask);
        return NULL;
    }
    list_push(&a->order, &ask->link);
    return ask;
}

void asks_resolve(struct asks *a, struct session *s, uint32_t ticket, struct slice address)
{
    static const struct answer later;
    struct ask *ask = ask_new(a, s, address);

    if (ask == NULL) {
        session_resolved(s, s->tx_serial, ticket, &later);
        return;
    }
    ask->rcpt = ticket;
    ask_send(a, ask);
}

uint64_t asks_whois(struct asks *a, struct session *s, bool expn, bool utf8, struct slice text)
{
    struct ask *ask = ask_new(a, s, text);

    if (ask == NULL)
        return 0;
    ask->whois = true;
    ask->expn = expn;
    ask->utf8 = utf8;
    ask_send(a, ask);
    return ask->ticket;
}

/* take - the question that this answers, out of the lists, and its session; false:
 * nobody waits for it any more */

static bool take(struct asks *a, uint64_t ticket, bool whois, struct ask *it, struct session **s)
{
    struct ask *ask = map_get(&a->by_ticket, slice_of((char *)&ticket, sizeof ticket));

    if (ask == NULL || ask->whois != whois)
        return false;
    *it = *ask;
    ask_drop(a, ask);
    *s = a->find(a->user, it->session);
    return *s != NULL;
}

static bool on_whois_done(struct asks *a, struct wire *w)
{
    struct msg_whois_done m;
    struct session *s;
    struct ask it;

    if (!msg_whois_done_get(w, &m))
        return false;
    if (take(a, m.ticket, true, &it, &s)) {
        session_whois(s, m.ticket, &(struct whois_answer){
            .code = m.code, .nentries = m.nentries, .entries = m.entries });
        a->go(s);
    }
    return true;
}

static bool on_resolved(struct asks *a, struct wire *w)
{
    struct msg_resolved m;
    struct session *s;
    struct ask it;

    if (!msg_resolved_get(w, &m))
        return false;
    if (!take(a, m.ticket, false, &it, &s))
        return true;
    session_resolved(s, it.serial, it.rcpt, &(struct answer){
        .fate = m.fate == FATE_DONE ? FATE_DONE : m.fate == FATE_NEVER ? FATE_NEVER : FATE_LATER,
        .terminal = m.terminal != 0, .since = m.since,
        .nentries = m.nentries, .entries = m.entries });
    a->go(s);
    return true;
}

static void stirred(struct channel *channel)
{
    struct asks *a = channel->user;

    server_now(a->server);
}

static bool receive(struct channel *channel, uint32_t type, struct wire *w, int *fd)
{
    struct asks *a = channel->user;

    (void)fd;
    return type == MSG_RESOLVED ? on_resolved(a, w)
         : type == MSG_WHOIS_DONE ? on_whois_done(a, w)
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
    lookup->stirred = stirred;
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
