/* pool.c - connections to other hosts, and the one clock that watches them all. */
#include <stdio.h>
#include <stdlib.h>
#include "base/clock.h"
#include "base/map.h"
#include "log/log.h"
#include "relay/pool.h"

enum { LINK_IN = 64 << 10, SWEEP_MS = 1000 };

/* --- the end of a link */

static void link_free(struct link *link)
{
    free((char *)(uintptr_t)link->destination.p);
    free(link);
}

static void wake_one(struct pool *pool)
{
    struct list *first;
    struct pool_waiter *w;

    if (pool->nlinks >= pool->conf->relay.connections
        || (first = list_pop(&pool->waiters)) == NULL)
        return;
    w = LIST_OWNER(first, struct pool_waiter, link);
    w->go(w->user);
}

/* link_end - out of all lists; what is left in `out` is sent before it closes */

static void link_end(struct link *link)
{
    link_event_f *event = link->event;
    struct pool *pool = link->pool;

    if (link->dead)
        return;
    link->dead = true;
    link->event = NULL;
    list_remove(&link->all);
    list_remove(&link->idle);
    pool->nlinks--;
    count_set(outgoing, pool->nlinks);
    log_event(EVENT_OUTGOING, LF_STR("session", link->session), LF_STR("host", link->host),
              LF_STR("state", "closed"), LF_NUM("messages", link->client.sent),
              LF_STR("why", link->client.problem.text));
    if (!link->closed)
        stream_finish(&link->stream);
    if (event != NULL)
        event(link, LINK_DEAD);
    wake_one(pool);
    if (link->closed)
        link_free(link);
}

/* A stream that could not even begin to connect closes by itself. */
static void on_closed(struct stream *s)
{
    struct link *link = s->user;

    link->closed = true;
    if (link->dead) {
        link_free(link);
        return;
    }
    client_fail(&link->client, CAUSE_CONNECT, strerror(s->error));
    link_end(link);
}

void link_drop(struct link *link)
{
    link->event = NULL;
    client_quit(&link->client);
    link_end(link);
}

/* --- the turn of a link: after anything happened to it */

static void link_fill(struct link *link)
{
    while (link->client.stage == STAGE_BODY && stream_pending(&link->stream) == 0) {
        client_fill(&link->client, clock_mono());
        stream_flush(&link->stream);
    }
}

/* The event may begin the next transaction, which may be over at once. */
static void link_look(struct link *link)
{
    if (link->looking || link->dead)
        return;
    link->looking = true;
    do {
        stream_flush(&link->stream);
        link_fill(link);
        if (link->client.stage == STAGE_DEAD) {
            link_end(link);
            return;
        }
        if (link->client.stage != STAGE_IDLE || !link->busy)
            break;
        link->busy = false;
        if (link->event != NULL)
            link->event(link, LINK_READY);
    } while (!link->dead);
    link->looking = false;
}

static void link_input(struct link *link)
{
    size_t used = 0;

    client_input(&link->client, buf_view(&link->stream.in), &used, clock_mono());
    buf_drop(&link->stream.in, used);
}

static void link_connected(struct link *link)
{
    link->connect_by = 0;
    client_begin(&link->client, &link->client.options, clock_mono());
    count_add(outgoing_connects, 1);
    log_event(EVENT_OUTGOING, LF_STR("session", link->session), LF_STR("host", link->host),
              LF_STR("state", "connected"));
    stream_read(&link->stream);
}

static void link_failed(struct link *link, int error)
{
    client_fail(&link->client, link->connect_by != 0 ? CAUSE_CONNECT : CAUSE_LOST,
                strerror(error));
}

static void on_event(struct stream *s, enum stream_event event)
{
    struct link *link = s->user;

    if (link->dead)
        return;
    switch (event) {
    case STREAM_CONNECTED:
        link_connected(link);
        break;
    case STREAM_INPUT:
        link_input(link);
        break;
    case STREAM_DRAINED:
    case STREAM_SECURE:
        break;
    case STREAM_EOF:
        client_fail(&link->client, CAUSE_LOST, "closed by the host");
        break;
    case STREAM_FAILED:
        link_failed(link, s->error);
        break;
    }
    link_look(link);
}

/* --- making one */

static void link_name(struct link *link, const struct target *t)
{
    char ip[IP_TEXT];
    struct pool *pool = link->pool;

    snprintf(link->session, sizeof link->session, "r%u-%llu", pool->slot,
             (unsigned long long)++pool->named);
    if (t->ip.family == 0)
        snprintf(link->host, sizeof link->host, "%s", t->name);
    else
        snprintf(link->host, sizeof link->host, "%s [%s]:%u", t->name, ip_text(&t->ip, ip),
                 t->port);
}

static struct link *link_alloc(struct pool *pool, struct slice destination)
{
    struct link *link = calloc(1, sizeof *link);
    char *copy = malloc(destination.n + 1);

    if (link == NULL || copy == NULL) {
        free(link);
        free(copy);
        return NULL;
    }
    memcpy(copy, destination.p, destination.n);
    link->destination = slice_of(copy, destination.n);
    link->hash = hash_keyed(destination);
    link->pool = pool;
    return link;
}

