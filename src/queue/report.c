/* report.c - gathering failures, finding the reader, writing the report. */
#include <stdlib.h>
#include "log/log.h"
#include "mail/dsn.h"
#include "queue/cache.h"
#include "queue/history.h"
#include "queue/outcome.h"
#include "queue/past.h"
#include "queue/report.h"
#include "queue/route.h"

enum { READERS = 100, ORIGINAL_MAX = 1 << 20, ARENA_MAX = 64 << 20 };

static const int64_t PATIENCE = 30 * 1000, ASK_AGAIN = 30 * 1000;

/* Whom a report goes to: addresses for its envelope. */
struct readers {
    struct slice to[READERS];
    size_t       n;
};

static struct report *report_make(struct queue *q, struct letter *m)
{
    struct report *r = report_get(q, m);

    if (r != NULL)
        return r;
    r = calloc(1, sizeof *r);
    if (r == NULL)
        return NULL;
    r->id = m->entry.id;
    r->letter = m;
    r->arena = ARENA(ARENA_MAX);
    r->since = q->mono;
    if (!roster_put(&q->reports, r)) {
        free(r);
        return NULL;
    }
    m->flags |= LETTER_FAILING;
    return r;
}

static void report_end(struct queue *q, struct report *r)
{
    roster_take(&q->reports, r->id);
    r->letter->flags &= (uint16_t)~LETTER_FAILING;
    arena_free(&r->arena);
    free(r);
}

void report_forget(struct queue *q, struct letter *m)
{
    struct report *r = report_get(q, m);

    if (r != NULL)
        report_end(q, r);
}

/* report_add - without memory for it the recipient is tried once more */

void report_add(struct queue *q, struct letter *m, const struct failure *f)
{
    struct report *r = report_make(q, m);
    struct failure *copy = r != NULL ? arena_alloc(&r->arena, sizeof *copy) : NULL;
    struct failure **end;

    if (f->expired) {
        count_add(expired, 1);
        log_event(EVENT_EXPIRED, LF_ID("id", m->entry.id), LF_TEXT("to", f->address),
                  LF_TEXT("text", f->text));
        history_note(q, m->entry.id, EVENT_EXPIRED, f->address, f->text);
    }
    if (copy == NULL || r->arena.spent) {
        m->flags |= LETTER_ASTRAY;
        return;
    }
    *copy = *f;
    copy->next = NULL;
    copy->return_path = arena_copy(&r->arena, f->return_path);
    copy->address = arena_copy(&r->arena, f->address);
    copy->original = arena_copy(&r->arena, f->original);
    copy->status = arena_copy(&r->arena, f->status);
    copy->text = arena_copy(&r->arena, f->text);
    copy->host = arena_copy(&r->arena, f->host);
    for (end = &r->failures; *end != NULL; end = &(*end)->next)
        ;
    *end = copy;
}

/* ------------------------------------------------------------ the content -- */

/* parse_status - "5.1.1"; all zero if it is not one */

static void parse_status(struct slice text, unsigned status[3])
{
    struct slice part, rest = text;
    uint64_t v = 0;

    for (size_t i = 0; i < 3; i++) {
        slice_cut(rest, '.', &part, &rest);
        if (!slice_u64(part, &v) || v > 999) {
            status[0] = status[1] = status[2] = 0;
            return;
        }
        status[i] = (unsigned)v;
    }
}

/* host_name - "mx1.example.org [192.0.2.1]:25" without what follows the name */

static struct slice host_name(struct slice host)
{
    return slice_first(host, slice_chr(host, ' '));
}

static struct dsn_rcpt dsn_of(const struct failure *f)
{
    struct dsn_rcpt d = {
        .address = f->address, .original = f->original, .code = f->code, .text = f->text,
        .remote = f->code != 0 ? host_name(f->host) : (struct slice){ 0 },
        .last_attempt = f->wall,
    };

    parse_status(f->status, d.status);
    if (f->expired) {           /* RFC 3463: delivery time expired */
        d.status[0] = 4;
        d.status[1] = 4;
        d.status[2] = 7;
    }
    return d;
}

