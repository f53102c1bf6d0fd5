/* core.c - the queue as a whole: opening, turns of work, the sweep, peers. */
#include <errno.h>
#include <stdlib.h>
#include "log/log.h"
#include "queue/admit.h"
#include "queue/bundle.h"
#include "queue/cache.h"
#include "queue/core.h"
#include "queue/dispatch.h"
#include "queue/fetch.h"
#include "queue/links.h"
#include "queue/history.h"
#include "queue/kick.h"
#include "queue/outcome.h"
#include "queue/people.h"
#include "queue/recover.h"
#include "queue/report.h"
#include "queue/times.h"
#include "queue/turn.h"

enum {
    CACHE_BYTES  = 16 << 20,
    SCRATCH_MAX  = (8 << 20) + (66 << 20),
    SWEEP_LEAST  = 64,
    HOP_MAX      = 1024,
    MOVES_A_TURN = 100,
};

static const int64_t SECOND = 1000;

void queue_trouble(const char *doing, uint64_t id, const struct why *why)
{
    log_event(EVENT_SPOOL, LF_STR("doing", doing), LF_ID("id", id),
              LF_STR("why", why != NULL ? why->text : "no memory"));
}

/* --------------------------------------------------------------- letters -- */

bool letter_read(struct queue *q, struct letter *m, struct slice *envelope, struct slice *body)
{
    struct why why = { 0 };

    if (cache_get(q->cache, m->entry.id, envelope, body))
        return true;
    buf_clear(&q->scratch);
    buf_shrink(&q->scratch, 1 << 20);
    *body = (struct slice){ 0 };
    if (journal_read(q->journal, &m->entry, &q->scratch, envelope, body, &why))
        return true;
    q->unread = why.error;
    queue_trouble("read a message", m->entry.id, &why);
    return false;
}

bool letter_envelope(struct queue *q, struct letter *m, struct envelope *e)
{
    struct slice envelope, body;

    return letter_read(q, m, &envelope, &body) && envelope_get(envelope, e);
}

uint64_t letter_size(struct queue *q, const struct letter *m, struct slice body)
{
    uint64_t size = body.n;
    int handle;

    if (!(m->entry.flags & JOURNAL_LARGE))
        return size;
    handle = journal_large_open(q->journal, &m->entry, &size);
    if (handle >= 0)
        q->disk->close(q->disk->ctx, handle);
    return size;
}

void letter_drop(struct queue *q, struct letter *m)
{
    struct job *job;

    if (m->flags & LETTER_DURABLE)
        admit_gone(q, m->entry.id, m->nonce);
    report_forget(q, m);
    times_forget(q, m);
    while ((job = job_next(m, NULL)) != NULL) {
        sched_detach(q->sched, &job->sched);
        job_free(job);
    }
    cache_drop(q->cache, m->entry.id);
    roster_take(&q->letters, m->entry.id);
    letter_free(&q->pages, m);
}

static bool held_by_route(const struct job *job)
{
    return slice_istarts(slice_cstr(job->sched.dest->text), SLICE_LIT("hold:"));
}

bool letter_held(struct letter *m)
{
    for (struct job *job = NULL; (job = job_next(m, job)) != NULL; )
        if (!held_by_route(job))
            return false;
    return true;
}

void letter_start(struct queue *q, struct letter *m)
{
    int64_t wait;

    for (struct job *job = NULL; (job = job_next(m, job)) != NULL; ) {
        if (job->sched.state != SCHED_PARKED)
            continue;
        if ((m->flags & LETTER_HELD) || held_by_route(job))
            sched_hold(q->sched, &job->sched);
        else if ((wait = times_wait(q, m)) > 0)
            sched_defer_until(q->sched, &job->sched, q->mono + wait);
        else
            sched_ready(q->sched, &job->sched);
    }
}

/* ------------------------------------------------------------------ open -- */

static struct sched_options schedule(const struct conf *conf, uint64_t seed)
{
    static const int64_t retry[] = { 5 * 60 * 1000, 15 * 60 * 1000, 60 * 60 * 1000,
                                     4 * 60 * 60 * 1000 };
    bool own = conf->queue.nretry > 0;

