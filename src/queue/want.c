/* want.c - matching domains and destinations, and walking over the letters. */
#include <stdlib.h>
#include "base/ascii.h"
#include "queue/route.h"
#include "queue/times.h"
#include "queue/want.h"
#include "smtp/address.h"

enum { LETTERS_A_TURN = 2000, JOBS_A_TURN = 100 };

/* --- names -------------------------------------------------------------------- */

static void copy(struct slice *name, struct slice from, char **text)
{
    *name = slice_of(*text, from.n);
    for (size_t i = 0; i < from.n; i++)
        *(*text)++ = ascii_lower(from.p[i]);
}

bool want_read(struct want *w, enum kick_kind kind, uint32_t n, struct slice names,
               bool *malformed)
{
    struct wire in = wire_reader(names);
    char *text;

    *w = (struct want){ .kind = kind };
    *malformed = n == 0 || n > WANT_NAMES || names.n > WANT_NAMES * (WANT_NAME + 4);
    if (*malformed)
        return false;
    w->names = calloc(1, n * sizeof *w->names + names.n + 1);
    if (w->names == NULL)
        return false;
    text = (char *)(w->names + n);
    for (w->n = 0; w->n < n; w->n++) {
        struct slice name = wire_get_bytes(&in);

        if (in.bad || name.n == 0 || name.n > WANT_NAME)
            break;
        copy(&w->names[w->n], name, &text);
    }
    *malformed = w->n < n || !wire_done(&in);
    if (*malformed)
        want_free(w);
    return !*malformed;
}

void want_free(struct want *w)
{
    free(w->names);
    *w = (struct want){ 0 };
}

static bool is_node(const struct want *w, struct slice domain)
{
    for (size_t i = 0; i < w->n; i++)
        if (slice_ieq(w->names[i], domain))
            return true;
    return false;
}

bool want_overlaps(const struct want *a, const struct want *b)
{
    for (size_t i = 0; i < a->n; i++)
        if (is_node(b, a->names[i]))
            return true;
    return false;
}

/* is_below - domain is `top`, or ends in a dot and `top` */

static bool is_below(struct slice top, struct slice domain)
{
    size_t more = domain.n - top.n;

    if (domain.n < top.n || !slice_ieq(slice_from(domain, more), top))
        return false;
    return more == 0 || domain.p[more - 1] == '.';
}

static bool is_in_queue(const struct want_in *in, struct slice domain)
{
    struct slice name = in->want->names[0];

    return slice_ieq(conf_route_find(in->conf, domain)->pattern, name)
        || (slice_istarts(name, SLICE_LIT("mx:")) && slice_ieq(slice_from(name, 3), domain));
}

bool want_domain(const void *user, struct slice domain)
{
    const struct want_in *in = user;

    if (domain.n == 0 || in->want->n == 0)
        return false;
    switch (in->want->kind) {
    case KICK_NODE:   return is_node(in->want, domain);
    case KICK_DOMAIN: return is_below(in->want->names[0], domain);
    default:          return is_in_queue(in, domain);
    }
}

bool want_walk(struct want_walk *walk, struct queue *q, const struct want *w,
               const struct job *job)
{
    *walk = (struct want_walk){ .in = { w, q->conf }, .job = job };
    if (!letter_envelope(q, job->letter, &walk->envelope))
        return false;
    walk->rcpts = wire_reader(walk->envelope.rcpts);
    return true;
}

bool want_walk_next(struct want_walk *walk)
{
    while (recipient_next(&walk->rcpts, &walk->rcpt)) {
        walk->index = walk->next++;
        if (job_has(walk->job, walk->index)
            && want_domain(&walk->in, address_domain(walk->rcpt.address)))
            return true;
    }
    return false;
}

/* --- destinations ----------------------------------------------------------------- */

/* leads_to - does mail for this domain go to this destination? */

static bool leads_to(const struct queue *q, struct slice domain, struct slice destination)
{
    struct buf address = BUF(1024), text = BUF(1024);
    struct envelope none = { 0 };
    bool same;

    buf_printf(&address, "x@%.*s", SLICE(domain));
    same = slice_ieq(route_hop(q->conf, &none, buf_view(&address), 0, &text).text, destination);
    buf_free(&address);
    buf_free(&text);
    return same;
}

/* by_route - a route of a wanted domain (or of one below) leads there */