/* rcpts_failed - the failures with this return path */

static size_t rcpts_failed(const struct report *r, struct dsn_rcpt *rcpts)
{
    size_t n = 0;

    for (const struct failure *f = r->failures; f != NULL; f = f->next)
        if (slice_eq(f->return_path, r->to))
            rcpts[n++] = dsn_of(f);
    return n;
}

static bool waiting(struct letter *m, uint32_t index)
{
    for (struct job *job = NULL; (job = job_next(m, job)) != NULL; )
        if (job_has(job, index))
            return true;
    return false;
}

/* rcpts_late - who still waits, with the words of the last attempt */

static size_t rcpts_late(struct queue *q, struct letter *m, const struct envelope *e,
                         struct arena *arena, struct dsn_rcpt *rcpts)
{
    struct wire w = wire_reader(e->rcpts);
    struct recipient r;
    struct past past;
    size_t n = 0;

    if (!past_read(q, m, e->nrcpts, arena, &past))
        return 0;
    for (uint32_t i = 0; recipient_next(&w, &r); i++) {
        if (r.return_path.n > 0 || !waiting(m, i))
            continue;
        rcpts[n] = (struct dsn_rcpt){
            .address = r.address, .original = r.original, .code = past.rcpts[i].code,
            .text = past.rcpts[i].text, .last_attempt = past.rcpts[i].wall,
            .remote = past.rcpts[i].code != 0 ? host_name(past.rcpts[i].host) : (struct slice){ 0 },
            .retry_until = m->arrived + q->conf->queue.lifetime,
        };
        parse_status(past.rcpts[i].status, rcpts[n++].status);
    }
    return n;
}

/* read_large - the beginning of a large body, into `to` */

static struct slice read_large(struct queue *q, const struct letter *m, size_t most,
                               uint64_t *length, struct buf *to)
{
    int handle = journal_large_open(q->journal, &m->entry, length);
    size_t n = *length < most ? (size_t)*length : most;
    char *room;
    ssize_t got;

    if (handle < 0)
        return (struct slice){ 0 };
    room = buf_room(to, n);
    got = room != NULL ? q->disk->read(q->disk->ctx, handle, room, n, 0) : 0;
    q->disk->close(q->disk->ctx, handle);
    if (got > 0)
        buf_added(to, (size_t)got);
    return buf_view(to);
}

/* compose - the whole report into `out` */

static bool compose(struct queue *q, struct report *r, const struct envelope *e,
                    struct slice body, uint64_t id, struct buf *out, bool *eight_bit)
{
    struct arena arena = ARENA(ARENA_MAX);
    struct buf original = BUF(ORIGINAL_MAX);
    uint64_t length = body.n;
    struct dsn dsn = {
        .kind = r->warning ? DSN_DELAYED : DSN_FAILED, .hostname = q->conf->hostname,
        .to = r->to, .id = id, .original_id = r->id, .now = q->wall, .arrived = e->arrived,
        .sender = e->sender, .body_max = q->conf->queue.bounce_body,
    };
    struct dsn_rcpt *rcpts = arena_array(&arena, e->nrcpts, sizeof *rcpts);
    bool ok = false;

    if (r->letter->entry.flags & JOURNAL_LARGE)
        body = read_large(q, r->letter, ORIGINAL_MAX, &length, &original);
    if (rcpts != NULL)
        dsn.nrcpts = r->warning ? rcpts_late(q, r->letter, e, &arena, rcpts)
                                : rcpts_failed(r, rcpts);
    dsn.rcpts = rcpts;
    dsn.message = body;
    dsn.message_size = length;
    if (dsn.nrcpts > 0)
        ok = dsn_write(&dsn, out, eight_bit);
    buf_free(&original);
    arena_free(&arena);
    return ok;
}

/* address - the envelope of the report. A report about mail in the sink stays in the sink. */

