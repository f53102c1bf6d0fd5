/* fetch.c - one timer for each fetch section of the configuration. */
#include <stdlib.h>
#include "log/log.h"
#include "queue/dispatch.h"
#include "queue/fetch.h"

static const int64_t FIRST = 2000;              /* ms after the start: the relays are coming */
static const int64_t TOO_LONG = 60 * 60 * 1000; /* ms: a relay that says nothing has lost it */
static const int64_t AGAIN = 10 * 1000;         /* ms until another try to find a relay */

struct fetch {
    struct slice name;          /* of the section; in the configuration of `confs` */
    int64_t      every, next;   /* ms; mono ms */
    uint64_t     ticket;        /* asked and not answered; 0: not */
    uint64_t     relay;         /* serial */
    int64_t      asked;
};

struct fetches {
    uint32_t     confs;         /* queue->confs that they were made from */
    size_t       n;
    struct fetch all[];
};

/* make - all anew with a new configuration; what is being fetched is not asked again
 * before its time */

static struct fetches *make(const struct queue *q)
{
    size_t n = q->conf->nfetches;
    struct fetches *f = calloc(1, sizeof *f + n * sizeof f->all[0]);

    if (f == NULL)
        return NULL;
    f->confs = q->confs;
    f->n = n;
    for (size_t i = 0; i < n; i++)
        f->all[i] = (struct fetch){ .name = q->conf->fetches[i].name,
                                    .every = q->conf->fetches[i].every,
                                    .next = q->mono + (q->confs == 0 ? FIRST
                                                       : q->conf->fetches[i].every) };
    return f;
}

static void ask(struct queue *q, struct fetch *f)
{
    struct peer *relay = q->draining ? NULL : dispatch_choose(q, LANE_RELAY);
    struct msg_fetch m = { .ticket = ++q->tickets, .name = f->name };

    f->next = q->mono + AGAIN;
    if (relay == NULL || relay->ops->fetch == NULL || !relay->ops->fetch(relay, &m))
        return;
    f->ticket = m.ticket;
    f->relay = relay->serial;
    f->asked = q->mono;
    f->next = q->mono + f->every;
}

void fetches_work(struct queue *q)
{
    if (q->fetches == NULL || q->fetches->confs != q->confs) {
        fetches_close(q);
        q->fetches = make(q);
    }
    for (size_t i = 0; q->fetches != NULL && i < q->fetches->n; i++) {
        struct fetch *f = &q->fetches->all[i];

        if (f->ticket != 0 && q->mono - f->asked >= TOO_LONG)
            f->ticket = 0;
        if (f->ticket == 0 && f->next <= q->mono)
            ask(q, f);
    }
}

bool fetches_done(struct queue *q, struct peer *p, const struct msg_fetched *m)
{
    if (m->fate > FATE_NEVER)
        return false;
    for (size_t i = 0; q->fetches != NULL && i < q->fetches->n; i++) {
        struct fetch *f = &q->fetches->all[i];

        if (f->ticket != m->ticket || f->ticket == 0 || f->relay != p->serial)
            continue;
        f->ticket = 0;
        log_event(EVENT_FETCHED, LF_TEXT("fetch", f->name),
                  LF_STR("fate", m->fate == FATE_DONE ? "done" : m->fate == FATE_NEVER ? "never"
                                                                                       : "later"),
                  LF_TEXT("text", m->text), LF_NUM("wait", (f->next - q->mono) / 1000));
    }
    return true;
}

bool fetches_adopt(struct queue *q, struct peer *p, const struct msg_adopt *m, int fd)
{
    struct peer *best = NULL;

    (void)p;
    for (struct list *l = q->smtpds.next; l != &q->smtpds; l = l->next) {
        struct peer *s = LIST_OWNER(l, struct peer, link);

        if (s->ops->adopt != NULL && (best == NULL || s->adopted < best->adopted))
            best = s;
    }
    if (best == NULL || !best->ops->adopt(best, m, fd))
        log_event(EVENT_FETCHED, LF_TEXT("host", m->host), LF_STR("text", "no smtpd to serve it"));
    else
        best->adopted++;
    return true;
}

void fetches_peer_gone(struct queue *q, struct peer *p)
{
    for (size_t i = 0; q->fetches != NULL && i < q->fetches->n; i++)
        if (q->fetches->all[i].relay == p->serial && q->fetches->all[i].ticket != 0) {
            q->fetches->all[i].ticket = 0;
            q->fetches->all[i].next = q->mono + AGAIN;
        }
}

void fetches_close(struct queue *q)
{
    free(q->fetches);
    q->fetches = NULL;
}
