/* arena.c - blocks of a few kilobytes, filled from the front. */
#include <stdarg.h>
#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>
#include "base/arena.h"

enum { BLOCK = 4096 };

struct arena_block {
    struct arena_block *next;
    size_t              n, cap;     /* bytes used and there */
    alignas(max_align_t) char bytes[];
};

static void *spend(struct arena *a)
{
    a->spent = true;
    return NULL;
}

static struct arena_block *block_new(struct arena *a, size_t n)
{
    size_t cap = n > BLOCK - sizeof(struct arena_block)
               ? n : BLOCK - sizeof(struct arena_block);
    struct arena_block *b = malloc(sizeof *b + cap);

    if (b == NULL)
        return NULL;
    b->n = 0;
    b->cap = cap;
    b->next = a->blocks;
    a->blocks = b;
    return b;
}

/* take - n octets as they are; NULL: spent */

static void *take(struct arena *a, size_t n)
{
    enum { ALIGN = alignof(max_align_t) };
    struct arena_block *b = a->blocks;
    size_t total;
    void *p;

    if (a->spent || n > SIZE_MAX - ALIGN)
        return spend(a);
    n = (n + ALIGN - 1) / ALIGN * ALIGN;
    if (__builtin_add_overflow(a->used, n, &total) || total > a->max)
        return spend(a);
    if ((b == NULL || b->cap - b->n < n) && (b = block_new(a, n)) == NULL)
        return spend(a);
    p = b->bytes + b->n;
    b->n += n;
    a->used = total;
    return p;
}

void *arena_alloc(struct arena *a, size_t n)
{
    void *p = take(a, n);

    return p != NULL ? memset(p, 0, n) : NULL;
}

void *arena_array(struct arena *a, size_t count, size_t size)
{
    size_t n;

    if (__builtin_mul_overflow(count, size, &n))
        return spend(a);
    return arena_alloc(a, n);
}

struct slice arena_copy(struct arena *a, struct slice s)
{
    char *p = s.n < SIZE_MAX ? take(a, s.n + 1) : spend(a);

    if (p == NULL)
        return (struct slice){ 0 };
    if (s.n > 0)
        memcpy(p, s.p, s.n);
    p[s.n] = '\0';
    return slice_of(p, s.n);
}

struct slice arena_printf(struct arena *a, const char *fmt, ...)
{
    va_list ap;
    char *p;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    p = n >= 0 ? arena_alloc(a, (size_t)n + 1) : spend(a);
    if (p == NULL)
        return (struct slice){ 0 };
    va_start(ap, fmt);
    vsnprintf(p, (size_t)n + 1, fmt, ap);
    va_end(ap);
    return slice_of(p, (size_t)n);
}

void arena_reset(struct arena *a)
{
    struct arena_block *keep = a->blocks;

    while (keep != NULL && keep->next != NULL) {
        struct arena_block *next = keep->next;

        free(keep);
        keep = next;
    }
    if (keep != NULL)
        keep->n = 0;
    a->blocks = keep;
    a->used = 0;
    a->spent = false;
}

void arena_free(struct arena *a)
{
    while (a->blocks != NULL) {
        struct arena_block *next = a->blocks->next;

        free(a->blocks);
        a->blocks = next;
    }
    *a = (struct arena){ .max = a->max };
}
