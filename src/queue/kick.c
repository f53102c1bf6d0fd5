/* kick.c - finding what waits for somebody, and letting it go. */
#include <stdlib.h>
#include "log/log.h"
#include "queue/kick.h"
#include "queue/route.h"
#include "queue/want.h"
#include "smtp/address.h"

enum { KICKS = 8 /* at once: each has a list of all letters */ };

static const int64_t PATIENCE = 3000;       /* ms: so long a client waits for the number */

struct kick {
    struct list   link;
    uint64_t      peer;         /* serial of the smtpd that waits; 0: was answered */
    uint64_t      ticket;
    struct want   want;
    struct search search;
    uint64_t      count;        /* letters that waited */
    uint64_t      last;         /* id of the one counted last */
    int64_t       answer;       /* mono ms: answer at the latest */
};

static void answer(struct queue *q, uint64_t serial, uint64_t ticket, enum fate fate,
                   uint64_t count)
{
    struct peer *p = roster_get(&q->peers, serial);

    if (p != NULL && p->ops->kicked != NULL)
        p->ops->kicked(p, &(struct msg_kicked){ ticket, (uint8_t)fate, count });
}

static void say(struct queue *q, struct kick *k)
{
    if (k->peer != 0)
        answer(q, k->peer, k->ticket, FATE_DONE, k->count);
    k->peer = 0;
}

static void end(struct kick *k)
{
    list_remove(&k->link);
    search_end(&k->search);
    want_free(&k->want);
    free(k);
}

/* --- one job ------------------------------------------------------------------- */

static void note(struct kick *k, const struct job *job)
{
    if (k->last != job->letter->entry.id)
        k->count++;
    k->last = job->letter->entry.id;
}

static bool is_domain(const void *user, struct slice domain)
{
    return slice_ieq(*(const struct slice *)user, domain);
}

/* let_go - the part of a held job for one domain, to where it would go unheld */

static bool let_go(struct queue *q, struct job *job, const struct envelope *e,
                   struct slice address)
{
    struct slice domain = address_domain(address);
    struct job *part = job_part(q, job, e, is_domain, &domain);
    struct buf text = BUF(1024);
    struct hop hop = route_hop(q->conf, e, address, ROUTE_RELEASED | ROUTE_MAILBOX, &text);
    bool gone = part != NULL && !text.full && !hop.hold && job_move(q, part, hop.text, hop.lane);

    if (gone)
        sched_ready(q->sched, &part->sched);
    else if (part != NULL && part->sched.state == SCHED_PARKED)
        sched_hold(q->sched, &part->sched);
    buf_free(&text);
    return gone;
}

/* let_all_go - domain by domain. `job` itself may be the last of its parts */

static void let_all_go(struct queue *q, struct kick *k, struct job *job)
{
    struct want_walk walk;

    if (!want_walk(&walk, q, &k->want, job))
        return;
    while (job->sched.state == SCHED_HELD && want_walk_next(&walk)
           && let_go(q, job, &walk.envelope, walk.rcpt.address))
        note(k, job);
}

static bool has_wanted(struct queue *q, const struct kick *k, const struct job *job)
{
    struct want_walk walk;

    return want_walk(&walk, q, &k->want, job) && want_walk_next(&walk);
}

static void each(void *user, struct queue *q, struct job *job, enum wanted wanted)
{
    struct kick *k = user;

    if (job->sched.state == SCHED_HELD) {
        let_all_go(q, k, job);
        return;
    }
    if (job->sched.state == SCHED_READY && job->sched.dest->until == 0)
        return;                 /* it is on its way */
    if (wanted == WANTED_LOOK && !has_wanted(q, k, job))
        return;
    note(k, job);
    if (job->sched.state == SCHED_DEFERRED)
        sched_ready(q->sched, &job->sched);
}

/* forgive - what waits there only because of trouble before goes now */

static void forgive(struct queue *q, const struct kick *k)
{
    struct destination *d;

    for (size_t at = 0; k->count > 0 && (d = sched_each(q->sched, &at)) != NULL; )
        if (d->until != 0 && want_destination(q, &k->want, d) != WANTED_NONE)
            sched_forgive(q->sched, d);
}

/* --- asking ---------------------------------------------------------------------- */

/* is_known - a queue must exist; of a domain nobody knows */

static bool is_known(struct queue *q, const struct want *w)
{
    if (w->kind != KICK_QUEUE)
        return true;
    for (size_t i = 0; i < q->conf->nroutes; i++)
        if (slice_ieq(q->conf->routes[i].pattern, w->names[0]))
            return true;
    return sched_find(q->sched, w->names[0]) != NULL;
}

