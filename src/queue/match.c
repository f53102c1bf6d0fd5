/* match.c - globs over texts, and filters over letters. */
#include "base/ascii.h"
#include "queue/match.h"

static bool glob(struct slice pattern, struct slice text)
{
    size_t p = 0, t = 0, star = SIZE_MAX, from = 0;

    while (t < text.n) {
        if (p < pattern.n && pattern.p[p] == '*') {
            star = p++;
            from = t;
        } else if (p < pattern.n && (pattern.p[p] == '?'
                   || ascii_lower(pattern.p[p]) == ascii_lower(text.p[t]))) {
            p++;
            t++;
        } else if (star != SIZE_MAX) {
            p = star + 1;
            t = ++from;
        } else {
            return false;
        }
    }
    while (p < pattern.n && pattern.p[p] == '*')
        p++;
    return p == pattern.n;
}

bool match_glob(struct slice pattern, struct slice text)
{
    return pattern.n == 0 || glob(pattern, text);
}

enum sched_state match_state(const struct queue *q, const struct job *job)
{
    if (job->sched.state == SCHED_PARKED)
        return SCHED_LEASED;
    if (job->sched.state == SCHED_READY && sched_due(q->sched, &job->sched) > q->mono)
        return SCHED_DEFERRED;
    return (enum sched_state)job->sched.state;
}

const char *match_state_name(const struct queue *q, const struct job *job)
{
    static const char *const names[SCHED_STATES] = {
        [SCHED_PARKED] = "leased", [SCHED_READY] = "ready", [SCHED_LEASED] = "leased",
        [SCHED_DEFERRED] = "deferred", [SCHED_HELD] = "held",
    };

    return names[match_state(q, job)];
}

static bool rcpt_matches(const struct view *v, struct slice pattern)
{
    struct wire w = wire_reader(v->e.rcpts);
    struct recipient r;

    if (pattern.n == 0)
        return true;
    while (recipient_next(&w, &r))
        if (glob(pattern, r.address) || (r.original.n > 0 && glob(pattern, r.original)))
            return true;
    return false;
}

static bool job_matches(const struct queue *q, const struct letter *m, const struct msg_query *f)
{
    if (f->state.n == 0 && f->destination.n == 0)
        return true;
    for (struct job *job = NULL; (job = job_next((struct letter *)m, job)) != NULL; )
        if (match_glob(f->destination, slice_of(job->sched.dest->text, job->sched.dest->n))
            && match_glob(f->state, slice_cstr(match_state_name(q, job))))
            return true;
    return false;
}

static bool age_matches(const struct queue *q, const struct letter *m, const struct msg_query *f)
{
    int64_t age = q->wall - m->arrived;

    return (f->older <= 0 || age >= f->older) && (f->newer <= 0 || age <= f->newer);
}

bool match_take(struct queue *q, const struct msg_query *f, uint64_t id, struct view *v)
{
    static const uint8_t rank[SCHED_STATES] = { [SCHED_PARKED] = 3, [SCHED_LEASED] = 3,
                                                [SCHED_READY] = 2, [SCHED_DEFERRED] = 1 };
    struct slice envelope, body;
    struct letter *m = letter_get(q, id);

    if (m == NULL || !(m->flags & LETTER_DURABLE) || (m->flags & LETTER_REMOVED)
        || !age_matches(q, m, f) || !job_matches(q, m, f)
        || !letter_read(q, m, &envelope, &body))
        return false;
    *v = (struct view){ .letter = m, .size = letter_size(q, m, body) };
    if (!envelope_get(envelope, &v->e) || !match_glob(f->sender, v->e.sender)
        || !rcpt_matches(v, f->recipient))
        return false;
    for (struct job *job = NULL; (job = job_next(m, job)) != NULL; )
        if (v->job == NULL || rank[match_state(q, job)] > rank[match_state(q, v->job)])
            v->job = job;
    return true;
}
