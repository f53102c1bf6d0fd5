/* recover.c - from the journal's records to letters, jobs and times.
 *
 *     MESSAGE              ready, all of it
 *     some OUTCOME         the rest: ready or deferred until its time
 *     all final            REMOVED is written now
 *     HELD, no RELEASED    held
 */
#include "log/log.h"
#include "queue/admit.h"
#include "queue/bundle.h"
#include "queue/outcome.h"
#include "queue/past.h"
#include "queue/links.h"
#include "queue/recover.h"
#include "queue/report.h"
#include "queue/route.h"
#include "queue/times.h"

static bool found(void *owner, uint64_t id, const struct journal_entry *e, uint64_t nonce,
                  struct slice envelope)
{
    struct queue *q = owner;
    struct letter *m = letter_new(&q->pages);
    struct envelope env;
    bool read = envelope_get(envelope, &env);

    if (m == NULL)
        return false;
    m->entry = *e;
    m->entry.id = id;
    m->nonce = nonce_fold(nonce);
    m->flags = LETTER_DURABLE | ((e->flags & JOURNAL_HELD) ? LETTER_HELD : 0);
    m->arrived = id_ms(id);
    if (read) {
        m->arrived = env.arrived;
        if (env.sender.n == 0 || (env.flags & ENV_BOUNCE))
            m->flags |= LETTER_BOUNCE;
    }
    if (!roster_put(&q->letters, m)) {
        letter_free(&q->pages, m);
        return false;
    }
    if (read && !times_note(q, m, &env))
        return false;
    if (!read || !route_letter(q, m, &env, NULL))
        m->flags |= LETTER_ASTRAY;
    return true;
}

static void gone(void *owner, uint64_t id, uint64_t nonce)
{
    admit_gone(owner, id, nonce_fold(nonce));
}

static struct journal_entry *entry(void *owner, uint64_t id)
{
    struct letter *m = letter_get(owner, id);

    return m != NULL && !(m->flags & LETTER_REMOVED) ? &m->entry : NULL;
}

static void quarantined(void *owner, const char *what, const char *where)
{
    (void)owner;
    count_add(quarantined, 1);
    log_event(EVENT_QUARANTINE, LF_STR("what", what), LF_STR("where", where));
}

static int64_t wall_of(void *owner)
{
    return ((struct queue *)owner)->wall;
}

/* ------------------------------------------------------------- the past -- */

/* resume_job - drop what is finished; when does the rest go? 0: now */

static int64_t resume_job(const struct queue *q, struct job *job, const struct past *past)
{
    int64_t next = 0;

    for (uint32_t i = job_count(job); i-- > 0; ) {
        uint32_t index = job_rcpt(job, i);
        const struct past_rcpt *r = index < past->n ? &past->rcpts[index] : NULL;

        if (r == NULL || !r->known)
            continue;
        if (r->fate != FATE_LATER) {
            job_drop(job, index);
            continue;
        }
        if (r->attempts > job->sched.attempts)
            job->sched.attempts = r->attempts < UINT16_MAX ? (uint16_t)r->attempts : UINT16_MAX;
        if (r->next > 0 && (next == 0 || r->next < next))
            next = r->next;
    }
    return next > q->wall ? next - q->wall : 0;
}

/* start_after - as letter_start, but not before `wait` ms have passed */

static void start_after(struct queue *q, struct job *job, int64_t wait)
{
    int64_t longest = q->conf->queue.nretry > 0
                      ? q->conf->queue.retry[q->conf->queue.nretry - 1] * 2 : 0;

    if (wait > longest)
        wait = longest;         /* the clock went back: no reason to wait for years */
    if (wait > 0 && job->sched.state == SCHED_PARKED && !(job->letter->flags & LETTER_HELD)
        && !slice_istarts(slice_cstr(job->sched.dest->text), SLICE_LIT("hold:")))
        sched_defer_until(q->sched, &job->sched, q->mono + wait);
}

/* owe - successes that the sender wanted to hear of and was not yet told of */

static void owe(struct queue *q, struct letter *m, const struct envelope *e,
                const struct past *past, struct arena *arena)
{
    struct wire w = wire_reader(e->rcpts);
    bool *told = arena_array(arena, e->nrcpts, sizeof *told);
    struct recipient r;

    if (!(m->flags & LETTER_TELLS) || told == NULL)
        return;
    for (uint32_t i = 0; recipient_next(&w, &r); i++) {
        told[i] = past->rcpts[i].told;
        if (asked_origin(r.extra) == ASKED_ITSELF)
            outcome_owed(q, m, e, i, &r, &past->rcpts[i]);
    }
    report_expansions(q, m, e, told);
}

/* tried_terminals - it goes on to the mailboxes: SOML, SAML */

static bool tried_terminals(const struct envelope *e, const struct past *past)
{
    enum asked_verb verb = asked_of(e->extra).verb;

    for (size_t i = 0; i < past->n && (verb == ASKED_SOML || verb == ASKED_SAML); i++)
        if (past->rcpts[i].terminal)
            return true;
    return false;
}

