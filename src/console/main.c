/* main.c - console: between people and the other processes.
 *
 * Requests from the control socket become QUERY, STATUS, RELOAD and STOP; the
 * frames that come back become lines. It decides nothing and keeps nothing:
 * the queue answers for the queue, lookup for names, each process for its counters.
 *
 * The place of the web page and the metrics: another source of requests beside
 * control.c, answered by the same functions.
 */
#include <stdlib.h>
#include <unistd.h>
#include "base/fate.h"
#include "console/control.h"
#include "ipc/child.h"
#include "log/counters.h"
#include "log/log.h"

enum { NAME_BYTES = 500 };

struct link {
    struct list     node;
    struct channel *channel;
};

static struct console {
    struct child  *child;
    struct control control;
    struct list    links;       /* to every process but the master */
} self;

/* --- what comes back ------------------------------------------------------- */

static json_t *report_counters(const struct msg_report *m)
{
    static const char *const names[COUNTER_COUNT] = {
#define C(kind, name, help) #name,
        COUNTERS(C)
#undef C
    };
    struct wire w = wire_reader(m->counters);
    json_t *object = json_object();

    for (size_t i = 0; i < COUNTER_COUNT; i++)
        json_object_set_new(object, names[i], json_integer((json_int_t)wire_get_u64(&w)));
    return object;
}

static void report_row(struct client *c, const struct msg_report *m)
{
    json_t *row = json_pack("{s:s, s:I, s:I, s:I, s:I, s:s, s:o}",
        "role", role_name((enum role)m->role), "pid", (json_int_t)m->pid,
        "slot", (json_int_t)m->slot, "generation", (json_int_t)m->generation,
        "started", (json_int_t)m->started, "sandbox", sandbox_name(m->sandbox),
        "counters", report_counters(m));
    char *text = row != NULL ? json_dumps(row, JSON_COMPACT) : NULL;

    if (text != NULL)
        client_row(c, slice_cstr(text));
    free(text);
    json_decref(row);
}

static bool on_report(struct wire *w)
{
    struct msg_report m;
    struct client *c;

    if (!msg_report_get(w, &m) || m.role >= ROLE_COUNT || m.ncounters != COUNTER_COUNT
        || m.counters.n != COUNTER_COUNT * sizeof(uint64_t))
        return false;
    c = control_client(&self.control, m.ticket);
    if (c == NULL || c->kind != REQUEST_STATUS)
        return true;
    report_row(c, &m);
    if (c->ticket == m.ticket && m.last && --c->left == 0)
        client_done(c, c->rows, NULL);
    return true;
}

static bool on_row(struct wire *w)
{
    struct msg_row m;
    struct client *c;

    if (!msg_row_get(w, &m) || m.json.n == 0 || m.json.p[0] != '{')
        return false;
    c = control_client(&self.control, m.ticket);
    if (c != NULL && c->kind == REQUEST_QUERY)
        client_row(c, m.json);
    return true;
}

static bool on_done(struct wire *w)
{
    struct msg_done m;
    struct client *c;

    if (!msg_done_get(w, &m))
        return false;
    c = control_client(&self.control, m.ticket);
    if (c == NULL || c->kind == REQUEST_STATUS)
        return true;
    if (m.fate == FATE_DONE)
        client_done(c, m.count, NULL);
    else
        client_error(c, m.text.n > 0 ? m.text : SLICE_LIT("refused without a reason"));
    return true;
}

/* whois_row - one name of an answer. A text that is no UTF-8 is left out. */

static void whois_row(struct client *c, unsigned code, struct slice name, struct slice address)
{
    json_t *row = json_pack("{s:i}", "code", (int)code);
    char *text;

    if (name.n > 0)
        json_object_set_new(row, "name", json_stringn(name.p, name.n));
    if (address.n > 0)
        json_object_set_new(row, "address", json_stringn(address.p, address.n));
    text = json_dumps(row, JSON_COMPACT);
    if (text != NULL)
        client_row(c, slice_cstr(text));
    free(text);
    json_decref(row);
}

static bool on_whois_done(struct wire *w)
{
    struct msg_whois_done m;
    struct wire entries;
    struct client *c;

    if (!msg_whois_done_get(w, &m))
        return false;
    c = control_client(&self.control, m.ticket);
    if (c == NULL || c->kind != REQUEST_WHOIS)
        return true;
    entries = wire_reader(m.entries);
    for (uint32_t i = 0; i < m.nentries && !entries.bad; i++) {
        struct slice name = wire_get_bytes(&entries), address = wire_get_bytes(&entries);

        if (!entries.bad)
            whois_row(c, m.code, name, address);
    }
    if (m.nentries == 0)
        whois_row(c, m.code, (struct slice){ 0 }, (struct slice){ 0 });
    client_done(c, m.nentries, NULL);
    return true;
}

/* answer - true when it was one of these, and well formed */

