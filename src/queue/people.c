/* people.c - answering people, a piece at a time so that mail goes on. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include "base/ascii.h"
#include "log/log.h"
#include "queue/bundle.h"
#include "queue/history.h"
#include "queue/outcome.h"
#include "queue/past.h"
#include "queue/people.h"
#include "queue/recover.h"
#include "queue/report.h"

enum { PER_TURN = 200, ROWS_PENDING = 4 << 20, SHOWN = 100, QUESTIONS_MAX = 64 };

/* A question being answered. Its slices point into bytes[]. */
struct question {
    struct list      link;
    struct peer     *asker;
    struct msg_query m;
    uint64_t        *ids;       /* of the letters to look at, oldest first */
    size_t           nids, at;
    uint64_t         count, rows;
    uint64_t         messages, recipients, octets, states[SCHED_STATES];
    char             bytes[];
};

/* What is known of a letter while it is looked at. */
struct view {
    struct letter  *letter;
    struct envelope e;
    uint64_t        size;
    struct job     *job;        /* the most lively one */
};

/* -------------------------------------------------------------- matching -- */

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

static bool glob_any(struct slice pattern, struct slice text)
{
    return pattern.n == 0 || glob(pattern, text);
}

/* state_of - as people see it: what waits for its destination is deferred */

static enum sched_state state_of(const struct queue *q, const struct job *job)
{
    if (job->sched.state == SCHED_PARKED)
        return SCHED_LEASED;
    if (job->sched.state == SCHED_READY && sched_due(q->sched, &job->sched) > q->mono)
        return SCHED_DEFERRED;
    return (enum sched_state)job->sched.state;
}

static const char *const state_names[SCHED_STATES] = {
    [SCHED_PARKED] = "leased", [SCHED_READY] = "ready", [SCHED_LEASED] = "leased",
    [SCHED_DEFERRED] = "deferred", [SCHED_HELD] = "held",
};

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
        if (glob_any(f->destination, slice_of(job->sched.dest->text, job->sched.dest->n))
            && glob_any(f->state, slice_cstr(state_names[state_of(q, job)])))
            return true;
    return false;
}

static bool age_matches(const struct queue *q, const struct letter *m, const struct msg_query *f)
{
    int64_t age = q->wall - m->arrived;

    return (f->older <= 0 || age >= f->older) && (f->newer <= 0 || age <= f->newer);
}

/* view_take - read what must be read; false: gone, unreadable, or filtered out */

static bool view_take(struct queue *q, const struct question *ask, uint64_t id, struct view *v)
{
    static const uint8_t rank[SCHED_STATES] = { [SCHED_PARKED] = 3, [SCHED_LEASED] = 3,
                                                [SCHED_READY] = 2, [SCHED_DEFERRED] = 1 };
    struct slice envelope, body;
    struct letter *m = letter_get(q, id);

    if (m == NULL || !(m->flags & LETTER_DURABLE) || (m->flags & LETTER_REMOVED)
        || !age_matches(q, m, &ask->m) || !job_matches(q, m, &ask->m)
        || !letter_read(q, m, &envelope, &body))
        return false;
    *v = (struct view){ .letter = m, .size = letter_size(q, m, body) };
    if (!envelope_get(envelope, &v->e) || !glob_any(ask->m.sender, v->e.sender)
        || !rcpt_matches(v, ask->m.recipient))
        return false;
    for (struct job *job = NULL; (job = job_next(m, job)) != NULL; )
        if (v->job == NULL || rank[state_of(q, job)] > rank[state_of(q, v->job)])
            v->job = job;
    return true;
}

/* ------------------------------------------------------------------ rows -- */

static json_t *text(struct slice s)
{
    json_t *t = json_stringn(s.p != NULL ? s.p : "", s.n);

    return t != NULL ? t : json_string("(not UTF-8)");
}

static void put(json_t *row, const char *key, struct slice s)
{
    if (s.n > 0)
        json_object_set_new(row, key, text(s));
}

