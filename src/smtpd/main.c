/* main.c - the smtpd process: listeners, sessions, and its three peers. */
#include <limits.h>
#include <sysexits.h>
#include "base/file.h"
#include "log/log.h"
#include "smtpd/balancer.h"
#include "smtpd/desk.h"

enum {
    SWEEP_MS   = 1000,
    GREETER_MS = 50,
    IDLE_MS    = 10000,     /* without a command: may be told to leave */
    SPARE      = 16 << 20,  /* bytes: bodies come and go with every message */
    STOP_SECONDS = 30,      /* told to leave within so many: nobody begins a message any more */
};

static struct smtpd smtpd;      /* one process, one of it */

static struct client *client_at(struct list *node)
{
    return LIST_OWNER(node, struct client, link);
}

/* each_client - f may end clients, but takes none out of the list: that happens
 * when their handles are closed */

static void each_client(struct smtpd *d, void (*f)(struct client *))
{
    for (struct list *node = d->clients.next; node != &d->clients; node = node->next)
        f(client_at(node));
}

/* -------------------------------------------------------- the world's answers -- */

static enum known world_known(void *ctx, const struct conf_domain *domain,
                              const struct mailbox *m)
{
    struct smtpd *d = ctx;

    switch (recipient_check(&d->tables, domain, m->text)) {
    case RECIPIENT_DELIVER: return KNOWN_YES;
    case RECIPIENT_UNKNOWN: return KNOWN_NO;
    default:                return KNOWN_ASK;
    }
}

static void world_resolve(void *ctx, struct session *s, uint32_t ticket, struct slice address)
{
    struct smtpd *d = ctx;

    asks_resolve(&d->asks, s, ticket, address);
}

static enum room world_room(void *ctx)
{
    struct smtpd *d = ctx;

    return commits_room(&d->commits);
}

static uint64_t world_message_id(void *ctx)
{
    struct smtpd *d = ctx;

    return commits_message_id(&d->commits);
}

static bool world_lend(void *ctx, struct session *s, struct lent *lent)
{
    struct smtpd *d = ctx;

    return commits_lend(&d->commits, s, lent);
}

static void world_lend_back(void *ctx, struct lent *lent)
{
    struct smtpd *d = ctx;

    commits_lend_back(&d->commits, lent);
}

static bool world_slot(void *ctx, struct slot *slot)
{
    struct smtpd *d = ctx;

    return bay_take(&d->commits.bay, slot);
}

static void world_slot_back(void *ctx, struct slot *slot)
{
    struct smtpd *d = ctx;

    bay_back(&d->commits.bay, slot);
}

static void world_commit(void *ctx, struct flight *f)
{
    struct smtpd *d = ctx;

    commits_commit(&d->commits, f);
}

static uint64_t world_whois(void *ctx, struct session *s, bool expn, bool utf8,
                            struct slice text)
{
    struct smtpd *d = ctx;

    return asks_whois(&d->asks, s, expn, utf8, text);
}

static uint64_t world_kick(void *ctx, struct session *s, unsigned kind, struct slice name)
{
    (void)s;
    return desk_kick(ctx, kind, name);
}

static uint64_t world_linkstate(void *ctx, struct session *s, struct slice payload)
{
    return desk_linkstate(ctx, s, payload);
}

static uint64_t world_turn(void *ctx, struct session *s, uint32_t ndomains, struct slice domains)
{
    return desk_turn(ctx, s, ndomains, domains);
}

static uint64_t world_login(void *ctx, struct session *s, struct slice mechanism, unsigned secure,
                            bool has_initial, struct slice initial)
{
    struct smtpd *d = ctx;

    return logins_open(&d->logins, s, mechanism, secure, has_initial, initial);
}

static bool world_login_step(void *ctx, uint64_t ticket, struct slice data)
{
    struct smtpd *d = ctx;

    return logins_step(&d->logins, ticket, data);
}

static void world_login_cancel(void *ctx, uint64_t ticket)
{
    struct smtpd *d = ctx;

    logins_cancel(&d->logins, ticket);
}

static bool from_queue(void *user, struct channel *queue, uint32_t type, struct wire *w, int *fd)
{
    return desk_receive(user, queue, type, w, fd);
}

static bool world_secure(void *ctx, struct session *s)
{
    struct smtpd *d = ctx;

    return certificates_able(&d->certificates, listener_of(d, s));
}

static const struct world world = {
    .known = world_known, .resolve = world_resolve, .room = world_room,
    .message_id = world_message_id, .lend = world_lend, .lend_back = world_lend_back,
    .slot = world_slot, .slot_back = world_slot_back,
    .commit = world_commit, .whois = world_whois, .kick = world_kick, .turn = world_turn,
    .linkstate = world_linkstate, .login = world_login, .login_step = world_login_step,
    .login_cancel = world_login_cancel,
    .secure = world_secure,
};