static struct kick *find(const struct queue *q, const struct want *w)
{
    for (struct list *l = q->kicks.next; l != &q->kicks; l = l->next) {
        struct kick *k = LIST_OWNER(l, struct kick, link);

        if (k->want.kind == w->kind && slice_ieq(k->want.names[0], w->names[0]))
            return k;
    }
    return NULL;
}

static size_t kicks(const struct queue *q)
{
    size_t n = 0;

    for (struct list *l = q->kicks.next; l != &q->kicks; l = l->next)
        n++;
    return n;
}

/* begin - takes the names of `w` */

static enum fate begin(struct queue *q, struct peer *p, uint64_t ticket, struct want *w)
{
    struct kick *k = q->draining || kicks(q) >= KICKS ? NULL : calloc(1, sizeof *k);

    if (k == NULL)
        return FATE_LATER;
    *k = (struct kick){ .peer = p->serial, .ticket = ticket, .want = *w,
                        .answer = q->mono + PATIENCE };
    list_init(&k->link);
    if (!search_begin(q, &k->search, w)) {
        free(k);
        return FATE_LATER;
    }
    *w = (struct want){ 0 };
    list_push(&q->kicks, &k->link);
    return FATE_DONE;
}

bool kick_ask(struct queue *q, struct peer *p, const struct msg_kick *m)
{
    struct buf names = BUF(WANT_NAME + 8);
    struct wire out = wire_writer(&names);
    bool malformed = m->kind >= KICK_KINDS;
    enum fate fate = FATE_LATER;
    struct want w = { 0 };

    wire_put_bytes(&out, m->name);
    malformed |= out.bad;
    if (!malformed && want_read(&w, (enum kick_kind)m->kind, 1, buf_view(&names), &malformed)) {
        if (!is_known(q, &w))
            fate = FATE_NEVER;
        else if (find(q, &w) != NULL)
            answer(q, p->serial, m->ticket, fate = FATE_DONE, 0);
        else
            fate = begin(q, p, m->ticket, &w);
    }
    if (!malformed && fate != FATE_DONE)
        answer(q, p->serial, m->ticket, fate, 0);
    want_free(&w);
    buf_free(&names);
    return !malformed;
}

static void finish(struct queue *q, struct kick *k)
{
    forgive(q, k);
    log_event(EVENT_KICKED, LF_TEXT("name", k->want.names[0]), LF_NUM("kind", k->want.kind),
              LF_NUM("messages", k->count));
    say(q, k);
    end(k);
}

bool kick_work(struct queue *q)
{
    struct list *l, *next;

    for (l = q->kicks.next; l != &q->kicks; l = next) {
        struct kick *k = LIST_OWNER(l, struct kick, link);

        next = l->next;
        if (!search_some(q, &k->search, &k->want, each, k))
            finish(q, k);
        else if (q->mono >= k->answer)
            say(q, k);
    }
    return !list_empty(&q->kicks);
}

void kick_peer_gone(struct queue *q, struct peer *p)
{
    for (struct list *l = q->kicks.next; l != &q->kicks; l = l->next) {
        struct kick *k = LIST_OWNER(l, struct kick, link);

        if (k->peer == p->serial)
            k->peer = 0;
    }
}

void kick_close(struct queue *q)
{
    while (q->kicks.next != NULL && !list_empty(&q->kicks))
        end(LIST_OWNER(q->kicks.next, struct kick, link));
}

/* --- coming back --------------------------------------------------------------------- */

/* holding - the route that holds mail of the job's destination, or NULL */

static const struct conf_route *holding(const struct queue *q, const struct job *job)
{
    const struct destination *d = job->sched.dest;
    struct slice text = slice_of(d->text, d->n);
    const struct conf_route *route;

    if ((job->letter->flags & LETTER_RELEASED) || !slice_istarts(text, SLICE_LIT("mx:")))
        return NULL;
    route = conf_route_find(q->conf, slice_from(text, 3));
    return route->via == VIA_HOLD ? route : NULL;
}

bool kick_kicked(const struct queue *q, const struct job *job)
{
    return holding(q, job) != NULL;
}

bool kick_returns(struct queue *q, struct job *job)
{
    const struct conf_route *route = holding(q, job);
    struct buf text = BUF(1024);
    bool moved;

    if (route == NULL)
        return false;
    buf_printf(&text, "hold:%.*s", SLICE(route->pattern));
    moved = !text.full && job_move(q, job, buf_view(&text), LANE_RELAY);
    buf_free(&text);
    if (moved)
        sched_hold(q->sched, &job->sched);
    return moved;
}
