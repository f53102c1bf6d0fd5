/* people.c - answering people, a piece at a time so that mail goes on. */
#include <stdlib.h>
#include "log/log.h"
#include "queue/changes.h"
#include "queue/history.h"
#include "queue/links.h"
#include "queue/people.h"
#include "queue/rows.h"

enum { PER_TURN = 200, ROWS_PENDING = 4 << 20, TRACED = 100 };

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

/* --------------------------------------------------------------- looking -- */

static void send_row(struct question *ask, json_t *row)
{
    char *dump = row != NULL ? json_dumps(row, JSON_COMPACT) : NULL;

    json_decref(row);
    if (dump != NULL)
        ask->asker->ops->row(ask->asker, &(struct msg_row){ ask->m.ticket, slice_cstr(dump) });
    ask->rows++;
    free(dump);
}

static void do_list(struct queue *q, struct question *ask, const struct view *v)
{
    struct arena arena = ARENA(32 << 20);
    struct past past;
    bool known = past_read(q, v->letter, v->e.nrcpts, &arena, &past);

    send_row(ask, row_list(q, v, known ? &past : NULL));
    arena_free(&arena);
}

static void do_count(struct queue *q, struct question *ask, const struct view *v)
{
    ask->messages++;
    ask->octets += v->size;
    for (struct job *job = NULL; (job = job_next(v->letter, job)) != NULL; ) {
        ask->recipients += job_count(job);
        ask->states[match_state(q, job)] += job_count(job);
    }
}

static void do_show(struct queue *q, struct question *ask, const struct view *v)
{
    struct arena arena = ARENA(32 << 20);
    struct past past;

    if (past_read(q, v->letter, v->e.nrcpts, &arena, &past))
        send_row(ask, row_show(q, v, &past));
    arena_free(&arena);
}

static void destinations(struct queue *q, struct question *ask)
{
    struct destination *d;

    for (size_t at = 0; (d = sched_each(q->sched, &at)) != NULL; )
        if (match_glob(ask->m.destination, slice_of(d->text, d->n))
            && (ask->m.limit == 0 || ask->rows < ask->m.limit)) {
            send_row(ask, row_destination(q, d));
            ask->count++;
        }
}

static void route_row(void *user, json_t *row)
{
    send_row(user, row);
}

static void routes(struct queue *q, struct question *ask)
{
    ask->count = queue_links_rows(q, route_row, ask);
}

/* --------------------------------------------------------------- tracing -- */

struct tracing {
    struct queue    *q;
    struct question *ask;
    uint64_t         seen[TRACED];
    size_t           n;
};

static void remember(struct tracing *t, uint64_t id)
{
    for (size_t i = 0; i < t->n; i++)
        if (t->seen[i] == id)
            return;
    if (t->n < TRACED)
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
    static const struct msg_query all;
    char name[ID_TEXT + 1];
    struct view v;
    json_t *row;

    if (!match_take(t->q, &all, id, &v))
        return;
    row = row_list(t->q, &v, NULL);
    json_object_set_new(row, "id", json_string(id_text(id, name)));
    row_put_time(row, "time", t->q->wall);
    json_object_set_new(row, "event", json_string("waiting"));
    send_row(t->ask, row);
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
typedef bool change_f(struct queue *q, struct letter *m);
typedef void whole_f(struct queue *q, struct question *ask);

/* What a verb does: with each letter that matches, or as a whole. */
static const struct verb {
    each_f   *each;
    change_f *change;           /* needs a filter */
    whole_f  *whole;
} verbs[QUERY_COUNT_OF_VERBS] = {
    [QUERY_LIST]         = { .each = do_list },
    [QUERY_COUNT]        = { .each = do_count },
    [QUERY_SHOW]         = { .each = do_show },
    [QUERY_RETRY]        = { .change = change_retry },
    [QUERY_HOLD]         = { .change = change_hold },
    [QUERY_RELEASE]      = { .change = change_release },
    [QUERY_REMOVE]       = { .change = change_remove },
    [QUERY_TRACE]        = { .whole = trace },
    [QUERY_DESTINATIONS] = { .whole = destinations },
    [QUERY_ROUTES]       = { .whole = routes },
};

static void finish(struct question *ask, enum fate fate, const char *why)
{
    if (ask->m.verb == QUERY_COUNT && fate == FATE_DONE) {
        send_row(ask, json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I}",
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

    if (verbs[m->verb].each == NULL && verbs[m->verb].change == NULL
        && verbs[m->verb].whole == NULL)
        return "this is not a question for the queue";
    if (verbs[m->verb].change != NULL && !filtered)
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
        finish(ask, FATE_NEVER, objection(ask));
    } else if (verbs[m->verb].whole != NULL) {
        verbs[m->verb].whole(q, ask);
        finish(ask, FATE_DONE, NULL);
    } else if (!gather(q, ask)) {
        finish(ask, FATE_LATER, "no memory");
    }
    if (verbs[m->verb].change != NULL)
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

static void look_at(struct queue *q, struct question *ask, const struct view *v)
{
    const struct verb *verb = &verbs[ask->m.verb];

    if (verb->each != NULL)
        verb->each(q, ask, v);
    else
        ask->count += verb->change(q, v->letter);
}

static void work_on(struct queue *q, struct question *ask)
{
    struct view v;
    bool counts = ask->m.verb == QUERY_LIST || ask->m.verb == QUERY_SHOW;

    for (unsigned i = 0; i < PER_TURN && !enough(ask) && !full(ask); i++)
        if (match_take(q, &ask->m, ask->ids[ask->at++], &v))
            look_at(q, ask, &v);
    if (!enough(ask))
        return;
    if (counts)
        ask->count = ask->rows;
    finish(ask, FATE_DONE, NULL);
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