static void go(struct session *s)
{
    client_go(client_of(s));
}

static void wake(struct client *c)
{
    if (c->session.wait == WAIT_QUEUE) {
        session_wake(&c->session);
        client_go(c);
    }
}

static void wake_all(void *user)
{
    each_client(user, wake);
}

static void lose_file(struct client *c)
{
    session_queue_lost(&c->session);
}

static void queue_lost(void *user)
{
    each_client(user, lose_file);
}

static struct slice number_of(const void *member)
{
    const struct client *c = member;

    return slice_of((const char *)&c->session.number, sizeof c->session.number);
}

static struct session *find(void *user, uint64_t number)
{
    struct smtpd *d = user;
    struct client *c = map_get(&d->by_number, slice_of((char *)&number, sizeof number));

    return c != NULL && !c->over ? &c->session : NULL;
}

/* ---------------------------------------------------------------------- time -- */

static void give_up(struct client *c)
{
    if (c->handover != NULL)
        handover_stop(c);
    commits_forget(&c->smtpd->commits, &c->session);
    session_refuse(&c->session, REPLY_SHUTTING_DOWN);
    client_go(c);
}

void smtpd_left(struct smtpd *d)
{
    d->nclients--;
    if (d->drain_until != 0 && d->nclients == 0)
        child_leave(d->child, EX_OK);
}

static void drain_one(struct client *c)
{
    session_drain(&c->session);
    client_go(c);
}

static void drain_idle(struct client *c)
{
    if (session_idle(&c->session) > IDLE_MS)
        drain_one(c);
}

/* hurry - from now on no session begins another message */

static void hurry(struct smtpd *d)
{
    d->server.draining = true;
    each_client(d, drain_one);
}

/* drain_on - who is busy may go on for half of the time, as after a reload;
 * then every session ends after its message, and at last where it stands */

static void drain_on(struct smtpd *d)
{
    int64_t now = d->server.mono;

    if (now > d->drain_until)
        each_client(d, give_up);
    else if (d->server.draining)
        return;
    else if (now > d->hurry_at)
        hurry(d);
    else
        each_client(d, drain_idle);
}

/* settle - after the first second without a message, what is free goes back to the system */

static void settle(struct smtpd *d)
{
    if (!thrift_quiet(&d->thrift, counters[COUNT_accepted]))
        return;
    flights_free(&d->server);
    bay_settle(&d->commits.bay);
    thrift_return();
}

static void on_sweep(uv_timer_t *timer)
{
    struct smtpd *d = timer->data;

    server_now(&d->server);
    each_client(d, client_tick);
    commits_tick(&d->commits);
    asks_tick(&d->asks);
    settle(d);
    if (d->drain_until != 0)
        drain_on(d);
}

static void on_greeter(uv_timer_t *timer)
{
    struct smtpd *d = timer->data;

    server_now(&d->server);
    each_client(d, client_greet);
    if (d->ngreeting == 0)
        uv_timer_stop(timer);
}

void smtpd_greeting(struct smtpd *d)
{
    if (!uv_is_active((uv_handle_t *)&d->greeter))
        uv_timer_start(&d->greeter, on_greeter, GREETER_MS, GREETER_MS);
}

/* ------------------------------------------------------------------ the role -- */

static void on_accept(struct listener *l, int fd, const struct ip *peer, uint16_t port)
{
    struct smtpd *d = l->user;

    (void)port;
    if (fd > d->fd_most)
        client_turn_away(fd, peer);
    else if (balancer_is(&d->server.conf->listens[l->index], peer))
        balancer_new(d, &d->server.conf->listens[l->index], fd, peer);
    else
        client_new(d, &d->server.conf->listens[l->index], fd, peer, NULL);
}

static void on_crowd(struct listener *l, int fd, const struct ip *peer, uint16_t port)
{
    (void)l;
    (void)port;
    client_turn_away(fd, peer);
}

/* yields - sessions are spread over the processes, so that each core has its part */

static bool yields(struct listener *l)
{
    const struct smtpd *d = l->user;

    return census_crowded(&d->census, d->processes);
}

static bool listen_all(struct smtpd *d)
{
    struct child *child = d->child;

    for (unsigned i = 0; i < CHILD_LISTENERS; i++) {
        d->listeners[i].fd = -1;
        if (child->listeners[i] < 0 || i >= child->conf->nlistens)
            continue;
        if (!listener_open(&d->listeners[i], child->loop, child->listeners[i], i, on_accept, d))
            return false;
        d->listeners[i].refuse = on_crowd;
        d->listeners[i].yields = yields;
        child->listeners[i] = -1;
    }
    return true;
}

/* map_tables - all that were handed over, before anyone connects */

