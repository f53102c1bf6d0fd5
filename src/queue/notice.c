/* notice.c - what a report says, and its envelope. */
#include "queue/asked.h"
#include "queue/notice.h"
#include "queue/past.h"
#include "queue/times.h"

enum { ORIGINAL_MAX = 1 << 20, ARENA_MAX = 64 << 20 };

static const int64_t ORIGINAL_WAIT = 10 * 60 * 1000;    /* ms */

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

/* Ours, where nobody else gave one (RFC 3463): delivery time expired. */
static const unsigned expired_status[][3] = {
    [FAILURE_SAID] = { 0 }, [FAILURE_EXPIRED] = { 4, 4, 7 }, [FAILURE_BY] = { 5, 4, 7 },
};

static struct dsn_rcpt dsn_of(const struct tiding *t)
{
    struct dsn_rcpt d = {
        .address = t->address, .original = t->original, .code = t->code, .text = t->text,
        .remote = t->code != 0 ? host_name(t->host) : (struct slice){ 0 },
        .last_attempt = t->wall, .own_kind = true, .kind = t->kind,
    };

    if (t->failure == FAILURE_SAID)
        parse_status(t->status, d.status);
    else
        memcpy(d.status, expired_status[t->failure], sizeof d.status);
    return d;
}

/* is_rrvs - the recipient is somebody else by now (RFC 7293 §5) */

static bool is_rrvs(const struct dsn_rcpt *d)
{
    return d->status[0] == 5 && d->status[1] == 7 && (d->status[2] == 17 || d->status[2] == 18);
}

static void add_asked(struct dsn_rcpt *d, struct slice extra, struct arena *arena)
{
    if (asked_origin(extra) != ASKED_BY_LIST || d->kind == DSN_DELIVERED)
        d->orcpt = asked_xtext(extra, EXTRA_ORCPT, arena);
    if (is_rrvs(d))
        d->rrvs = asked_rrvs(extra);
}

/* rcpts_told - what report_of() names */

static size_t rcpts_told(const struct report *r, const struct envelope *e, struct arena *arena,
                         struct dsn_rcpt *rcpts)
{
    struct slice *extras = arena_array(arena, e->nrcpts, sizeof *extras);
    struct wire w = wire_reader(e->rcpts);
    struct recipient rcpt;
    size_t n = 0;

    for (uint32_t i = 0; extras != NULL && recipient_next(&w, &rcpt); i++)
        extras[i] = rcpt.extra;
    for (const struct tiding *t = r->tidings; extras != NULL && t != NULL; t = t->next) {
        if (!report_of(r, t))
            continue;
        rcpts[n] = dsn_of(t);
        add_asked(&rcpts[n++], extras[t->index], arena);
    }
    return n;
}

/* kind_of - of the report as a whole: the worst that it tells */

static enum dsn_kind kind_of(const struct dsn_rcpt *rcpts, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (rcpts[i].kind == DSN_FAILED)
            return DSN_FAILED;
    return rcpts[0].kind;
}

static bool waiting(struct letter *m, uint32_t index)
{
    for (struct job *job = NULL; (job = job_next(m, job)) != NULL; )
        if (job_has(job, index))
            return true;
    return false;
}

bool notice_is_late(const struct report *r, uint32_t i, const struct recipient *rcpt)
{
    enum notify_event event = r->warn & WARN_BY ? NOTIFY_BY_EXPIRED : NOTIFY_DELAYED;

    return rcpt->return_path.n == 0 && waiting(r->letter, i)
        && notify_decide(event, asked_notify_here(rcpt->extra), false).report;
}

/* rcpts_late - who still waits, with the words of the last attempt */

static size_t rcpts_late(struct queue *q, struct report *report, const struct envelope *e,
                         struct arena *arena, struct dsn_rcpt *rcpts)
{
    struct letter *m = report->letter;
    struct wire w = wire_reader(e->rcpts);
    struct recipient r;
    struct past past;
    size_t n = 0;

    if (!past_read(q, m, e->nrcpts, arena, &past))
        return 0;
    for (uint32_t i = 0; recipient_next(&w, &r); i++) {
        if (!notice_is_late(report, i, &r))
            continue;
        rcpts[n] = (struct dsn_rcpt){
            .address = r.address, .original = r.original, .code = past.rcpts[i].code,
            .text = past.rcpts[i].text, .last_attempt = past.rcpts[i].wall,
            .remote = past.rcpts[i].code != 0 ? host_name(past.rcpts[i].host) : (struct slice){ 0 },
            .retry_until = times_since(q, m) + q->conf->queue.lifetime,
            .own_kind = true, .kind = DSN_DELAYED,
        };
        parse_status(past.rcpts[i].status, rcpts[n].status);
        add_asked(&rcpts[n++], r.extra, arena);
    }
    return n;
}

/* read_large - the beginning of a large body, into `to`; false: it cannot be read now */