static bool by_route(const struct queue *q, const struct want *w, struct slice destination)
{
    for (size_t i = 0; i < w->n && w->kind != KICK_QUEUE; i++)
        if (leads_to(q, w->names[i], destination))
            return true;
    for (size_t i = 0; i < q->conf->nroutes; i++) {
        const struct conf_route *r = &q->conf->routes[i];
        struct slice base = slice_from(r->pattern, slice_istarts(r->pattern, SLICE_LIT("*.")) ? 2 : 0);
        bool ours = w->kind == KICK_QUEUE ? slice_ieq(r->pattern, w->names[0])
                  : w->kind == KICK_DOMAIN && is_below(w->names[0], base);

        if (ours && leads_to(q, base, destination))
            return true;
    }
    return false;
}

static enum wanted in_hold(const struct want_in *in, struct slice pattern)
{
    if (in->want->kind == KICK_QUEUE && slice_ieq(pattern, in->want->names[0]))
        return WANTED_ALL;
    if (pattern.n > 0 && pattern.p[0] == '*')
        return WANTED_LOOK;
    return want_domain(in, pattern) ? WANTED_ALL : WANTED_NONE;
}

enum wanted want_destination(const struct queue *q, const struct want *w,
                             const struct destination *d)
{
    struct want_in in = { w, q->conf };
    struct slice text = slice_of(d->text, d->n), kind, rest;

    slice_cut(text, ':', &kind, &rest);
    if (w->n == 0)
        return WANTED_NONE;
    if (w->kind == KICK_QUEUE && slice_ieq(text, w->names[0]))
        return WANTED_ALL;
    if (slice_eq(kind, SLICE_LIT("mx")))
        return want_domain(&in, rest) ? WANTED_ALL : WANTED_NONE;
    if (slice_eq(kind, SLICE_LIT("hold")))
        return in_hold(&in, rest);
    if (slice_eq(kind, SLICE_LIT("link")))
        return WANTED_LOOK;     /* any domain may lie behind it */
    if (slice_eq(kind, SLICE_LIT("host")))
        return by_route(q, w, text) ? WANTED_LOOK : WANTED_NONE;
    return WANTED_NONE;
}

bool want_waits(const struct queue *q, const struct job *job)
{
    const struct letter *m = job->letter;

    if (!(m->flags & LETTER_DURABLE)
        || (m->flags & (LETTER_HELD | LETTER_REMOVING | LETTER_REMOVED | LETTER_CANCELLED)))
        return false;
    return job->sched.state != SCHED_LEASED && job->sched.state != SCHED_PARKED
        && times_wait(q, m) == 0;
}

/* --- search ------------------------------------------------------------------------- */

static bool any_destination(struct queue *q, const struct want *w)
{
    struct destination *d;

    for (size_t at = 0; (d = sched_each(q->sched, &at)) != NULL; )
        if (d->count[SCHED_READY] + d->count[SCHED_DEFERRED] + d->count[SCHED_HELD] > 0
            && want_destination(q, w, d) != WANTED_NONE)
            return true;
    return false;
}

bool search_begin(struct queue *q, struct search *s, const struct want *w)
{
    struct letter *m;

    *s = (struct search){ 0 };
    if (!any_destination(q, w))
        return true;
    s->ids = calloc(q->letters.n + 1, sizeof *s->ids);
    if (s->ids == NULL)
        return false;
    for (size_t at = 0; (m = roster_next(&q->letters, &at)) != NULL; )
        s->ids[s->n++] = m->entry.id;
    return true;
}

void search_end(struct search *s)
{
    free(s->ids);
    *s = (struct search){ 0 };
}

/* look - all jobs of a letter; a new one that `each` makes comes behind the first */

static unsigned look(struct queue *q, struct letter *m, const struct want *w,
                     search_each_f *each, void *user)
{
    struct job *job, *next;
    unsigned n = 0;

    for (job = job_next(m, NULL); job != NULL; job = next) {
        enum wanted wanted = want_waits(q, job) ? want_destination(q, w, job->sched.dest)
                                                : WANTED_NONE;

        next = job->next;
        if (wanted == WANTED_NONE)
            continue;
        each(user, q, job, wanted);
        n++;
    }
    return n;
}

bool search_some(struct queue *q, struct search *s, const struct want *w, search_each_f *each,
                 void *user)
{
    unsigned jobs = 0;

    for (unsigned i = 0; i < LETTERS_A_TURN && jobs < JOBS_A_TURN && s->at < s->n; i++) {
        struct letter *m = letter_get(q, s->ids[s->at++]);

        if (m != NULL)
            jobs += look(q, m, w, each, user);
    }
    return s->at < s->n;
}
