/* job.c - one DELIVER, from the frame to its RESULT. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/id.h"
#include "log/log.h"
#include "mail/envelope.h"
#include "relay/job.h"
#include "relay/refit.h"
#include "relay/reversal.h"

enum {
    TRIES_MAX    = 10,          /* addresses tried in one attempt */
    RESULT_BYTES = 8 << 20,     /* of words in one RESULT */
};

enum again {
    AGAIN_NOT,
    AGAIN_PLAIN,        /* with HELO: the host closes at EHLO */
    AGAIN_CLEAR,        /* without TLS: the handshake failed, and nobody asked for it */
    AGAIN_MORE,         /* the host takes no more over one connection */
};

struct job {
    struct list         link_jobs;
    struct relay       *relay;
    struct channel     *channel;
    struct arena        arena;
    uint64_t            number, id;
    struct slice        text;           /* of the destination */
    struct slice        key;            /* of links: destination, policy, account */
    struct destination  destination;
    bool                understood;     /* the destination is one */
    int                 fd;             /* of the body, or -1 */
    struct refit        refit;
    enum tls_policy     tls;
    struct slice        account;        /* log in as this */
    uint32_t           *index;          /* of each recipient, in the envelope */
    struct client_rcpt *rcpts;
    size_t              nrcpts;
    struct client_mail  mail;           /* the transaction under way: a part of rcpts */

    struct hosts_query *query;
    struct hosts       *hosts;
    size_t              host, ip;       /* the next address to try */
    unsigned            tries;
    enum again          again;          /* the last address once more */
    bool                temporary;      /* a host could not be reached, or was in trouble */
    struct link        *link;
    struct pool_waiter  waiter;
    struct reversal_waiter  turn;

    char                name[LINK_HOST];        /* the other side */
    const char         *note;           /* what was left out */
    struct client_problem problem;      /* why the last link died */
    enum trouble        trouble;
};

static void job_next(struct job *job);
static void job_resolve(struct job *job);

/* --- the result */

static void job_free(struct job *job)
{
    struct relay *relay = job->relay;

    if (job->query != NULL)
        hosts_cancel(job->query);
    if (job->link != NULL)
        link_drop(job->link);
    list_remove(&job->waiter.link);
    list_remove(&job->turn.link);
    list_remove(&job->link_jobs);
    hosts_free(job->hosts);
    refit_free(&job->refit);
    if (job->fd >= 0)
        close(job->fd);
    arena_free(&job->arena);
    free(job);
    if (list_empty(&relay->jobs))
        relay->empty(relay);
}

/* outcome_of - what became of a recipient; nobody's word means later */

static struct outcome outcome_of(const struct job *job, size_t i)
{
    const struct client_rcpt *r = &job->rcpts[i];
    const struct client_problem *p = &job->problem;
    size_t most = RESULT_BYTES / job->nrcpts;

    if (r->decided)
        return (struct outcome){ .index = job->index[i], .fate = (uint8_t)r->fate,
                                 .how = (uint8_t)r->how, .code = (uint16_t)r->code,
                                 .status = slice_cstr(r->status),
                                 .text = slice_first(r->text, most) };
    return (struct outcome){ .index = job->index[i], .fate = FATE_LATER,
                             .code = (uint16_t)p->code,
                             .status = slice_cstr(p->status[0] ? p->status : "4.0.0"),
                             .text = slice_first(slice_cstr(p->text), most) };
}

static void job_answer(struct job *job)
{
    struct buf bytes = BUF(CHANNEL_FRAME_MAX - 4096);
    struct wire w = wire_writer(&bytes);
    uint32_t n = 0;

    for (size_t i = 0; i < job->nrcpts && !w.bad; i++, n++) {
        struct outcome o = outcome_of(job, i);

        outcome_put(&w, &o);
    }
    if (w.bad) {
        buf_clear(&bytes);
        n = 0;
    }
    channel_send_msg_result(job->channel, &(struct msg_result){
        .job = job->number, .trouble = (uint8_t)job->trouble, .host = slice_cstr(job->name),
        .note = slice_cstr(job->note),
        .noutcomes = n, .outcomes = buf_view(&bytes) }, -1);
    buf_free(&bytes);
    job_free(job);
}