static bool address(struct queue *q, const struct envelope *of, const struct readers *readers,
                    bool eight_bit, struct buf *out)
{
    struct buf rcpts = BUF(ENVELOPE_MAX);
    struct wire w = wire_writer(&rcpts), all = wire_writer(out);
    struct envelope e = {
        .arrived = q->wall, .protocol = SLICE_LIT("local"), .listener = of->listener,
        .flags = ENV_BOUNCE | (of->flags & ENV_SINK) | (eight_bit ? ENV_8BIT | ENV_BODY8 : 0),
        .nrcpts = (uint32_t)readers->n,
    };

    for (size_t i = 0; i < readers->n; i++)
        recipient_put(&w, &(struct recipient){ .address = readers->to[i] });
    e.rcpts = buf_view(&rcpts);
    envelope_put(&all, &e);
    buf_free(&rcpts);
    return !w.bad && !all.bad;
}

/* ------------------------------------------------------------- the letter -- */

static struct letter *report_letter(struct queue *q, uint64_t id, struct slice envelope,
                                    struct slice body)
{
    struct letter *m = letter_new(&q->pages);

    if (m == NULL)
        return NULL;
    m->entry.id = id;
    m->nonce = nonce_fold(id);
    m->arrived = q->wall;
    m->flags = LETTER_BOUNCE;
    if (!roster_put(&q->letters, m)) {
        letter_free(&q->pages, m);
        return NULL;
    }
    if (!route_letter(q, m, envelope, NULL)) {
        letter_drop(q, m);
        return NULL;
    }
    cache_put(q->cache, id, envelope, body);
    return m;
}

void report_born(struct queue *q, struct letter *m)
{
    struct slice envelope, body;

    m->flags |= LETTER_DURABLE;
    count_add(bounces, 1);
    log_event(EVENT_QUEUED, LF_ID("id", m->entry.id), LF_STR("report", "yes"),
              LF_NUM("bytes", m->entry.length));
    if (q->history != NULL && letter_read(q, m, &envelope, &body))
        history_received(q, m->entry.id, envelope, body.n);
    letter_start(q, m);
}

/* put_failures - OUTCOME records: one for each host, the last takes the rest */

static bool put_failures(struct bundle *u, struct report *r)
{
    const struct failure *f = r->failures;
    struct buf outcomes = BUF(PAST_HEAD_MAX), bytes = BUF(PAST_HEAD_MAX + 8192);
    struct wire w = wire_writer(&outcomes), out = wire_writer(&bytes);
    bool ok = true;

    while (ok && f != NULL) {
        struct past_head head = { .host = f->host, .flags = f->expired ? PAST_EXPIRED : 0 };

        buf_clear(&outcomes);
        buf_clear(&bytes);
        for (; f != NULL && (u->n + 3 >= BUNDLE_RECORDS || slice_eq(f->host, head.host)); f = f->next)
            if (slice_eq(f->return_path, r->to)) {
                outcome_put(&w, &(struct outcome){ .index = f->index, .fate = FATE_NEVER,
                    .code = f->code, .status = f->status, .text = f->text });
                head.noutcomes++;
            }
        head.outcomes = buf_view(&outcomes);
        past_put(&out, &head);
        ok = !w.bad && !out.bad
          && (head.noutcomes == 0 || bundle_add(u, RECORD_OUTCOME, r->letter, buf_view(&bytes)));
    }
    buf_free(&outcomes);
    buf_free(&bytes);
    return ok;
}

static bool put_warned(struct bundle *u, struct letter *m)
{
    struct buf bytes = BUF(256);
    struct wire out = wire_writer(&bytes);
    bool ok;

    past_put(&out, &(struct past_head){ .flags = PAST_WARNED });
    ok = !out.bad && bundle_add(u, RECORD_OUTCOME, m, buf_view(&bytes));
    buf_free(&bytes);
    return ok;
}

/* told - what was reported waits no more */

