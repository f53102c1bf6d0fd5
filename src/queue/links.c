/* links.c - the node of the link-state routing among the other parts of the queue. */
#include <stdlib.h>
#include "log/log.h"
#include "queue/dispatch.h"
#include "queue/links_inside.h"

static const int64_t TALK_MAX = 5 * 60 * 1000;  /* ms for one exchange */
static const int64_t SETTLE_MAX = 60 * 1000;    /* ms after the start until what we know has to do */
static const int64_t PAUSE = 100;               /* ms between looks, unless something came */

static const struct slice KIND = SLICE_INIT("link:");

/* ------------------------------------------------------- configuration -- */

static struct links_settings settings_of(const struct conf *conf)
{
    return (struct links_settings){
        .watch = { .retry = conf->links.retry, .failures = 3, .damping = conf->links.damping,
                   .suppress = conf->links.suppress },
        .refresh = conf->links.refresh, .age = conf->links.age };
}

/* add_space - what cannot stand in a table is left out, and said */

static void add_space(struct slice name, struct slice *spaces, size_t *n)
{
    if (space_valid(name) && *n < LINKS_SPACES)
        spaces[(*n)++] = name;
    else
        log_event(EVENT_LINKS, LF_TEXT("domain", name),
                  LF_STR("why", *n < LINKS_SPACES ? "not a domain that can be announced"
                                                  : "too many domains to announce"));
}

static size_t spaces_of(const struct conf *conf, struct slice spaces[LINKS_SPACES])
{
    size_t n = 0;

    for (size_t i = 0; i < conf->ndomains; i++)
        add_space(conf->domains[i].name, spaces, &n);
    for (size_t i = 0; i < conf->links.serves.n; i++)
        add_space(conf->links.serves.names[i], spaces, &n);
    return n;
}

static struct ask *ask_of(struct links *links, struct slice name)
{
    for (size_t i = 0; i < links->nasks; i++)
        if (slice_eq(slice_cstr(links->asks[i].name), name))
            return &links->asks[i];
    return NULL;
}

/* asks_make - one for each connector; what is known by name stays as it is */

static void asks_make(struct links *links, const struct links_connector *connectors, size_t n)
{
    struct links *old = malloc(sizeof *old);

    if (old != NULL)
        *old = *links;
    links->nasks = n;
    for (size_t i = 0; i < n; i++) {
        const struct ask *known = old != NULL ? ask_of(old, connectors[i].name) : NULL;

        links->asks[i] = known != NULL ? *known : (struct ask){ .ended = false };
        memcpy(links->asks[i].name, connectors[i].name.p, connectors[i].name.n);
        links->asks[i].name[connectors[i].name.n] = '\0';
    }
    free(old);
}

static size_t connectors_of(const struct conf *conf, struct links_connector all[LINKS_CONNECTORS])
{
    size_t n = 0;

    for (size_t i = 0; i < conf->nconnectors && n < LINKS_CONNECTORS; i++)
        if (node_name_valid(conf->connectors[i].name))
            all[n++] = (struct links_connector){
                .name = conf->connectors[i].name, .to = conf->connectors[i].name,
                .cost = (unsigned)conf->connectors[i].cost };
    return n;
}

void queue_links_reconf(struct queue *q)
{
    struct links_connector connectors[LINKS_CONNECTORS];
    struct slice spaces[LINKS_SPACES];
    struct links_settings settings = settings_of(q->conf);
    size_t n, nspaces;

    if (q->links == NULL)
        return;
    q->links->next = 0;
    n = connectors_of(q->conf, connectors);
    nspaces = spaces_of(q->conf, spaces);
    if (!links_configure(q->links->node, &settings, spaces, nspaces, connectors, n, q->mono,
                         q->wall)) {
        log_event(EVENT_LINKS, LF_STR("why", "connectors and domains do not fit into the table"));
        return;
    }
    asks_make(q->links, connectors, n);
}