static void put_number(json_t *row, const char *key, uint64_t n)
{
    json_object_set_new(row, key, json_integer((json_int_t)n));
}

static void put_time(json_t *row, const char *key, int64_t wall)
{
    char time[HISTORY_TIME];

    json_object_set_new(row, key, json_string(history_time(wall, time)));
}

static void send_row(struct queue *q, struct question *ask, json_t *row)
{
    char *dump = row != NULL ? json_dumps(row, JSON_COMPACT) : NULL;

    (void)q;
    json_decref(row);
    if (dump != NULL)
        ask->asker->ops->row(ask->asker, &(struct msg_row){ ask->m.ticket, slice_cstr(dump) });
    ask->rows++;
    free(dump);
}

static bool in_jobs(struct letter *m, uint32_t index)
{
    for (struct job *job = NULL; (job = job_next(m, job)) != NULL; )
        if (job_has(job, index))
            return true;
    return false;
}

static json_t *waiting_rcpts(const struct view *v)
{
    struct wire w = wire_reader(v->e.rcpts);
    json_t *all = json_array();
    struct recipient r;

    for (uint32_t i = 0; json_array_size(all) < SHOWN && recipient_next(&w, &r); i++)
        if (in_jobs(v->letter, i))
            json_array_append_new(all, text(r.address));
    return all;
}

/* reason_of - why a job waits; past: the words of the last attempt */

static struct slice reason_of(const struct queue *q, const struct job *job,
                              const struct past *past)
{
    const struct destination *d = job->sched.dest;

    if (job->letter->flags & LETTER_HELD)
        return SLICE_LIT("held by a person");
    if (job->sched.state == SCHED_HELD)
        return SLICE_LIT("held by route");
    if (state_of(q, job) != SCHED_DEFERRED)
        return (struct slice){ 0 };
    if (job->sched.attempts > 0 && past != NULL && job_count(job) > 0
        && job_rcpt(job, 0) < past->n && past->rcpts[job_rcpt(job, 0)].known)
        return past->rcpts[job_rcpt(job, 0)].text;
    return slice_cstr(d->reason);
}

static void put_job(struct queue *q, json_t *row, const struct job *job, const struct past *past)
{
    int64_t due = sched_due(q->sched, &job->sched);

    put_number(row, "attempts", job->sched.attempts);
    put(row, "destination", slice_of(job->sched.dest->text, job->sched.dest->n));
    put(row, "reason", reason_of(q, job, past));
    if (state_of(q, job) == SCHED_DEFERRED && due > 0)
        put_time(row, "next", q->wall + due - q->mono);
}

static json_t *list_row(struct queue *q, const struct view *v, const struct past *past)
{
    char id[ID_TEXT + 1];
    json_t *row = json_object();

    json_object_set_new(row, "id", json_string(id_text(v->letter->entry.id, id)));
    json_object_set_new(row, "state", json_string(v->job != NULL
                        ? state_names[state_of(q, v->job)] : "leased"));
    json_object_set_new(row, "sender", text(v->e.sender));
    json_object_set_new(row, "recipients", waiting_rcpts(v));
    put_number(row, "pending", letter_pending(v->letter));
    put_number(row, "size", v->size);
    put_time(row, "arrived", v->e.arrived);
    if (v->job != NULL)
        put_job(q, row, v->job, past);
    return row;
}

static void do_list(struct queue *q, struct question *ask, const struct view *v)
{
    struct arena arena = ARENA(32 << 20);
    struct past past;
    bool known = past_read(q, v->letter, v->e.nrcpts, &arena, &past);

    send_row(q, ask, list_row(q, v, known ? &past : NULL));
    arena_free(&arena);
}

static void do_count(struct queue *q, struct question *ask, const struct view *v)
{
    ask->messages++;
    ask->octets += v->size;
    for (struct job *job = NULL; (job = job_next(v->letter, job)) != NULL; ) {
        ask->recipients += job_count(job);
        ask->states[state_of(q, job)] += job_count(job);
    }
}

