/* arena.h - memory that belongs to a session or a transaction and goes with it.
 *
 * Nothing in an arena is freed alone. Running out (of the arena's limit or of
 * the machine's memory) is a mark that sticks: allocations return NULL, and
 * the owner asks arena_spent() once. All-zero plus a `max` is a valid arena.
 */
#pragma once
#include "base/slice.h"

struct arena_block;

struct arena {
    struct arena_block *blocks;     /* newest first */
    size_t              used;       /* bytes handed out */
    size_t              max;        /* never hand out more than this */
    bool                spent;      /* something did not fit */
};

#define ARENA(limit) ((struct arena){ .max = (limit) })

/* arena_alloc - n zeroed bytes, aligned for any type; NULL when spent */
void *arena_alloc(struct arena *a, size_t n);

/* arena_array - count zeroed elements of size bytes, overflow-checked */
void *arena_array(struct arena *a, size_t count, size_t size);

/* arena_copy - a copy of s followed by a NUL that is not part of it;
 * an empty slice (and spent) when it does not fit */
struct slice arena_copy(struct arena *a, struct slice s);

/* arena_printf - a formatted text in the arena, NUL behind it */
struct slice arena_printf(struct arena *a, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* arena_reset - forget everything; keeps one block for the next user */
void arena_reset(struct arena *a);

/* arena_free - give all memory back; the arena is usable again */
void arena_free(struct arena *a);
