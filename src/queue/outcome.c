/* outcome.c - fates of recipients: into the journal, the log, the schedule. */
#include <stdlib.h>
#include "log/log.h"
#include "queue/history.h"
#include "queue/kick.h"
#include "queue/links.h"
#include "queue/outcome.h"
#include "queue/recover.h"
#include "queue/times.h"
#include "queue/verdicts.h"

static const int64_t LEAVING = 5000;    /* ms */

static const struct slice by_passed = SLICE_INIT("the time to deliver it by has passed");

/* ---------------------------------------------------------------- records -- */

/* put_record - the outcomes that are not failures (those wait for their report) */

static bool put_record(struct bundle *u, const struct verdicts *all, struct past_head *head)
{
    struct buf outcomes = BUF(PAST_HEAD_MAX), bytes = BUF(PAST_HEAD_MAX + 8192);
    struct wire w = wire_writer(&outcomes), out = wire_writer(&bytes);
    bool ok = true;

    for (uint32_t i = 0; i < all->n; i++) {
        if (all->v[i].outcome.fate == FATE_NEVER)
            continue;
        outcome_put(&w, &all->v[i].outcome);
        head->noutcomes++;
    }
    head->outcomes = buf_view(&outcomes);
    if (head->noutcomes > 0) {
        past_put(&out, head);
        ok = !w.bad && !out.bad
          && bundle_add(u, RECORD_OUTCOME, u->letter, buf_view(&bytes));
    }
    buf_free(&outcomes);
    buf_free(&bytes);
    return ok;
}

static enum event event_of(enum fate fate)
{
    return fate == FATE_DONE ? EVENT_DELIVERED : fate == FATE_NEVER ? EVENT_FAILED
                                                                    : EVENT_DEFERRED;
}

static void tell(struct queue *q, const struct lease *l, const struct verdict *v,
                 struct slice host, struct slice note, int64_t next)
{
    const struct outcome *o = &v->outcome;
    const struct job *job = l->job;
    uint64_t id = job->letter->entry.id;

    log_event(event_of(o->fate), LF_ID("id", id), LF_TEXT("to", v->address),
              LF_TEXT("destination", slice_of(job->sched.dest->text, job->sched.dest->n)),
              LF_TEXT("host", host), LF_NUM("code", o->code), LF_TEXT("status", o->status),
              LF_TEXT("text", o->text), LF_NUM("wait", next > 0 ? (next - q->mono) / 1000 : 0),
              LF_TEXT("note", note));
    history_attempt(q, id, &(struct history_attempt){
        .event = event_of(o->fate), .recipient = v->address, .host = host, .note = note,
        .outcome = o, .attempts = job->sched.attempts + (o->fate != FATE_LATER ? 1u : 0u),
        .next = next > 0 ? q->wall + next - q->mono : 0 });
}

/* ----------------------------------------------------------------- settle -- */

bool letter_expired(const struct queue *q, const struct letter *m)
{
    return steady_sure(&q->steady) && sched_expired(q->sched, 0, times_age(q, m));
}

void letter_finish(struct queue *q, struct letter *m, struct bundle *u)
{
    struct bundle *own = NULL;

    if (job_next(m, NULL) != NULL || (m->flags & (LETTER_FAILING | LETTER_REMOVING | LETTER_ASTRAY))
        || !(m->flags & LETTER_DURABLE))
        return;
    if (u == NULL && (u = own = bundle_new(q, m)) == NULL)
        return;                 /* the sweep comes back to it */
    if (u->by == NULL)
        u->by = "delivery";
    if (bundle_add(u, RECORD_REMOVED, m, slice_cstr(u->by)))
        m->flags |= LETTER_REMOVING;
    bundle_append(q, own);
}

void letter_give_up(struct queue *q, struct letter *m)
{
    struct bundle *u = bundle_new(q, m);

    if (u != NULL)
        u->by = "person";
    letter_finish(q, m, u);
    bundle_append(q, u);
}

static struct tiding tiding_of(const struct queue *q, const struct lease *l,
                               const struct verdict *v, struct slice host)
{
    return (struct tiding){
        .index = v->outcome.index, .code = v->outcome.code, .return_path = l->sender,
        .address = v->address, .original = v->original, .status = v->outcome.status,
        .text = v->outcome.text, .host = host, .wall = q->wall,
    };
}

static void fail(struct queue *q, const struct lease *l, const struct verdict *v,
                 struct slice host, enum failure why)
{
    struct tiding t = tiding_of(q, l, v, host);