/* ------------------------------------------------------------------ show -- */

static json_t *rcpt_row(const struct recipient *r, const struct past_rcpt *past)
{
    json_t *row = json_object();

    put(row, "address", r->address);
    put(row, "original", r->original);
    if (!past->known)
        return row;
    put(row, "status", past->status);
    put(row, "text", past->text);
    if (past->code != 0)
        put_number(row, "code", past->code);
    return row;
}

static json_t *part_row(struct queue *q, const struct view *v, const struct job *job,
                        const struct past *past)
{
    struct wire w = wire_reader(v->e.rcpts);
    json_t *row = json_object(), *rcpts = json_array();
    struct recipient r;

    json_object_set_new(row, "state", json_string(state_names[state_of(q, job)]));
    put_job(q, row, job, past);
    for (uint32_t i = 0; recipient_next(&w, &r); i++) {
        if (!job_has(job, i))
            continue;
        json_array_append_new(rcpts, rcpt_row(&r, &past->rcpts[i]));
        json_object_del(row, "sender");
        put(row, "sender", r.return_path);
        json_object_del(row, "host");
        put(row, "host", past->rcpts[i].host);
    }
    json_object_set_new(row, "recipients", rcpts);
    return row;
}

static json_t *done_rows(const struct view *v, const struct past *past)
{
    struct wire w = wire_reader(v->e.rcpts);
    json_t *all = json_array(), *row;
    struct recipient r;

    for (uint32_t i = 0; recipient_next(&w, &r); i++) {
        const struct past_rcpt *p = &past->rcpts[i];

        if (!p->known || p->fate == FATE_LATER)
            continue;
        row = rcpt_row(&r, p);
        put(row, "fate", slice_cstr(p->fate == FATE_DONE ? "delivered" : "failed"));
        put_time(row, "time", p->wall);
        put(row, "host", p->host);
        json_array_append_new(all, row);
    }
    return all;
}

static void do_show(struct queue *q, struct question *ask, const struct view *v)
{
    struct arena arena = ARENA(32 << 20);
    json_t *row, *parts = json_array();
    struct past past;

    if (!past_read(q, v->letter, v->e.nrcpts, &arena, &past)) {
        json_decref(parts);
        arena_free(&arena);
        return;
    }
    row = list_row(q, v, &past);
    put(row, "client", v->e.client);
    put(row, "helo", v->e.helo);
    put(row, "protocol", v->e.protocol);
    put(row, "listener", v->e.listener);
    put(row, "session", v->e.session);
    put_number(row, "flags", v->e.flags);
    put_time(row, "expires", v->letter->arrived + q->conf->queue.lifetime);
    for (struct job *job = NULL; (job = job_next(v->letter, job)) != NULL; )
        json_array_append_new(parts, part_row(q, v, job, &past));
    json_object_set_new(row, "parts", parts);
    json_object_set_new(row, "done", done_rows(v, &past));
    send_row(q, ask, row);
    arena_free(&arena);
}

/* --------------------------------------------------------------- changes -- */

static void append_one(struct queue *q, struct letter *m, enum record_type type,
                       struct slice head)
{
    struct bundle *u = bundle_new(m);

    if (u != NULL && bundle_add(u, type, m, head))
        bundle_append(q, u);
    else
        bundle_free(u);
}

static void do_hold(struct queue *q, struct question *ask, const struct view *v)
{
    struct letter *m = v->letter;

    if (m->flags & LETTER_HELD)
        return;
    m->flags |= LETTER_HELD;
    m->flags &= (uint16_t)~LETTER_RELEASED;
    for (struct job *job = NULL; (job = job_next(m, job)) != NULL; )
        if (job->sched.state == SCHED_READY || job->sched.state == SCHED_DEFERRED)
            sched_hold(q->sched, &job->sched);
    append_one(q, m, RECORD_HELD, SLICE_LIT("held by a person"));
    log_event(EVENT_HELD, LF_ID("id", m->entry.id));
    history_note(q, m->entry.id, EVENT_HELD, SLICE_LIT("held by a person"), (struct slice){ 0 });
    ask->count++;
}