    return (struct sched_options){
        .retry = own ? conf->queue.retry : retry, .nretry = own ? conf->queue.nretry : 4,
        .jitter = (unsigned)conf->queue.jitter,
        .concurrency = { [LANE_RELAY] = (unsigned)conf->queue.destination_concurrency,
                         [LANE_LOCAL] = LEASES_LOCAL },
        .lifetime = conf->queue.lifetime, .warn = conf->queue.warn, .seed = seed,
    };
}

struct queue *queue_open(const struct queue_options *o, struct why *why)
{
    struct queue *q = calloc(1, sizeof *q);
    struct sched_options s = schedule(o->conf, o->seed);
    struct list *lists[] = { &q->smtpds, &q->relays, &q->locals, &q->lookups, &q->consoles,
                             &q->flying, &q->stalled, &q->resting[0], &q->resting[1],
                             &q->questions, &q->kicks, &q->turns };
    struct roster *rosters[] = { &q->letters, &q->leases, &q->reports, &q->lent, &q->peers,
                                 &q->gone, &q->times };

    if (q == NULL || (q->sched = sched_new(&s, o->mono)) == NULL
        || (q->cache = cache_new(CACHE_BYTES)) == NULL) {
        why_text(why, FATE_LATER, "no memory");
        queue_close(q);
        return NULL;
    }
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++)
        list_init(lists[i]);
    for (size_t i = 0; i < sizeof rosters / sizeof rosters[0]; i++)
        rosters[i]->secret = o->seed;
    memcpy(q->secret, &o->seed, sizeof o->seed);
    q->conf = o->conf;
    q->disk = o->disk;
    q->mono = o->mono;
    q->wall = q->latest = o->wall;
    q->flush = o->flush;
    q->user = o->user;
    q->scratch = BUF(SCRATCH_MAX);
    q->hop = BUF(HOP_MAX);
    if (o->history)
        q->history = history_open(o->conf->spool, o->conf->queue.history);
    queue_links_open(q);
    if (!recover_open(q, o, why)) {
        queue_close(q);
        return NULL;
    }
    return q;
}

static void free_members(struct roster *r)
{
    void *member;

    for (size_t at = 0; (member = roster_next(r, &at)) != NULL; )
        free(member);
    roster_free(r);
}

void queue_close(struct queue *q)
{
    struct report *r;
    size_t at;

    if (q == NULL)
        return;
    if (q->journal != NULL)
        journal_close(q->journal);
    kick_close(q);
    turns_close(q);
    fetches_close(q);
    queue_links_close(q);
    bundles_free(q);
    while (at = 0, (r = roster_next(&q->reports, &at)) != NULL)
        report_forget(q, r->letter);
    at = 0;
    for (struct letter *m; (m = roster_next(&q->letters, &at)) != NULL; at--) {
        m->flags &= LETTER_TIMED;
        letter_drop(q, m);      /* another may have moved into its slot: look there again */
    }
    roster_free(&q->letters);
    roster_free(&q->reports);
    free_members(&q->leases);
    free_members(&q->lent);
    roster_free(&q->peers);
    roster_free(&q->times);
    heap_free(&q->deadlines);
    roster_free(&q->gone);
    free(q->gone_ring);
    free(q->moved);
    pages_free(&q->pages);
    sched_free(q->sched);
    cache_free(q->cache);
    history_close(q->history);
    buf_free(&q->scratch);
    buf_free(&q->hop);
    free(q);
}

void queue_at(struct queue *q, int64_t mono, int64_t wall)
{
    q->mono = mono;
    q->wall = wall;
    if (wall > q->latest)
        q->latest = wall;
    steady_see(&q->steady, mono, wall);
}

void queue_reroute(struct queue *q, reroute_f *wanted)
{
    struct letter *m;

    if (q->nmoved > 0)
        wanted = NULL;          /* the last round had not seen them all */
    q->routes++;
    free(q->moved);
    q->nmoved = 0;
    q->moved = calloc(q->letters.n + 1, sizeof *q->moved);
    for (size_t at = 0; q->moved != NULL && (m = roster_next(&q->letters, &at)) != NULL; )
        if (wanted == NULL || wanted(q, m))
            q->moved[q->nmoved++] = m->entry.id;
}

void queue_reconf(struct queue *q, const struct conf *conf)
{
    struct sched_options s = schedule(conf, 0);

    q->conf = conf;
    q->confs++;
    sched_reconf(q->sched, &s);
    queue_links_reconf(q);
    queue_reroute(q, NULL);
}