    t.kind = DSN_FAILED;
    t.failure = why;
    t.quiet = !notify_decide(NOTIFY_FAILED, asked_notify(v->extra), false).report;
    report_add(q, l->job->letter, &t);
}

/* event_of_success - what the delivery of one recipient means for its sender */

static enum notify_event event_of_success(const struct queue *q, const struct letter *m,
                                          enum delivery_kind how)
{
    const struct timed *t = times_get(q, m);

    if (how == DELIVERY_FINAL)
        return NOTIFY_DELIVERED;
    if (t != NULL && t->by != 0 && !t->send && t->trace)
        return NOTIFY_BY_TRACED;
    if (t != NULL && t->by != 0 && !t->send && !t->returns && how >= DELIVERY_PASSED_LATE)
        return how == DELIVERY_PASSED_LATE ? NOTIFY_BY_PLAIN_HOST : NOTIFY_BY_PLAINEST_HOST;
    return how == DELIVERY_PASSED || how == DELIVERY_PASSED_LATE ? NOTIFY_TO_DSN_HOST
                                                                 : NOTIFY_TO_PLAIN_HOST;
}

/* succeed - the sender may have asked to hear of it */

static void succeed(struct queue *q, const struct lease *l, const struct verdict *v,
                    struct slice host)
{
    struct letter *m = l->job->letter;
    struct tiding t = tiding_of(q, l, v, host);
    struct notify_decision d;

    if (!(m->flags & LETTER_TELLS) || l->sender.n == 0)
        return;
    d = notify_decide(event_of_success(q, m, (enum delivery_kind)v->outcome.how),
                      asked_notify(v->extra), false);
    t.kind = d.kind;
    if (d.report)
        report_add(q, m, &t);
}

void outcome_owed(struct queue *q, struct letter *m, const struct envelope *e, uint32_t i,
                  const struct recipient *r, const struct past_rcpt *past)
{
    struct notify_decision d;

    if (!past->known || past->fate != FATE_DONE || past->told || (m->flags & LETTER_BOUNCE))
        return;
    d = notify_decide(event_of_success(q, m, (enum delivery_kind)past->how),
                      asked_notify(r->extra), false);
    if (d.report)
        report_add(q, m, &(struct tiding){
            .index = i, .kind = d.kind, .code = past->code, .address = r->address,
            .original = r->original, .status = past->status, .text = past->text,
            .host = past->host, .wall = past->wall,
            .return_path = r->return_path.n > 0 ? r->return_path : e->sender });
}

/* too_late - may what is left of the job not be tried again? */

static bool too_late(const struct queue *q, const struct letter *m, enum failure *why)
{
    *why = times_up(q, m) ? times_failure(q, m) : FAILURE_EXPIRED;
    return times_up(q, m) || letter_expired(q, m);
}

/* as_it_was - a job that was to go over a reversed connection; returns when it goes */

static int64_t as_it_was(struct queue *q, struct job *job, const struct way *way)
{
    sched_park(q->sched, &job->sched);
    if (way->was == SCHED_HELD)
        sched_hold(q->sched, &job->sched);
    else if (way->was == SCHED_DEFERRED)
        sched_defer_until(q->sched, &job->sched, way->due);
    else
        sched_ready(q->sched, &job->sched);
    return way->was == SCHED_DEFERRED ? way->due : 0;
}

/* wait_on - what is left of the job: held, or deferred until a time, or too old */

static int64_t wait_on(struct queue *q, struct lease *l, const struct verdicts *all,
                       struct slice host)
{
    struct job *job = l->job;
    enum failure why;

    if (job->letter->flags & LETTER_HELD) {
        sched_hold(q->sched, &job->sched);
        return 0;
    }
    if (l->way.turn != 0)
        return as_it_was(q, job, &l->way);
    if (kick_returns(q, job))
        return 0;
    if (!too_late(q, job->letter, &why))
        return sched_defer(q->sched, &job->sched, q->mono);
    for (uint32_t i = 0; i < all->n; i++)
        if (all->v[i].outcome.fate == FATE_LATER && job_drop(job, all->v[i].outcome.index))
            fail(q, l, &all->v[i], host, why);
    return 0;
}

/* sort_out - the finished recipients leave the job */

static void sort_out(struct queue *q, struct lease *l, const struct verdicts *all,
                     struct slice host)
{
    for (uint32_t i = 0; i < all->n; i++) {
        const struct verdict *v = &all->v[i];

        if (v->outcome.fate == FATE_LATER)
            continue;
        job_drop(l->job, v->outcome.index);
        tell(q, l, v, host, all->note, 0);
        if (v->outcome.fate == FATE_NEVER) {
            fail(q, l, v, host, FAILURE_SAID);
            count_add(failed, 1);
        } else {
            succeed(q, l, v, host);
            count_add(delivered, 1);
        }
    }
}

