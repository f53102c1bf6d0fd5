/* times.c - holds and deadlines of letters. */
#include <stdlib.h>
#include "queue/outcome.h"
#include "queue/times.h"

enum { PER_TURN = 256 };

static const int64_t SEND_LIFE = 60 * 60 * 1000;    /* ms: a message for a screen is of no use later */
static const int64_t LOOK_AGAIN = 60 * 1000;

static struct timed *find(const struct queue *q, const struct letter *m)
{
    return m->flags & LETTER_TIMED ? roster_get(&q->times, m->entry.id) : NULL;
}

const struct timed *times_get(const struct queue *q, const struct letter *m)
{
    return find(q, m);
}

/* left - ms until a moment that was fixed when the letter came; negative: since */

static int64_t left(const struct queue *q, const struct letter *m, int64_t when)
{
    return when - m->arrived - steady_age(&q->steady, m->arrived);
}

static struct timed *make(struct queue *q, struct letter *m, const struct asked *a)
{
    struct timed *t = calloc(1, sizeof *t);

    if (t == NULL)
        return NULL;
    *t = (struct timed){ .id = m->entry.id, .hold = a->hold, .by = a->by,
                         .returns = a->by_return, .trace = a->by_trace };
    if (t->by == 0 && a->verb == ASKED_SEND) {
        t->by = m->arrived + SEND_LIFE;
        t->returns = t->send = true;
    }
    if (!roster_put(&q->times, t)) {
        free(t);
        return NULL;
    }
    m->flags |= LETTER_TIMED;
    return t;
}

static bool any_success(const struct envelope *e)
{
    struct wire w = wire_reader(e->rcpts);
    struct recipient r;

    while (recipient_next(&w, &r))
        if (asked_notify(r.extra) & NOTIFY_SUCCESS)
            return true;
    return false;
}

bool times_note(struct queue *q, struct letter *m, const struct envelope *e)
{
    struct asked a = asked_of(e->extra);
    struct timed *t;

    if (!(m->flags & LETTER_BOUNCE) && (a.by != 0 || any_success(e)))
        m->flags |= LETTER_TELLS;
    if (a.hold <= m->arrived)
        a.hold = 0;
    if (a.hold == 0 && a.by == 0 && a.verb != ASKED_SEND)
        return true;
    t = make(q, m, &a);         /* while the spool is read nobody knows how old it is: look soon */
    return t != NULL && (t->by == 0 || heap_insert(&q->deadlines, &t->deadline, q->mono));
}

void times_forget(struct queue *q, struct letter *m)
{
    struct timed *t = find(q, m);

    if (t == NULL)
        return;
    heap_remove(&q->deadlines, &t->deadline);
    roster_take(&q->times, t->id);
    free(t);
    m->flags &= (uint16_t)~LETTER_TIMED;
}

void times_told(struct queue *q, struct letter *m)
{
    struct timed *t = find(q, m);

    if (t == NULL)
        return;
    t->told = true;
    if (!t->returns)
        heap_remove(&q->deadlines, &t->deadline);
}

void times_shift(struct queue *q, struct letter *m, int64_t by)
{
    struct timed *t = find(q, m);

    if (t == NULL)
        return;
    t->hold += t->hold != 0 ? by : 0;
    t->by += t->by != 0 ? by : 0;
    if (t->deadline.at != 0)
        heap_insert(&q->deadlines, &t->deadline, q->mono);
}

int64_t times_wait(const struct queue *q, const struct letter *m)
{
    const struct timed *t = find(q, m);
    int64_t wait;

    if (t == NULL || t->hold == 0 || (m->flags & LETTER_RELEASED))
        return 0;
    wait = left(q, m, t->hold);
    return wait > 0 ? wait : 0;
}

int64_t times_since(const struct queue *q, const struct letter *m)
{
    const struct timed *t = find(q, m);

    return t != NULL && t->hold > m->arrived ? t->hold : m->arrived;
}

/* times_age - never steady_age() of a moment that is to come: it would doubt the clock */

int64_t times_age(const struct queue *q, const struct letter *m)
{
    return -left(q, m, times_since(q, m));
}

bool times_late(const struct queue *q, const struct letter *m)
{
    const struct timed *t = find(q, m);

    return t != NULL && t->by != 0 && t->returns && left(q, m, t->by) <= 0;
}

bool times_up(const struct queue *q, const struct letter *m)
{
    return steady_sure(&q->steady) && times_late(q, m);
}

enum failure times_failure(const struct queue *q, const struct letter *m)
{
    const struct timed *t = find(q, m);

    return t != NULL && !t->send ? FAILURE_BY : FAILURE_EXPIRED;
}

/* ---------------------------------------------------------------- deadlines -- */

static void again(struct queue *q, struct timed *t, int64_t wait)
{
    heap_insert(&q->deadlines, &t->deadline, q->mono + wait);
}

/* fail_waiting - all that waits fails; what an agent has is seen when it is back */

static void fail_waiting(struct queue *q, struct letter *m)
{
    struct job *job, *next;

    for (job = job_next(m, NULL); job != NULL; job = next) {
        next = job->next;
        if (job->sched.state != SCHED_LEASED && job->sched.state != SCHED_PARKED)
            outcome_expire(q, job, times_failure(q, m));
    }
    report_consider(q, m);
}

static void due(struct queue *q, struct timed *t)
{
    struct letter *m = letter_get(q, t->id);

    if (!(m->flags & LETTER_DURABLE) || !steady_sure(&q->steady) || left(q, m, t->by) > 0) {
        int64_t wait = left(q, m, t->by);

        again(q, t, wait > 1000 ? wait : 1000);
    } else if (m->flags & (LETTER_HELD | LETTER_REMOVED | LETTER_REMOVING)) {
        again(q, t, LOOK_AGAIN);
    } else if (t->returns) {
        again(q, t, LOOK_AGAIN);
        fail_waiting(q, m);
    } else {
        heap_remove(&q->deadlines, &t->deadline);
        if (!t->told && job_next(m, NULL) != NULL)
            report_warn(q, m, WARN_BY);
        t->told = true;
    }
}

void times_work(struct queue *q)
{
    struct heap_node *first;

    for (int i = 0; i < PER_TURN && (first = heap_top(&q->deadlines)) != NULL
                    && first->key <= q->mono; i++)
        due(q, LIST_OWNER(first, struct timed, deadline));
}

int64_t times_next(const struct queue *q)
{
    struct heap_node *first = heap_top(&q->deadlines);

    return first != NULL ? first->key : INT64_MAX;
}