static void let_go(struct queue *q, struct letter *m)
{
    m->flags &= (uint16_t)~LETTER_HELD;
    m->flags |= LETTER_RELEASED;
    for (struct job *job = NULL; (job = job_next(m, job)) != NULL; )
        if (job->sched.state == SCHED_HELD)
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

static void do_release(struct queue *q, struct question *ask, const struct view *v)
{
    if (!(v->letter->flags & LETTER_HELD) && !any_held(v->letter))
        return;
    let_go(q, v->letter);
    ask->count++;
}

static void do_retry(struct queue *q, struct question *ask, const struct view *v)
{
    if (v->letter->flags & LETTER_HELD)
        return;                 /* a person's hold is undone by release only */
    if (any_held(v->letter))
        let_go(q, v->letter);
    for (struct job *job = NULL; (job = job_next(v->letter, job)) != NULL; ) {
        if (job->sched.state != SCHED_DEFERRED && job->sched.state != SCHED_READY)
            continue;
        sched_forgive(q->sched, job->sched.dest);
        if (job->sched.state == SCHED_DEFERRED)
            sched_ready(q->sched, &job->sched);
    }
    ask->count++;
}

static void do_remove(struct queue *q, struct question *ask, const struct view *v)
{
    struct letter *m = v->letter;
    struct bundle *u;
    struct job *job, *next;

    if (m->flags & (LETTER_REMOVING | LETTER_CANCELLED))
        return;
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
    u = bundle_new(m);
    if (u != NULL)
        u->by = "person";
    letter_finish(q, m, u);
    if (u != NULL && u->n > 0)
        bundle_append(q, u);
    else
        bundle_free(u);
    count_add(removed, 1);
    ask->count++;
}

/* ------------------------------------------------------------ other verbs -- */

static void destination_row(struct queue *q, struct question *ask, const struct destination *d)
{
    json_t *row = json_object();

    put(row, "destination", slice_of(d->text, d->n));
    put(row, "state", slice_cstr(d->failures > 0 ? "trouble" : "ok"));
    put_number(row, "ready", d->count[SCHED_READY]);
    put_number(row, "leased", d->count[SCHED_LEASED] + d->count[SCHED_PARKED]);
    put_number(row, "deferred", d->count[SCHED_DEFERRED]);
    put_number(row, "held", d->count[SCHED_HELD]);
    put_number(row, "window", d->window);
    put_number(row, "failures", d->failures);
    put(row, "reason", slice_cstr(d->reason));
    if (d->until > 0)
        put_time(row, "next", q->wall + d->until - q->mono);
    send_row(q, ask, row);
    ask->count++;
}

static void destinations(struct queue *q, struct question *ask)
{
    struct destination *d;

    for (size_t at = 0; (d = sched_each(q->sched, &at)) != NULL; )
        if (glob_any(ask->m.destination, slice_of(d->text, d->n))
            && (ask->m.limit == 0 || ask->rows < ask->m.limit))
            destination_row(q, ask, d);
}

struct tracing {
    struct queue    *q;
    struct question *ask;
    uint64_t         seen[SHOWN];
    size_t           n;
};

static void remember(struct tracing *t, uint64_t id)
{
    for (size_t i = 0; i < t->n; i++)
        if (t->seen[i] == id)
            return;
    if (t->n < SHOWN)
        t->seen[t->n++] = id;
}

static bool trace_line(void *user, struct slice json)
{
    struct tracing *t = user;
    struct slice at = { json.p, json.n };
    uint64_t id;

    t->ask->asker->ops->row(t->ask->asker, &(struct msg_row){ t->ask->m.ticket, json });
    t->ask->rows++;
    /* our own lines begin with {"id":"..." */
    if (at.n > 7 + ID_TEXT && id_parse(slice_of(at.p + 7, ID_TEXT), &id))
        remember(t, id);
    return true;
}

static void trace_living(struct tracing *t, uint64_t id)
{
    struct question none = { .asker = t->ask->asker };
    char name[ID_TEXT + 1];
    struct view v;
    json_t *row;

    if (!view_take(t->q, &none, id, &v))
        return;
    row = list_row(t->q, &v, NULL);
    json_object_set_new(row, "id", json_string(id_text(id, name)));
    put_time(row, "time", t->q->wall);
    json_object_set_new(row, "event", json_string("waiting"));
    send_row(t->q, t->ask, row);
}

static void trace(struct queue *q, struct question *ask)
{
    struct tracing t = { .q = q, .ask = ask };
    size_t limit = ask->m.limit > 0 ? (size_t)ask->m.limit : SIZE_MAX;

    ask->count = history_trace(q->history, ask->m.id, ask->m.recipient, limit, trace_line, &t);
    if (ask->m.id != 0)
        remember(&t, ask->m.id);
    for (size_t i = 0; i < t.n; i++)
        trace_living(&t, t.seen[i]);
    if (ask->m.id != 0)
        ask->count = ask->rows > 0;
}

/* --------------------------------------------------------------- answers -- */

typedef void each_f(struct queue *q, struct question *ask, const struct view *v);
typedef void whole_f(struct queue *q, struct question *ask);

/* What a verb does: to each letter that matches, or as a whole. */
static const struct verb {
    each_f  *each;
    whole_f *whole;
    bool     changes;           /* needs a filter */
} verbs[QUERY_COUNT_OF_VERBS] = {
    [QUERY_LIST]         = { .each = do_list },
    [QUERY_COUNT]        = { .each = do_count },
    [QUERY_SHOW]         = { .each = do_show },
    [QUERY_RETRY]        = { .each = do_retry, .changes = true },
    [QUERY_HOLD]         = { .each = do_hold, .changes = true },
    [QUERY_RELEASE]      = { .each = do_release, .changes = true },
    [QUERY_REMOVE]       = { .each = do_remove, .changes = true },
    [QUERY_TRACE]        = { .whole = trace },
    [QUERY_DESTINATIONS] = { .whole = destinations },
};

static void finish(struct queue *q, struct question *ask, enum fate fate, const char *why)
{
    if (ask->m.verb == QUERY_COUNT && fate == FATE_DONE) {
        send_row(q, ask, json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I}",
            "messages", (json_int_t)ask->messages, "recipients", (json_int_t)ask->recipients,
            "bytes", (json_int_t)ask->octets, "ready", (json_int_t)ask->states[SCHED_READY],
            "leased", (json_int_t)ask->states[SCHED_LEASED],
            "deferred", (json_int_t)ask->states[SCHED_DEFERRED],
            "held", (json_int_t)ask->states[SCHED_HELD]));
        ask->count = ask->messages;
    }
    ask->asker->ops->done(ask->asker, &(struct msg_done){
        .ticket = ask->m.ticket, .fate = (uint8_t)fate, .count = ask->count,
        .text = slice_cstr(why) });
    list_remove(&ask->link);
    free(ask->ids);
    free(ask);
}

