/* admit.c - commits, what is lent for large bodies, and room on the disk.
 *
 * The smtpd may be in hostile hands: its word is checked again in all of
 * COMMIT. What is malformed costs it its channel; what we cannot do now is
 * answered "later".
 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>
#include "log/log.h"
#include "queue/admit.h"
#include "queue/cache.h"
#include "queue/history.h"
#include "queue/route.h"
#include "queue/bundle.h"
#include "queue/report.h"
#include "queue/times.h"

enum { GONE_MAX = 65536 };

static const int64_t AHEAD = 24LL * 60 * 60 * 1000;     /* an id may be so far in the future */

static void answer(struct peer *p, uint64_t id, enum fate fate, bool full)
{
    if (p != NULL && p->ops->committed != NULL)
        p->ops->committed(p, &(struct msg_committed){ .id = id, .fate = (uint8_t)fate,
                                                      .full = full });
}

/* ---------------------------------------------------------------- checks -- */

/* legal_body - inline, in a file, or in the bay; only one of them */

static bool legal_body(const struct queue *q, const struct msg_commit *m)
{
    if (m->lent != 0)
        return m->body.n == 0 && m->bay == 0 && m->length <= q->conf->limits.message_size + 65536;
    if (m->bay != 0)
        return m->body.n == 0 && share_holds(m->place, m->length);
    return m->body.n <= ADMIT_INLINE_MAX && m->length == 0;
}

/* legal - is this something that an honest smtpd would say? */

static bool legal(const struct queue *q, const struct peer *p, const struct msg_commit *m,
                  struct envelope *e)
{
    int64_t newest = q->latest > id_ms(q->id_floor) ? q->latest : id_ms(q->id_floor);
    const struct lent *lent = m->lent != 0 ? roster_get(&q->lent, m->lent) : NULL;

    if (m->id == 0 || id_slot(m->id) != p->slot || id_ms(m->id) > newest + AHEAD)
        return false;
    if (!legal_body(q, m))
        return false;
    if (m->envelope.n > ENVELOPE_MAX || !envelope_get(m->envelope, e) || (e->flags & ENV_BOUNCE))
        return false;
    return m->lent == 0 || lent == NULL || lent->peer == p->serial;
}

/* repeated - was this commit carried out already? Then it is answered. */

static bool repeated(struct queue *q, struct peer *p, const struct msg_commit *m, bool *ok)
{
    const struct letter *letter = letter_get(q, m->id);
    const struct gone *gone = letter == NULL ? roster_get(&q->gone, m->id) : NULL;
    uint32_t nonce = nonce_fold(m->nonce);

    *ok = (letter == NULL || letter->nonce == nonce) && (gone == NULL || gone->nonce == nonce);
    if (!*ok || (letter == NULL && gone == NULL))
        return !*ok;
    if (gone != NULL || (letter->flags & LETTER_DURABLE))
        answer(p, m->id, FATE_DONE, false);
    return true;                /* else the answer is on its way */
}

/* ---------------------------------------------------------------- commit -- */

static void undo(struct queue *q, struct letter *m)
{
    cache_drop(q->cache, m->entry.id);
    letter_drop(q, m);
}

/* enter - the letter and its jobs, PARKED until it is durable */

static struct letter *enter(struct queue *q, const struct msg_commit *m, const struct envelope *e)
{
    struct letter *letter = letter_new(&q->pages);

    if (letter == NULL)
        return NULL;
    letter->entry.id = m->id;
    letter->nonce = nonce_fold(m->nonce);
    letter->arrived = e->arrived < q->wall ? e->arrived : q->wall;
    if (e->sender.n == 0)
        letter->flags |= LETTER_BOUNCE;
    if (!roster_put(&q->letters, letter)) {
        letter_free(&q->pages, letter);
        return NULL;
    }
    if (!times_note(q, letter, e) || !route_letter(q, letter, e, NULL)) {
        undo(q, letter);
        return NULL;
    }
    return letter;
}

static void give_up_lent(struct queue *q, struct peer *p, uint64_t number)
{
    struct lent *lent = roster_take(&q->lent, number);

    free(lent);
    p->nlent -= p->nlent > 0;
}

/* put_off - later; a file that came with it is done with */

static void put_off(struct queue *q, struct peer *p, const struct msg_commit *m)
{
    if (m->lent != 0)
        admit_lend_back(q, p, m->lent);
    answer(p, m->id, FATE_LATER, false);
}

/* lost - was it lent or shared before we were restarted? Its content is gone with that. */

static bool lost(struct queue *q, const struct peer *p, const struct msg_commit *m)
{
    return (m->lent != 0 && roster_get(&q->lent, m->lent) == NULL)
        || (m->bay != 0 && (p->bay.p == NULL || p->bay.number != m->bay));
}

static struct record record_of(const struct peer *p, const struct msg_commit *m)
{
    struct record r = { .type = RECORD_MESSAGE, .head = m->envelope, .body = m->body,
                        .nonce = m->nonce };

    if (m->bay != 0) {
        r.body = share_view(&p->bay, m->place, m->length);
    } else if (m->lent != 0) {
        r.large = m->lent;
        r.length = m->length;
        r.crc = m->crc;
    }
    return r;
}

bool admit_commit(struct queue *q, struct peer *p, const struct msg_commit *m)
{
    struct letter *letter;
    struct record record;
    struct envelope e;
    bool ok;

    if (!legal(q, p, m, &e))
        return false;
    if (repeated(q, p, m, &ok))
        return ok;
    if (lost(q, p, m)) {
        answer(p, m->id, FATE_LATER, false);
        return true;
    }
    letter = q->draining ? NULL : enter(q, m, &e);
    if (letter == NULL) {
        put_off(q, p, m);
        return true;
    }
    if (m->id > q->id_newest)
        q->id_newest = m->id;
    record = record_of(p, m);
    record.entry = &letter->entry;
    if (!bundle_commit(q, letter, p->serial, &record)) {
        undo(q, letter);
        put_off(q, p, m);
    } else if (m->lent != 0) {
        give_up_lent(q, p, m->lent);        /* the journal's from here on */
    }
    return true;
}