static void told(struct report *r)
{
    struct failure **at = &r->failures;

    if (r->warning) {
        r->letter->flags |= LETTER_WARNED;
        r->warn = r->warning = false;
        return;
    }
    while (*at != NULL)
        if (slice_eq((*at)->return_path, r->to))
            *at = (*at)->next;
        else
            at = &(*at)->next;
}

static void tell(struct queue *q, const struct report *r, const struct letter *born)
{
    enum event event = born == NULL ? EVENT_DOUBLE_BOUNCE : r->warning ? EVENT_WARNED
                                                                       : EVENT_BOUNCED;
    char id[ID_TEXT + 1];

    if (born == NULL && r->warning)
        return;                 /* nobody to warn: nothing has happened */
    id_text(born != NULL ? born->entry.id : 0, id);
    log_event(event, LF_ID("id", r->id), LF_TEXT("to", r->to),
              LF_STR("report", born != NULL ? id : ""));
    history_note(q, r->id, event, r->to, born != NULL ? slice_cstr(id) : (struct slice){ 0 });
}

/* close_unit - the end of both ways: append, and go on with the next group */

static void finish_write(struct queue *q, struct report *r, struct bundle *u, struct letter *born)
{
    struct letter *m = r->letter;

    tell(q, r, born);
    told(r);
    if (r->failures == NULL && !r->warn) {
        report_end(q, r);
        letter_finish(q, m, u);
    }
    if (u->n > 0)
        bundle_append(q, u);
    else
        bundle_free(u);
    if (m->flags & LETTER_FAILING)
        report_consider(q, m);
}

static bool records(struct bundle *u, struct report *r)
{
    return r->warning ? put_warned(u, r->letter) : put_failures(u, r);
}

/* write_nobody - there is nobody to tell; the failures are final all the same */

static bool write_nobody(struct queue *q, struct report *r)
{
    struct bundle *u = bundle_new(r->letter);

    if (u == NULL || (!r->warning && !records(u, r))) {
        bundle_free(u);
        return false;
    }
    finish_write(q, r, u, NULL);
    return true;
}

static struct letter *make(struct queue *q, struct report *r, const struct readers *readers,
                           struct bundle *u)
{
    struct buf envelope = BUF(ENVELOPE_MAX), text = BUF(64 << 20);
    uint64_t id = id_next(&q->ids, q->wall);
    struct slice original, body;
    struct letter *born = NULL;
    bool eight_bit = false;
    struct envelope e;

    if (letter_read(q, r->letter, &original, &body) && envelope_get(original, &e)
        && compose(q, r, &e, body, id, &text, &eight_bit)
        && address(q, &e, readers, eight_bit, &envelope))
        born = report_letter(q, id, buf_view(&envelope), buf_view(&text));
    if (born != NULL && !(bundle_add_report(u, born, buf_view(&envelope), buf_view(&text))
                          && records(u, r))) {
        letter_drop(q, born);
        born = NULL;
    }
    buf_free(&envelope);
    buf_free(&text);
    return born;
}

static bool write_to(struct queue *q, struct report *r, const struct readers *readers)
{
    struct bundle *u = bundle_new(r->letter);
    struct letter *born = u != NULL ? make(q, r, readers, u) : NULL;

    if (born == NULL) {
        bundle_free(u);
        return false;
    }
    finish_write(q, r, u, born);
    return true;
}

/* ------------------------------------------------------------- the reader -- */

/* later - something is missing just now */

static void later(struct queue *q, struct report *r)
{
    r->asking = false;
    r->retry = q->mono + ASK_AGAIN;
}

static void ask(struct queue *q, struct report *r)
{
    struct peer *p = LIST_OWNER(q->lookups.next, struct peer, link);

    if (list_empty(&q->lookups)) {
        later(q, r);
        return;
    }
    r->asking = true;
    r->retry = q->mono + ASK_AGAIN;
    p->ops->resolve(p, &(struct msg_resolve){ .ticket = r->id, .address = r->to });
}

static bool in_sink(struct queue *q, const struct letter *m)
{
    struct slice envelope, body;
    struct envelope e;

    return letter_read(q, (struct letter *)m, &envelope, &body) && envelope_get(envelope, &e)
        && (e.flags & ENV_SINK);
}

