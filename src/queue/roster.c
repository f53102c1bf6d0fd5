/* roster.c - linear probing, and deletion by shifting back. */
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include "queue/roster.h"

static uint64_t number_of(const void *member)
{
    uint64_t number;

    memcpy(&number, member, sizeof number);
    return number;
}

static uint64_t mix(const struct roster *r, uint64_t number)
{
    uint64_t x = number ^ r->secret;

    x = (x ^ x >> 32) * 0x9e3779b97f4a7c15u;
    return (x ^ x >> 29) * (r->secret | 1);
}

static size_t home(const struct roster *r, uint64_t mixed)
{
    return (size_t)(mixed ^ mixed >> 32) & (r->cap - 1);
}

/* tag - of bits that say nothing about the home; never 0 */

static uint8_t tag(uint64_t mixed)
{
    return (uint8_t)(mixed >> 56 | 0x80);
}

/* find - where it is, or the empty slot where it would be */

static size_t find(const struct roster *r, uint64_t number)
{
    uint64_t mixed = mix(r, number);
    size_t i = home(r, mixed);

    while (r->tags[i] != 0 && (r->tags[i] != tag(mixed) || number_of(r->slots[i]) != number))
        i = (i + 1) & (r->cap - 1);
    return i;
}

static void set(struct roster *r, size_t i, void *member)
{
    r->slots[i] = member;
    r->tags[i] = tag(mix(r, number_of(member)));
}

static void unset(struct roster *r, size_t i)
{
    r->slots[i] = NULL;
    r->tags[i] = 0;
}

void *roster_get(const struct roster *r, uint64_t number)
{
    return r->n > 0 ? r->slots[find(r, number)] : NULL;
}

static bool grow(struct roster *r)
{
    struct roster bigger = { .n = r->n, .cap = r->cap > 0 ? r->cap * 2 : 16, .secret = r->secret };

    if (bigger.secret == 0
        && getrandom(&bigger.secret, sizeof bigger.secret, 0) != (ssize_t)sizeof bigger.secret)
        return false;
    bigger.slots = calloc(bigger.cap, sizeof *bigger.slots + sizeof *bigger.tags);
    if (bigger.slots == NULL)
        return false;
    bigger.tags = (uint8_t *)(bigger.slots + bigger.cap);
    for (size_t i = 0; i < r->cap; i++)
        if (r->slots[i] != NULL)
            set(&bigger, find(&bigger, number_of(r->slots[i])), r->slots[i]);
    free(r->slots);
    *r = bigger;
    return true;
}

bool roster_put(struct roster *r, void *member)
{
    if ((r->n + 1) * 4 > r->cap * 3 && !grow(r))
        return false;
    set(r, find(r, number_of(member)), member);
    r->n++;
    return true;
}

static void close_gap(struct roster *r, size_t gap)
{
    size_t mask = r->cap - 1;

    for (size_t i = (gap + 1) & mask; r->slots[i] != NULL; i = (i + 1) & mask) {
        size_t want = home(r, mix(r, number_of(r->slots[i])));

        if (((i - want) & mask) >= ((i - gap) & mask)) {
            set(r, gap, r->slots[i]);
            unset(r, i);
            gap = i;
        }
    }
}

void *roster_take(struct roster *r, uint64_t number)
{
    size_t i;
    void *member;

    if (r->n == 0)
        return NULL;
    i = find(r, number);
    member = r->slots[i];
    if (member != NULL) {
        unset(r, i);
        r->n--;
        close_gap(r, i);
    }
    return member;
}

void *roster_next(const struct roster *r, size_t *at)
{
    while (*at < r->cap) {
        void *member = r->slots[(*at)++];

        if (member != NULL)
            return member;
    }
    return NULL;
}

void roster_free(struct roster *r)
{
    free(r->slots);
    *r = (struct roster){ 0 };
}
