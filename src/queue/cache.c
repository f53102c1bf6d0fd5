/* cache.c - a ring of bytes, and a roster to find what is in it.
 *
 * Entries lie one behind the other from `first`, the oldest, and go in that
 * order; one that is dropped before keeps its place without a name. None is
 * split at the end of the ring: what is left there is an entry without a name.
 */
#include <assert.h>
#include <stdlib.h>
#include "queue/cache.h"
#include "queue/roster.h"

enum { ALIGN = 16 };

struct cached {
    uint64_t id;                /* 0: dropped */
    uint32_t envelope, body;    /* bytes of each... */
    char     bytes[];           /* ...the one, then the other */
};

struct cache {
    struct roster roster;
    char         *ring;         /* NULL until something comes */
    size_t        size;
    size_t        first, used;
};

static_assert(sizeof(struct cached) == ALIGN, "an entry fits wherever something is left");

struct cache *cache_new(size_t max)
{
    struct cache *c = calloc(1, sizeof *c);

    if (c != NULL)
        c->size = max / ALIGN * ALIGN;
    return c;
}

void cache_free(struct cache *c)
{
    if (c == NULL)
        return;
    roster_free(&c->roster);
    free(c->ring);
    free(c);
}

static size_t room(size_t bytes)
{
    return (sizeof(struct cached) + bytes + (ALIGN - 1)) / ALIGN * ALIGN;
}

static struct cached *entry_at(const struct cache *c, size_t at)
{
    return (struct cached *)(void *)(c->ring + at % c->size);
}

static void forget_first(struct cache *c)
{
    struct cached *e = entry_at(c, c->first);
    size_t n = room((size_t)e->envelope + e->body);

    cache_drop(c, e->id);
    c->first = (c->first + n) % c->size;
    c->used -= n;
}

/* place - n bytes in one piece, at the cost of the oldest */

static struct cached *place(struct cache *c, size_t n)
{
    size_t left = c->size - (c->first + c->used) % c->size;
    struct cached *e;

    if (left < n) {
        while (c->used + left > c->size)
            forget_first(c);
        e = entry_at(c, c->first + c->used);
        *e = (struct cached){ .body = (uint32_t)(left - sizeof *e) };
        c->used += left;
    }
    while (c->used + n > c->size)
        forget_first(c);
    e = entry_at(c, c->first + c->used);
    c->used += n;
    return e;
}

void cache_drop(struct cache *c, uint64_t id)
{
    struct cached *e = id != 0 ? roster_take(&c->roster, id) : NULL;

    if (e != NULL)
        e->id = 0;
}

void cache_put(struct cache *c, uint64_t id, struct slice envelope, struct slice body)
{
    struct cached *e;

    if (envelope.n > c->size / 8 || body.n > c->size / 8)
        return;
    if (c->ring == NULL && (c->ring = malloc(c->size)) == NULL)
        return;
    cache_drop(c, id);
    e = place(c, room(envelope.n + body.n));
    *e = (struct cached){ id, (uint32_t)envelope.n, (uint32_t)body.n };
    memcpy(e->bytes, envelope.p, envelope.n);
    if (body.n > 0)
        memcpy(e->bytes + envelope.n, body.p, body.n);
    if (!roster_put(&c->roster, e))
        e->id = 0;
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
