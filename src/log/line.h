/* line.h - text from outside made harmless, for one line of text or JSON.
 *
 * What comes out holds printable ASCII and well-formed UTF-8 without controls
 * of C0, C1, line separators or direction overrides; everything else is
 * escaped (A211).
 */
#pragma once
#include "base/slice.h"

enum { LOG_LINE = 4096 };   /* bytes of the longest line: a pipe takes it whole (PIPE_BUF) */

/* A line under construction; what does not fit is left out, whole. */
struct log_out {
    char  *p;
    size_t n, max;
};

/* log_room - how many bytes may still be put */
static inline size_t log_room(const struct log_out *o)
{
    return o->n < o->max ? o->max - o->n : 0;
}

/* log_put - append all of s or nothing; false: nothing */
static inline bool log_put(struct log_out *o, struct slice s)
{
    if (s.n > log_room(o))
        return false;
    if (s.n > 0)
        memcpy(o->p + o->n, s.p, s.n);
    o->n += s.n;
    return true;
}

/* utf8_length - bytes of the well-formed and harmless UTF-8 character at the
 * front of s; 0 if there is none. *code: the code point, also when it is well
 * formed but must not be shown (then the result is 0 and *bad its length). */
size_t utf8_length(struct slice s, uint32_t *code, size_t *bad);

/* log_put_escaped - as much of s as fits, escaped for text or JSON; no quotes */
void log_put_escaped(struct log_out *o, struct slice s, bool json);