void queue_links_open(struct queue *q)
{
    struct links_settings settings = settings_of(q->conf);
    struct links *links = calloc(1, sizeof *links);

    if (links == NULL)
        return;
    links->begun = q->mono;
    links->node = links_new(q->conf->hostname, &settings, q->mono, q->wall);
    if (links->node == NULL) {
        log_event(EVENT_LINKS, LF_TEXT("hostname", q->conf->hostname),
                  LF_STR("why", "no link-state routing: this cannot be the name of a node"));
        free(links);
        return;
    }
    q->links = links;
    queue_links_reconf(q);
    links->seen = links_generation(links->node);
    links->settled = links->nasks == 0;
}

void queue_links_close(struct queue *q)
{
    if (q->links != NULL)
        links_free(q->links->node);
    free(q->links);
    q->links = NULL;
}

/* ------------------------------------------------------------ exchanges -- */

static struct peer *relay_of(struct queue *q, const struct ask *a)
{
    return roster_get(&q->peers, a->relay);
}

static bool send_payload(struct queue *q, const struct ask *a, struct slice payload)
{
    struct peer *relay = relay_of(q, a);

    return relay != NULL && relay->ops->exchange != NULL
        && relay->ops->exchange(relay, &(struct msg_exchange){
               .ticket = a->ticket, .connector = slice_cstr(a->name), .payload = payload });
}

static void end_talk(struct queue *q, struct ask *a, bool tell_relay)
{
    if (tell_relay)
        send_payload(q, a, (struct slice){ 0 });
    a->ticket = 0;
    a->ended = true;
}

/* give_up - it is our side that could not go on */

static void give_up(struct queue *q, struct ask *a)
{
    struct buf none = BUF(1);

    links_asked(q->links->node, slice_cstr(a->name), LINKS_CUT, (struct slice){ 0 }, q->mono,
                q->wall, &none);
    a->ticket = 0;
    buf_free(&none);
}

static void begin_talk(struct queue *q, struct ask *a)
{
    struct peer *relay = dispatch_choose(q, LANE_RELAY);
    struct buf payload = BUF(LINKS_TABLE);

    a->ticket = ++q->tickets;
    a->relay = relay != NULL ? relay->serial : 0;
    a->since = q->mono;
    if (!links_ask(q->links->node, &payload) || !send_payload(q, a, buf_view(&payload)))
        give_up(q, a);
    buf_free(&payload);
}

static struct ask *ask_by_ticket(struct links *links, uint64_t ticket)
{
    for (size_t i = 0; i < links->nasks; i++)
        if (links->asks[i].ticket == ticket && ticket != 0)
            return &links->asks[i];
    return NULL;
}

bool queue_links_asked(struct queue *q, struct peer *p, const struct msg_exchanged *m)
{
    static const enum links_outcome outcomes[] = {
        [FATE_LATER] = LINKS_UNREACHED, [FATE_DONE] = LINKS_EXCHANGED,
        [FATE_NEVER] = LINKS_UNSPOKEN };
    struct ask *a = q->links != NULL ? ask_by_ticket(q->links, m->ticket) : NULL;
    struct buf next = BUF(LINKS_TABLE + 8);
    bool more;

    if (m->fate > FATE_NEVER)
        return false;
    if (a == NULL || a->relay != p->serial)
        return true;
    q->links->next = 0;
    more = links_asked(q->links->node, slice_cstr(a->name), outcomes[m->fate], m->payload,
                       q->mono, q->wall, &next);
    if (!more)
        end_talk(q, a, m->fate == FATE_DONE);
    else if (!send_payload(q, a, buf_view(&next)))
        give_up(q, a);
    buf_free(&next);
    return true;
}

bool queue_links_heard(struct queue *q, struct peer *p, const struct msg_linkstate *m)
{
    struct buf answer = BUF(LINKS_TABLE + 8);
    enum fate fate = FATE_LATER;

    if (q->links != NULL) {
        q->links->next = 0;
        fate = links_heard(q->links->node, m->payload, q->mono, q->wall, &answer) ? FATE_DONE
                                                                                  : FATE_NEVER;
    }
    if (fate != FATE_DONE)
        buf_clear(&answer);
    if (p->ops->linkstate_done != NULL)
        p->ops->linkstate_done(p, &(struct msg_linkstate_done){
            .ticket = m->ticket, .fate = (uint8_t)fate, .payload = buf_view(&answer) });
    buf_free(&answer);
    return true;
}