static void begin(struct queue *q, struct report *r)
{
    struct readers readers = { .to = { r->to }, .n = 1 };
    bool ok = true;

    if (r->to.n == 0 || (r->letter->flags & LETTER_BOUNCE))
        ok = write_nobody(q, r);
    else if (conf_domain_find(q->conf, route_domain(r->to)) == NULL || in_sink(q, r->letter))
        ok = write_to(q, r, &readers);
    else
        ask(q, r);
    if (!ok)
        later(q, r);
}

bool report_resolved(struct queue *q, const struct msg_resolved *m)
{
    struct report *r = roster_get(&q->reports, m->ticket);
    struct wire w = wire_reader(m->entries);
    struct readers readers = { .n = 0 };

    for (uint32_t i = 0; i < m->nentries && !w.bad; i++) {
        struct slice to = wire_get_bytes(&w);

        wire_get_bytes(&w);     /* a list's return path: a report has none */
        if (readers.n < READERS && to.n > 0)
            readers.to[readers.n++] = to;
    }
    if (!wire_done(&w) || m->fate > FATE_NEVER)
        return false;
    if (r == NULL || !r->asking)
        return true;            /* an answer that came too late */
    r->asking = false;
    r->retry = 0;
    if (m->fate == FATE_LATER
        || !(m->fate == FATE_DONE && readers.n > 0 ? write_to(q, r, &readers)
                                                   : write_nobody(q, r)))
        later(q, r);
    return true;
}

void report_lookup_gone(struct queue *q)
{
    struct report *r;

    for (size_t at = 0; (r = roster_next(&q->reports, &at)) != NULL; )
        if (r->asking)
            later(q, r);
}

/* -------------------------------------------------------------- the moment -- */

/* busy - will more be known about this letter in a moment? */

static bool busy(struct queue *q, struct letter *m)
{
    for (struct job *job = NULL; (job = job_next(m, job)) != NULL; )
        if (job->sched.state == SCHED_LEASED || job->sched.state == SCHED_PARKED
            || (job->sched.state == SCHED_READY && sched_due(q->sched, &job->sched) == 0))
            return true;
    return false;
}

static void go(struct queue *q, struct report *r)
{
    struct slice envelope, body;
    struct envelope e;

    r->retry = 0;
    if (r->failures != NULL) {
        r->warning = false;
        r->to = r->failures->return_path;
    } else if (letter_read(q, r->letter, &envelope, &body) && envelope_get(envelope, &e)) {
        r->warning = true;
        r->to = arena_copy(&r->arena, e.sender);
    } else {
        later(q, r);
        return;
    }
    begin(q, r);
}

void report_consider(struct queue *q, struct letter *m)
{
    struct report *r = report_get(q, m);

    if (r == NULL || r->asking || r->retry > q->mono)
        return;
    if (r->failures != NULL && busy(q, m) && q->mono < r->since + PATIENCE)
        return;
    go(q, r);
}

void report_work(struct queue *q)
{
    uint64_t due[64];
    size_t n = 0;
    struct report *r;

    for (size_t at = 0; n < 64 && (r = roster_next(&q->reports, &at)) != NULL; ) {
        if (r->asking && r->retry <= q->mono)
            r->asking = false;          /* lookup is silent: ask once more */
        if (!r->asking && r->retry <= q->mono
            && (r->since + PATIENCE <= q->mono || !busy(q, r->letter)))
            due[n++] = r->id;
    }
    for (size_t i = 0; i < n; i++)
        if ((r = roster_get(&q->reports, due[i])) != NULL)
            report_consider(q, r->letter);
}

void report_warn(struct queue *q, struct letter *m)
{
    struct report *r;

    if (m->flags & LETTER_BOUNCE) {
        m->flags |= LETTER_WARNED;
        return;
    }
    r = report_make(q, m);
    if (r == NULL)
        return;
    r->warn = true;
    report_consider(q, m);
}