/* decide_all - in our own words, for all that have no fate yet */

static void decide_all(struct job *job, enum fate fate, unsigned code, const char *status,
                       struct slice text)
{
    for (size_t i = 0; i < job->nrcpts; i++) {
        struct client_rcpt *r = &job->rcpts[i];

        if (r->decided)
            continue;
        r->decided = true;
        r->fate = fate;
        r->code = code;
        r->status = status;
        r->text = text;
    }
}

static bool all_decided(const struct job *job)
{
    for (size_t i = 0; i < job->nrcpts; i++)
        if (!job->rcpts[i].decided)
            return false;
    return true;
}

/* settled - decided, or this host lacks something for it */

static bool settled(const struct client_rcpt *r)
{
    return r->decided || r->unfit != NULL;
}

static bool all_settled(const struct job *job)
{
    for (size_t i = 0; i < job->nrcpts; i++)
        if (!settled(&job->rcpts[i]))
            return false;
    return true;
}

/* give_up - there is nobody left to ask. What no host could take, although all were
 * well, none will take tomorrow. */

static void give_up(struct job *job)
{
    for (size_t i = 0; i < job->nrcpts; i++) {
        struct client_rcpt *r = &job->rcpts[i];

        if (r->decided || r->unfit == NULL || job->temporary)
            continue;
        r->decided = true;
        r->fate = FATE_NEVER;
        r->status = r->unfit->status;
        r->text = slice_cstr(r->unfit->text);
    }
    job_answer(job);
}

/* --- sending over a link */

static struct slice domain_of(const struct client_rcpt *r)
{
    return slice_from(r->address, slice_rchr(r->address, '@'));
}

/* known_domain - has one of the recipients before it this one's domain? */

static bool known_domain(const struct client_rcpt *from, const struct client_rcpt *r)
{
    for (; from < r; from++)
        if (slice_ieq(domain_of(from), domain_of(r)))
            return true;
    return false;
}

/* run_of - how many of n recipients have no more than `most` domains (RFC 9422 §4) */

static size_t run_of(const struct client_rcpt *from, size_t n, uint64_t most)
{
    uint64_t domains = 0;
    size_t i;

    for (i = 0; i < n; i++) {
        domains += !known_domain(from, &from[i]);
        if (domains > most)
            break;
    }
    return i;
}

static size_t least(size_t most, uint64_t limit)
{
    return limit > 0 && limit < most ? (size_t)limit : most;
}

/* choose - the next run of recipients for one transaction with this host */

static void choose(struct job *job)
{
    const struct host_offers *o = &job->link->client.offers;
    size_t from = 0, most = least(CLIENT_RCPTS, job->relay->conf->relay.recipients);

    most = least(most, o->rcpt_max);
    while (settled(&job->rcpts[from]))
        from++;
    most = least(most, job->nrcpts - from);
    if (o->rcpt_domain_max > 0)
        most = run_of(job->rcpts + from, most, o->rcpt_domain_max);
    job->mail.rcpts = job->rcpts + from;
    job->mail.nrcpts = most;
}

/* advanced - did the last transaction settle all that it took? */

static bool advanced(const struct job *job)
{
    for (size_t i = 0; i < job->mail.nrcpts; i++)
        if (!settled(&job->mail.rcpts[i]))
            return false;
    return true;
}

/* elsewhere - nothing more can be done with this host */

static void elsewhere(struct job *job)
{
    if (job->destination.way == WAY_TURN)
        give_up(job);
    else if (job->hosts == NULL && job->destination.way != WAY_UNIX)
        job_resolve(job);
    else
        job_next(job);
}

static void job_part(struct job *job)
{
    struct link *link = job->link;

    job->link = NULL;
    job->trouble = TROUBLE_NONE;
    link_keep(link);
}

static bool is_spent(const struct link *link)
{
    uint64_t most = link->client.offers.mail_max;

    return most > 0 && link->client.sent >= most;
}

