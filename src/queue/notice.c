/* notice.c - what a report says, and its envelope. */
#include "mail/dsn.h"
#include "queue/notice.h"
#include "queue/past.h"

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
    dsn->message = body;
    dsn->message_size = body.n;
    if (!(r->letter->entry.flags & JOURNAL_LARGE))
        return true;
    if (!read_large(q, r->letter, &dsn->message_size, large)
        && q->mono - r->since < ORIGINAL_WAIT)
        return false;
    dsn->message = buf_view(large);
    return true;
}

bool notice_write(struct queue *q, struct report *r, const struct envelope *e, struct slice body,
                  uint64_t id, struct buf *out, bool *eight_bit)
{
    struct arena arena = ARENA(ARENA_MAX);
    struct buf original = BUF(ORIGINAL_MAX);
    struct dsn dsn = {
        .kind = r->warning ? DSN_DELAYED : DSN_FAILED, .hostname = q->conf->hostname,
        .to = r->to, .id = id, .original_id = r->id, .now = q->wall, .arrived = e->arrived,
        .sender = e->sender, .body_max = q->conf->queue.bounce_body,
    };
    struct dsn_rcpt *rcpts = arena_array(&arena, e->nrcpts, sizeof *rcpts);
    bool ok = false;

    if (rcpts != NULL)
        dsn.nrcpts = r->warning ? rcpts_late(q, r->letter, e, &arena, rcpts)
                                : rcpts_failed(r, rcpts);
    dsn.rcpts = rcpts;
    if (dsn.nrcpts > 0 && add_original(q, r, body, &original, &dsn))
        ok = dsn_write(&dsn, out, eight_bit);
    buf_free(&original);
    arena_free(&arena);
    return ok;
}

bool notice_address(struct queue *q, const struct envelope *of, const struct readers *readers,
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
