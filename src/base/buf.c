/* buf.c - growing by doubling, moving to the front only when it must. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include "base/buf.h"

enum { HUGE_PAGE = 2 << 20 };

static bool refuse(struct buf *b)
{
    b->full = true;
    return false;
}

/* get_memory - in large pages the kernel has less to note for each write
 * around the cache. */

static char *get_memory(const struct buf *b, size_t cap)
{
    size_t unit = cap >= HUGE_PAGE ? HUGE_PAGE : BUF_PAGE;
    char *p;

    if (!b->paged)
        return malloc(cap);
    p = aligned_alloc(unit, (cap + unit - 1) / unit * unit);
    if (p != NULL && unit == HUGE_PAGE)
        madvise(p, cap / unit * unit, MADV_HUGEPAGE);
    return p;
}

/* make_room - n more bytes behind the content, by moving it or growing */

static bool make_room(struct buf *b, size_t n)
{
    size_t need, cap;
    char *p;

    if (b->full || __builtin_add_overflow(b->n, n, &need) || need > b->max)
        return refuse(b);
    if (need <= b->cap - b->start)
        return true;
    if (need <= b->cap && b->start >= b->n) {
        memcpy(b->p, b->p + b->start, b->n);
        b->start = 0;
        return true;
    }
    cap = b->cap > 0 ? b->cap : b->paged ? BUF_PAGE : 256;
    while (cap < need && cap <= SIZE_MAX / 2)
        cap *= 2;
    if (cap > b->max)
        cap = b->max;
    p = get_memory(b, cap);
    if (p == NULL)
        return refuse(b);
    if (b->n > 0)
        memcpy(p, b->p + b->start, b->n);
    free(b->p);
    b->p = p;
    b->cap = cap;
    b->start = 0;
    return true;
}

bool buf_put_more(struct buf *b, const char *p, size_t n)
{
    if (!make_room(b, n))
        return false;
    if (n > 0)
        memcpy(b->p + b->start + b->n, p, n);
    b->n += n;
    return true;
}

bool buf_printf(struct buf *b, const char *fmt, ...)
{
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (n < 0 || !make_room(b, (size_t)n + 1))
        return refuse(b);
    va_start(ap, fmt);
    vsnprintf(b->p + b->start + b->n, (size_t)n + 1, fmt, ap);
    va_end(ap);
    b->n += (size_t)n;
    return true;
}

char *buf_room_more(struct buf *b, size_t n)
{
    return make_room(b, n) ? b->p + b->start + b->n : NULL;
}

void buf_drop(struct buf *b, size_t n)
{
    if (n >= b->n) {
        b->start = 0;
        b->n = 0;
    } else {
        b->start += n;
        b->n -= n;
    }
}

void buf_clear(struct buf *b)
{
    b->start = 0;
    b->n = 0;
    b->full = false;
}

void buf_shrink(struct buf *b, size_t keep)
{
    if (b->n == 0 && b->cap > keep) {
        bool full = b->full;

        buf_free(b);
        b->full = full;
    }
}

void buf_free(struct buf *b)
{
    free(b->p);
    *b = (struct buf){ .max = b->max, .paged = b->paged };
}