static void on_ready(struct job *job)
{
    if (job->mail.note != NULL)
        job->note = job->mail.note;
    if (all_decided(job) || !advanced(job)) {
        job_part(job);
        job_answer(job);
    } else if (all_settled(job)) {
        job_part(job);
        elsewhere(job);
    } else if (is_spent(job->link)) {
        job_part(job);
        job->again = AGAIN_MORE;
        elsewhere(job);
    } else {
        choose(job);
        link_send(job->link, &job->mail);
    }
}

/* --- when a link dies */

static void log_problem(const struct job *job)
{
    log_event(EVENT_OUTGOING, LF_ID("id", job->id), LF_STR("host", job->name),
              LF_STR("state", "failed"), LF_NUM("code", job->problem.code),
              LF_STR("status", job->problem.status), LF_STR("why", job->problem.text));
}

/* We are one of this domain's hosts, found out by the greeting: neither this
 * one nor any that is not better may be tried (RFC 5321 §5.1). */
static void drop_loop(struct job *job)
{
    struct hosts *h = job->hosts;
    size_t at = job->host < h->n ? job->host : h->n - 1, best;

    for (best = at; best > 0 && h->host[best - 1].preference == h->host[at].preference;)
        best--;
    h->n = best;
    if (best == 0)
        decide_all(job, FATE_NEVER, 0, "5.4.6", SLICE_LIT("mail loops back to this server"));
}

/* no_tls_here - for a message that requires it, a host without is as good as none
 * (RFC 8689 §4.2.1) */

static bool no_tls_here(struct job *job)
{
    static const struct unfit no_tls = {
        "5.7.10", "the sender requires TLS with a valid certificate, and the host has none" };
    enum cause cause = job->problem.cause;

    if (!(job->mail.flags & ENV_REQUIRETLS) || job->mail.sender.n == 0
        || (cause != CAUSE_TLS && cause != CAUSE_NO_TLS))
        return false;
    for (size_t i = 0; i < job->nrcpts; i++)
        if (!job->rcpts[i].decided)
            job->rcpts[i].unfit = &no_tls;
    return true;
}

static enum again again_after(const struct client *c)
{
    if (c->problem.stage == STAGE_EHLO && c->problem.cause == CAUSE_LOST && !c->options.plain
        && !c->options.lmtp && !c->secure && c->options.tls != TLS_POLICY_REQUIRE)
        return AGAIN_PLAIN;
    if (c->problem.cause == CAUSE_TLS && c->options.tls == TLS_POLICY_OPPORTUNISTIC)
        return AGAIN_CLEAR;
    return AGAIN_NOT;
}

/* A kept link that dies says nothing about the host: there are no addresses
 * yet, so its recipients get a fresh attempt. */
static void on_dead(struct job *job, const struct client *c)
{
    job->problem = c->problem;
    job->trouble = c->problem.victim == VICTIM_HOST && job->destination.way != WAY_TURN
        ? TROUBLE_HOST : TROUBLE_SESSION;
    log_problem(job);
    job->again = again_after(c);
    if (!no_tls_here(job) && job->again == AGAIN_NOT && job->hosts != NULL)
        job->temporary = true;
    if (c->problem.cause == CAUSE_LOOP && job->hosts != NULL)
        drop_loop(job);
    if (all_decided(job) || c->problem.cause == CAUSE_RESOURCE)
        job_answer(job);
    else
        elsewhere(job);
}

static void on_link(struct link *link, enum link_event event)
{
    struct job *job = link->user;

    snprintf(job->name, sizeof job->name, "%s", link->host);
    if (event == LINK_READY) {
        on_ready(job);
        return;
    }
    job->link = NULL;
    on_dead(job, &link->client);
}

/* --- the next address */

/* step - the address to try now; false when there is none left */

static bool step(struct job *job, struct target *t)
{
    struct hosts *h = job->hosts;

    while (job->host < h->n && job->ip >= h->host[job->host].nips) {
        job->host++;
        job->ip = 0;
    }
    if (job->host >= h->n || job->tries >= TRIES_MAX)
        return false;
    t->ip = h->host[job->host].ips[job->ip];
    t->name = h->host[job->host].name;
    return true;
}

