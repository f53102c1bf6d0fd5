/* buf.h - a bounded, growing run of bytes, read at the front, filled at the back.
 *
 * A buffer has no policy: it never waits, flushes or fails on its own. When it
 * would grow beyond `max`, or memory is refused, nothing is added and `full`
 * stays set until buf_clear(); the caller asks once, at the end. All-zero plus
 * a `max` is a valid empty buffer.
 */
#pragma once
#include <stdarg.h>
#include "base/slice.h"

enum { BUF_PAGE = 4096 };   /* where memory has to begin that is written around the cache */

struct buf {
    char  *p;       /* allocated bytes; the content is p[start .. start + n) */
    size_t start;
    size_t n;
    size_t cap;
    size_t max;     /* never hold more than this many bytes */
    bool   full;    /* something did not fit */
    bool   paged;   /* its memory begins on a page: for writes around the cache */
};

#define BUF(limit) ((struct buf){ .max = (limit) })
#define BUF_PAGED(limit) ((struct buf){ .max = (limit), .paged = true })

/* buf_put - append bytes, all or nothing; nothing once full. False: full.
 * buf_put_more (as buf_room_more below) is the rest of it, for when there is no room yet. */
bool buf_put_more(struct buf *b, const char *p, size_t n);

static inline bool buf_put(struct buf *b, const char *p, size_t n)
{
    if (b->full || n == 0 || n > b->cap - b->start - b->n || b->n + n > b->max)
        return buf_put_more(b, p, n);
    memcpy(b->p + b->start + b->n, p, n);
    b->n += n;
    return true;
}

static inline bool buf_put_slice(struct buf *b, struct slice s)
{
    return buf_put(b, s.p, s.n);
}

static inline bool buf_puts(struct buf *b, const char *s)
{
    return buf_put(b, s, strlen(s));
}

bool buf_printf(struct buf *b, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* buf_room - at least n writable bytes after the content, or NULL (and full).
 * What was written there becomes content with buf_added(). */
char *buf_room_more(struct buf *b, size_t n);

static inline char *buf_room(struct buf *b, size_t n)
{
    if (b->full || n == 0 || n > b->cap - b->start - b->n || b->n + n > b->max)
        return buf_room_more(b, n);
    return b->p + b->start + b->n;
}

static inline void buf_added(struct buf *b, size_t n)
{
    b->n += n;
}

/* buf_view - the content; valid until the buffer is next changed */
static inline struct slice buf_view(const struct buf *b)
{
    return (struct slice){ b->p ? b->p + b->start : NULL, b->n };
}

/* buf_drop - forget n bytes at the front (at most all) */
void buf_drop(struct buf *b, size_t n);

/* buf_clear - empty and usable again; keeps its memory */
void buf_clear(struct buf *b);

/* buf_shrink - give memory back if the buffer is empty and holds more than keep */
void buf_shrink(struct buf *b, size_t keep);

/* buf_free - give the memory back; the buffer is empty and usable again */
void buf_free(struct buf *b);
