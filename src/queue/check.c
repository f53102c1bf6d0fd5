/* check.c - is every recipient in exactly one place? For tests. */
#include "queue/core.h"
#include "queue/past.h"
#include "queue/report.h"

static unsigned places_in_jobs(struct letter *m, uint32_t index)
{
    unsigned n = 0;

    for (struct job *job = NULL; (job = job_next(m, job)) != NULL; )
        n += job_has(job, index);
    return n;
}

static unsigned places_in_report(const struct queue *q, const struct letter *m, uint32_t index)
{
    const struct report *r = report_get(q, m);
    unsigned n = 0;

    for (const struct tiding *t = r != NULL ? r->tidings : NULL; t != NULL; t = t->next)
        n += t->kind == DSN_FAILED && t->index == index;
    return n;
}

static bool check_jobs(struct letter *m, struct why *why)
{
    for (struct job *job = NULL; (job = job_next(m, job)) != NULL; ) {
        if (job->letter != m || job->sched.dest == NULL || job_count(job) == 0)
            return why_text(why, FATE_LATER, "a job of nobody, nowhere or nothing");
        if (job->sched.state == SCHED_PARKED && (m->flags & LETTER_DURABLE))
            return why_text(why, FATE_LATER, "a job is forgotten in PARKED");
        if (job->sched.state == SCHED_HELD && !(m->flags & LETTER_HELD)
            && !slice_istarts(slice_cstr(job->sched.dest->text), SLICE_LIT("hold:")))
            return why_text(why, FATE_LATER, "a job is held and nobody holds it");
    }
    return true;
}

/* check_rcpts - an outcome on its way to the disk is in no place for a moment */

static bool check_rcpts(struct queue *q, struct letter *m, const struct envelope *e,
                        const struct past *past, struct why *why)
{
    for (uint32_t i = 0; i < e->nrcpts; i++) {
        unsigned n = places_in_jobs(m, i) + places_in_report(q, m, i)
                   + (past->rcpts[i].known && past->rcpts[i].fate != FATE_LATER);

        if (n > 1 || (n == 0 && m->units == 0
                      && !(m->flags & (LETTER_CANCELLED | LETTER_ASTRAY))))
            return why_text(why, FATE_LATER, "recipient %u of %llx is in %u places",
                            (unsigned)i, (unsigned long long)m->entry.id, n);
    }
    return true;
}

static bool check_letter(struct queue *q, struct letter *m, struct why *why)
{
    struct arena arena = ARENA(32 << 20);
    struct envelope e;
    struct past past;
    bool ok;

    if (!check_jobs(m, why))
        return false;
    if (!(m->flags & LETTER_DURABLE) || (m->flags & LETTER_REMOVED))
        return true;
    ok = letter_envelope(q, m, &e) && past_read(q, m, e.nrcpts, &arena, &past);
    if (!ok)
        why_text(why, FATE_LATER, "a message cannot be read");
    else
        ok = check_rcpts(q, m, &e, &past, why);
    arena_free(&arena);
    return ok;
}

bool queue_check(struct queue *q, struct why *why)
{
    struct letter *m;
    uint64_t n[SCHED_STATES];

    for (size_t at = 0; (m = roster_next(&q->letters, &at)) != NULL; )
        if (!check_letter(q, m, why))
            return false;
    sched_counts(q->sched, n);
    if (n[SCHED_LEASED] != q->leases.n)
        return why_text(why, FATE_LATER, "%llu jobs are leased, %zu leases are known",
                        (unsigned long long)n[SCHED_LEASED], q->leases.n);
    return sched_check(q->sched)
        || why_text(why, FATE_LATER, "the schedule's lists and counts do not agree");
}
