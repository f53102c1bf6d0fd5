/* main.c - the lookup process: knows users and aliases, answers RESOLVE and WHOIS.
 *
 * Asked by smtpd at RCPT, VRFY and EXPN, by the queue for the reports that it writes,
 * and by people through the console. An
 * answer that cannot be found now is "later". It leaves when no smtpd of its
 * generation is left to ask.
 */
#include <stdlib.h>
#include <sysexits.h>
#include "ipc/child.h"
#include "log/log.h"
#include "lookup/whois.h"
#include "smtp/address.h"

enum { ADDRESS_BYTES = 400 };

/* One RESOLVE under way. */
struct request {
    struct list     link;
    struct question question;
    struct channel *channel;    /* NULL: the asker has gone */
    uint64_t        ticket;
    char            address[ADDRESS_BYTES];
};

/* One WHOIS under way. */
struct whois_request {
    struct list     link;
    struct whois    whois;
    struct channel *channel;    /* NULL: the asker has gone */
    uint64_t        ticket;
};

static struct {
    struct child   *child;
    struct resolver resolver;
    struct list     requests;
    struct list     whoises;
    unsigned        smtpds;     /* channels to smtpd open */
} lookup;

static void leave_when_done(void)
{
    if (lookup.child->draining && lookup.smtpds == 0 && list_empty(&lookup.requests)
        && list_empty(&lookup.whoises))
        child_leave(lookup.child, EX_OK);
}

/* put_entries - the addresses of an answer, as RESOLVED carries them */

static bool put_entries(struct buf *bytes, const struct expansion *out)
{
    struct wire w = wire_writer(bytes);

    for (size_t i = 0; i < out->n; i++) {
        wire_put_bytes(&w, out->entries[i].address);
        wire_put_bytes(&w, out->entries[i].return_path);
    }
    return !w.bad && !bytes->full;
}

static void answer(struct channel *c, uint64_t ticket, struct slice address, enum fate fate,
                   const struct expansion *out)
{
    struct buf entries = BUF(CHANNEL_FRAME_MAX - 4096);
    struct msg_resolved m = { .ticket = ticket, .fate = (uint8_t)fate, .text = out->text };

    if (fate == FATE_DONE && put_entries(&entries, out)) {
        m.terminal = resolver_terminal(&lookup.resolver, out);
        m.since = resolver_since(&lookup.resolver, address);
        m.nentries = (uint32_t)out->n;
        m.entries = buf_view(&entries);
    } else if (fate == FATE_DONE) {
        m.fate = FATE_LATER;
        m.text = SLICE_LIT("the answer is too large");
    }
    channel_send_msg_resolved(c, &m, -1);
    buf_free(&entries);
}

static void answered(struct question *q, enum fate fate, const struct expansion *out)
{
    struct request *r = LIST_OWNER(q, struct request, question);

    if (r->channel != NULL)
        answer(r->channel, r->ticket, q->address, fate, out);
    list_remove(&r->link);
    free(r);
    leave_when_done();
}

/* address_ok - a canonical address, or "postmaster" */

static bool address_ok(struct slice address)
{
    struct arena a = ARENA(16384);
    struct mailbox m;
    bool ok = address.n < ADDRESS_BYTES
           && (slice_ieq(address, SLICE_LIT("postmaster"))
               || (mailbox_parse_utf8(address, true, &a, &m) == ADDRESS_OK && slice_ieq(m.text, address)));

    arena_free(&a);
    return ok;
}

static bool on_resolve(struct channel *c, struct wire *w)
{
    struct msg_resolve m;
    struct request *r;

    if (!msg_resolve_get(w, &m))
        return false;
    if (!address_ok(m.address)) {
        /* the queue asks with a sender as some smtpd gave it: not its fault */
        answer(c, m.ticket, m.address, FATE_NEVER,
               &(struct expansion){ .text = SLICE_LIT("not an address") });
        return true;
    }
    r = calloc(1, sizeof *r);
    if (r == NULL) {
        answer(c, m.ticket, m.address, FATE_LATER,
               &(struct expansion){ .text = SLICE_LIT("no memory") });
        return true;
    }
    r->channel = c;
    r->ticket = m.ticket;
    memcpy(r->address, m.address.p, m.address.n);
    r->question.address = slice_of(r->address, m.address.n);
    r->question.answered = answered;
    list_push(&lookup.requests, &r->link);
    resolver_ask(&lookup.resolver, &r->question);
    return true;
}

