/* reversal.c - who may use a reversed connection, one after another. */
#include <stdlib.h>
#include "log/log.h"
#include "relay/reversal.h"

struct turn {
    struct list     all;
    struct relay   *relay;
    struct channel *channel;        /* of the queue */
    uint64_t        ticket;
    struct link    *link;
    bool            ready;          /* its EHLO is done */
    bool            busy;           /* a job has it */
    bool            over;           /* the queue has no more for it */
    struct list     waiters;
};

static struct turn *find(const struct relay *relay, uint64_t ticket)
{
    for (struct list *at = relay->turns.next; at != &relay->turns; at = at->next) {
        struct turn *t = LIST_OWNER(at, struct turn, all);

        if (t->ticket == ticket)
            return t;
    }
    return NULL;
}

static void refuse_waiters(struct turn *t)
{
    struct list *first;

    while ((first = list_pop(&t->waiters)) != NULL) {
        struct reversal_waiter *w = LIST_OWNER(first, struct reversal_waiter, link);

        w->go(w->user, NULL);
    }
}

/* turn_end - out of the list first, so that nobody finds it while others are told */

static void turn_end(struct turn *t, bool tell)
{
    struct relay *relay = t->relay;

    list_remove(&t->all);
    if (tell)
        channel_send_msg_turn_over(t->channel, &(struct msg_turn_over){ .ticket = t->ticket }, -1);
    refuse_waiters(t);
    free(t);
    if (list_empty(&relay->jobs))
        relay->empty(relay);
}

/* serve - the next in line, if it is free */

static void serve(struct turn *t)
{
    struct list *first;
    struct reversal_waiter *w;

    if (!t->ready || t->busy)
        return;
    first = list_pop(&t->waiters);
    if (first == NULL)
        return;
    w = LIST_OWNER(first, struct reversal_waiter, link);
    t->busy = t->link->lent = true;
    w->go(w->user, t->link);
}

static void on_free(struct link *link, enum link_event event)
{
    struct turn *t = link->user;

    if (event == LINK_DEAD) {
        turn_end(t, true);
        return;
    }
    t->ready = true;
    if (t->over || t->relay->pool.draining) {
        link_drop(link);
        turn_end(t, !t->over);
        return;
    }
    serve(t);
}

/* on_kept - the job that had it is done with it */

static void on_kept(struct link *link, void *owner)
{
    struct turn *t = owner;

    link->event = on_free;
    link->user = t;
    t->busy = false;
    on_free(link, LINK_READY);
}

/* on_lost - it died in the hands of a job */

static void on_lost(struct link *link, void *owner)
{
    struct turn *t = owner;

    (void)link;
    turn_end(t, true);
}

bool reversal_begin(struct relay *relay, struct channel *channel, struct wire *w, int *fd)
{
    struct msg_turn_go m;
    struct turn *t;

    if (!msg_turn_go_get(w, &m) || *fd < 0 || find(relay, m.ticket) != NULL)
        return false;
    t = calloc(1, sizeof *t);
    if (t == NULL) {
        channel_send_msg_turn_over(channel, &(struct msg_turn_over){ .ticket = m.ticket }, -1);
        return true;
    }
    *t = (struct turn){ .relay = relay, .channel = channel, .ticket = m.ticket };
    list_init(&t->waiters);
    list_push(&relay->turns, &t->all);
    t->link = link_adopt(&relay->pool, *fd, m.host, on_free, t);
    *fd = -1;
    if (t->link == NULL) {
        turn_end(t, true);
        return true;
    }
    t->link->kept = on_kept;
    t->link->lost = on_lost;
    t->link->owner = t;
    return true;
}

bool reversal_over(struct relay *relay, struct wire *w)
{
    struct msg_turn_over m;
    struct turn *t;

    if (!msg_turn_over_get(w, &m))
        return false;
    t = find(relay, m.ticket);
    if (t == NULL)
        return true;
    t->over = true;
    if (t->ready && !t->busy && list_empty(&t->waiters))
        on_free(t->link, LINK_READY);
    return true;
}

void reversal_use(struct relay *relay, uint64_t ticket, struct reversal_waiter *waiter)
{
    struct turn *t = find(relay, ticket);

    if (t == NULL) {
        waiter->go(waiter->user, NULL);
        return;
    }
    list_push(&t->waiters, &waiter->link);
    serve(t);
}

void reversal_forget(struct relay *relay, struct channel *channel)
{
    struct list *at = relay->turns.next;

    while (at != &relay->turns) {
        struct turn *t = LIST_OWNER(at, struct turn, all);

        at = at->next;
        if (t->channel != channel || t->busy)   /* a job that has it ends first */
            continue;
        link_drop(t->link);
        turn_end(t, false);
    }
}

void reversal_drain(struct relay *relay)
{
    struct list *at = relay->turns.next;

    while (at != &relay->turns) {
        struct turn *t = LIST_OWNER(at, struct turn, all);

        at = at->next;
        if (t->busy)            /* when its job is done */
            continue;
        link_drop(t->link);
        turn_end(t, true);
    }
}
