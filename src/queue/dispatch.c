/* dispatch.c - choosing an agent and telling it what to deliver. */
#include <errno.h>
#include <stdlib.h>
#include "base/map.h"
#include "log/log.h"
#include "queue/asked.h"
#include "queue/changes.h"
#include "queue/admit.h"
#include "queue/dispatch.h"
#include "queue/links.h"
#include "queue/outcome.h"
#include "queue/times.h"
#include "queue/turn.h"
#include "smtp/address.h"

enum { PER_TURN = 64, PENDING_MAX = 8 << 20, KEEPER_AHEAD = 16 };

static const int64_t LEASE = 6LL * 60 * 60 * 1000;      /* ms; the agents' own limits are shorter */
static const int64_t TROUBLE_WAIT = 60 * 1000;          /* ms until a job that cannot go just now */

void lease_end(struct queue *q, struct lease *l)
{
    roster_take(&q->leases, l->number);
    list_remove(&l->link);
    l->agent->nleases--;
    if (l->way.turn != 0)
        turns_lease_end(q, l->way.turn);
    free(l);
}

bool lease_next(struct wire *w, struct lease_rcpt *r)
{
    if (w->bad || w->in.n == 0)
        return false;
    r->index = wire_get_u32(w);
    r->address = wire_get_bytes(w);
    r->original = wire_get_bytes(w);
    r->extra = wire_get_bytes(w);
    return !w->bad;
}

/* ---------------------------------------------------------------- agents -- */

static size_t capacity(const struct queue *q, const struct peer *p)
{
    if (p->role == ROLE_LOCAL)
        return LEASES_LOCAL;
    return q->conf->relay.connections > 0 && q->conf->relay.connections < LEASES_RELAY
           ? (size_t)q->conf->relay.connections : LEASES_RELAY;
}

static bool can_take(const struct queue *q, const struct peer *p)
{
    return q->mono >= p->leaving && p->nleases < capacity(q, p)
        && (p->ops->pending == NULL || p->ops->pending(p) < PENDING_MAX);
}

/* the least busy; agents that come first keep what they are used to */

struct peer *dispatch_choose(const struct queue *q, enum lane lane)
{
    const struct list *all = lane == LANE_LOCAL ? &q->locals : &q->relays;
    struct peer *best = NULL;

    for (struct list *l = all->next; l != all; l = l->next) {
        struct peer *p = LIST_OWNER(l, struct peer, link);

        if (can_take(q, p) && (best == NULL || p->nleases < best->nleases))
            best = p;
    }
    return best;
}

/* keeper - of the relays, the one that keeps connections to this destination, while it is
 * not much busier than the others: each destination has an order of its own among them */

static struct peer *keeper(const struct queue *q, struct slice destination, struct peer *least)
{
    uint64_t hash = hash_siphash(q->secret, destination), score, highest = 0;
    struct peer *best = least;

    for (struct list *l = q->relays.next; l != &q->relays; l = l->next) {
        struct peer *p = LIST_OWNER(l, struct peer, link);

        score = (hash ^ p->serial) * 0x9e3779b97f4a7c15;
        if (!can_take(q, p) || p->nleases > least->nleases + KEEPER_AHEAD || score < highest)
            continue;
        highest = score;
        best = p;
    }
    return best;
}

/* ------------------------------------------------------------------ lease -- */

static bool goes_on(struct slice name, enum asked_origin origin)
{
    return !slice_eq(name, SLICE_LIT("NOTIFY"))
        && !(origin == ASKED_BY_LIST && slice_eq(name, SLICE_LIT("ORCPT")));
}

/* put_extra - the parameters of a recipient as they go on from here: those of a
 * member of an alias or list are not those of its alias (RFC 3461 §5.2.7) */

static void put_extra(struct wire *out, struct slice extra)
{
    enum asked_origin origin = asked_origin(extra);
    unsigned notify = asked_notify_here(extra);
    struct buf changed = BUF(ENVELOPE_EXTRA_MAX);
    struct wire in = wire_reader(extra), w = wire_writer(&changed);

    if (origin == ASKED_ITSELF) {
        wire_put_bytes(out, extra);
        return;
    }
    while (!in.bad && in.in.n > 0) {
        struct slice name = wire_get_bytes(&in), value = wire_get_bytes(&in);

        if (in.bad || !goes_on(name, origin))
            continue;
        wire_put_bytes(&w, name);
        wire_put_bytes(&w, value);
    }
    if (notify != 0)
        extra_put(&w, EXTRA_NOTIFY, slice_cstr(notify_text(notify)));
    out->bad |= w.bad;
    wire_put_bytes(out, buf_view(&changed));
    buf_free(&changed);
}