static void whois_answered(struct whois *w)
{
    struct whois_request *r = LIST_OWNER(w, struct whois_request, whois);

    if (r->channel != NULL)
        channel_send_msg_whois_done(r->channel, &(struct msg_whois_done){
            .ticket = r->ticket, .code = (uint16_t)w->code, .nentries = w->found.n,
            .entries = buf_view(&w->found.bytes) }, -1);
    whois_end(w);
    list_remove(&r->link);
    free(r);
    leave_when_done();
}

static bool on_whois(struct channel *c, struct wire *w)
{
    struct whois_request *r;
    struct msg_whois m;

    if (!msg_whois_get(w, &m) || m.text.n > WHOIS_TEXT)
        return false;
    r = calloc(1, sizeof *r);
    if (r == NULL) {
        channel_send_msg_whois_done(c, &(struct msg_whois_done){ .ticket = m.ticket,
                                                                 .code = 451 }, -1);
        return true;
    }
    r->channel = c;
    r->ticket = m.ticket;
    r->whois.expn = m.expn != 0;
    r->whois.utf8 = m.utf8 != 0;
    r->whois.answered = whois_answered;
    list_push(&lookup.whoises, &r->link);
    whois_ask(&r->whois, &lookup.resolver, m.text);
    return true;
}

static bool receive(struct channel *c, uint32_t type, struct wire *w, int *fd)
{
    (void)fd;
    return type == MSG_RESOLVE ? on_resolve(c, w) : type == MSG_WHOIS ? on_whois(c, w)
         : child_receive_common(lookup.child, c, type, w);
}

static void gone(struct channel *c, const char *why)
{
    (void)why;
    for (struct list *l = lookup.requests.next; l != &lookup.requests; l = l->next) {
        struct request *r = LIST_OWNER(l, struct request, link);

        if (r->channel == c)
            r->channel = NULL;
    }
    for (struct list *l = lookup.whoises.next; l != &lookup.whoises; l = l->next) {
        struct whois_request *r = LIST_OWNER(l, struct whois_request, link);

        if (r->channel == c)
            r->channel = NULL;
    }
    if (c->peer == ROLE_SMTPD)
        lookup.smtpds--;
    leave_when_done();
}

static void on_peer(struct child *child, struct channel *c)
{
    c->user = child;
    c->receive = receive;
    c->gone = gone;
    if (c->peer == ROLE_SMTPD)
        lookup.smtpds++;
}

/* complete - has every table come that the configuration names? Without one,
 * users would be refused for ever who are there. */

static bool complete(const struct conf *conf, const struct table_set *tables)
{
    for (size_t i = 0; i < conf->ndomains; i++) {
        const struct conf_domain *d = &conf->domains[i];

        if ((d->aliases_file.n > 0 && table_set_find(tables, TABLE_ALIASES, d->name) == NULL)
            || (d->recipients == RECIPIENTS_FILE
                && table_set_find(tables, TABLE_RECIPIENTS, d->name) == NULL)) {
            log_event(EVENT_TABLE, LF_TEXT("domain", d->name), LF_STR("why", "a table is missing"));
            return false;
        }
    }
    return true;
}

static bool begin(struct child *child)
{
    lookup.child = child;
    list_init(&lookup.requests);
    list_init(&lookup.whoises);
    resolver_begin(&lookup.resolver, child->conf, child->loop, NULL);
    for (size_t i = 0; i < child->ntables; i++)
        if (!table_set_add(&lookup.resolver.tables, child->tables[i].name, child->tables[i].fd)) {
            log_event(EVENT_TABLE, LF_STR("table", child->tables[i].name),
                      LF_STR("why", "cannot be mapped"));
            return false;
        }
    return complete(child->conf, &lookup.resolver.tables);
}

static void drain(struct child *child, unsigned seconds)
{
    child_leave_within(child, (uint64_t)seconds * 1000, NULL);
    leave_when_done();
}

int lookup_main(void)
{
    static const struct child_role role = {
        .role = ROLE_LOOKUP, .begin = begin, .peer = on_peer, .drain = drain,
    };

    return child_run(&role);
}
