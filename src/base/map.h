/* map.h - a hash table of pointers, found by a key inside what they point to.
 *
 * Keys may be chosen by strangers, so they are hashed with SipHash under a
 * secret made at start (A167). The map owns none of its members. Members hold
 * their key; the caller's `key` function reads it from them.
 */
#pragma once
#include "base/slice.h"

typedef struct slice map_key_f(const void *member);

struct map {
    map_key_f *key;
    void     **slots;
    size_t     n, cap;
};

#define MAP(key_function) ((struct map){ .key = (key_function) })

void *map_get(const struct map *m, struct slice key);       /* or NULL */
bool  map_put(struct map *m, void *member);                 /* false: no memory; replaces an equal key */
void *map_take(struct map *m, struct slice key);            /* remove and return it, or NULL */

/* map_next - visit members in no order: start with *at = 0; NULL at the end.
 * The map must not change meanwhile. */
void *map_next(const struct map *m, size_t *at);
void  map_free(struct map *m);

/* hash_keyed - SipHash-2-4 of s under this process's secret */
uint64_t hash_keyed(struct slice s);

/* hash_siphash - SipHash-2-4 under a key of 16 bytes, for tables shared by processes */
uint64_t hash_siphash(const uint8_t key[16], struct slice s);
