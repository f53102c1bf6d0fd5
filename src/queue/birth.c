/* birth.c - a report becomes a letter, in one unit with the failures it tells of. */
#include "log/log.h"
#include "queue/birth.h"
#include "queue/cache.h"
#include "queue/history.h"
#include "queue/outcome.h"
#include "queue/past.h"
#include "queue/route.h"

static struct letter *new_letter(struct queue *q, uint64_t id, struct slice envelope,
                                 struct slice body)
{
    struct letter *m = letter_new(&q->pages);
    struct envelope e;

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
    if (!envelope_get(envelope, &e) || !route_letter(q, m, &e, NULL)) {
        letter_drop(q, m);
        return NULL;
    }
    cache_put(q->cache, id, envelope, body);
    return m;
}

void birth_durable(struct queue *q, struct letter *m)
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

/* words_max - bytes of the other side's words for each, so that all fit in a record */

static size_t words_max(const struct report *r)
{
    size_t n = 1;

    for (const struct tiding *t = r->tidings; t != NULL; t = t->next)
        n++;
    return PAST_HEAD_MAX / 2 / n;
}

/* put_told - the successes that are told of with this report */

static bool put_told(struct bundle *u, struct report *r)
{
    struct buf outcomes = BUF(PAST_HEAD_MAX), bytes = BUF(PAST_HEAD_MAX + 8192);
    struct wire w = wire_writer(&outcomes), out = wire_writer(&bytes);
    struct past_head head = { .flags = PAST_TOLD };
    bool ok = true;

    for (const struct tiding *t = r->tidings; t != NULL; t = t->next)
        if (t->kind != DSN_FAILED && report_of(r, t)) {
            outcome_put(&w, &(struct outcome){ .index = t->index, .fate = FATE_DONE });
            head.noutcomes++;
        }
    head.outcomes = buf_view(&outcomes);
    if (head.noutcomes > 0) {
        past_put(&out, &head);
        ok = !w.bad && !out.bad && bundle_add(u, RECORD_OUTCOME, r->letter, buf_view(&bytes));
    }
    buf_free(&outcomes);
    buf_free(&bytes);
    return ok;
}

/* put_failures - OUTCOME records: one for each host, the last takes the rest */

static bool put_failures(struct bundle *u, struct report *r)
{
    const struct tiding *t = r->tidings;
    size_t max = words_max(r);
    struct buf outcomes = BUF(PAST_HEAD_MAX), bytes = BUF(PAST_HEAD_MAX + 8192);
    struct wire w = wire_writer(&outcomes), out = wire_writer(&bytes);
    bool ok = true;

    while (ok && t != NULL) {
        struct past_head head = { .host = t->host,
                                  .flags = t->failure != FAILURE_SAID ? PAST_EXPIRED : 0 };

        buf_clear(&outcomes);
        buf_clear(&bytes);
        for (; t != NULL && (u->n + 4 >= BUNDLE_RECORDS || slice_eq(t->host, head.host)); t = t->next)
            if (t->kind == DSN_FAILED && report_of(r, t)) {
                outcome_put(&w, &(struct outcome){
                    .index = t->index, .fate = FATE_NEVER, .code = t->code,
                    .status = t->status, .text = slice_first(t->text, max) });
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

static bool put_warned(struct bundle *u, const struct report *r)
{
    struct buf bytes = BUF(256);
    struct wire out = wire_writer(&bytes);
    bool ok;

    past_put(&out, &(struct past_head){
        .flags = PAST_WARNED | (r->warn & WARN_BY ? PAST_BY : 0) });
    ok = !out.bad && bundle_add(u, RECORD_OUTCOME, r->letter, buf_view(&bytes));
    buf_free(&bytes);
    return ok;
}

/* told - what was reported waits no more */

static void told(struct report *r)
{
    struct tiding **at = &r->tidings;

    if (r->warning) {
        r->letter->flags |= LETTER_WARNED;
        r->warn = 0;
        r->warning = false;
        return;
    }
    while (*at != NULL)
        if (report_of(r, *at))
            *at = (*at)->next;
        else
            at = &(*at)->next;
}

static bool any_failed(const struct report *r)
{
    for (const struct tiding *t = r->tidings; t != NULL; t = t->next)
        if (t->kind == DSN_FAILED && report_of(r, t))
            return true;
    return false;
}

static void tell(struct queue *q, const struct report *r, const struct letter *born)
{
    bool failed = !r->warning && any_failed(r);
    enum event event = born == NULL ? EVENT_DOUBLE_BOUNCE : r->warning ? EVENT_WARNED
                     : failed ? EVENT_BOUNCED : EVENT_NOTIFIED;
    char id[ID_TEXT + 1];

    if (r->quiet || (born == NULL && !failed))
        return;                 /* nobody wants to know, or nothing has happened */
    id_text(born != NULL ? born->entry.id : 0, id);
    log_event(event, LF_ID("id", r->id), LF_TEXT("to", r->to),
              LF_STR("report", born != NULL ? id : ""));
    history_note(q, r->id, event, r->to, born != NULL ? slice_cstr(id) : (struct slice){ 0 });
}

/* finish_write - the end of both ways: append, and go on with the next group */

static void finish_write(struct queue *q, struct report *r, struct bundle *u, struct letter *born)
{
    struct letter *m = r->letter;

    tell(q, r, born);
    told(r);
    if (r->tidings == NULL && r->warn == 0) {
        report_forget(q, m);
        letter_finish(q, m, u);
    }
    bundle_append(q, u);
    if (m->flags & LETTER_FAILING)
        report_consider(q, m);
}

static bool records(struct bundle *u, struct report *r)
{
    return r->warning ? put_warned(u, r) : put_failures(u, r) && put_told(u, r);
}

bool birth_nobody(struct queue *q, struct report *r)
{
    struct bundle *u = bundle_new(q, r->letter);

    if (u == NULL || (!r->warning && !records(u, r))) {
        bundle_free(q, u);
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
    uint32_t flags = 0;
    struct envelope e;

    if (letter_read(q, r->letter, &original, &body) && envelope_get(original, &e)
        && notice_write(q, r, &e, body, id, &text, &flags)
        && notice_address(q, &e, readers, flags, &envelope))
        born = new_letter(q, id, buf_view(&envelope), buf_view(&text));
    if (born != NULL && !(bundle_add_report(u, born, buf_view(&envelope), buf_view(&text))
                          && records(u, r))) {
        letter_drop(q, born);
        born = NULL;
    }
    buf_free(&envelope);
    buf_free(&text);
    return born;
}

bool birth_write(struct queue *q, struct report *r, const struct readers *readers)
{
    struct bundle *u = bundle_new(q, r->letter);
    struct letter *born = u != NULL ? make(q, r, readers, u) : NULL;

    if (born == NULL) {
        bundle_free(q, u);
        return false;
    }
    finish_write(q, r, u, born);
    return true;
}
