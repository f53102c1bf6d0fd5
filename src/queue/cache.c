/* cache.c - a roster and a list in order of arrival. */
#include <stdlib.h>
#include "base/list.h"
#include "queue/cache.h"
#include "queue/roster.h"

struct cached {
    uint64_t    id;
    struct list link;
    size_t      envelope, body;
    char        bytes[];        /* the one, then the other */
};

struct cache {
    struct roster roster;
    struct list   order;
    size_t        used, max;
};

struct cache *cache_new(size_t max)
{
    struct cache *c = calloc(1, sizeof *c);

    if (c != NULL) {
        list_init(&c->order);
        c->max = max;
    }
    return c;
}

static size_t cost(const struct cached *e)
{
    return sizeof *e + e->envelope + e->body;
}

void cache_drop(struct cache *c, uint64_t id)
{
    struct cached *e = roster_take(&c->roster, id);

    if (e == NULL)
        return;
    list_remove(&e->link);
    c->used -= cost(e);
    free(e);
}

void cache_free(struct cache *c)
{
    if (c == NULL)
        return;
    while (!list_empty(&c->order))
        cache_drop(c, LIST_OWNER(c->order.next, struct cached, link)->id);
    roster_free(&c->roster);
    free(c);
}

void cache_put(struct cache *c, uint64_t id, struct slice envelope, struct slice body)
{
    struct cached *e;

    if (envelope.n > c->max / 8 || body.n > c->max / 8)
        return;
    cache_drop(c, id);
    e = malloc(sizeof *e + envelope.n + body.n);
    if (e == NULL)
        return;
    e->id = id;
    e->envelope = envelope.n;
    e->body = body.n;
    memcpy(e->bytes, envelope.p, envelope.n);
    if (body.n > 0)
        memcpy(e->bytes + envelope.n, body.p, body.n);
    if (!roster_put(&c->roster, e)) {
        free(e);
        return;
    }
    list_push(&c->order, &e->link);
    c->used += cost(e);
    while (c->used > c->max)
        cache_drop(c, LIST_OWNER(c->order.next, struct cached, link)->id);
}

bool cache_get(const struct cache *c, uint64_t id, struct slice *envelope, struct slice *body)
{
    const struct cached *e = roster_get(&c->roster, id);

    if (e == NULL)
        return false;
    *envelope = slice_of(e->bytes, e->envelope);
    *body = slice_of(e->bytes + e->envelope, e->body);
    return true;
}