static bool answer(uint32_t type, struct wire *w)
{
    switch (type) {
    case MSG_REPORT: return on_report(w);
    case MSG_ROW:    return on_row(w);
    case MSG_DONE:   return on_done(w);
    case MSG_WHOIS_DONE: return on_whois_done(w);
    default:         return false;
    }
}

static bool from_peer(struct channel *c, uint32_t type, struct wire *w, int *fd)
{
    (void)c;
    (void)fd;
    return answer(type, w);
}

static bool from_master(struct child *child, struct channel *c, uint32_t type, struct wire *w)
{
    (void)child;
    (void)c;
    return answer(type, w);
}

/* --- what is asked --------------------------------------------------------- */

/* link_to - the newest one: those of an older generation know an older configuration */

static struct channel *link_to(enum role role)
{
    for (struct list *node = self.links.prev; node != &self.links; node = node->prev) {
        struct link *link = LIST_OWNER(node, struct link, node);

        if (link->channel->peer == role)
            return link->channel;
    }
    return NULL;
}

static void own_report(struct client *c)
{
    struct buf values = BUF(COUNTER_COUNT * sizeof(uint64_t));
    struct msg_report own = child_report(self.child, c->ticket, &values);

    report_row(c, &own);
    buf_free(&values);
}

static void ask_status(struct client *c)
{
    struct msg_status m = { .ticket = c->ticket };

    c->left = 0;
    if (self.child->master != NULL && channel_send_msg_status(self.child->master, &m, -1))
        c->left++;
    for (struct list *node = self.links.next; node != &self.links; node = node->next)
        if (channel_send_msg_status(LIST_OWNER(node, struct link, node)->channel, &m, -1))
            c->left++;
    own_report(c);
    if (c->left == 0)
        client_done(c, c->rows, NULL);
}

static void ask_queue(struct client *c, const struct msg_query *query)
{
    struct channel *queue = link_to(ROLE_QUEUE);

    if (queue == NULL || !channel_send_msg_query(queue, query, -1))
        client_error(c, SLICE_LIT("the queue process is not there now; try again"));
}

static void ask_lookup(struct client *c, const struct msg_query *query)
{
    struct channel *lookup = link_to(ROLE_LOOKUP);

    if (query->recipient.n == 0 || query->recipient.n > NAME_BYTES)
        client_error(c, SLICE_LIT("a name or an address is needed"));
    else if (lookup == NULL || !channel_send_msg_whois(lookup, &(struct msg_whois){
                 .ticket = c->ticket, .expn = query->verb == QUERY_EXPAND, .utf8 = 1,
                 .text = query->recipient }, -1))
        client_error(c, SLICE_LIT("the lookup process is not there now; try again"));
}

static void ask_master(struct client *c, bool sent)
{
    if (!sent)
        client_error(c, SLICE_LIT("the master process is not there"));
}

static void ask(struct control *ctl, struct client *c, struct request *r)
{
    struct channel *master = self.child->master;

    (void)ctl;
    switch (r->kind) {
    case REQUEST_QUERY:
        ask_queue(c, &r->query);
        break;
    case REQUEST_WHOIS:
        ask_lookup(c, &r->query);
        break;
    case REQUEST_STATUS:
        ask_status(c);
        break;
    case REQUEST_RELOAD:
        ask_master(c, master != NULL && channel_send_msg_reload(master,
                   &(struct msg_reload){ .ticket = c->ticket }, -1));
        break;
    case REQUEST_STOP:
        ask_master(c, master != NULL && channel_send_msg_stop(master,
                   &(struct msg_stop){ .ticket = c->ticket }, -1));
        break;
    }
}

/* --- life ------------------------------------------------------------------ */

static void gone(struct channel *channel, const char *why)
{
    struct link *link = channel->user;

    (void)why;
    list_remove(&link->node);
    free(link);
}

static void peer(struct child *child, struct channel *channel)
{
    struct link *link = calloc(1, sizeof *link);

    (void)child;
    if (link == NULL) {
        channel_close(channel, "no memory");
        return;
    }
    link->channel = channel;
    channel->user = link;
    channel->receive = from_peer;
    channel->gone = gone;
    list_push(&self.links, &link->node);
}

static bool begin(struct child *child)
{
    self.child = child;
    list_init(&self.links);
    return control_begin(&self.control, child->loop, child->conf->control, ask);
}

static void reconf(struct child *child)
{
    control_move(&self.control, child->conf->control);
}

static bool idle(void)
{
    return control_idle(&self.control);
}

/* drain - nobody new; what was asked is answered, for a second at most: a
 * listing is no reason to keep a server from stopping */

static void drain(struct child *child, unsigned seconds)
{
    control_end(&self.control);
    child_leave_within(child, seconds > 0 ? 1000 : 0, idle);
}

int console_main(void)
{
    static const struct child_role role = {
        .role = ROLE_CONSOLE, .begin = begin, .reconf = reconf, .peer = peer,
        .drain = drain, .master = from_master,
    };

    return child_run(&role);
}
