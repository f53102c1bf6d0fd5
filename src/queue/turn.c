/* turn.c - the life of one fetch. */
#include <stdio.h>
#include <stdlib.h>
#include "log/log.h"
#include "queue/outcome.h"
#include "queue/route.h"
#include "queue/turn.h"
#include "queue/want.h"

enum {
    TURNS = 64, SEEKERS = 8,    /* at once; a seeker has a list of all letters */
    WINDOW = 4,                 /* leases of one at once */
    LEASES_A_TURN = 16, FIND_FIRST = 64,
};

static const int64_t GO_WAIT = 60 * 1000;   /* ms from our answer until the connection comes */

/* A job that is his: whichever of the letter's has this recipient. */
struct found {
    uint64_t id;
    uint32_t index;
};

enum turn_stage { SEEKING, ANSWERED, GOING };

struct turn {
    struct list     link;
    uint64_t        ticket;     /* ours */
    uint64_t        asked;      /* smtpd's */
    uint64_t        smtpd, relay;       /* serials */
    enum turn_stage stage;
    struct want     want;
    struct search   search;
    struct found   *found;
    size_t          n, cap, at;
    uint64_t        count, last;        /* letters; id of the one counted last */
    unsigned        leased;
    uint64_t        sent;               /* leases in all */
    int64_t         deadline;           /* ANSWERED: mono ms */
    char            text[32];           /* "turn:TICKET" */
};

static struct turn *turn_of(struct list *l)
{
    return LIST_OWNER(l, struct turn, link);
}

static struct turn *find(const struct queue *q, uint64_t ticket)
{
    for (struct list *l = q->turns.next; l != &q->turns; l = l->next)
        if (turn_of(l)->ticket == ticket)
            return turn_of(l);
    return NULL;
}

static struct turn *find_asked(const struct queue *q, const struct peer *p, uint64_t asked)
{
    for (struct list *l = q->turns.next; l != &q->turns; l = l->next)
        if (turn_of(l)->smtpd == p->serial && turn_of(l)->asked == asked
            && turn_of(l)->stage != GOING)
            return turn_of(l);
    return NULL;
}

static void end(struct turn *t)
{
    list_remove(&t->link);
    search_end(&t->search);
    want_free(&t->want);
    free(t->found);
    free(t);
}

static void answer(struct queue *q, uint64_t serial, uint64_t ticket, enum fate fate,
                   uint64_t count)
{
    struct peer *p = roster_get(&q->peers, serial);

    if (p != NULL && p->ops->turn_answer != NULL)
        p->ops->turn_answer(p, &(struct msg_turn_answer){ ticket, (uint8_t)fate, count });
}

/* --- asking ------------------------------------------------------------------------ */

static bool is_free(const struct queue *q, const struct want *w)
{
    for (struct list *l = q->turns.next; l != &q->turns; l = l->next)
        if (want_overlaps(&turn_of(l)->want, w))
            return false;
    return true;
}

static bool too_many(const struct queue *q)
{
    size_t n = 0, seeking = 0;

    for (struct list *l = q->turns.next; l != &q->turns; l = l->next, n++)
        seeking += turn_of(l)->stage == SEEKING;
    return n >= TURNS || seeking >= SEEKERS;
}

/* begin - takes the names of `w` */

static enum fate begin(struct queue *q, struct peer *p, uint64_t asked, struct want *w)
{
    struct turn *t;

    if (!is_free(q, w))
        return FATE_NEVER;
    if (q->draining || too_many(q) || (t = calloc(1, sizeof *t)) == NULL)
        return FATE_LATER;
    *t = (struct turn){ .ticket = ++q->tickets, .asked = asked, .smtpd = p->serial, .want = *w };
    snprintf(t->text, sizeof t->text, "turn:%llu", (unsigned long long)t->ticket);
    list_init(&t->link);
    if (!search_begin(q, &t->search, w)) {
        free(t);
        return FATE_LATER;
    }
    *w = (struct want){ 0 };
    list_push(&q->turns, &t->link);
    return FATE_DONE;
}

bool turns_ask(struct queue *q, struct peer *p, const struct msg_turn_ask *m)
{
    bool malformed = false;
    enum fate fate = FATE_LATER;
    struct want w;

    if (want_read(&w, KICK_NODE, m->ndomains, m->domains, &malformed))
        fate = begin(q, p, m->ticket, &w);
    if (malformed)
        return false;
    want_free(&w);
    if (fate != FATE_DONE)
        answer(q, p->serial, m->ticket, fate, 0);
    return true;
}

static bool room(struct turn *t)
{
    size_t cap = t->cap > 0 ? t->cap * 2 : FIND_FIRST;
    struct found *more;

    if (t->n < t->cap)
        return true;
    more = reallocarray(t->found, cap, sizeof *more);
    if (more == NULL)
        return false;
    t->found = more;
    t->cap = cap;
    return true;
}

/* first_wanted - the number of the first recipient of a job that is his */

static bool first_wanted(struct queue *q, const struct turn *t, const struct job *job,
                         uint32_t *index)
{
    struct want_walk walk;

    if (!want_walk(&walk, q, &t->want, job) || !want_walk_next(&walk))
        return false;
    *index = walk.index;
    return true;
}

static void each(void *user, struct queue *q, struct job *job, enum wanted wanted)
{
    struct turn *t = user;
    uint64_t id = job->letter->entry.id;
    uint32_t index = job_rcpt(job, 0);

    if ((wanted == WANTED_LOOK && !first_wanted(q, t, job, &index)) || !room(t))
        return;
    t->found[t->n++] = (struct found){ id, index };
    t->count += t->last != id;
    t->last = id;
}

/* by_age - ids are in the order of time */

