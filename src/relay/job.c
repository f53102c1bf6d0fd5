/* job.c - one DELIVER, from the frame to its RESULT. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "log/log.h"
#include "mail/envelope.h"
#include "relay/job.h"

enum {
    TRIES_MAX    = 10,          /* addresses tried in one attempt */
    RESULT_BYTES = 8 << 20,     /* of words in one RESULT */
};

struct job {
    struct list         link_jobs;
    struct relay       *relay;
    struct channel     *channel;
    struct arena        arena;
    uint64_t            number, id;
    struct slice        text;           /* of the destination */
    struct destination  destination;
    bool                understood;     /* the destination is one */
    int                 fd;             /* of the body, or -1 */
    uint64_t            offset;
    uint32_t           *index;          /* of each recipient, in the envelope */
    struct client_rcpt *rcpts;
    size_t              nrcpts;
    struct client_mail  mail;           /* the transaction under way: a part of rcpts */

    struct hosts_query *query;
    struct hosts       *hosts;
    size_t              host, ip;       /* the next address to try */
    unsigned            tries;
    bool                plain;          /* the last address again, with HELO */
    struct link        *link;
    struct pool_waiter  waiter;

    char                name[LINK_HOST];        /* the other side */
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
    list_remove(&job->link_jobs);
    hosts_free(job->hosts);
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
                                 .how = DELIVERY_RELAYED, .code = (uint16_t)r->code,
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

/* --- sending over a link */

static int64_t read_body(void *user, char *to, size_t n, uint64_t at)
{
    const struct job *job = user;

    return pread(job->fd, to, n, (off_t)(job->offset + at));
}

/* choose - the next run of recipients without a fate, for one transaction */

static void choose(struct job *job)
{
    size_t most = job->relay->conf->relay.recipients, from = 0;

    most = most == 0 || most > CLIENT_RCPTS ? CLIENT_RCPTS : most;
    while (job->rcpts[from].decided)
        from++;
    job->mail.rcpts = job->rcpts + from;
    job->mail.nrcpts = job->nrcpts - from < most ? job->nrcpts - from : most;
}

/* advanced - did the last transaction decide all that it took? */

static bool advanced(const struct job *job)
{
    for (size_t i = 0; i < job->mail.nrcpts; i++)
        if (!job->mail.rcpts[i].decided)
            return false;
    return true;
}

static void on_ready(struct job *job)
{
    struct link *link = job->link;

    if (all_decided(job) || !advanced(job)) {
        job->link = NULL;
        job->trouble = TROUBLE_NONE;
        link_keep(link);
        job_answer(job);
        return;
    }
    choose(job);
    link_send(link, &job->mail);
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

/* A kept link that dies says nothing about the host: there are no addresses
 * yet, so its recipients get a fresh attempt. */
static void on_dead(struct job *job, const struct client *c)
{
    bool closed_at_ehlo = c->problem.stage == STAGE_EHLO && c->problem.cause == CAUSE_LOST;

    job->problem = c->problem;
    job->trouble = c->problem.victim == VICTIM_HOST ? TROUBLE_HOST : TROUBLE_SESSION;
    log_problem(job);
    job->plain = closed_at_ehlo && !c->options.plain && !c->options.lmtp;
    if (c->problem.cause == CAUSE_LOOP && job->hosts != NULL)
        drop_loop(job);
    if (all_decided(job) || c->problem.cause == CAUSE_RESOURCE)
        job_answer(job);
    else if (job->hosts == NULL)
        job_resolve(job);
    else
        job_next(job);
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

static bool aim(struct job *job, struct target *t)
{
    const struct destination *d = &job->destination;

    *t = (struct target){ .lmtp = d->lmtp, .plain = job->plain, .loops = d->way == WAY_MX };
    if (d->way == WAY_UNIX) {
        t->name = d->name.p;
        return job->tries == 0;
    }
    t->port = d->way == WAY_MX ? job->relay->port : d->port;
    if (job->plain)             /* once more where it was tried last */
        job->ip--;
    return step(job, t);
}

/* job_go - connect to the next address; there is room for a link */

static void job_go(void *user)
{
    struct job *job = user;
    struct target t;

    if (!aim(job, &t)) {
        job_answer(job);
        return;
    }
    job->tries++;
    job->ip++;
    job->plain = false;
    job->mail.nrcpts = 0;
    job->link = link_new(&job->relay->pool, job->text, &t, on_link, job);
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
    job->trouble = fate == FATE_LATER ? TROUBLE_HOST : TROUBLE_NONE;
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

static bool take_rcpts(struct job *job, const struct msg_deliver *m)
{
    struct wire w = wire_reader(m->rcpts);

    if (m->nrcpts == 0 || m->nrcpts > ENVELOPE_RCPTS)
        return false;
    job->rcpts = arena_array(&job->arena, m->nrcpts, sizeof *job->rcpts);
    job->index = arena_array(&job->arena, m->nrcpts, sizeof *job->index);
    if (job->rcpts == NULL || job->index == NULL)
        return false;
    for (job->nrcpts = 0; job->nrcpts < m->nrcpts && !w.bad; job->nrcpts++) {
        job->index[job->nrcpts] = wire_get_u32(&w);
        job->rcpts[job->nrcpts].address = arena_copy(&job->arena, wire_get_bytes(&w));
        wire_get_bytes(&w);
        wire_get_bytes(&w);
    }
    return wire_done(&w);
}

static void take_mail(struct job *job, const struct msg_deliver *m)
{
    job->mail = (struct client_mail){
        .arena = &job->arena, .sender = arena_copy(&job->arena, m->sender),
        .eight = (m->flags & ENV_8BIT) != 0,
        .size = m->file ? m->length : m->body.n,
        .body = m->file ? (struct slice){ NULL, 0 } : arena_copy(&job->arena, m->body),
        .read = m->file ? read_body : NULL, .read_user = job,
    };
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
    job->offset = m.offset;
    job->text = arena_copy(&job->arena, m.destination);
    job->understood = destination_parse(job->text, &job->destination);
    take_mail(job, &m);
    if (m.file) {
        job->fd = *fd;
        *fd = -1;
    }
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
    job->arena = ARENA(4 * (size_t)CHANNEL_FRAME_MAX);
    job->waiter = (struct pool_waiter){ .go = job_go, .user = job };
    list_init(&job->waiter.link);
    list_push(&relay->jobs, &job->link_jobs);
    return job;
}

static void job_start(struct job *job)
{
    if (job->relay->pool.draining) {    /* or it would be cut off in the middle, and come twice */
        job->trouble = TROUBLE_LEAVING;
        job_answer(job);
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
    job->link = pool_take(&job->relay->pool, job->text, on_link, job);
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
