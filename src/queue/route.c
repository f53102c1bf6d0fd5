/* route.c - from addresses to destinations, and from recipients to jobs. */
#include <stdlib.h>
#include "base/crc32c.h"
#include "base/digits.h"
#include "queue/asked.h"
#include "queue/links.h"
#include "queue/route.h"
#include "smtp/address.h"

static struct hop done(struct buf *text, enum lane lane)
{
    return (struct hop){ .text = buf_view(text), .lane = lane };
}

/* last_mile - `deliver` of a domain or a sink */

static struct hop last_mile(struct slice deliver, struct buf *text)
{
    if (slice_eq(deliver, SLICE_LIT("discard")))
        deliver = SLICE_LIT("discard:");
    buf_put_slice(text, deliver);
    return done(text, slice_istarts(deliver, SLICE_LIT("lmtp:")) ? LANE_RELAY : LANE_LOCAL);
}

static struct hop to_sink(const struct conf *conf, struct slice listener, struct buf *text)
{
    for (size_t i = 0; i < conf->nlistens; i++)
        if (conf->listens[i].role == LISTEN_SINK && conf->listens[i].deliver.n > 0
            && slice_eq(conf->listens[i].address, listener))
            return last_mile(conf->listens[i].deliver, text);
    buf_printf(text, "maildir:%.*s/sink", SLICE(conf->spool));
    return done(text, LANE_LOCAL);
}

static struct hop to_hold(struct slice why, struct buf *text)
{
    struct hop hop;

    buf_puts(text, "hold:");
    buf_put_slice(text, why);
    hop = done(text, LANE_RELAY);
    hop.hold = true;
    return hop;
}

static struct hop to_host(struct slice host, unsigned port, struct buf *text)
{
    bool v6 = slice_chr(host, ':') < host.n && slice_chr(host, '[') == host.n;
    char number[DIGITS_TEXT];

    buf_puts(text, v6 ? "host:[" : "host:");
    buf_put_slice(text, host);
    buf_puts(text, v6 ? "]:" : ":");
    buf_put_slice(text, digits_text(port, number));
    return done(text, LANE_RELAY);
}

static struct hop to_elsewhere(const struct conf *conf, struct slice domain, unsigned how,
                               struct buf *text)
{
    const struct conf_route *route = conf_route_find(conf, domain);

    if (route->via == VIA_HOST)
        return to_host(route->host, route->port, text);
    if (route->via == VIA_HOLD && !(how & ROUTE_RELEASED))
        return to_hold(route->pattern, text);
    buf_puts(text, "mx:");
    buf_put_slice(text, domain);
    return done(text, LANE_RELAY);
}

static struct hop to_terminal(struct buf *text)
{
    buf_puts(text, "terminal:");
    return done(text, LANE_LOCAL);
}

unsigned route_how(const struct letter *m)
{
    return (m->flags & LETTER_RELEASED ? ROUTE_RELEASED : 0u)
         | (m->flags & LETTER_MAILBOX ? ROUTE_MAILBOX : 0u);
}

struct hop route_hop(const struct conf *conf, const struct envelope *e, struct slice address,
                     unsigned how, struct buf *text)
{
    struct slice domain = address_domain(address);
    const struct conf_domain *ours;

    buf_clear(text);
    if (e->flags & ENV_SINK)
        return to_sink(conf, e->listener, text);
    if (domain.n == 0)          /* <postmaster>: the one local part without a domain */
        domain = conf->ndomains > 0 ? conf->domains[0].name : conf->hostname;
    ours = conf_domain_find(conf, domain);
    if (ours != NULL && !(how & ROUTE_MAILBOX) && asked_of(e->extra).verb != ASKED_MAIL)
        return to_terminal(text);
    if (ours != NULL && ours->deliver.n > 0)
        return last_mile(ours->deliver, text);
    if (ours != NULL || slice_ieq(domain, conf->hostname))
        return to_hold(SLICE_LIT("no deliver setting for this domain"), text);
    return to_elsewhere(conf, domain, how, text);
}

/* ----------------------------------------------------------------- jobs -- */

/* The open job of a destination takes recipients with one return path only, and
 * either such that an alias led to or such that none did (links.h): `path` counts
 * the changes of that, and stands in the job's unused due time. */