static void keep(struct slice *s, char **to)
{
    memcpy(*to, s->n > 0 ? s->p : "", s->n);
    s->p = *to;
    *to += s->n;
}

static struct question *question_new(struct peer *p, const struct msg_query *m)
{
    size_t n = m->sender.n + m->recipient.n + m->destination.n + m->state.n;
    struct question *ask = calloc(1, sizeof *ask + n);
    char *to;

    if (ask == NULL)
        return NULL;
    list_init(&ask->link);
    ask->asker = p;
    ask->m = *m;
    to = ask->bytes;
    keep(&ask->m.sender, &to);
    keep(&ask->m.recipient, &to);
    keep(&ask->m.destination, &to);
    keep(&ask->m.state, &to);
    return ask;
}

static int by_number(const void *a, const void *b)
{
    uint64_t x, y;

    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return x < y ? -1 : x > y;
}

static bool gather(struct queue *q, struct question *ask)
{
    struct letter *m;

    ask->ids = calloc(q->letters.n + 1, sizeof *ask->ids);
    if (ask->ids == NULL)
        return false;
    if (ask->m.id != 0) {
        ask->ids[ask->nids++] = ask->m.id;
        return true;
    }
    for (size_t at = 0; (m = roster_next(&q->letters, &at)) != NULL; )
        ask->ids[ask->nids++] = m->entry.id;
    qsort(ask->ids, ask->nids, sizeof *ask->ids, by_number);
    return true;
}

