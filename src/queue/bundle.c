/* bundle.c - into the journal, and what follows when it is durable. */
#include <errno.h>
#include <stdlib.h>
#include "log/log.h"
#include "queue/admit.h"
#include "queue/birth.h"
#include "queue/history.h"
#include "queue/bundle.h"

enum { RESTING = 1024 };     /* bundles of each kind that are kept for the next messages */

static const int64_t AGAIN = 5000;      /* ms until stalled units are tried again */

/* make - one that rests, or a new one: every message needs one for a moment */

static struct bundle *make(struct queue *q, struct letter *m, bool packed)
{
    struct list *link = list_pop(&q->resting[packed]);
    struct bundle *u = link != NULL ? LIST_OWNER(link, struct bundle, link) : malloc(sizeof *u);

    if (u == NULL)
        return NULL;
    q->nresting[packed] -= link != NULL;
    *u = (struct bundle){ .letter = m, .pack = link != NULL ? u->pack : NULL };
    list_init(&u->link);
    return u;
}

struct bundle *bundle_new(struct queue *q, struct letter *m)
{
    struct bundle *u = make(q, m, true);

    if (u == NULL)
        return NULL;
    if (u->pack == NULL && (u->pack = malloc(sizeof *u->pack)) == NULL) {
        bundle_free(q, u);
        return NULL;
    }
    u->pack->used = 0;
    return u;
}

static void end(struct bundle *u)
{
    free(u->pack);
    free(u);
}

void bundle_free(struct queue *q, struct bundle *u)
{
    bool packed;

    if (u == NULL)
        return;
    packed = u->pack != NULL;
    list_remove(&u->link);
    for (size_t i = 0; i < u->n; i++) {
        free(u->pack->held[i][0]);
        free(u->pack->held[i][1]);
    }
    if (q->nresting[packed] == RESTING) {
        end(u);
        return;
    }
    q->nresting[packed]++;
    list_push_front(&q->resting[packed], &u->link);     /* the warmest is the next */
}

void bundles_free(struct queue *q)
{
    struct list *link;

    while (q->stalled.next != NULL && (link = list_pop(&q->stalled)) != NULL)
        bundle_free(q, LIST_OWNER(link, struct bundle, link));
    while (q->flying.next != NULL && (link = list_pop(&q->flying)) != NULL)
        bundle_free(q, LIST_OWNER(link, struct bundle, link));
    for (int i = 0; i < 2; i++)
        while (q->resting[i].next != NULL && (link = list_pop(&q->resting[i])) != NULL)
            end(LIST_OWNER(link, struct bundle, link));
}

/* hold - our copy of s: in the pack's room, or (*held) on its own */

static bool hold(struct pack *p, char **held, struct slice *copy, struct slice s)
{
    char *to = p->room + p->used;

    *held = NULL;
    if (s.n <= BUNDLE_ROOM - p->used)
        p->used += s.n;
    else if ((to = *held = malloc(s.n)) == NULL)
        return false;
    if (s.n > 0)
        memcpy(to, s.p, s.n);
    *copy = slice_of(to, s.n);
    return true;
}

static bool add(struct bundle *u, struct record r, struct slice head, struct slice body)
{
    char **held = u->pack->held[u->n < BUNDLE_RECORDS ? u->n : 0];

    if (u->n == BUNDLE_RECORDS)
        return false;
    if (!hold(u->pack, &held[0], &r.head, head))
        return false;
    if (!hold(u->pack, &held[1], &r.body, body)) {
        free(held[0]);
        return false;
    }
    u->pack->records[u->n++] = r;
    return true;
}

bool bundle_add(struct bundle *u, enum record_type type, struct letter *m, struct slice head)
{
    u->removes |= type == RECORD_REMOVED;
    return add(u, (struct record){ .type = type, .entry = &m->entry }, head, (struct slice){ 0 });
}