static bool new_job(struct queue *q, struct letter *m, struct destination *d, uint32_t index,
                    uint32_t path, struct slice sender, int level)
{
    struct job *job = job_new(m, index);

    if (job == NULL)
        return false;
    sched_attach(q->sched, &job->sched, d, crc32c(0, sender));
    sched_rank(&job->sched, level);
    job->sched.due = path;
    d->user = job;              /* forgotten at the end of route_letter */
    return true;
}

static bool place(struct queue *q, struct letter *m, const struct hop *hop, uint32_t index,
                  uint32_t path, struct slice sender, int level)
{
    struct destination *d = sched_destination(q->sched, hop->text, hop->lane);
    struct job *open = d != NULL ? d->user : NULL;

    if (d == NULL)
        return false;
    if (open != NULL && open->sched.due == path
        && job_count(open) < q->conf->relay.recipients)
        return job_add(open, index);
    return new_job(q, m, d, index, path, sender, level);
}

static bool route_all(struct queue *q, struct letter *m, const struct envelope *e,
                      const bool *skip, struct buf *text)
{
    struct wire w = wire_reader(e->rcpts);
    struct slice return_path = { 0 };
    struct asked asked = asked_of(e->extra);
    uint32_t path = 0;
    struct recipient r;
    struct hop hop;

    for (uint32_t i = 0; recipient_next(&w, &r); i++) {
        if (skip != NULL && skip[i])
            continue;
        if (!slice_eq(return_path, r.return_path))
            path++;
        return_path = r.return_path;
        hop = route_rcpt(q, e, &r, route_how(m), text);
        if (text->full || !place(q, m, &hop, i, 2 * path + (r.original.n > 0),
                                 r.return_path.n > 0 ? r.return_path : e->sender, asked.priority))
            return false;
    }
    return true;
}

bool route_letter(struct queue *q, struct letter *m, const struct envelope *e, const bool *skip)
{
    struct job *job, *next;
    bool ok = route_all(q, m, e, skip, &q->hop);

    for (job = NULL; (job = job_next(m, job)) != NULL; )
        job->sched.dest->user = NULL;
    for (job = job_next(m, NULL); !ok && job != NULL; job = next) {
        next = job->next;
        if (job->sched.state != SCHED_PARKED)
            continue;
        sched_detach(q->sched, &job->sched);
        job_free(job);
    }
    return ok;
}

/* ---------------------------------------------------------------- parts -- */

/* picked - the numbers of the recipients that are picked, ascending; returns how many */

static uint32_t picked(const struct job *job, const struct envelope *e, job_pick_f *pick,
                       const void *user, uint32_t *numbers)
{
    struct wire w = wire_reader(e->rcpts);
    uint32_t n = 0;
    struct recipient r;

    for (uint32_t i = 0; recipient_next(&w, &r); i++)
        if (job_has(job, i) && pick(user, address_domain(r.address)))
            numbers[n++] = i;
    return n;
}

static struct job *take_out(struct queue *q, struct job *job, const uint32_t *numbers, uint32_t n)
{
    struct job *part = job_new(job->letter, numbers[0]);
    bool ok = part != NULL;

    for (uint32_t i = 1; ok && i < n; i++)
        ok = job_add(part, numbers[i]);
    if (!ok) {
        if (part != NULL)
            job_free(part);
        return NULL;
    }
    for (uint32_t i = 0; i < n; i++)
        job_drop(job, numbers[i]);
    sched_attach(q->sched, &part->sched, job->sched.dest, job->sched.turn);
    sched_rank(&part->sched, sched_level(&job->sched));
    part->sched.attempts = job->sched.attempts;
    return part;
}

struct job *job_part(struct queue *q, struct job *job, const struct envelope *e, job_pick_f *pick,
                     const void *user)
{
    uint32_t *numbers = calloc(job_count(job) + 1, sizeof *numbers);
    uint32_t n = numbers != NULL ? picked(job, e, pick, user, numbers) : 0;
    struct job *part = n == 0 ? NULL : n == job_count(job) ? job : take_out(q, job, numbers, n);

    free(numbers);
    return part;
}

bool job_move(struct queue *q, struct job *job, struct slice destination, enum lane lane)
{
    struct destination *d = sched_destination(q->sched, destination, lane);

    if (d == NULL)
        return false;
    sched_detach(q->sched, &job->sched);
    sched_attach(q->sched, &job->sched, d, job->sched.turn);
    return true;
}