/* once_more - the address that was tried last, in another way */

static void once_more(struct job *job)
{
    if (job->again == AGAIN_NOT || job->ip == 0)
        return;
    job->ip--;
    if (job->again == AGAIN_MORE)
        job->tries--;
}

static bool aim(struct job *job, struct target *t)
{
    const struct destination *d = &job->destination;

    *t = (struct target){ .lmtp = d->lmtp, .plain = job->again == AGAIN_PLAIN,
                          .loops = d->way == WAY_MX, .tls = job->tls, .account = job->account };
    if (job->again == AGAIN_CLEAR)
        t->tls = TLS_POLICY_NONE;
    once_more(job);
    if (d->way == WAY_UNIX) {
        t->name = d->name.p;
        return job->tries == 0 || job->again == AGAIN_MORE;
    }
    t->port = d->way == WAY_MX ? job->relay->port : d->port;
    return step(job, t);
}

static void forget_unfit(struct job *job)
{
    for (size_t i = 0; i < job->nrcpts; i++)
        job->rcpts[i].unfit = NULL;
}

/* job_go - connect to the next address; there is room for a link */

static void job_go(void *user)
{
    struct job *job = user;
    struct target t;

    if (!aim(job, &t)) {
        give_up(job);
        return;
    }
    job->tries++;
    job->ip++;
    job->again = AGAIN_NOT;
    job->mail.nrcpts = 0;
    forget_unfit(job);
    job->link = link_new(&job->relay->pool, job->key, &t, on_link, job);
    if (job->link == NULL) {
        snprintf(job->problem.text, sizeof job->problem.text, "no memory");
        job_answer(job);
    }
}

static void job_next(struct job *job)
{
    if (pool_has_room(&job->relay->pool, &job->waiter))
        job_go(job);
}

/* --- finding the hosts */

static void log_dns(const struct job *job, const struct hosts *h)
{
    if (h->fate == FATE_LATER)
        log_event(EVENT_DNS, LF_ID("id", job->id), LF_STR("domain", h->domain),
                  LF_STR("status", h->status), LF_STR("why", h->text));
}

/* refuse_all - without any connection: the words are ours */

static void refuse_all(struct job *job, enum fate fate, unsigned code, const char *status,
                       const char *why)
{
    decide_all(job, fate, code, status, arena_copy(&job->arena, slice_cstr(why)));
    job->trouble = fate != FATE_LATER ? TROUBLE_NONE
        : job->destination.way == WAY_TURN ? TROUBLE_SESSION : TROUBLE_HOST;
    job_answer(job);
}

static void on_hosts(void *user, struct hosts *h)
{
    struct job *job = user;

    job->query = NULL;
    job->hosts = h;
    if (h->fate == FATE_DONE) {
        job_next(job);
        return;
    }
    log_dns(job, h);
    refuse_all(job, h->fate, h->code, h->status, h->text);
}

static struct hosts_policy policy_of(const struct job *job)
{
    const struct conf *conf = job->relay->conf;
    bool mx = job->destination.way == WAY_MX;

    return (struct hosts_policy){
        .own = job->relay->own, .hostname = conf->hostname, .loopback = job->relay->loopback,
        .port = mx ? job->relay->port : job->destination.port,
        .fixed = !mx, .ipv6 = conf->relay.ipv6,
    };
}

/* An address needs no question, but its host is judged all the same. */
static void job_address(struct job *job, const struct hosts_policy *p)
{
    char name[DNS_NAME];
    struct hosts *h;

    snprintf(name, sizeof name, "%.*s", SLICE(job->destination.name));
    h = hosts_one(name, &job->destination.ip, p);
    if (h == NULL)
        refuse_all(job, FATE_LATER, 0, "4.3.0", "no memory");
    else
        on_hosts(job, h);
}