static void link_connect(struct link *link, const struct target *t)
{
    uv_loop_t *loop = link->pool->loop;

    if (t->ip.family == 0)
        stream_connect_unix(&link->stream, loop, t->name, LINK_IN, CLIENT_OUT_MAX,
                            on_event, on_closed, link);
    else
        stream_connect(&link->stream, loop, &t->ip, t->port, NULL, LINK_IN, CLIENT_OUT_MAX,
                       on_event, on_closed, link);
}

struct link *link_new(struct pool *pool, struct slice destination, const struct target *t,
                      link_event_f *event, void *user)
{
    struct link *link = link_alloc(pool, destination);

    if (link == NULL)
        return NULL;
    link->event = event;
    link->user = user;
    link->busy = true;
    link->connect_by = clock_mono() + pool->conf->relay.connect_timeout;
    link_name(link, t);
    list_init(&link->idle);
    list_push(&pool->links, &link->all);
    count_set(outgoing, ++pool->nlinks);
    client_begin(&link->client, &(struct client_options){
        .lmtp = t->lmtp, .plain = t->plain, .loops = t->loops,
        .hostname = pool->conf->hostname, .session = slice_cstr(link->session),
        .scale = (unsigned)pool->conf->relay.timeout_scale, .out = &link->stream.out },
        clock_mono());
    link_connect(link, t);
    return link;
}

/* --- using one */

void link_send(struct link *link, struct client_mail *mail)
{
    link->busy = true;
    client_send(&link->client, mail, clock_mono());
    link_look(link);
}

static bool worth_keeping(const struct link *link)
{
    const struct pool *pool = link->pool;

    return !pool->draining && list_empty(&pool->waiters) && pool->conf->relay.idle > 0
        && link->client.sent < pool->conf->relay.messages;
}

void link_keep(struct link *link)
{
    link->event = NULL;
    if (!worth_keeping(link)) {
        link_drop(link);
        return;
    }
    link->idle_since = clock_mono();
    list_push(&link->pool->idle, &link->idle);
}

static bool is_stale(const struct link *link, int64_t now)
{
    return now - link->idle_since >= link->pool->conf->relay.idle;
}

/* The newest first: the longer one has been idle, the nearer its end. */
struct link *pool_take(struct pool *pool, struct slice destination, link_event_f *event,
                       void *user)
{
    uint64_t hash = hash_keyed(destination);
    int64_t now = clock_mono();

    for (struct list *at = pool->idle.prev; at != &pool->idle; at = at->prev) {
        struct link *link = LIST_OWNER(at, struct link, idle);

        if (is_stale(link, now))
            break;
        if (link->hash != hash || !slice_eq(link->destination, destination))
            continue;
        list_remove(&link->idle);
        link->event = event;
        link->user = user;
        return link;
    }
    return NULL;
}

bool pool_has_room(struct pool *pool, struct pool_waiter *waiter)
{
    if (pool->nlinks >= pool->conf->relay.connections && !list_empty(&pool->idle))
        link_drop(LIST_OWNER(pool->idle.next, struct link, idle));
    if (pool->nlinks < pool->conf->relay.connections)
        return true;
    list_push(&pool->waiters, &waiter->link);
    return false;
}

/* --- the clock */

static void link_check(struct link *link, int64_t now)
{
    const struct client *c = &link->client;

    if (link->connect_by != 0) {
        if (now >= link->connect_by)
            client_fail(&link->client, CAUSE_CONNECT, "timed out");
    } else if (c->deadline != 0 && now >= c->deadline)
        client_fail(&link->client, CAUSE_TIMEOUT, "");
    else if (!list_empty(&link->idle) && is_stale(link, now))
        client_quit(&link->client);
    else
        return;
    link_look(link);
}

/* What is told to one link's owner may end other links and make new ones, so
 * the list is emptied into another and filled again. */
static void on_sweep(uv_timer_t *timer)
{
    struct pool *pool = timer->data;
    int64_t now = clock_mono();
    struct list todo, *first;

    list_init(&todo);
    while ((first = list_pop(&pool->links)) != NULL)
        list_push(&todo, first);
    while ((first = list_pop(&todo)) != NULL) {
        list_push(&pool->links, first);
        link_check(LIST_OWNER(first, struct link, all), now);
    }
}

void pool_init(struct pool *pool, uv_loop_t *loop, const struct conf *conf, unsigned slot)
{
    *pool = (struct pool){ .loop = loop, .conf = conf, .slot = slot };
    list_init(&pool->links);
    list_init(&pool->idle);
    list_init(&pool->waiters);
    uv_timer_init(loop, &pool->sweep);
    pool->sweep.data = pool;
    uv_timer_start(&pool->sweep, on_sweep, SWEEP_MS, SWEEP_MS);
}

void pool_drain(struct pool *pool)
{
    pool->draining = true;
    while (!list_empty(&pool->idle))
        link_drop(LIST_OWNER(pool->idle.next, struct link, idle));
}