static bool map_tables(struct smtpd *d)
{
    for (size_t i = 0; i < d->child->ntables; i++) {
        const struct child_table *t = &d->child->tables[i];

        if (strncmp(t->name, "certificate:", 12) == 0)
            continue;
        if (!table_set_add(&d->tables, t->name, t->fd)) {
            log_event(EVENT_TABLE, LF_STR("why", "cannot be mapped"), LF_STR("table", t->name));
            return false;
        }
    }
    return true;
}

/* fd_most - what connections leave for lent files and for the peers: a channel
 * that brings a descriptor for which there is no room is lost with it */

static int fd_most(void)
{
    enum { RESERVE = 1024 + 2 * COMMIT_STOCK_MAX };     /* the files that a queue lends at most */
    uint64_t most = fd_allowance(RESERVE);

    return most < INT_MAX ? (int)most : INT_MAX;
}

static void timers_begin(struct smtpd *d)
{
    uv_timer_init(d->child->loop, &d->sweep);
    uv_timer_init(d->child->loop, &d->greeter);
    d->sweep.data = d->greeter.data = d;
    uv_timer_start(&d->sweep, on_sweep, SWEEP_MS, SWEEP_MS);
}

static bool begin(struct child *child)
{
    struct smtpd *d = &smtpd;

    thrift_begin(SPARE);
    d->child = child;
    child->user = d;
    d->server = (struct server){ .conf = child->conf, .world = &world, .ctx = d };
    d->by_number = MAP(number_of);
    d->numbers.slot = child->slot;
    list_init(&d->clients);
    server_now(&d->server);
    commits_begin(&d->commits, child, &d->server, go, wake_all, queue_lost, d);
    d->commits.other = from_queue;
    logins_begin(&d->logins, &d->server, go);
    asks_begin(&d->asks, child, &d->server, find, go, d);
    if (!census_open(&d->census, child->census, child->census_slots, child->slot))
        log_event(EVENT_CONFIG, LF_STR("why", "no census of sessions: each process counts its own"));
    d->fd_most = fd_most();
    d->processes = conf_processes(child->conf->processes.smtpd);
    timers_begin(d);
    if (!certificates_begin(&d->certificates, child))
        return false;
    return map_tables(d) && listen_all(d);
}

static bool from_console(struct channel *c, uint32_t type, struct wire *w, int *fd)
{
    (void)fd;
    return child_receive_common(c->user, c, type, w);
}

static bool from_vault(struct channel *c, uint32_t type, struct wire *w, int *fd)
{
    struct smtpd *d = c->user;

    (void)fd;
    server_now(&d->server);
    switch (type) {
    case MSG_SIGNED:
        return certificates_signed(&d->certificates, w);
    case MSG_MECHANISMS: case MSG_AUTH_SAY: case MSG_AUTH_DONE:
        return logins_receive(&d->logins, type, w);
    default:
        return child_receive_common(d->child, c, type, w);
    }
}

static void vault_gone(struct channel *c, const char *why)
{
    struct smtpd *d = c->user;

    (void)why;
    if (d->certificates.vault == c)
        certificates_vault(&d->certificates, NULL);
    if (d->logins.vault == c)
        logins_vault(&d->logins, NULL);
}

static void vault_peer(struct smtpd *d, struct channel *c)
{
    c->user = d;
    c->receive = from_vault;
    c->gone = vault_gone;
    certificates_vault(&d->certificates, c);
    logins_vault(&d->logins, c);
}

static void peer(struct child *child, struct channel *c)
{
    struct smtpd *d = child->user;

    if (c->peer == ROLE_QUEUE) {
        commits_queue(&d->commits, c);
    } else if (c->peer == ROLE_LOOKUP) {
        asks_lookup(&d->asks, c);
    } else if (c->peer == ROLE_VAULT) {
        vault_peer(d, c);
    } else {
        c->user = child;
        c->receive = from_console;
    }
}

static void drain(struct child *child, unsigned seconds)
{
    struct smtpd *d = child->user;
    int64_t ms = (int64_t)seconds * 1000;

    server_now(&d->server);
    d->drain_until = d->server.mono + ms + 1;
    d->hurry_at = d->server.mono + ms / 2;
    for (unsigned i = 0; i < CHILD_LISTENERS; i++)
        listener_close(&d->listeners[i]);
    if (seconds <= STOP_SECONDS)
        hurry(d);
    if (d->nclients == 0)
        child_leave(child, EX_OK);
}

static void gauge(struct child *child)
{
    struct smtpd *d = child->user;

    count_set(sessions, d->nclients);
}

int smtpd_main(void)
{
    static const struct child_role role = {
        .role = ROLE_SMTPD, .begin = begin, .peer = peer, .drain = drain, .gauge = gauge,
    };

    return child_run(&role);
}