static void tell_later(struct queue *q, struct lease *l, const struct verdicts *all,
                       struct slice host, int64_t next)
{
    for (uint32_t i = 0; i < all->n; i++) {
        if (all->v[i].outcome.fate != FATE_LATER)
            continue;
        count_add(deferrals, 1);
        tell(q, l, &all->v[i], host, all->note, next);
    }
}

static void learn(struct queue *q, struct job *job, enum trouble trouble,
                  const struct verdicts *all, struct slice host)
{
    static const enum sched_news news[TROUBLE_COUNT] = {
        [TROUBLE_NONE] = SCHED_GOOD, [TROUBLE_HOST] = SCHED_BAD_HOST,
        [TROUBLE_SESSION] = SCHED_BAD_SESSION,
    };
    struct destination *d = job->sched.dest;
    struct slice reason = all->n > 0 ? all->v[0].outcome.text : host;
    enum sched_change change = sched_result(q->sched, &job->sched, news[trouble], reason,
                                            q->mono);

    queue_links_met(q, slice_of(d->text, d->n), trouble);
    if (change != SCHED_SAME)
        log_event(EVENT_DESTINATION, LF_TEXT("destination", slice_of(d->text, d->n)),
                  LF_STR("state", change == SCHED_DOWN ? "trouble" : "ok"),
                  LF_TEXT("reason", change == SCHED_DOWN ? reason : (struct slice){ 0 }),
                  LF_NUM("wait", d->until > 0 ? (d->until - q->mono) / 1000 : 0));
}

/* cancel - a person removed the letter while the agent had the job */

static void cancel(struct job *job)
{
    if (!(job->letter->flags & LETTER_CANCELLED))
        return;
    while (job_count(job) > 0)
        job_drop(job, job_rcpt(job, 0));
}

static void end_if_empty(struct queue *q, struct job *job)
{
    if (job_count(job) > 0)
        return;
    sched_detach(q->sched, &job->sched);
    job_free(job);
}

/* soften - the terminals were tried for SOML or SAML: what did not end there goes on
 * to the mailbox (RFC 821 §3.4). False: it was something else. */

static bool soften(struct queue *q, const struct lease *l, struct verdicts *all)
{
    const struct destination *d = l->job->sched.dest;
    enum asked_verb verb;
    struct envelope e;

    if (!slice_eq(slice_of(d->text, d->n), SLICE_LIT("terminal:"))
        || !letter_envelope(q, l->job->letter, &e))
        return false;
    verb = asked_of(e.extra).verb;
    if (verb != ASKED_SOML && verb != ASKED_SAML)
        return false;
    for (uint32_t i = 0; i < all->n; i++)
        if (verb == ASKED_SAML || all->v[i].outcome.fate == FATE_NEVER)
            all->v[i].outcome.fate = FATE_LATER;
    return true;
}

/* to_mailbox - where what is left of the job goes now */

static void to_mailbox(struct queue *q, struct letter *m)
{
    recover_route(q, m);
    letter_start(q, m);
}

static void settle(struct queue *q, struct lease *l, struct verdicts *all,
                   enum trouble trouble, struct slice host)
{
    struct job *job = l->job;
    struct letter *m = job->letter;
    bool softened = soften(q, l, all), goes_on;
    struct destination *d = job->sched.dest;
    struct bundle *u = bundle_new(q, m);
    struct past_head head = { .host = host, .destination = slice_of(d->text, d->n) };
    int64_t next = 0;

    if (l->way.turn != 0)
        sched_park(q->sched, &job->sched);      /* its destination has no part in it */
    else
        learn(q, job, trouble, all, host);
    sort_out(q, l, all, host);
    cancel(job);
    if (softened)
        m->flags |= LETTER_MAILBOX;
    goes_on = softened && job_count(job) > 0 && !(m->flags & LETTER_HELD);
    if (job_count(job) > 0 && !goes_on)
        next = wait_on(q, l, all, host);
    if (job_count(job) > 0)
        tell_later(q, l, all, host, next);
    head.attempts = job->sched.attempts;
    head.next = next > 0 ? q->wall + next - q->mono : 0;
    if (u != NULL && !put_record(u, all, &head))
        queue_trouble("make an outcome record", m->entry.id, NULL);
    end_if_empty(q, job);
    if (u != NULL && (m->flags & LETTER_CANCELLED))
        u->by = "person";
    letter_finish(q, m, u);
    bundle_append(q, u);
    if (goes_on)
        to_mailbox(q, m);
    report_consider(q, m);
}