static void job_resolve(struct job *job)
{
    const struct destination *d = &job->destination;
    struct hosts_policy p = policy_of(job);

    if (d->way == WAY_UNIX) {
        job_next(job);
        return;
    }
    if (d->ip.family != 0) {
        job_address(job, &p);
        return;
    }
    job->query = hosts_find(job->relay->dns, d->name, &p, on_hosts, job);
    if (job->query == NULL)
        refuse_all(job, FATE_LATER, 0, "4.4.3", "no question could be asked of the DNS");
}

/* --- from the frame */

static void take_rcpt(struct job *job, struct wire *w)
{
    struct client_rcpt *r = &job->rcpts[job->nrcpts];

    job->index[job->nrcpts] = wire_get_u32(w);
    r->address = arena_copy(&job->arena, wire_get_bytes(w));
    r->original = arena_copy(&job->arena, wire_get_bytes(w));
    r->extra = arena_copy(&job->arena, wire_get_bytes(w));
}

static bool take_rcpts(struct job *job, const struct msg_deliver *m)
{
    struct wire w = wire_reader(m->rcpts);

    if (m->nrcpts == 0 || m->nrcpts > ENVELOPE_RCPTS)
        return false;
    job->rcpts = arena_array(&job->arena, m->nrcpts, sizeof *job->rcpts);
    job->index = arena_array(&job->arena, m->nrcpts, sizeof *job->index);
    if (job->rcpts == NULL || job->index == NULL)
        return false;
    for (job->nrcpts = 0; job->nrcpts < m->nrcpts && !w.bad; job->nrcpts++)
        take_rcpt(job, &w);
    return wire_done(&w);
}

static void take_mail(struct job *job, const struct msg_deliver *m)
{
    struct slice body = m->file ? (struct slice){ NULL, 0 } : arena_copy(&job->arena, m->body);
    char id[ID_TEXT + 1];

    refit_init(&job->refit, body, job->fd, m->offset, m->length);
    job->mail = (struct client_mail){
        .arena = &job->arena, .sender = arena_copy(&job->arena, m->sender),
        .id = arena_copy(&job->arena, slice_cstr(id_text(m->id, id))),
        .flags = m->flags, .extra = arena_copy(&job->arena, m->extra),
        .from_ip = arena_copy(&job->arena, m->client),
        .from_name = arena_copy(&job->arena, m->helo),
        .protocol = arena_copy(&job->arena, m->protocol),
        .wall_ahead = clock_wall() - clock_mono(),
        .text = refit_text(&job->refit), .fit = refit, .fit_user = &job->refit,
    };
}

/* connector_of - "link:NAME": the connector of the link-state routing, or NULL */

static const struct conf_connector *connector_of(const struct job *job)
{
    const struct conf *conf = job->relay->conf;
    struct slice kind, name;

    slice_cut(job->text, ':', &kind, &name);
    for (size_t i = 0; i < conf->nconnectors && slice_eq(kind, SLICE_LIT("link")); i++)
        if (slice_ieq(conf->connectors[i].name, name))
            return &conf->connectors[i];
    return NULL;
}

static bool take_destination(struct job *job)
{
    const struct conf_connector *c = connector_of(job);
    struct destination *d = &job->destination;

    if (c == NULL)
        return destination_parse(job->text, d);
    *d = (struct destination){ .way = WAY_HOST, .name = c->host, .port = c->port };
    ip_parse(c->host, &d->ip);
    return true;
}

static enum tls_policy policy_for(const struct job *job, enum tls_use use)
{
    if (use == TLS_OFFER)
        use = job->relay->conf->relay.tls;

    if (job->destination.way == WAY_UNIX)
        return TLS_POLICY_NONE;
    if (use == TLS_REQUIRE || ((job->mail.flags & ENV_REQUIRETLS) && job->mail.sender.n > 0))
        return TLS_POLICY_REQUIRE;
    return use == TLS_NONE ? TLS_POLICY_NONE : TLS_POLICY_OPPORTUNISTIC;
}

/* take_policy - what the configuration asks of the way there. Connections are shared
 * only where it is the same. */

