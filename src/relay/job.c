/* job.c - one order on its way: from host to host, until there is a RESULT. */
#include <stdio.h>
#include <stdlib.h>
#include "log/log.h"
#include "relay/job.h"
#include "relay/order.h"
#include "relay/reversal.h"

enum {
    TRIES_MAX = 10,             /* addresses tried in one attempt */
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
    struct order        order;

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
    order_free(&job->order);
    free(job);
    if (list_empty(&relay->jobs))
        relay->empty(relay);
}

static void job_answer(struct job *job)
{
    struct buf bytes = BUF(CHANNEL_FRAME_MAX - 4096);
    uint32_t n = order_put(&job->order, &job->problem, &bytes);

    channel_send_msg_result(job->channel, &(struct msg_result){
        .job = job->order.number, .trouble = (uint8_t)job->trouble, .host = slice_cstr(job->name),
        .note = slice_cstr(job->note), .noutcomes = n, .outcomes = buf_view(&bytes) }, -1);
    buf_free(&bytes);
    job_free(job);
}

/* give_up - there is nobody left to ask. What no host could take, although all were
 * well, none will take tomorrow. */

static void give_up(struct job *job)
{
    if (!job->temporary)
        order_give_up(&job->order);
    if (order_decided(&job->order))
        job->trouble = TROUBLE_NONE;
    job_answer(job);
}

/* --- sending over a link */

/* elsewhere - nothing more can be done with this host */

static void elsewhere(struct job *job)
{
    if (job->order.destination.way == WAY_TURN)
        give_up(job);
    else if (job->hosts == NULL && job->order.destination.way != WAY_UNIX)
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
    if (job->order.mail.note != NULL)
        job->note = job->order.mail.note;
    if (order_decided(&job->order) || !order_advanced(&job->order)) {
        job_part(job);
        job_answer(job);
    } else if (order_settled(&job->order)) {
        job_part(job);
        elsewhere(job);
    } else if (is_spent(job->link)) {
        job_part(job);
        job->again = AGAIN_MORE;
        elsewhere(job);
    } else {
        order_choose(&job->order, &job->link->client.offers, job->relay->conf->relay.recipients);
        link_send(job->link, &job->order.mail);
    }
}

/* --- when a link dies */

static void log_problem(const struct job *job)
{
    log_event(EVENT_OUTGOING, LF_ID("id", job->order.id), LF_STR("host", job->name),
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
        order_decide(&job->order, FATE_NEVER, 0, "5.4.6",
                     SLICE_LIT("mail loops back to this server"));
}

/* no_tls_here - for a message that requires it, a host without is as good as none
 * (RFC 8689 §4.2.1) */

static bool no_tls_here(struct job *job)
{
    static const struct unfit no_tls = {
        "5.7.10", "the sender requires TLS with a valid certificate, and the host has none" };
    enum cause cause = job->problem.cause;

    if (!(job->order.mail.flags & ENV_REQUIRETLS) || job->order.mail.sender.n == 0
        || (cause != CAUSE_TLS && cause != CAUSE_NO_TLS))
        return false;
    order_unfit(&job->order, &no_tls);
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
    job->trouble = c->problem.victim == VICTIM_HOST && job->order.destination.way != WAY_TURN
        ? TROUBLE_HOST : TROUBLE_SESSION;
    log_problem(job);
    job->again = again_after(c);
    if (!no_tls_here(job) && job->again == AGAIN_NOT && job->hosts != NULL)
        job->temporary = true;
    if (c->problem.cause == CAUSE_LOOP && job->hosts != NULL)
        drop_loop(job);
    if (order_decided(&job->order) || c->problem.cause == CAUSE_RESOURCE)
        job_answer(job);
    else
        elsewhere(job);
}

static void on_link(struct link *link, enum link_event event)
{
    struct job *job = link->user;

    memcpy(job->name, link->host, sizeof job->name);
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
    const struct destination *d = &job->order.destination;

    *t = (struct target){ .lmtp = d->lmtp, .plain = job->again == AGAIN_PLAIN,
                          .loops = d->way == WAY_MX, .tls = job->order.tls, .account = job->order.account };
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
    job->order.mail.nrcpts = 0;
    order_unfit(&job->order, NULL);
    job->link = link_new(&job->relay->pool, job->order.key, &t, on_link, job);
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
        log_event(EVENT_DNS, LF_ID("id", job->order.id), LF_STR("domain", h->domain),
                  LF_STR("status", h->status), LF_STR("why", h->text));
}

/* refuse_all - without any connection: the words are ours */

static void refuse_all(struct job *job, enum fate fate, unsigned code, const char *status,
                       const char *why)
{
    order_decide(&job->order, fate, code, status, arena_copy(&job->order.arena, slice_cstr(why)));
    job->trouble = fate != FATE_LATER ? TROUBLE_NONE
        : job->order.destination.way == WAY_TURN ? TROUBLE_SESSION : TROUBLE_HOST;
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
    bool mx = job->order.destination.way == WAY_MX;

    return (struct hosts_policy){
        .own = job->relay->own, .hostname = conf->hostname, .loopback = job->relay->loopback,
        .port = mx ? job->relay->port : job->order.destination.port,
        .fixed = !mx, .ipv6 = conf->relay.ipv6,
    };
}

/* An address needs no question, but its host is judged all the same. */
static void job_address(struct job *job, const struct hosts_policy *p)
{
    char name[DNS_NAME];
    struct hosts *h;

    snprintf(name, sizeof name, "%.*s", SLICE(job->order.destination.name));
    h = hosts_one(name, &job->order.destination.ip, p);
    if (h == NULL)
        refuse_all(job, FATE_LATER, 0, "4.3.0", "no memory");
    else
        on_hosts(job, h);
}

static void job_resolve(struct job *job)
{
    const struct destination *d = &job->order.destination;
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

static struct job *job_new(struct relay *relay, struct channel *channel)
{
    struct job *job = calloc(1, sizeof *job);

    if (job == NULL)
        return NULL;
    job->relay = relay;
    job->channel = channel;
    order_init(&job->order);
    list_init(&job->turn.link);
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
    reversal_use(job->relay, job->order.destination.ticket, &job->turn);
}

static void job_start(struct job *job)
{
    if (job->relay->pool.draining) {    /* or it would be cut off in the middle, and come twice */
        job->trouble = TROUBLE_LEAVING;
        job_answer(job);
        return;
    }
    if (!job->order.understood && slice_istarts(job->order.text, SLICE_LIT("link:"))) {
        refuse_all(job, FATE_LATER, 0, "4.4.4", "no path to this domain is up");
        return;
    }
    if (!job->order.understood) {
        refuse_all(job, FATE_LATER, 0, "4.3.5", "destination is not understood");
        return;
    }
    if (job->order.arena.spent) {
        refuse_all(job, FATE_LATER, 0, "4.3.0", "no memory");
        return;
    }
    if (job->order.destination.way == WAY_TURN) {
        job_reversed(job);
        return;
    }
    job->link = pool_take(&job->relay->pool, job->order.key, on_link, job);
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
    if (!order_take(&job->order, relay->conf, w, fd)) {
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
