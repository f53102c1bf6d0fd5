/* rows.c - a letter, or a destination, as the JSON that people get. */
#include "queue/history.h"
#include "queue/rows.h"
#include "queue/times.h"

enum { SHOWN = 100 };            /* recipients in a row */

static json_t *text(struct slice s)
{
    json_t *t = json_stringn(s.p != NULL ? s.p : "", s.n);

    return t != NULL ? t : json_string("(not UTF-8)");
}

void row_put(json_t *row, const char *key, struct slice s)
{
    if (s.n > 0)
        json_object_set_new(row, key, text(s));
}

void row_put_number(json_t *row, const char *key, uint64_t n)
{
    json_object_set_new(row, key, json_integer((json_int_t)n));
}

void row_put_time(json_t *row, const char *key, int64_t wall)
{
    char time[HISTORY_TIME];

    json_object_set_new(row, key, json_string(history_time(wall, time)));
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
    if (match_state(q, job) != SCHED_DEFERRED)
        return (struct slice){ 0 };
    if (job->sched.attempts > 0 && past != NULL && job_count(job) > 0
        && job_rcpt(job, 0) < past->n && past->rcpts[job_rcpt(job, 0)].known)
        return past->rcpts[job_rcpt(job, 0)].text;
    return slice_cstr(d->reason);
}

static void put_job(struct queue *q, json_t *row, const struct job *job, const struct past *past)
{
    int64_t due = sched_due(q->sched, &job->sched);

    row_put_number(row, "attempts", job->sched.attempts);
    row_put(row, "destination", slice_of(job->sched.dest->text, job->sched.dest->n));
    row_put(row, "reason", reason_of(q, job, past));
    if (match_state(q, job) == SCHED_DEFERRED && due > 0)
        row_put_time(row, "next", q->wall + due - q->mono);
}

json_t *row_list(struct queue *q, const struct view *v, const struct past *past)
{
    char id[ID_TEXT + 1];
    json_t *row = json_object();

    json_object_set_new(row, "id", json_string(id_text(v->letter->entry.id, id)));
    json_object_set_new(row, "state", json_string(v->job != NULL
                        ? match_state_name(q, v->job) : "leased"));
    json_object_set_new(row, "sender", text(v->e.sender));
    json_object_set_new(row, "recipients", waiting_rcpts(v));
    row_put_number(row, "pending", letter_pending(v->letter));
    row_put_number(row, "size", v->size);
    row_put_time(row, "arrived", v->e.arrived);
    if (v->job != NULL)
        put_job(q, row, v->job, past);
    return row;
}

/* ------------------------------------------------------------------ show -- */

static json_t *rcpt_row(const struct recipient *r, const struct past_rcpt *past)
{
    json_t *row = json_object();

    row_put(row, "address", r->address);
    row_put(row, "original", r->original);
    if (!past->known)
        return row;
    row_put(row, "status", past->status);
    row_put(row, "text", past->text);
    if (past->code != 0)
        row_put_number(row, "code", past->code);
    return row;
}

static json_t *part_row(struct queue *q, const struct view *v, const struct job *job,
                        const struct past *past)
{
    struct wire w = wire_reader(v->e.rcpts);
    json_t *row = json_object(), *rcpts = json_array();
    struct recipient r;

    json_object_set_new(row, "state", json_string(match_state_name(q, job)));
    put_job(q, row, job, past);
    for (uint32_t i = 0; recipient_next(&w, &r); i++) {
        if (!job_has(job, i))
            continue;
        json_array_append_new(rcpts, rcpt_row(&r, &past->rcpts[i]));
        json_object_del(row, "sender");
        row_put(row, "sender", r.return_path);
        json_object_del(row, "host");
        row_put(row, "host", past->rcpts[i].host);
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
        row_put(row, "fate", slice_cstr(p->fate == FATE_DONE ? "delivered" : "failed"));
        row_put_time(row, "time", p->wall);
        row_put(row, "host", p->host);
        json_array_append_new(all, row);
    }
    return all;
}

json_t *row_show(struct queue *q, const struct view *v, const struct past *past)
{
    json_t *row = row_list(q, v, past), *parts = json_array();

    row_put(row, "client", v->e.client);
    row_put(row, "helo", v->e.helo);
    row_put(row, "protocol", v->e.protocol);
    row_put(row, "listener", v->e.listener);
    row_put(row, "session", v->e.session);
    row_put_number(row, "flags", v->e.flags);
    row_put_time(row, "expires", times_since(q, v->letter) + q->conf->queue.lifetime);
    for (struct job *job = NULL; (job = job_next(v->letter, job)) != NULL; )
        json_array_append_new(parts, part_row(q, v, job, past));
    json_object_set_new(row, "parts", parts);
    json_object_set_new(row, "done", done_rows(v, past));
    return row;
}

/* ---------------------------------------------------------- destinations -- */

json_t *row_destination(struct queue *q, const struct destination *d)
{
    json_t *row = json_object();

    row_put(row, "destination", slice_of(d->text, d->n));
    row_put(row, "state", slice_cstr(d->failures > 0 ? "trouble" : "ok"));
    row_put_number(row, "ready", d->count[SCHED_READY]);
    row_put_number(row, "leased", d->count[SCHED_LEASED] + d->count[SCHED_PARKED]);
    row_put_number(row, "deferred", d->count[SCHED_DEFERRED]);
    row_put_number(row, "held", d->count[SCHED_HELD]);
    row_put_number(row, "window", d->window);
    row_put_number(row, "failures", d->failures);
    row_put(row, "reason", slice_cstr(d->reason));
    if (d->until > 0)
        row_put_time(row, "next", q->wall + d->until - q->mono);
    return row;
}