static void take_policy(struct job *job, const struct msg_deliver *m)
{
    const struct conf_route *route = conf_route_find(job->relay->conf, m->domain);
    const struct conf_connector *c = connector_of(job);

    job->tls = policy_for(job, c != NULL ? c->tls : route->tls);
    job->account = job->destination.lmtp ? (struct slice){ NULL, 0 }
                 : c != NULL ? c->account : route->account;
    job->key = arena_printf(&job->arena, "%.*s %d %.*s", SLICE(job->text), (int)job->tls,
                            SLICE(job->account));
}

/* job_take - everything of the frame that is needed later; false: malformed */

static bool job_take(struct job *job, struct wire *w, int *fd)
{
    struct msg_deliver m;

    if (!msg_deliver_get(w, &m) || (m.file != 0) != (*fd >= 0)
        || m.offset > INT64_MAX - m.length || !take_rcpts(job, &m))
        return false;
    job->number = m.job;
    job->id = m.id;
    job->text = arena_copy(&job->arena, m.destination);
    job->understood = take_destination(job);
    if (m.file) {
        job->fd = *fd;
        *fd = -1;
    }
    take_mail(job, &m);
    take_policy(job, &m);
    return true;
}

static struct job *job_new(struct relay *relay, struct channel *channel)
{
    struct job *job = calloc(1, sizeof *job);

    if (job == NULL)
        return NULL;
    job->relay = relay;
    job->channel = channel;
    job->fd = -1;
    refit_init(&job->refit, (struct slice){ NULL, 0 }, -1, 0, 0);
    list_init(&job->turn.link);
    job->arena = ARENA(4 * (size_t)CHANNEL_FRAME_MAX);
    job->waiter = (struct pool_waiter){ .go = job_go, .user = job };
    list_init(&job->waiter.link);
    list_push(&relay->jobs, &job->link_jobs);
    return job;
}

/* --- over a connection that was handed over */

static void on_turn(void *user, struct link *link)
{
    struct job *job = user;

    job->link = link;
    if (link == NULL) {
        refuse_all(job, FATE_LATER, 0, "4.4.2", "the connection that was to be used is gone");
        return;
    }
    link->event = on_link;
    link->user = job;
    on_link(link, LINK_READY);
}

static void job_reversed(struct job *job)
{
    job->turn.go = on_turn;
    job->turn.user = job;
    reversal_use(job->relay, job->destination.ticket, &job->turn);
}

static void job_start(struct job *job)
{
    if (job->relay->pool.draining) {    /* or it would be cut off in the middle, and come twice */
        job->trouble = TROUBLE_LEAVING;
        job_answer(job);
        return;
    }
    if (!job->understood && slice_istarts(job->text, SLICE_LIT("link:"))) {
        refuse_all(job, FATE_LATER, 0, "4.4.4", "no path to this domain is up");
        return;
    }
    if (!job->understood) {
        refuse_all(job, FATE_LATER, 0, "4.3.5", "destination is not understood");
        return;
    }
    if (job->arena.spent) {
        refuse_all(job, FATE_LATER, 0, "4.3.0", "no memory");
        return;
    }
    if (job->destination.way == WAY_TURN) {
        job_reversed(job);
        return;
    }
    job->link = pool_take(&job->relay->pool, job->key, on_link, job);
    if (job->link == NULL) {
        job_resolve(job);
        return;
    }
    on_link(job->link, LINK_READY);
}

bool job_begin(struct relay *relay, struct channel *channel, struct wire *w, int *fd)
{
    struct job *job = job_new(relay, channel);

    if (job == NULL)
        return true;            /* no answer means later */
    if (!job_take(job, w, fd)) {
        job_free(job);
        return false;
    }
    job_start(job);
    return true;
}

static struct job *job_of(const struct relay *relay, const struct channel *channel)
{
    for (struct list *at = relay->jobs.next; at != &relay->jobs; at = at->next) {
        struct job *job = LIST_OWNER(at, struct job, link_jobs);

        if (job->channel == channel)
            return job;
    }
    return NULL;
}

/* Ending one job may end others too, so the search begins again each time. */
void job_forget(struct relay *relay, struct channel *channel)
{
    struct job *job;

    while ((job = job_of(relay, channel)) != NULL)
        job_free(job);
}