static int by_age(const void *a, const void *b)
{
    const struct found *x = a, *y = b;

    return x->id != y->id ? (x->id < y->id ? -1 : 1) : (x->index > y->index) - (x->index < y->index);
}

static bool seek(struct queue *q, struct turn *t)
{
    if (search_some(q, &t->search, &t->want, each, t))
        return true;
    if (t->n > 1)
        qsort(t->found, t->n, sizeof *t->found, by_age);
    search_end(&t->search);
    answer(q, t->smtpd, t->asked, FATE_DONE, t->count);
    t->stage = ANSWERED;
    t->deadline = q->mono + GO_WAIT;
    if (t->n == 0)
        end(t);
    return false;
}

/* --- going ---------------------------------------------------------------------------- */

/* waiting - the job with this recipient, if it still waits */

static struct job *waiting(const struct queue *q, const struct found *f)
{
    struct letter *m = letter_get(q, f->id);
    struct job *job = NULL;

    while (m != NULL && (job = job_next(m, job)) != NULL)
        if (job_has(job, f->index))
            return want_waits(q, job) ? job : NULL;
    return NULL;
}

/* part - of the job, without those who are not his; NULL: not now */

static struct job *part(struct queue *q, const struct turn *t, struct job *job)
{
    struct want_walk walk;

    if (!want_walk(&walk, q, &t->want, job))
        return NULL;
    return job_part(q, job, &walk.envelope, want_domain, &walk.in);
}

/* hand_out - one more; the job's old state goes with the lease */

static void hand_out(struct queue *q, struct turn *t, struct peer *relay)
{
    struct job *job = waiting(q, &t->found[t->at++]);
    struct way way = { .turn = t->ticket };

    if (job == NULL)
        return;
    way.was = (enum sched_state)job->sched.state;
    way.due = way.was == SCHED_DEFERRED ? sched_due(q->sched, &job->sched) : 0;
    job = part(q, t, job);
    if (job == NULL)
        return;
    sched_lease(q->sched, &job->sched);
    t->leased++;
    t->sent++;
    dispatch_turn(q, job, relay, &way, slice_cstr(t->text));
}

static void over(struct turn *t, const char *how)
{
    log_event(EVENT_TURNED, LF_TEXT("domain", t->want.names[0]), LF_NUM("messages", t->count),
              LF_NUM("tried", t->sent), LF_STR("end", how));
    end(t);
}

static bool go_on(struct queue *q, struct turn *t)
{
    struct peer *relay = roster_get(&q->peers, t->relay);
    unsigned n = 0;

    if (relay == NULL)
        return false;           /* turns_peer_gone ends it */
    while (t->leased < WINDOW && t->at < t->n && n++ < LEASES_A_TURN && !q->draining)
        hand_out(q, t, relay);
    if (t->leased == 0 && (t->at == t->n || q->draining)) {
        relay->ops->turn_over(relay, &(struct msg_turn_over){ t->ticket });
        over(t, "all was tried");
        return false;
    }
    return t->leased < WINDOW && t->at < t->n;
}

bool turns_work(struct queue *q)
{
    struct list *l, *next;
    bool more = false;

    for (l = q->turns.next; l != &q->turns; l = next) {
        struct turn *t = turn_of(l);

        next = l->next;
        if (t->stage == SEEKING)
            more |= seek(q, t);
        else if (t->stage == GOING)
            more |= go_on(q, t);
        else if (q->mono >= t->deadline)
            over(t, "no connection came");
    }
    return more;
}

bool turns_go(struct queue *q, struct peer *p, const struct msg_turn_go *m, int fd)
{
    struct turn *t = find_asked(q, p, m->ticket);
    struct peer *relay = dispatch_choose(q, LANE_RELAY);
    struct msg_turn_go go = *m;

    if (t == NULL || t->stage != ANSWERED)
        return true;            /* it came too late: the connection is closed */
    go.ticket = t->ticket;
    if (relay == NULL || relay->ops->turn_go == NULL || !relay->ops->turn_go(relay, &go, fd)) {
        over(t, "no relay");
        return true;
    }
    t->relay = relay->serial;
    t->stage = GOING;
    return true;
}

/* bring_back - what is leased over this connection is as it was */

static void bring_back(struct queue *q, const struct turn *t, struct peer *relay)
{
    struct list *l, *next;

    for (l = relay->leases.next; l != &relay->leases; l = next) {
        struct lease *lease = LIST_OWNER(l, struct lease, link);

        next = l->next;
        if (lease->way.turn == t->ticket)
            lease_back(q, lease);
    }
}

bool turns_over(struct queue *q, struct peer *p, const struct msg_turn_over *m)
{
    struct turn *t = p->role == ROLE_RELAY ? find(q, m->ticket) : find_asked(q, p, m->ticket);

    if (t == NULL || (p->role == ROLE_RELAY && t->relay != p->serial))
        return true;            /* it is over already */
    if (t->stage == GOING)
        bring_back(q, t, p);
    over(t, t->stage == GOING ? "the connection has gone" : "refused");
    return true;
}

void turns_peer_gone(struct queue *q, struct peer *p)
{
    struct list *l, *next;

    for (l = q->turns.next; l != &q->turns; l = next) {
        struct turn *t = turn_of(l);

        next = l->next;
        if (t->stage == GOING ? t->relay == p->serial : t->smtpd == p->serial)
            over(t, "a process has gone");
    }
}

void turns_close(struct queue *q)
{
    while (q->turns.next != NULL && !list_empty(&q->turns))
        end(turn_of(q->turns.next));
}

void turns_lease_end(struct queue *q, uint64_t ticket)
{
    struct turn *t = find(q, ticket);

    if (t != NULL)
        t->leased--;
}