bool bundle_add_report(struct bundle *u, struct letter *report, struct slice envelope,
                     struct slice body)
{
    if (u->nborn == BUNDLE_BORN
        || !add(u, (struct record){ .type = RECORD_MESSAGE, .entry = &report->entry,
                                    .nonce = report->entry.id }, envelope, body))
        return false;
    u->born[u->nborn++] = report;
    return true;
}

/* count - the letters of a unit must stay where they are */

static void count(struct queue *q, struct bundle *u, int by)
{
    u->letter->units = (uint16_t)(u->letter->units + by);
    for (size_t i = 0; i < u->nborn; i++)
        u->born[i]->units = (uint16_t)(u->born[i]->units + by);
    q->units += (uint64_t)(int64_t)by;
}

static void stall(struct queue *q, struct bundle *u)
{
    if (list_empty(&q->stalled))
        q->stalled_until = q->mono + AGAIN;
    list_remove(&u->link);
    list_push(&q->stalled, &u->link);
    u->letter->flags |= LETTER_STALLED;
}

/* append - never past a unit of the same letter that waits: what happened later
 * must be read as later */

static void append(struct queue *q, struct bundle *u)
{
    if ((u->letter->flags & LETTER_STALLED)
        || !journal_append(q->journal, u->pack->records, u->n, u)) {
        stall(q, u);
        return;
    }
    list_push(&q->flying, &u->link);
    q->flush(q->user);
}

void bundle_append(struct queue *q, struct bundle *u)
{
    if (u == NULL || u->n == 0) {
        bundle_free(q, u);
        return;
    }
    count(q, u, 1);
    append(q, u);
}

bool bundle_commit(struct queue *q, struct letter *m, uint64_t peer, const struct record *message)
{
    struct bundle *u = make(q, m, false);

    if (u == NULL)
        return false;
    if (!journal_append(q->journal, message, 1, u)) {
        bundle_free(q, u);
        return false;
    }
    u->peer = peer;
    list_push(&q->flying, &u->link);
    count(q, u, 1);
    q->flush(q->user);
    return true;
}

/* --------------------------------------------------------------- answers -- */

static void finish(struct queue *q, struct bundle *u)
{
    struct letter *m = u->letter;
    bool gone = u->removes;

    count(q, u, -1);
    for (size_t i = 0; i < u->nborn; i++)
        birth_durable(q, u->born[i]);
    if (gone) {
        history_removed(q, m->entry.id, u->by);
        log_event(EVENT_REMOVED, LF_ID("id", m->entry.id), LF_STR("by", u->by));
        m->flags |= LETTER_REMOVED;
    }
    bundle_free(q, u);
    if ((m->flags & LETTER_REMOVED) && m->units == 0)
        letter_drop(q, m);
}

void bundle_done(void *owner, void *unit, enum fate fate, const struct why *why)
{
    struct queue *q = owner;
    struct bundle *u = unit;
    struct letter *m;
    uint64_t peer;

    if (u == NULL)
        return;
    list_remove(&u->link);
    m = u->letter;
    peer = u->peer;
    if (peer != 0) {
        count(q, u, -1);
        bundle_free(q, u);
        admit_done(q, m, peer, fate, why);
    } else if (fate == FATE_DONE) {
        finish(q, u);
    } else {
        queue_trouble("write the journal", m->entry.id, why);
        stall(q, u);
    }
}

void bundles_again(struct queue *q)
{
    struct list *link, all;

    if (list_empty(&q->stalled) || q->mono < q->stalled_until)
        return;
    list_init(&all);
    while ((link = list_pop(&q->stalled)) != NULL) {
        LIST_OWNER(link, struct bundle, link)->letter->flags &= (uint16_t)~LETTER_STALLED;
        list_push(&all, link);
    }
    while ((link = list_pop(&all)) != NULL) {
        struct bundle *u = LIST_OWNER(link, struct bundle, link);

        if ((u->letter->flags & LETTER_REMOVED) && u->nborn == 0)
            finish(q, u);       /* a later unit of it came through first */
        else
            append(q, u);
    }
}