/* gather - the job's recipients, in the order of the envelope */

static uint32_t gather(const struct job *job, const struct envelope *e, struct buf *rcpts,
                       struct slice *sender)
{
    struct wire w = wire_reader(e->rcpts), out = wire_writer(rcpts);
    uint32_t n = job_count(job), found = 0;
    struct recipient r;

    *sender = e->sender;
    for (uint32_t i = 0; found < n && recipient_next(&w, &r); i++) {
        if (job_rcpt(job, found) != i)
            continue;
        if (r.return_path.n > 0)
            *sender = r.return_path;
        wire_put_u32(&out, i);
        wire_put_bytes(&out, r.address);
        wire_put_bytes(&out, r.original);
        put_extra(&out, r.extra);
        found++;
    }
    return found;
}

static struct lease *lease_new(struct queue *q, struct job *job, struct peer *agent,
                               const struct way *way, struct slice sender, struct slice rcpts)
{
    struct lease *l = malloc(sizeof *l + sender.n + rcpts.n);

    if (l == NULL)
        return NULL;
    *l = (struct lease){ .number = ++q->jobs, .job = job, .agent = agent,
                         .deadline = q->mono + LEASE, .nrcpts = job_count(job), .conf = q->routes,
                         .way = *way, .sender = { l->bytes, sender.n },
                         .rcpts = { l->bytes + sender.n, rcpts.n } };
    memcpy(l->bytes, sender.n > 0 ? sender.p : "", sender.n);
    memcpy(l->bytes + sender.n, rcpts.p, rcpts.n);
    if (!roster_put(&q->leases, l)) {
        free(l);
        return NULL;
    }
    list_push(&agent->leases, &l->link);
    agent->nleases++;
    return l;
}

/* domain_of - that of the first recipient; all of a job are routed alike */

static struct slice domain_of(struct slice rcpts)
{
    struct wire w = wire_reader(rcpts);

    wire_get_u32(&w);
    return address_domain(wire_get_bytes(&w));
}

/* original_of - what the first recipient was before an alias; links: as all of the job */

static struct slice original_of(struct slice rcpts)
{
    struct wire w = wire_reader(rcpts);
    struct lease_rcpt r = { 0 };

    lease_next(&w, &r);
    return r.original;
}

/* as_file - a body too long for a message between processes, in a file that only the agent
 * will know; -1: it could not be written */

static int as_file(struct queue *q, struct slice body)
{
    int handle = q->disk->unnamed(q->disk->ctx);

    if (handle < 0 || disk_write_all(q->disk, handle, body, 0) == 0)
        return handle;
    q->disk->close(q->disk->ctx, handle);
    return -1;
}

/* open_body - the large file, or one made of what is too long otherwise. False: not now. */

static bool open_body(struct queue *q, const struct letter *m, struct msg_deliver *d, int *handle)
{
    if (m->entry.flags & JOURNAL_LARGE)
        *handle = journal_large_open(q->journal, &m->entry, &d->length);
    else if (d->body.n > ADMIT_INLINE_MAX && q->disk->unnamed != NULL)
        *handle = as_file(q, d->body);
    else
        return true;
    d->file = 1;
    d->body = (struct slice){ 0 };
    return *handle >= 0;
}

/* send - the body goes inline, or as a file's descriptor */

static bool send_it(struct queue *q, struct lease *l, const struct envelope *e,
                    struct slice body, struct slice destination)
{
    const struct letter *m = l->job->letter;
    struct msg_deliver deliver = {
        .job = l->number, .id = m->entry.id, .destination = destination,
        .domain = domain_of(l->rcpts), .sender = l->sender, .flags = e->flags,
        .arrived = e->arrived, .client = e->client, .helo = e->helo, .protocol = e->protocol,
        .nrcpts = l->nrcpts, .rcpts = l->rcpts,
        .body = body, .length = body.n,
    };
    struct buf room = BUF(ENVELOPE_EXTRA_MAX);
    int handle = -1, fd = -1;
    bool sent;

    if (!open_body(q, m, &deliver, &handle))
        return false;
    deliver.extra = links_extra(q, e, original_of(l->rcpts), destination, &room);
    if (handle >= 0)
        fd = q->disk->fd(q->disk->ctx, handle);
    sent = l->agent->ops->deliver(l->agent, &deliver, fd);
    if (handle >= 0)
        q->disk->close(q->disk->ctx, handle);
    buf_free(&room);
    return sent;
}