static bool resume(struct queue *q, struct letter *m, struct arena *arena)
{
    struct envelope e;
    struct past past;
    struct job *job, *next;

    if (!letter_envelope(q, m, &e) || !past_read(q, m, e.nrcpts, arena, &past))
        return false;
    if (past.warned)
        m->flags |= LETTER_WARNED;
    if (past.warned_by)
        times_told(q, m);
    owe(q, m, &e, &past, arena);
    if (past.released)
        m->flags |= LETTER_RELEASED;
    if (tried_terminals(&e, &past))
        m->flags |= LETTER_MAILBOX;
    if (m->flags & (LETTER_RELEASED | LETTER_MAILBOX))
        recover_route(q, m);
    for (job = job_next(m, NULL); job != NULL; job = next) {
        int64_t wait = resume_job(q, job, &past);

        next = job->next;
        if (job_count(job) > 0) {
            start_after(q, job, wait);
            continue;
        }
        sched_detach(q->sched, &job->sched);
        job_free(job);
    }
    return true;
}

static void resume_all(struct queue *q)
{
    struct arena arena = ARENA(32 << 20);
    struct letter *m;

    for (size_t at = 0; (m = roster_next(&q->letters, &at)) != NULL; ) {
        arena_reset(&arena);
        if ((m->entry.outcome.segment != 0 || (m->flags & LETTER_TELLS)) && !resume(q, m, &arena))
            m->flags |= LETTER_HELD;    /* better late than twice: a person decides */
        letter_start(q, m);             /* finished ones (S3) are removed by the sweep */
    }
    arena_free(&arena);
}

bool recover_open(struct queue *q, const struct queue_options *o, struct why *why)
{
    struct journal_options options = {
        .disk = o->disk, .segment_size = o->segment_size, .owner = q, .done = bundle_done,
        .found = found, .gone = gone, .entry = entry, .quarantined = quarantined,
        .wall = wall_of,
    };
    struct journal_stats stats;

    q->journal = journal_open(&options, why);
    if (q->journal == NULL)
        return false;
    journal_stats(q->journal, &stats);
    q->id_floor = q->id_newest = stats.last_id;
    q->ids = (struct id_maker){ .slot = ID_SLOT_QUEUE };
    id_floor(&q->ids, stats.last_id);
    steady_start(&q->steady, q->mono, q->wall, id_ms(stats.last_id));
    resume_all(q);
    log_event(EVENT_RECOVERED, LF_NUM("messages", q->letters.n),
              LF_NUM("segments", stats.segments), LF_NUM("quarantined", stats.quarantined),
              LF_NUM("index_used", stats.index_used),
              LF_NUM("index_rebuilt", stats.index_rebuilt));
    return true;
}

/* -------------------------------------------------------------- re-route -- */

static bool moved(struct queue *q, struct letter *m, const struct envelope *e)
{
    struct wire w = wire_reader(e->rcpts);
    struct buf text = BUF(1024);
    struct recipient r;
    bool other = false;

    for (uint32_t i = 0; !other && recipient_next(&w, &r); i++)
        for (struct job *job = NULL; (job = job_next(m, job)) != NULL; ) {
            struct hop hop;

            if (job->sched.state == SCHED_LEASED || !job_has(job, i))
                continue;
            hop = route_rcpt(q, e, &r, route_how(m), &text);
            other = !slice_eq(hop.text, slice_of(job->sched.dest->text, job->sched.dest->n));
        }
    buf_free(&text);
    return other;
}

/* take_apart - free the jobs that no agent has; mark all recipients but theirs */

static uint16_t take_apart(struct queue *q, struct letter *m, bool *skip, uint32_t n)
{
    struct job *job, *next;
    uint16_t attempts = 0;

    memset(skip, true, n);
    for (job = job_next(m, NULL); job != NULL; job = next) {
        next = job->next;
        if (job->sched.state == SCHED_LEASED)
            continue;
        for (uint32_t i = 0; i < job_count(job); i++)
            if (job_rcpt(job, i) < n)
                skip[job_rcpt(job, i)] = false;
        if (job->sched.attempts > attempts)
            attempts = job->sched.attempts;
        sched_detach(q->sched, &job->sched);
        job_free(job);
    }
    return attempts;
}

void recover_route(struct queue *q, struct letter *m)
{
    struct arena arena = ARENA(1 << 20);
    struct envelope e;
    uint16_t attempts;
    bool *skip;

    if (!letter_envelope(q, m, &e) || !moved(q, m, &e)
        || (skip = arena_array(&arena, e.nrcpts, sizeof *skip)) == NULL) {
        arena_free(&arena);
        return;
    }
    attempts = take_apart(q, m, skip, e.nrcpts);
    if (!route_letter(q, m, &e, skip))
        m->flags |= LETTER_ASTRAY;
    for (struct job *job = NULL; (job = job_next(m, job)) != NULL; )
        if (job->sched.state == SCHED_PARKED)
            job->sched.attempts = attempts;
    arena_free(&arena);
}

void recover_astray(struct queue *q, struct letter *m)
{
    struct arena arena = ARENA(32 << 20);
    struct envelope e;
    struct past past;
    bool *skip;

    if (letter_envelope(q, m, &e) && past_read(q, m, e.nrcpts, &arena, &past)
        && (skip = arena_array(&arena, e.nrcpts, sizeof *skip)) != NULL) {
        for (uint32_t i = 0; i < e.nrcpts; i++)
            skip[i] = past.rcpts[i].known && past.rcpts[i].fate != FATE_LATER;
        for (struct job *job = NULL; (job = job_next(m, job)) != NULL; )
            for (uint32_t i = 0; i < job_count(job); i++)
                skip[job_rcpt(job, i)] = true;
        if (route_letter(q, m, &e, skip))
            m->flags &= (uint16_t)~LETTER_ASTRAY;
        letter_start(q, m);
    }
    arena_free(&arena);
}