/* move_some - a reload must not stop mail: route again a few at a time */

static bool move_some(struct queue *q)
{
    for (size_t i = 0; i < MOVES_A_TURN && q->nmoved > 0; i++) {
        struct letter *m = letter_get(q, q->moved[--q->nmoved]);

        if (m == NULL || !(m->flags & LETTER_DURABLE) || (m->flags & LETTER_REMOVED))
            continue;
        recover_route(q, m);
        letter_start(q, m);
    }
    return q->nmoved > 0;
}

/* ----------------------------------------------------------------- peers -- */

static struct list *kind_of(struct queue *q, enum role role)
{
    switch (role) {
    case ROLE_SMTPD:  return &q->smtpds;
    case ROLE_RELAY:  return &q->relays;
    case ROLE_LOCAL:  return &q->locals;
    case ROLE_LOOKUP: return &q->lookups;
    default:          return &q->consoles;
    }
}

void queue_peer(struct queue *q, struct peer *p, enum role role, unsigned slot,
                const struct peer_ops *ops, void *user)
{
    *p = (struct peer){ .serial = ++q->serial, .role = role, .slot = slot, .ops = ops,
                        .user = user };
    list_init(&p->leases);
    list_push_front(kind_of(q, role), &p->link);    /* the newest is asked first */
    if (!roster_put(&q->peers, p))
        log_event(EVENT_CHANNEL, LF_STR("why", "no memory for a peer"));
    if (role != ROLE_SMTPD)
        return;
    p->ops->welcome(p, &(struct msg_welcome){ q->id_newest });
    if (q->full)
        p->ops->room(p, &(struct msg_room){ 0 });
    admit_share(p);
    admit_lend_more(q, p, LENT_FIRST);
}

void queue_peer_gone(struct queue *q, struct peer *p)
{
    dispatch_peer_gone(q, p);
    admit_peer_gone(q, p);
    people_gone(q, p);
    kick_peer_gone(q, p);
    turns_peer_gone(q, p);
    fetches_peer_gone(q, p);
    queue_links_peer_gone(q, p);
    roster_take(&q->peers, p->serial);
    list_remove(&p->link);
    if (p->role == ROLE_LOOKUP)
        report_lookup_gone(q);
}

/* --------------------------------------------------------------- receive -- */

typedef bool receive_f(struct queue *q, struct peer *p, struct wire *w, int fd);

#define RECEIVER(name, handle)                                                          \
    static bool on_##name(struct queue *q, struct peer *p, struct wire *w, int fd)      \
    {                                                                                   \
        struct msg_##name m;                                                            \
                                                                                        \
        (void)fd;                                                                       \
        return msg_##name##_get(w, &m) && (handle);                                     \
    }
RECEIVER(commit,    admit_commit(q, p, &m))
RECEIVER(lend_more, admit_lend_more(q, p, m.count))
RECEIVER(lend_back, admit_lend_back(q, p, m.number))
RECEIVER(result,    outcome_result(q, p, &m))
RECEIVER(resolved,  ((void)p, report_resolved(q, &m)))
RECEIVER(query,     people_query(q, p, &m))
RECEIVER(kick,      kick_ask(q, p, &m))
RECEIVER(turn_ask,  turns_ask(q, p, &m))
RECEIVER(turn_go,   turns_go(q, p, &m, fd))
RECEIVER(turn_over, turns_over(q, p, &m))
RECEIVER(fetched,   fetches_done(q, p, &m))
RECEIVER(adopt,     fetches_adopt(q, p, &m, fd))
RECEIVER(linkstate, queue_links_heard(q, p, &m))
RECEIVER(exchanged, queue_links_asked(q, p, &m))
#undef RECEIVER

bool queue_receive(struct queue *q, struct peer *p, uint32_t type, struct wire *w, int fd)
{
    static receive_f *const receivers[MSG_COUNT] = {
        [MSG_COMMIT] = on_commit,       [MSG_LEND_MORE] = on_lend_more,
        [MSG_LEND_BACK] = on_lend_back, [MSG_RESULT] = on_result,
        [MSG_RESOLVED] = on_resolved,   [MSG_QUERY] = on_query,
        [MSG_KICK] = on_kick,           [MSG_TURN_ASK] = on_turn_ask,
        [MSG_TURN_GO] = on_turn_go,     [MSG_TURN_OVER] = on_turn_over,
        [MSG_FETCHED] = on_fetched,     [MSG_ADOPT] = on_adopt,
        [MSG_LINKSTATE] = on_linkstate, [MSG_EXCHANGED] = on_exchanged,
    };

    if (type >= MSG_COUNT || receivers[type] == NULL
        || !message_allowed(type, p->role, ROLE_QUEUE))
        return false;
    return receivers[type](q, p, w, fd);
}