/* keep - for its delivery, which will be soon, as the journal has it */

static void keep(struct queue *q, struct letter *m)
{
    struct slice envelope, body;

    if (!letter_held(m) && journal_told(q->journal, &envelope, &body))
        cache_put(q->cache, m->entry.id, envelope, body);
}

/* welcome - it is ours from now on */

static void welcome(struct queue *q, struct letter *m)
{
    struct slice envelope, body;
    struct envelope e;

    if ((q->history == NULL && !(m->flags & LETTER_TELLS))
        || (!journal_told(q->journal, &envelope, &body) && !letter_read(q, m, &envelope, &body)))
        return;
    if (q->history != NULL)
        history_received(q, m->entry.id, envelope, letter_size(q, m, body));
    if ((m->flags & LETTER_TELLS) && envelope_get(envelope, &e))
        report_expansions(q, m, &e, NULL);
}

void admit_done(struct queue *q, struct letter *m, uint64_t peer, enum fate fate,
                const struct why *why)
{
    struct peer *p = roster_get(&q->peers, peer);
    uint64_t id = m->entry.id;

    if (fate != FATE_DONE) {
        queue_trouble("commit", id, why);
        answer(p, id, FATE_LATER, why->error == ENOSPC);
        undo(q, m);
        return;
    }
    m->flags |= LETTER_DURABLE;
    answer(p, id, FATE_DONE, false);
    count_add(commits, 1);
    log_event(EVENT_QUEUED, LF_ID("id", id), LF_NUM("recipients", letter_pending(m)),
              LF_NUM("bytes", m->entry.length));
    keep(q, m);
    welcome(q, m);
    letter_start(q, m);
}

void admit_gone(struct queue *q, uint64_t id, uint32_t nonce)
{
    struct gone *gone;

    if (q->gone_ring == NULL)
        q->gone_ring = calloc(GONE_MAX, sizeof *q->gone_ring);
    if (q->gone_ring == NULL || roster_get(&q->gone, id) != NULL)
        return;
    gone = &q->gone_ring[q->gone_at++ % GONE_MAX];
    if (gone->id != 0)
        roster_take(&q->gone, gone->id);
    *gone = (struct gone){ id, nonce };
    if (!roster_put(&q->gone, gone))
        gone->id = 0;
}

/* --------------------------------------------------------------- lending -- */

static void lend(struct queue *q, struct peer *p)
{
    uint64_t number = 0;
    int handle = journal_lend(q->journal, &number);
    struct lent *lent;

    if (handle < 0)
        return;                 /* it asks again, or answers its client 451 */
    lent = calloc(1, sizeof *lent);
    if (lent != NULL)
        *lent = (struct lent){ number, p->serial };
    if (lent != NULL && roster_put(&q->lent, lent)) {
        p->nlent++;
        p->ops->lend(p, &(struct msg_lend){ number }, q->disk->fd(q->disk->ctx, handle));
    } else {
        free(lent);
        journal_lend_back(q->journal, number);
    }
    q->disk->close(q->disk->ctx, handle);
}

bool admit_lend_more(struct queue *q, struct peer *p, uint32_t count)
{
    for (uint32_t i = 0; i < count && p->nlent < LENT_MAX; i++)
        lend(q, p);
    return true;
}

bool admit_lend_back(struct queue *q, struct peer *p, uint64_t number)
{
    const struct lent *lent = roster_get(&q->lent, number);

    if (lent == NULL || lent->peer != p->serial)
        return false;
    give_up_lent(q, p, number);
    journal_lend_back(q->journal, number);
    return true;
}

void admit_share(struct peer *p)
{
    int fd = p->ops->bay != NULL ? share_open(&p->bay) : -1;

    if (fd < 0)
        return;
    p->ops->bay(p, &(struct msg_bay){ p->bay.number }, fd);
    close(fd);
}

/* next_of - a file lent to this peer, or NULL */

static struct lent *next_of(const struct queue *q, const struct peer *p)
{
    struct lent *lent;

    for (size_t at = 0; (lent = roster_next(&q->lent, &at)) != NULL; )
        if (lent->peer == p->serial)
            return lent;
    return NULL;
}

void admit_peer_gone(struct queue *q, struct peer *p)
{
    struct lent *lent;

    while (p->nlent > 0 && (lent = next_of(q, p)) != NULL)
        admit_lend_back(q, p, lent->number);
    share_close(&p->bay);
}

/* ------------------------------------------------------------------ room -- */

void admit_room(struct queue *q)
{
    int64_t room = journal_room(q->journal);
    bool full = room < (int64_t)q->conf->queue.min_free;

    if (q->full && room < (int64_t)(q->conf->queue.min_free + q->conf->queue.min_free / 16))
        full = true;            /* a little more than enough, or it flutters */
    if (full == q->full)
        return;
    q->full = full;
    log_event(EVENT_DISK_FULL, LF_STR("state", full ? "full" : "room again"),
              LF_NUM("free", room), LF_NUM("min_free", q->conf->queue.min_free));
    for (struct list *l = q->smtpds.next; l != &q->smtpds; l = l->next) {
        struct peer *p = LIST_OWNER(l, struct peer, link);

        p->ops->room(p, &(struct msg_room){ !full });
    }
}
