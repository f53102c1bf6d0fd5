/* census.c - one table for each process in shared memory.
 *
 *     head   state of the key, key, the total of each slot side by side
 *     table  row 0 of BUCKETS counters, row 1 of BUCKETS counters
 *     table  ...                                  one for each slot
 */
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/id.h"
#include "base/map.h"
#include "net/census.h"

enum { BUCKETS = 4096, ROWS = 2, KEY_NONE = 0, KEY_MAKING, KEY_MADE };

struct census_table {
    _Atomic uint32_t rows[ROWS][BUCKETS];
};

struct census_head {
    _Atomic uint32_t    key_state;
    uint8_t             key[16];
    _Atomic uint32_t    totals[ID_SLOTS];
    struct census_table tables[];
};

size_t census_bytes(unsigned slots)
{
    return sizeof(struct census_head) + slots * sizeof(struct census_table);
}

/* key_make - the first process to come makes the key that all use */

static void key_make(struct census_head *head)
{
    uint32_t none = KEY_NONE;

    if (atomic_compare_exchange_strong(&head->key_state, &none, KEY_MAKING)) {
        if (getrandom(head->key, sizeof head->key, 0) != (ssize_t)sizeof head->key)
            head->key[0] = 1;       /* a poor key still counts rightly */
        atomic_store(&head->key_state, KEY_MADE);
    }
    for (int i = 0; i < 1000 && atomic_load(&head->key_state) != KEY_MADE; i++)
        usleep(100);
}

bool census_open(struct census *c, int fd, unsigned slots, unsigned slot)
{
    struct stat st;
    void *p;

    *c = (struct census){ .slots = slots, .slot = slot };
    if (fd < 0 || slot >= slots || slots > ID_SLOTS || fstat(fd, &st) < 0
        || (uint64_t)st.st_size < census_bytes(slots))
        return false;
    p = mmap(NULL, census_bytes(slots), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (p == MAP_FAILED)
        return false;
    c->head = p;
    key_make(c->head);
    return true;
}

void census_close(struct census *c)
{
    if (c->head != NULL)
        munmap(c->head, census_bytes(c->slots));
    c->head = NULL;
}

static void buckets_of(const struct census *c, const struct ip *client, size_t at[ROWS])
{
    uint8_t key[9] = { client->family };
    uint64_t hash;

    memcpy(key + 1, client->bytes, client->family == 4 ? 4 : 8);
    hash = hash_siphash(c->head->key, slice_of((char *)key, sizeof key));
    at[0] = (size_t)(hash % BUCKETS);
    at[1] = (size_t)((hash >> 32) % BUCKETS);
}

/* counters_of - where this process counts the sessions of a client: among all of its own,
 * and in a bucket of each row. Returns how many counters that are; 0: there is no census. */

static size_t counters_of(const struct census *c, const struct ip *client,
                          _Atomic uint32_t *counters[1 + ROWS])
{
    size_t at[ROWS];

    if (c->head == NULL)
        return 0;
    buckets_of(c, client, at);
    counters[0] = &c->head->totals[c->slot];
    for (int r = 0; r < ROWS; r++)
        counters[1 + r] = &c->head->tables[c->slot].rows[r][at[r]];
    return 1 + ROWS;
}

/* A counter never goes below zero, even if the master zeroed it under us. */

static void count_down(_Atomic uint32_t *counter)
{
    uint32_t n = atomic_load_explicit(counter, memory_order_relaxed);

    if (n > 0)
        atomic_store_explicit(counter, n - 1, memory_order_relaxed);
}

void census_enter(struct census *c, const struct ip *client)
{
    _Atomic uint32_t *counters[1 + ROWS];

    for (size_t n = counters_of(c, client, counters); n-- > 0;)
        atomic_fetch_add_explicit(counters[n], 1, memory_order_relaxed);
}

void census_leave(struct census *c, const struct ip *client)
{
    _Atomic uint32_t *counters[1 + ROWS];

    for (size_t n = counters_of(c, client, counters); n-- > 0;)
        count_down(counters[n]);
}

static uint32_t sessions_in(const struct census *c, unsigned slot)
{
    return atomic_load_explicit(&c->head->totals[slot], memory_order_relaxed);
}

uint64_t census_total(const struct census *c)
{
    uint64_t n = 0;

    for (unsigned i = 0; c->head != NULL && i < c->slots; i++)
        n += sessions_in(c, i);
    return n;
}

uint64_t census_of(const struct census *c, const struct ip *client)
{
    uint64_t sum[ROWS] = { 0 };
    size_t at[ROWS];

    if (c->head == NULL)
        return 0;
    buckets_of(c, client, at);
    for (unsigned i = 0; i < c->slots; i++)
        for (int r = 0; r < ROWS && sessions_in(c, i) > 0; r++)
            sum[r] += atomic_load_explicit(&c->head->tables[i].rows[r][at[r]],
                                           memory_order_relaxed);
    return sum[0] < sum[1] ? sum[0] : sum[1];
}

bool census_crowded(const struct census *c, unsigned processes)
{
    enum { SLACK = 2 };

    return c->head != NULL && processes > 1
        && sessions_in(c, c->slot) > census_total(c) / processes + SLACK;
}

void census_forget(struct census *c, unsigned slot)
{
    struct census_table *t;

    if (c->head == NULL || slot >= c->slots)
        return;
    t = &c->head->tables[slot];
    atomic_store(&c->head->totals[slot], 0);
    for (int r = 0; r < ROWS; r++)
        for (int i = 0; i < BUCKETS; i++)
            atomic_store_explicit(&t->rows[r][i], 0, memory_order_relaxed);
}
