/* changes.c - hold, release, retry, remove: what each does to one letter. */
#include "log/log.h"
#include "queue/bundle.h"
#include "queue/changes.h"
#include "queue/history.h"
#include "queue/outcome.h"
#include "queue/recover.h"
#include "queue/report.h"
#include "queue/times.h"

static void append_one(struct queue *q, struct letter *m, enum record_type type,
                       struct slice head)
{
    struct bundle *u = bundle_new(q, m);

    if (u != NULL && bundle_add(u, type, m, head))
        bundle_append(q, u);
    else
        bundle_free(q, u);
}

static void hold(struct queue *q, struct letter *m, struct slice why)
{
    m->flags |= LETTER_HELD;
    m->flags &= (uint16_t)~LETTER_RELEASED;
    for (struct job *job = NULL; (job = job_next(m, job)) != NULL; )
        if (job->sched.state == SCHED_READY || job->sched.state == SCHED_DEFERRED)
            sched_hold(q->sched, &job->sched);
    append_one(q, m, RECORD_HELD, why);
    log_event(EVENT_HELD, LF_ID("id", m->entry.id), LF_TEXT("text", why));
    history_note(q, m->entry.id, EVENT_HELD, why, (struct slice){ 0 });
}

bool change_hold(struct queue *q, struct letter *m)
{
    if (m->flags & LETTER_HELD)
        return false;
    hold(q, m, SLICE_LIT("held by a person"));
    return true;
}

void change_broken(struct queue *q, struct letter *m)
{
    if (!(m->flags & LETTER_HELD))
        hold(q, m, SLICE_LIT("its record cannot be read"));
}

static void let_go(struct queue *q, struct letter *m)
{
    bool waits = times_wait(q, m) > 0;

    m->flags &= (uint16_t)~LETTER_HELD;
    m->flags |= LETTER_RELEASED;
    for (struct job *job = NULL; (job = job_next(m, job)) != NULL; )
        if (job->sched.state == SCHED_HELD || (waits && job->sched.state == SCHED_DEFERRED))
            sched_park(q->sched, &job->sched);
    recover_route(q, m);
    letter_start(q, m);
    append_one(q, m, RECORD_RELEASED, (struct slice){ 0 });
    log_event(EVENT_RELEASED, LF_ID("id", m->entry.id));
    history_note(q, m->entry.id, EVENT_RELEASED, (struct slice){ 0 }, (struct slice){ 0 });
}

static bool any_held(struct letter *m)
{
    for (struct job *job = NULL; (job = job_next(m, job)) != NULL; )
        if (job->sched.state == SCHED_HELD)
            return true;
    return false;
}

bool change_release(struct queue *q, struct letter *m)
{
    if (!(m->flags & LETTER_HELD) && !any_held(m) && times_wait(q, m) == 0)
        return false;
    let_go(q, m);
    return true;
}

bool change_retry(struct queue *q, struct letter *m)
{
    if ((m->flags & LETTER_HELD) || times_wait(q, m) > 0)
        return false;           /* a hold of a person, or of the sender, ends by release only */
    if (any_held(m))
        let_go(q, m);
    for (struct job *job = NULL; (job = job_next(m, job)) != NULL; ) {
        if (job->sched.state != SCHED_DEFERRED && job->sched.state != SCHED_READY)
            continue;
        sched_forgive(q->sched, job->sched.dest);
        if (job->sched.state == SCHED_DEFERRED)
            sched_ready(q->sched, &job->sched);
    }
    return true;
}

bool change_remove(struct queue *q, struct letter *m)
{
    struct job *job, *next;

    if (m->flags & (LETTER_REMOVING | LETTER_CANCELLED))
        return false;
    m->flags |= LETTER_CANCELLED;
    m->flags &= (uint16_t)~(LETTER_WARNED | LETTER_ASTRAY);
    report_forget(q, m);
    for (job = job_next(m, NULL); job != NULL; job = next) {
        next = job->next;
        if (job->sched.state == SCHED_LEASED)
            continue;
        sched_detach(q->sched, &job->sched);
        job_free(job);
    }
    letter_give_up(q, m);
    count_add(removed, 1);
    return true;
}