void queue_links_peer_gone(struct queue *q, struct peer *p)
{
    for (size_t i = 0; q->links != NULL && i < q->links->nasks; i++)
        if (q->links->asks[i].ticket != 0 && q->links->asks[i].relay == p->serial)
            give_up(q, &q->links->asks[i]);
}

void queue_links_met(struct queue *q, struct slice destination, enum trouble trouble)
{
    struct slice connector = slice_from(destination, KIND.n);

    if (q->links == NULL || !slice_istarts(destination, KIND) || connector.n == 0)
        return;
    q->links->next = 0;
    if (trouble == TROUBLE_HOST || trouble == TROUBLE_SESSION)
        links_failed(q->links->node, connector, q->mono);
    else if (trouble == TROUBLE_NONE)
        links_worked(q->links->node, connector, q->mono);
}

/* ----------------------------------------------------------------- work -- */

/* may_move - has the letter mail that the links carry, or may carry now? Its envelope
 * need not be read for that. */

static bool may_move(const struct queue *q, struct letter *m)
{
    static const struct slice mx = SLICE_INIT("mx:");

    for (struct job *job = NULL; (job = job_next(m, job)) != NULL; ) {
        struct slice to = slice_of(job->sched.dest->text, job->sched.dest->n);

        if (job->sched.dest->lane == LANE_RELAY
            && (!slice_istarts(to, mx)
                || links_route(q->links->node, slice_from(to, mx.n), NULL, 0).way != LINKS_NONE))
            return true;
    }
    return false;
}

/* settle - until we have asked around, nobody serving a domain means nothing */

static void settle(struct queue *q)
{
    struct links *links = q->links;
    bool all = true;

    for (size_t i = 0; i < links->nasks; i++)
        all = all && links->asks[i].ended;
    if (links->settled || !(all || q->mono - links->begun >= SETTLE_MAX))
        return;
    links->settled = true;
    queue_reroute(q, may_move);
}

/* look - connectors that went down or came up; what waited for one goes at once */

static void look(struct queue *q)
{
    char text[sizeof q->links->asks[0].name + 8];

    for (size_t i = 0; i < q->links->nasks; i++) {
        struct ask *a = &q->links->asks[i];
        const struct watch *w = links_watch(q->links->node, slice_cstr(a->name));
        struct destination *d;

        if (w == NULL || a->down == !watch_up(w))
            continue;
        a->down = !watch_up(w);
        log_event(EVENT_LINKS, LF_STR("connector", a->name),
                  LF_STR("state", a->down ? "down" : "up"));
        snprintf(text, sizeof text, "link:%s", a->name);
        d = sched_find(q->sched, slice_cstr(text));
        if (d != NULL && !a->down)
            sched_forgive(q->sched, d);
    }
}

static void ask_neighbours(struct queue *q)
{
    struct slice name;
    struct ask *a;

    while ((name = links_due(q->links->node, q->mono)).n > 0)
        if ((a = ask_of(q->links, name)) != NULL)
            begin_talk(q, a);
    for (size_t i = 0; i < q->links->nasks; i++) {
        a = &q->links->asks[i];
        if (a->ticket == 0 || q->mono - a->since < TALK_MAX)
            continue;
        send_payload(q, a, (struct slice){ 0 });
        give_up(q, a);
    }
}

void queue_links_work(struct queue *q)
{
    if (q->links == NULL || q->mono < q->links->next)
        return;
    q->links->next = q->mono + PAUSE;
    links_advance(q->links->node, q->mono, q->wall);
    if (!q->draining && !list_empty(&q->relays))
        ask_neighbours(q);
    settle(q);
    if (links_generation(q->links->node) == q->links->seen)
        return;
    q->links->seen = links_generation(q->links->node);
    look(q);
    queue_reroute(q, may_move);
}
