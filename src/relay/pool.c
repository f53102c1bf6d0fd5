/* pool.c - links kept for the next message, and the one clock that watches them all. */
#include "base/clock.h"
#include "base/file.h"
#include "base/map.h"
#include "relay/pool.h"

enum {
    SWEEP_MS = 1000,
    RESERVE  = 1200,        /* descriptors for large bodies, re-encoded ones, and channels */
};

/* --- keeping and taking */

static bool is_full(const struct pool *pool)
{
    return pool->nlinks >= pool->conf->relay.connections || pool->nlinks >= pool->most;
}

void pool_wake(struct pool *pool)
{
    struct list *first;
    struct pool_waiter *w;

    if (is_full(pool) || (first = list_pop(&pool->waiters)) == NULL)
        return;
    w = LIST_OWNER(first, struct pool_waiter, link);
    w->go(w->user);
}

static struct list *bucket_of(struct pool *pool, uint64_t hash)
{
    return &pool->buckets[hash % POOL_BUCKETS];
}

static bool worth_keeping(const struct link *link)
{
    const struct pool *pool = link->pool;

    return !pool->draining && list_empty(&pool->waiters) && pool->conf->relay.idle > 0
        && link->client.sent < pool->conf->relay.messages
        && (link->client.offers.mail_max == 0 || link->client.sent < link->client.offers.mail_max);
}

void link_keep(struct link *link)
{
    link->event = NULL;
    if (link->lent) {
        link->lent = false;
        link->kept(link, link->owner);
        return;
    }
    if (!worth_keeping(link)) {
        link_drop(link);
        return;
    }
    link->idle_since = clock_mono();
    list_push(&link->pool->idle, &link->idle);
    list_push(bucket_of(link->pool, link->hash), &link->same);
}

static bool is_stale(const struct link *link, int64_t now)
{
    return now - link->idle_since >= link->pool->conf->relay.idle;
}

/* The newest first: the longer one has been idle, the nearer its end. */
struct link *pool_take(struct pool *pool, struct slice key, link_event_f *event, void *user)
{
    uint64_t hash = hash_keyed(key);
    struct list *bucket = bucket_of(pool, hash);
    int64_t now = clock_mono();

    for (struct list *at = bucket->prev; at != bucket; at = at->prev) {
        struct link *link = LIST_OWNER(at, struct link, same);

        if (is_stale(link, now))
            break;
        if (link->hash != hash || !slice_eq(link->key, key))
            continue;
        list_remove(&link->idle);
        list_remove(&link->same);
        link->event = event;
        link->user = user;
        return link;
    }
    return NULL;
}

bool pool_has_room(struct pool *pool, struct pool_waiter *waiter)
{
    if (is_full(pool) && !list_empty(&pool->idle))
        link_drop(LIST_OWNER(pool->idle.next, struct link, idle));
    if (!is_full(pool))
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
    *pool = (struct pool){ .loop = loop, .conf = conf, .slot = slot, .most = fd_allowance(RESERVE) };
    list_init(&pool->links);
    list_init(&pool->idle);
    list_init(&pool->waiters);
    for (size_t i = 0; i < POOL_BUCKETS; i++)
        list_init(&pool->buckets[i]);
    vaults_init(&pool->vaults);
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