static bool read_large(struct queue *q, const struct letter *m, uint64_t *length, struct buf *to)
{
    int handle = journal_large_open(q->journal, &m->entry, length);
    size_t n = *length < ORIGINAL_MAX ? (size_t)*length : ORIGINAL_MAX;
    char *room;
    ssize_t got;

    if (handle < 0)
        return false;
    room = buf_room(to, n);
    got = room != NULL ? q->disk->read(q->disk->ctx, handle, room, n, 0) : -1;
    q->disk->close(q->disk->ctx, handle);
    if (got > 0)
        buf_added(to, (size_t)got);
    return got == (ssize_t)n;
}

/* add_original - what is returned of the message. A disk in trouble is waited for;
 * but at last a report without the original is better than none */

static bool add_original(struct queue *q, const struct report *r, struct slice body,
                         struct buf *large, struct dsn *dsn)
{
    dsn->message = slice_first(body, ORIGINAL_MAX);
    dsn->message_size = body.n;
    if (!(r->letter->entry.flags & JOURNAL_LARGE))
        return true;
    if (!read_large(q, r->letter, &dsn->message_size, large)
        && q->mono - r->since < ORIGINAL_WAIT)
        return false;
    dsn->message = buf_view(large);
    return true;
}

static enum dsn_return return_of(struct slice extra)
{
    struct slice ret;

    if (!extra_get(extra, EXTRA_RET, &ret))
        return DSN_RETURN_ANY;
    return slice_ieq(ret, SLICE_LIT("HDRS")) ? DSN_RETURN_HEADERS : DSN_RETURN_FULL;
}

static struct dsn dsn_new(const struct queue *q, const struct report *r, const struct envelope *e,
                          uint64_t id, struct arena *arena)
{
    struct asked asked = asked_of(e->extra);

    return (struct dsn){
        .hostname = q->conf->hostname, .to = r->to, .id = id, .original_id = r->id,
        .now = q->wall, .arrived = e->arrived, .sender = e->sender,
        .body_max = q->conf->queue.bounce_body,
        .envid = asked_xtext(e->extra, EXTRA_ENVID, arena), .ret = return_of(e->extra),
        .orcpt_only = asked_parameters(e), .utf8 = (e->flags & ENV_UTF8) != 0,
        .requiretls = (e->flags & ENV_REQUIRETLS) != 0, .deliver_by = asked.by,
        .by = asked.by == 0 ? DSN_BY_NONE : asked.by_return ? DSN_BY_RETURN : DSN_BY_NOTIFY,
    };
}

bool notice_write(struct queue *q, struct report *r, const struct envelope *e, struct slice body,
                  uint64_t id, struct buf *out, uint32_t *flags)
{
    struct arena arena = ARENA(ARENA_MAX);
    struct buf original = BUF(ORIGINAL_MAX);
    struct dsn dsn = dsn_new(q, r, e, id, &arena);
    struct dsn_rcpt *rcpts = arena_array(&arena, (size_t)e->nrcpts * 2, sizeof *rcpts);
    bool ok = false, eight_bit = false;

    if (rcpts != NULL)
        dsn.nrcpts = r->warning ? rcpts_late(q, r, e, &arena, rcpts)
                                : rcpts_told(r, e, &arena, rcpts);
    dsn.rcpts = rcpts;
    if (dsn.nrcpts > 0) {
        dsn.kind = kind_of(rcpts, dsn.nrcpts);
        ok = add_original(q, r, body, &original, &dsn) && dsn_write(&dsn, out, &eight_bit);
    }
    *flags = (eight_bit ? ENV_8BIT | ENV_BODY8 : 0) | (dsn_needs_utf8(&dsn) ? ENV_UTF8 : 0);
    buf_free(&original);
    arena_free(&arena);
    return ok;
}

bool notice_address(struct queue *q, const struct envelope *of, const struct readers *readers,
                    uint32_t flags, struct buf *out)
{
    struct buf rcpts = BUF(ENVELOPE_MAX), extra = BUF(64);
    struct wire w = wire_writer(&rcpts), all = wire_writer(out), we = wire_writer(&extra);
    struct slice priority;
    struct envelope e = {
        .arrived = q->wall, .protocol = SLICE_LIT("local"), .listener = of->listener,
        .flags = ENV_BOUNCE | (of->flags & (ENV_SINK | ENV_REQUIRETLS)) | flags,
        .nrcpts = (uint32_t)readers->n,
    };

    for (size_t i = 0; i < readers->n; i++)
        recipient_put(&w, &(struct recipient){ .address = readers->to[i] });
    if (extra_get(of->extra, EXTRA_PRIORITY, &priority))
        extra_put(&we, EXTRA_PRIORITY, slice_first(priority, 2));
    e.rcpts = buf_view(&rcpts);
    e.extra = buf_view(&extra);
    envelope_put(&all, &e);
    buf_free(&rcpts);
    buf_free(&extra);
    return !w.bad && !we.bad && !all.bad;
}
