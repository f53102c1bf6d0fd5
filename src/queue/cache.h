/* cache.h - the newest small messages, so that what leaves at once is not read back.
 *
 * Bounded in bytes; the oldest goes first. Losing an entry costs one read.
 */
#pragma once
#include "base/slice.h"

struct cache;

struct cache *cache_new(size_t max);    /* NULL: no memory */
void cache_free(struct cache *c);
void cache_put(struct cache *c, uint64_t id, struct slice envelope, struct slice body);
bool cache_get(const struct cache *c, uint64_t id, struct slice *envelope, struct slice *body);
void cache_drop(struct cache *c, uint64_t id);
