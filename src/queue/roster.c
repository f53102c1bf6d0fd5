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

static size_t home(const struct roster *r, uint64_t number)
{
    uint64_t x = number ^ r->secret;

    x = (x ^ x >> 32) * 0x9e3779b97f4a7c15u;
    x = (x ^ x >> 29) * (r->secret | 1);
    return (size_t)(x ^ x >> 32) & (r->cap - 1);
}

static size_t find(const struct roster *r, uint64_t number)
{
    size_t i = home(r, number);

    while (r->slots[i] != NULL && number_of(r->slots[i]) != number)
        i = (i + 1) & (r->cap - 1);
    return i;
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
    bigger.slots = calloc(bigger.cap, sizeof *bigger.slots);
    if (bigger.slots == NULL)
        return false;
    for (size_t i = 0; i < r->cap; i++)
        if (r->slots[i] != NULL)
            bigger.slots[find(&bigger, number_of(r->slots[i]))] = r->slots[i];
    free(r->slots);
    *r = bigger;
    return true;
}

bool roster_put(struct roster *r, void *member)
{
    if ((r->n + 1) * 4 > r->cap * 3 && !grow(r))
        return false;
    r->slots[find(r, number_of(member))] = member;
    r->n++;
    return true;
}

static void close_gap(struct roster *r, size_t gap)
{
    size_t mask = r->cap - 1;

    for (size_t i = (gap + 1) & mask; r->slots[i] != NULL; i = (i + 1) & mask) {
        size_t want = home(r, number_of(r->slots[i]));

        if (((i - want) & mask) >= ((i - gap) & mask)) {
            r->slots[gap] = r->slots[i];
            r->slots[i] = NULL;
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
        r->slots[i] = NULL;
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