static const char *objection(const struct question *ask)
{
    const struct msg_query *m = &ask->m;
    bool filtered = m->id != 0 || m->sender.n + m->recipient.n + m->destination.n + m->state.n > 0
                 || m->older > 0 || m->newer > 0;

    if (verbs[m->verb].changes && !filtered)
        return "say which messages: an id or a filter";
    if (m->verb == QUERY_TRACE && m->id == 0 && m->recipient.n == 0)
        return "say which message: an id or an address";
    return NULL;
}

bool people_query(struct queue *q, struct peer *p, const struct msg_query *m)
{
    struct question *ask;

    if (m->verb >= QUERY_COUNT_OF_VERBS || m->sender.n > QUERY_TEXT_MAX
        || m->recipient.n > QUERY_TEXT_MAX || m->destination.n > QUERY_TEXT_MAX
        || m->state.n > QUERY_TEXT_MAX)
        return false;
    ask = question_new(p, m);
    if (ask == NULL)
        return true;
    list_push(&q->questions, &ask->link);
    if (objection(ask) != NULL) {
        finish(q, ask, FATE_NEVER, objection(ask));
    } else if (verbs[m->verb].whole != NULL) {
        verbs[m->verb].whole(q, ask);
        finish(q, ask, FATE_DONE, NULL);
    } else if (!gather(q, ask)) {
        finish(q, ask, FATE_LATER, "no memory");
    }
    if (verbs[m->verb].changes)
        log_event(EVENT_CONTROL, LF_NUM("verb", m->verb), LF_ID("id", m->id));
    return true;
}

static bool full(const struct question *ask)
{
    const struct peer *p = ask->asker;

    return p->ops->pending != NULL && p->ops->pending(p) > ROWS_PENDING;
}

static bool enough(const struct question *ask)
{
    return ask->at == ask->nids || (ask->m.limit > 0 && ask->rows + ask->count >= ask->m.limit);
}

static void work_on(struct queue *q, struct question *ask)
{
    struct view v;
    bool counts = ask->m.verb == QUERY_LIST || ask->m.verb == QUERY_SHOW;

    for (unsigned i = 0; i < PER_TURN && !enough(ask) && !full(ask); i++)
        if (view_take(q, ask, ask->ids[ask->at++], &v))
            verbs[ask->m.verb].each(q, ask, &v);
    if (!enough(ask))
        return;
    if (counts)
        ask->count = ask->rows;
    finish(q, ask, FATE_DONE, NULL);
}

bool people_work(struct queue *q)
{
    struct list *first = list_pop(&q->questions);
    struct question *ask;

    if (first == NULL)
        return false;
    list_push(&q->questions, first);        /* the others' turn is next */
    ask = LIST_OWNER(first, struct question, link);
    work_on(q, ask);
    return !list_empty(&q->questions);
}

void people_gone(struct queue *q, struct peer *p)
{
    struct list *l, *next;

    for (l = q->questions.next; l != &q->questions; l = next) {
        struct question *ask = LIST_OWNER(l, struct question, link);

        next = l->next;
        if (ask->asker != p)
            continue;
        list_remove(l);
        free(ask->ids);
        free(ask);
    }
}