/* ----------------------------------------------------------------- public -- */

void outcome_reroute(struct queue *q, struct letter *m, uint32_t conf)
{
    if (conf == q->routes)
        return;
    recover_route(q, m);
    letter_start(q, m);
}

bool outcome_result(struct queue *q, struct peer *p, const struct msg_result *m)
{
    struct lease *l = roster_get(&q->leases, m->job);
    struct arena arena = ARENA(16 << 20);
    struct verdicts all;
    struct letter *letter;
    uint32_t conf;
    bool ok;

    if (l == NULL)
        return m->job > 0 && m->job <= q->jobs;     /* an answer that came too late */
    if (l->agent != p || m->trouble >= TROUBLE_COUNT || m->host.n > OUTCOME_HOST_MAX
        || m->note.n > OUTCOME_TEXT_MAX)
        return false;
    letter = l->job->letter;
    conf = l->conf;
    if (m->trouble == TROUBLE_LEAVING) {
        p->leaving = q->mono + LEAVING;
        lease_back(q, l);
        return true;
    }
    ok = verdicts_begin(&all, l, &arena) && verdicts_read(&all, m);
    if (ok) {
        all.note = m->note;
        settle(q, l, &all, (enum trouble)m->trouble, m->host);
        lease_end(q, l);
        outcome_reroute(q, letter, conf);
    }
    arena_free(&arena);
    return ok;
}

void outcome_no_answer(struct queue *q, struct lease *l)
{
    struct arena arena = ARENA(1 << 20);
    struct letter *m = l->job->letter;
    struct verdicts all;
    uint32_t conf = l->conf;

    if (verdicts_begin(&all, l, &arena)) {
        settle(q, l, &all, TROUBLE_SESSION, (struct slice){ 0 });
        lease_end(q, l);
    } else {
        lease_back(q, l);
        arena_free(&arena);
        return;
    }
    outcome_reroute(q, m, conf);
    arena_free(&arena);
}

void outcome_back(struct queue *q, struct job *job, const struct way *way)
{
    struct letter *m = job->letter;

    sched_park(q->sched, &job->sched);
    cancel(job);
    if (job_count(job) == 0) {
        end_if_empty(q, job);
        letter_give_up(q, m);
    } else if (m->flags & LETTER_HELD) {
        sched_hold(q->sched, &job->sched);
    } else if (way->turn != 0) {
        as_it_was(q, job, way);
    } else {
        sched_again(q->sched, &job->sched);
        if (times_up(q, m)) {       /* while it was away */
            outcome_expire(q, job, times_failure(q, m));
            report_consider(q, m);
        }
    }
}

/* expire_rcpt - with the words of its last attempt, or the destination's trouble */

static void expire_rcpt(struct queue *q, struct letter *m, uint32_t index,
                        const struct recipient *r, struct slice sender,
                        const struct past_rcpt *past, const struct destination *d,
                        enum failure why)
{
    struct slice unknown = why == FAILURE_BY ? by_passed : slice_cstr(d->reason != NULL ? d->reason
                           : "no attempt could be made in time");
    struct tiding t = {
        .index = index, .kind = DSN_FAILED, .failure = why, .address = r->address,
        .original = r->original,
        .quiet = !notify_decide(NOTIFY_FAILED, asked_notify_here(r->extra), false).report,
        .return_path = r->return_path.n > 0 ? r->return_path : sender,
        .status = past->known ? past->status : SLICE_LIT("4.4.7"), .code = past->code,
        .text = past->known ? past->text : unknown, .host = past->host, .wall = past->wall,
    };

    report_add(q, m, &t);
}

void outcome_expire(struct queue *q, struct job *job, enum failure why)
{
    struct arena arena = ARENA(32 << 20);
    struct letter *m = job->letter;
    struct envelope e;
    struct recipient r;
    struct past past;
    struct wire w;

    if (letter_envelope(q, m, &e) && past_read(q, m, e.nrcpts, &arena, &past)) {
        w = wire_reader(e.rcpts);
        sched_park(q->sched, &job->sched);
        for (uint32_t i = 0; recipient_next(&w, &r); i++)
            if (job_drop(job, i))
                expire_rcpt(q, m, i, &r, e.sender, &past.rcpts[i], job->sched.dest, why);
        end_if_empty(q, job);
    }
    arena_free(&arena);
}
