/* report.c - gathering tidings, finding the reader, choosing the moment. */
#include <stdlib.h>
#include "log/log.h"
#include "queue/asked.h"
#include "queue/birth.h"
#include "queue/history.h"
#include "queue/outcome.h"
#include "queue/report.h"
#include "queue/route.h"
#include "smtp/address.h"

enum { ARENA_MAX = 64 << 20 };

static const int64_t PATIENCE = 30 * 1000, ASK_AGAIN = 30 * 1000;

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

/* note_failure - in the log and the history */

static void note_failure(struct queue *q, const struct letter *m, const struct tiding *t)
{
    if (t->kind != DSN_FAILED || t->failure == FAILURE_SAID)
        return;
    count_add(expired, 1);
    log_event(EVENT_EXPIRED, LF_ID("id", m->entry.id), LF_TEXT("to", t->address),
              LF_TEXT("text", t->text));
    history_note(q, m->entry.id, EVENT_EXPIRED, t->address, t->text);
}

/* report_add - without memory for it a recipient that failed is tried once more; of
 * success nothing is told */

void report_add(struct queue *q, struct letter *m, const struct tiding *t)
{
    struct report *r = report_make(q, m);
    struct tiding *copy = r != NULL ? arena_alloc(&r->arena, sizeof *copy) : NULL;
    struct tiding **end;

    note_failure(q, m, t);
    if (copy == NULL || r->arena.spent) {
        if (t->kind == DSN_FAILED)
            m->flags |= LETTER_ASTRAY;
        return;
    }
    *copy = *t;
    copy->next = NULL;
    copy->return_path = arena_copy(&r->arena, t->return_path);
    copy->address = arena_copy(&r->arena, t->address);
    copy->original = arena_copy(&r->arena, t->original);
    copy->status = arena_copy(&r->arena, t->status);
    copy->text = arena_copy(&r->arena, t->text);
    copy->host = arena_copy(&r->arena, t->host);
    for (end = &r->tidings; *end != NULL; end = &(*end)->next)
        ;
    *end = copy;
}

/* expansion - the report on the alias or list that this recipient comes from */

static bool expansion(const struct recipient *r, struct notify_decision *d)
{
    enum asked_origin origin = asked_origin(r->extra);

    if (origin == ASKED_ITSELF || r->original.n == 0)
        return false;
    *d = notify_decide(origin == ASKED_BY_LIST ? NOTIFY_REDISTRIBUTED : NOTIFY_EXPANDED,
                       asked_notify(r->extra), false);
    return d->report;
}

void report_expansions(struct queue *q, struct letter *m, const struct envelope *e,
                       const bool *told)
{
    struct wire w = wire_reader(e->rcpts);
    struct slice before = { 0 };
    struct notify_decision d;
    struct recipient r;

    for (uint32_t i = 0; !(m->flags & LETTER_BOUNCE) && recipient_next(&w, &r); i++) {
        bool first = !slice_eq(r.original, before);

        before = r.original;
        if (!first || !expansion(&r, &d) || (told != NULL && told[i]))
            continue;
        report_add(q, m, &(struct tiding){ .index = i, .kind = d.kind, .address = r.original,
            .original = r.original, .return_path = e->sender, .wall = q->wall,
            .status = SLICE_LIT("2.1.5"),
            .text = d.kind == DSN_EXPANDED ? SLICE_LIT("expanded to its members")
                                           : SLICE_LIT("given to the list") });
    }
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
    struct envelope e;

    return letter_envelope(q, (struct letter *)m, &e) && (e.flags & ENV_SINK);
}

static void begin(struct queue *q, struct report *r)
{
    struct readers readers = { .to = { r->to }, .n = 1 };
    bool ok = true;

    if (r->quiet || r->to.n == 0 || (r->letter->flags & LETTER_BOUNCE))
        ok = birth_nobody(q, r);
    else if (conf_domain_find(q->conf, address_domain(r->to)) == NULL || in_sink(q, r->letter))
        ok = birth_write(q, r, &readers);
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
        || !(m->fate == FATE_DONE && readers.n > 0 ? birth_write(q, r, &readers)
                                                   : birth_nobody(q, r)))
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

/* wants_warning - does anybody who waits have a sender who is to hear of delay? */

static bool wants_warning(struct report *r, const struct envelope *e)
{
    struct wire w = wire_reader(e->rcpts);
    struct recipient rcpt;

    for (uint32_t i = 0; recipient_next(&w, &rcpt); i++)
        if (notice_is_late(r, i, &rcpt))
            return true;
    return false;
}

/* no_warning - nobody wants to hear of it */

static void no_warning(struct queue *q, struct report *r)
{
    struct letter *m = r->letter;

    m->flags |= LETTER_WARNED;
    report_end(q, r);
    if (m->units == 0)
        letter_finish(q, m, NULL);
}

static void go(struct queue *q, struct report *r)
{
    struct envelope e;

    r->retry = 0;
    if (r->tidings != NULL) {
        r->warning = false;
        r->quiet = r->tidings->quiet;
        r->to = r->tidings->return_path;
        begin(q, r);
    } else if (!letter_envelope(q, r->letter, &e)) {
        later(q, r);
    } else if (!wants_warning(r, &e)) {
        no_warning(q, r);
    } else {
        r->warning = true;
        r->quiet = false;
        r->to = arena_copy(&r->arena, e.sender);
        begin(q, r);
    }
}

void report_consider(struct queue *q, struct letter *m)
{
    struct report *r = report_get(q, m);

    if (r == NULL || r->asking || r->retry > q->mono)
        return;
    if (r->tidings != NULL && busy(q, m) && q->mono < r->since + PATIENCE)
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

void report_warn(struct queue *q, struct letter *m, enum report_warn why)
{
    struct report *r;

    if (m->flags & LETTER_BOUNCE) {
        m->flags |= LETTER_WARNED;
        return;
    }
    r = report_make(q, m);
    if (r == NULL)
        return;
    r->warn |= why;
    report_consider(q, m);
}