/* not_now - for a reason of our own, not the destination's */

static void not_now(struct queue *q, struct job *job, const struct way *way)
{
    if (way->turn != 0) {
        turns_lease_end(q, way->turn);
        outcome_back(q, job, way);
        return;
    }
    sched_park(q->sched, &job->sched);
    sched_defer_until(q->sched, &job->sched, q->mono + TROUBLE_WAIT);
}

/* unreadable - a disk in trouble is tried again; but a record that is
 * broken stays broken */

static void unreadable(struct queue *q, struct job *job, const struct way *way)
{
    if (q->unread != EBADMSG) {
        not_now(q, job, way);
        return;
    }
    if (way->turn != 0)
        turns_lease_end(q, way->turn);
    sched_hold(q->sched, &job->sched);
    change_broken(q, job->letter);
}

static void deliver(struct queue *q, struct job *job, struct peer *agent, const struct way *way,
                    struct slice destination)
{
    struct buf rcpts = BUF(ENVELOPE_MAX);
    struct slice envelope, body, sender;
    struct lease *l = NULL;
    struct envelope e;

    if (times_late(q, job->letter)) {
        not_now(q, job, way);   /* it fails in a moment, or when the clock is believed */
        return;
    }
    if (!letter_read(q, job->letter, &envelope, &body)) {
        unreadable(q, job, way);
        return;
    }
    if (envelope_get(envelope, &e) && gather(job, &e, &rcpts, &sender) == job_count(job)
        && !rcpts.full)
        l = lease_new(q, job, agent, way, sender, buf_view(&rcpts));
    buf_free(&rcpts);
    if (l == NULL) {
        not_now(q, job, way);
    } else if (!send_it(q, l, &e, body, destination)) {
        l->way.turn = 0;        /* not_now counts it */
        lease_end(q, l);
        not_now(q, job, way);
    }
}

void dispatch_turn(struct queue *q, struct job *job, struct peer *agent, const struct way *way,
                   struct slice destination)
{
    deliver(q, job, agent, way, destination);
}

static void deliver_next(struct queue *q, enum lane lane, struct peer *agent)
{
    static const struct way usual;
    struct job *job = job_of_sched(sched_next(q->sched, lane));
    const struct destination *d = job->sched.dest;
    struct slice name = slice_of(d->text, d->n);

    if (lane == LANE_RELAY)
        agent = keeper(q, name, agent);
    deliver(q, job, agent, &usual, name);
}

bool dispatch_work(struct queue *q)
{
    bool more = false;

    for (enum lane lane = LANE_RELAY; lane <= LANE_LOCAL && !q->draining; lane++) {
        struct peer *agent;
        unsigned n = 0;

        while (sched_pending(q->sched, lane) && (agent = dispatch_choose(q, lane)) != NULL
               && n++ < PER_TURN)
            deliver_next(q, lane, agent);
        more |= n > PER_TURN;
    }
    return more;
}

/* ------------------------------------------------------------------- gone -- */

void lease_back(struct queue *q, struct lease *l)
{
    struct job *job = l->job;
    struct letter *m = job->letter;
    struct way way = l->way;
    uint32_t conf = l->conf;

    lease_end(q, l);
    outcome_back(q, job, &way);
    outcome_reroute(q, m, conf);
}

void dispatch_peer_gone(struct queue *q, struct peer *p)
{
    while (!list_empty(&p->leases))
        lease_back(q, LIST_OWNER(p->leases.next, struct lease, link));
}

static void overdue_of(struct queue *q, struct list *agents)
{
    for (struct list *a = agents->next; a != agents; a = a->next) {
        struct peer *p = LIST_OWNER(a, struct peer, link);

        while (!list_empty(&p->leases)) {
            struct lease *l = LIST_OWNER(p->leases.next, struct lease, link);

            if (l->deadline > q->mono)
                break;          /* they are in the order of their time */
            log_event(EVENT_CHANNEL, LF_STR("peer", role_name(p->role)), LF_NUM("slot", p->slot),
                      LF_STR("why", "no answer for a job"),
                      LF_ID("id", l->job->letter->entry.id));
            outcome_no_answer(q, l);
        }
    }
}

void dispatch_overdue(struct queue *q)
{
    overdue_of(q, &q->relays);
    overdue_of(q, &q->locals);
}
