/* map.c - open addressing with linear probing and deletion by shifting back. */
#include <stdlib.h>
#include <sys/random.h>
#include "base/map.h"

static inline uint64_t rotl(uint64_t x, int b)
{
    return (x << b) | (x >> (64 - b));
}

static inline void sip_round(uint64_t v[4])
{
    v[0] += v[1]; v[1] = rotl(v[1], 13) ^ v[0]; v[0] = rotl(v[0], 32);
    v[2] += v[3]; v[3] = rotl(v[3], 16) ^ v[2];
    v[0] += v[3]; v[3] = rotl(v[3], 21) ^ v[0];
    v[2] += v[1]; v[1] = rotl(v[1], 17) ^ v[2]; v[2] = rotl(v[2], 32);
}

static uint64_t load64(const void *p)
{
    uint64_t x;

    memcpy(&x, p, sizeof x);
    return x;
}

uint64_t hash_siphash(const uint8_t key[16], struct slice s)
{
    uint64_t k0 = load64(key), k1 = load64(key + 8);
    uint64_t v[4] = { k0 ^ 0x736f6d6570736575u, k1 ^ 0x646f72616e646f6du,
                      k0 ^ 0x6c7967656e657261u, k1 ^ 0x7465646279746573u };
    uint64_t m, last = (uint64_t)s.n << 56;
    size_t i;

    for (i = 0; i + 8 <= s.n; i += 8) {
        m = load64(s.p + i);
        v[3] ^= m;
        sip_round(v);
        sip_round(v);
        v[0] ^= m;
    }
    for (size_t j = 0; i + j < s.n; j++)
        last |= (uint64_t)(unsigned char)s.p[i + j] << (8 * j);
    v[3] ^= last;
    sip_round(v);
    sip_round(v);
    v[0] ^= last;
    v[2] ^= 0xff;
    for (int r = 0; r < 4; r++)
        sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

uint64_t hash_keyed(struct slice s)
{
    static uint8_t key[16];
    static bool made;

    if (!made) {
        if (getrandom(key, sizeof key, 0) != (ssize_t)sizeof key)
            abort();            /* no secret: every table would be predictable */
        made = true;
    }
    return hash_siphash(key, s);
}

static size_t home(const struct map *m, struct slice key)
{
    return (size_t)hash_keyed(key) & (m->cap - 1);
}

/* find - the slot that holds key, or the empty one where it would go */

static size_t find(const struct map *m, struct slice key)
{
    size_t i = home(m, key);

    while (m->slots[i] != NULL && !slice_eq(m->key(m->slots[i]), key))
        i = (i + 1) & (m->cap - 1);
    return i;
}

void *map_get(const struct map *m, struct slice key)
{
    return m->n > 0 ? m->slots[find(m, key)] : NULL;
}

static bool grow(struct map *m)
{
    struct map bigger = { .key = m->key, .cap = m->cap > 0 ? m->cap * 2 : 16 };

    bigger.slots = calloc(bigger.cap, sizeof *bigger.slots);
    if (bigger.slots == NULL)
        return false;
    for (size_t i = 0; i < m->cap; i++)
        if (m->slots[i] != NULL)
            bigger.slots[find(&bigger, m->key(m->slots[i]))] = m->slots[i];
    bigger.n = m->n;
    free(m->slots);
    *m = bigger;
    return true;
}

bool map_put(struct map *m, void *member)
{
    size_t i;

    if ((m->n + 1) * 4 > m->cap * 3 && !grow(m))
        return false;
    i = find(m, m->key(member));
    if (m->slots[i] == NULL)
        m->n++;
    m->slots[i] = member;
    return true;
}

/* close_gap - move later members of the same run back, so probing finds them */

static void close_gap(struct map *m, size_t gap)
{
    size_t mask = m->cap - 1;

    for (size_t i = (gap + 1) & mask; m->slots[i] != NULL; i = (i + 1) & mask) {
        size_t want = home(m, m->key(m->slots[i]));

        if (((i - want) & mask) >= ((i - gap) & mask)) {
            m->slots[gap] = m->slots[i];
            m->slots[i] = NULL;
            gap = i;
        }
    }
}

void *map_take(struct map *m, struct slice key)
{
    size_t i;
    void *member;

    if (m->n == 0)
        return NULL;
    i = find(m, key);
    member = m->slots[i];
    if (member != NULL) {
        m->slots[i] = NULL;
        m->n--;
        close_gap(m, i);
    }
    return member;
}

void *map_next(const struct map *m, size_t *at)
{
    while (*at < m->cap) {
        void *member = m->slots[(*at)++];

        if (member != NULL)
            return member;
    }
    return NULL;
}

void map_free(struct map *m)
{
    free(m->slots);
    *m = (struct map){ .key = m->key };
}
