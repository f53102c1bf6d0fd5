/* rows.c - a letter, or a destination, as the JSON that people get. */
#include "base/date.h"
#include "queue/asked.h"
#include "queue/rows.h"
#include "queue/times.h"

enum { SHOWN = 100 /* recipients in a row */, EXTRA_SHOWN = 1000 /* bytes */ };

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
    char time[DATE_TEXT];

    json_object_set_new(row, key, json_string(date_stamp_ms(wall, time)));
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
                              const struct past *past, struct buf *text)
{
    const struct destination *d = job->sched.dest;
    char until[DATE_TEXT];

    if (job->letter->flags & LETTER_HELD)
        return SLICE_LIT("held by a person");
    if (job->sched.state == SCHED_HELD)
        return SLICE_LIT("held by route");
    if (times_wait(q, job->letter) > 0) {
        buf_printf(text, "held until %s on the sender's request",
                   date_stamp_ms(times_get(q, job->letter)->hold, until));
        return buf_view(text);
    }
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
    struct buf text = BUF(200);

    row_put_number(row, "attempts", job->sched.attempts);
    row_put(row, "destination", slice_of(job->sched.dest->text, job->sched.dest->n));
    row_put(row, "reason", reason_of(q, job, past, &text));
    buf_free(&text);
    if (match_state(q, job) == SCHED_DEFERRED && due > 0)
        row_put_time(row, "next", q->wall + due - q->mono);
}

static void put_integer(json_t *row, const char *key, int n)
{
    json_object_set_new(row, key, json_integer(n));
}

/* put_asked - what its sender asked for with it */

static void put_asked(json_t *row, const struct view *v)
{
    struct asked a = asked_of(v->e.extra);

    if (a.priority != 0)
        put_integer(row, "priority", a.priority);
    if (a.hold != 0)
        row_put_time(row, "hold_until", a.hold);
    if (a.by != 0) {
        row_put_time(row, "deliver_by", a.by);
        json_object_set_new(row, "deliver_by_mode", json_string(
            a.by_return ? (a.by_trace ? "RT" : "R") : a.by_trace ? "NT" : "N"));
    }
    if (a.verb != ASKED_MAIL)
        row_put(row, "verb", slice_cstr(asked_verb_name(a.verb)));
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
    put_asked(row, v);
    if (v->job != NULL)
        put_job(q, row, v->job, past);
    return row;
}

/* ------------------------------------------------------------------ show -- */

static void put_extra(json_t *row, const char *key, struct slice extra, enum envelope_extra name)
{
    struct slice value;

    if (extra.n > 0 && extra_get(extra, name, &value))
        row_put(row, key, slice_first(value, EXTRA_SHOWN));
}

/* put_xtext - decoded; as it came if it cannot be */

static void put_xtext(json_t *row, const char *key, struct slice extra, enum envelope_extra name)
{
    struct arena arena = ARENA(1 << 16);
    struct slice decoded = asked_xtext(extra, name, &arena);

    if (decoded.n > 0)
        row_put(row, key, decoded);
    else
        put_extra(row, key, extra, name);
    arena_free(&arena);
}

static json_t *rcpt_row(const struct recipient *r, const struct past_rcpt *past)
{
    json_t *row = json_object();

    row_put(row, "address", r->address);
    row_put(row, "original", r->original);
    put_extra(row, "expanded", r->extra, EXTRA_EXPANDED);
    put_extra(row, "notify", r->extra, EXTRA_NOTIFY);
    put_xtext(row, "orcpt", r->extra, EXTRA_ORCPT);
    put_extra(row, "rrvs", r->extra, EXTRA_RRVS);
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

/* Words for enum envelope_flags. */
static const struct { uint32_t flag; const char *word; } flags[] = {
    { ENV_8BIT, "8BIT" }, { ENV_BODY8, "BODY=8BITMIME" }, { ENV_SINK, "SINK" },
    { ENV_BOUNCE, "REPORT" }, { ENV_BINARY, "BODY=BINARYMIME" }, { ENV_UTF8, "SMTPUTF8" },
    { ENV_REQUIRETLS, "REQUIRETLS" }, { ENV_TLS_OPTIONAL, "TLS-REQUIRED=NO" },
    { ENV_BARE, "BARE" }, { ENV_SECURE, "TLS" }, { ENV_AUTHENTICATED, "AUTHENTICATED" },
};

static json_t *flag_words(uint32_t of)
{
    json_t *all = json_array();

    for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++)
        if (of & flags[i].flag)
            json_array_append_new(all, json_string(flags[i].word));
    return all;
}

/* put_origin - how it came */

static void put_origin(json_t *row, const struct envelope *e)
{
    row_put(row, "client", e->client);
    row_put(row, "helo", e->helo);
    row_put(row, "protocol", e->protocol);
    row_put(row, "listener", e->listener);
    row_put(row, "session", e->session);
    put_extra(row, "tls", e->extra, EXTRA_TLS);
    put_extra(row, "account", e->extra, EXTRA_ACCOUNT);
    put_extra(row, "auth", e->extra, EXTRA_AUTH);
    put_extra(row, "ret", e->extra, EXTRA_RET);
    put_xtext(row, "envid", e->extra, EXTRA_ENVID);
    put_extra(row, "xforward", e->extra, EXTRA_XFORWARD);
    put_extra(row, "solicit", e->extra, EXTRA_SOLICIT);
    json_object_set_new(row, "flags", flag_words(e->flags));
}

json_t *row_show(struct queue *q, const struct view *v, const struct past *past)
{
    json_t *row = row_list(q, v, past), *parts = json_array();

    put_origin(row, &v->e);
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