/* ------------------------------------------------------------------ work -- */

static bool waits_for_people(const struct job *job)
{
    return job->sched.state == SCHED_HELD;
}

static bool waits_for_time(const struct job *job)
{
    return job->sched.state == SCHED_READY || job->sched.state == SCHED_DEFERRED;
}

/* look_after - what time does to a letter when nothing else happens to it */

static void look_after(struct queue *q, struct letter *m)
{
    struct job *job, *next;
    bool expired, late;

    if (!(m->flags & LETTER_DURABLE) || (m->flags & (LETTER_REMOVED | LETTER_REMOVING)))
        return;
    if (m->flags & LETTER_ASTRAY)
        recover_astray(q, m);
    if (steady_sure(&q->steady) && steady_future(&q->steady, m->arrived)) {
        times_shift(q, m, q->wall - m->arrived);
        m->arrived = q->wall;   /* or it would live for years */
    }
    expired = letter_expired(q, m);
    for (job = job_next(m, NULL); expired && job != NULL; job = next) {
        next = job->next;
        if (waits_for_time(job) && !(m->flags & LETTER_HELD) && !kick_kicked(q, job))
            outcome_expire(q, job, FAILURE_EXPIRED);
    }
    report_consider(q, m);
    late = !(m->flags & (LETTER_WARNED | LETTER_HELD)) && steady_sure(&q->steady)
        && sched_warn_due(q->sched, 0, times_age(q, m));
    job = job_next(m, NULL);
    if (late && job != NULL && !waits_for_people(job) && !(m->flags & LETTER_FAILING))
        report_warn(q, m, WARN_LATE);
    if (m->units == 0)
        letter_finish(q, m, NULL);
}

/* sweep - some letters a second, so that all are seen about once a minute */

static void sweep(struct queue *q)
{
    size_t n = q->letters.cap / 64 + SWEEP_LEAST;

    for (size_t i = 0; i < n && i < q->letters.cap; i++) {
        if (q->sweep_at >= q->letters.cap)
            q->sweep_at = 0;
        struct letter *m = q->letters.slots[q->sweep_at++];

        if (m != NULL)
            look_after(q, m);
    }
}

static void every_second(struct queue *q)
{
    if (q->mono < q->next_second)
        return;
    q->next_second = q->mono + SECOND;
    bundles_again(q);
    admit_room(q);
    times_work(q);
    sweep(q);
    report_work(q);
    dispatch_overdue(q);
    fetches_work(q);
    history_flush(q->history);
}

bool queue_work(struct queue *q)
{
    bool more;

    sched_advance(q->sched, q->mono);
    every_second(q);
    queue_links_work(q);
    more = move_some(q);
    more |= people_work(q);     /* what they let go goes at once */
    more |= kick_work(q);
    more |= turns_work(q);
    more |= dispatch_work(q);
    return more;
}

int64_t queue_wake(const struct queue *q)
{
    int64_t wake = sched_wake(q->sched);

    return wake < q->next_second ? wake : q->next_second;
}

void queue_drain(struct queue *q)
{
    q->draining = true;
}

bool queue_idle(const struct queue *q)
{
    return q->leases.n == 0 && q->units == 0;
}

/* ---------------------------------------------------------------- gauges -- */

void queue_gauge(struct queue *q)
{
    uint64_t n[SCHED_STATES];
    struct journal_stats stats;

    sched_counts(q->sched, n);
    journal_stats(q->journal, &stats);
    count_set(waiting, q->letters.n);
    count_set(waiting_recipients, n[0] + n[1] + n[2] + n[3] + n[4]);
    count_set(leased, n[SCHED_LEASED]);
    count_set(deferred, n[SCHED_DEFERRED]);
    count_set(held, n[SCHED_HELD]);
    count_set(spool_segments, stats.segments);
    counters[COUNT_syncs] = stats.flushes;
    counters[COUNT_sync_failures] = stats.sync_failures;
}
