/* slice.h - a view of bytes that somebody else owns.
 *
 * Everything that comes from outside travels as a slice: pointer and length,
 * never a C string. All-zero is a valid empty slice. A slice owns nothing and
 * lives as long as what it points into.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include "base/ascii.h"

struct slice {
    const char *p;
    size_t      n;
};

/* for printf: printf("%.*s", SLICE(s)); the format bounds it, so NUL bytes end it */
#define SLICE(s)        (int)(s).n, ((s).p ? (s).p : "")
/* a slice of a string literal: as a value, and as an initialiser of static tables */
#define SLICE_LIT(lit)  ((struct slice){ "" lit, sizeof(lit) - 1 })
#define SLICE_INIT(lit) { "" lit, sizeof(lit) - 1 }

static inline struct slice slice_of(const char *p, size_t n)
{
    return (struct slice){ p, n };
}

/* slice_cstr - the bytes of a C string of ours, without its NUL */
static inline struct slice slice_cstr(const char *s)
{
    return (struct slice){ s, s ? strlen(s) : 0 };
}

static inline bool slice_eq(struct slice a, struct slice b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

/* slice_from - the rest of s after its first n bytes; empty when there is none */
static inline struct slice slice_from(struct slice s, size_t n)
{
    return n >= s.n ? (struct slice){ s.p ? s.p + s.n : s.p, 0 }
                    : (struct slice){ s.p + n, s.n - n };
}

/* slice_first - the first n bytes of s, or all of it */
static inline struct slice slice_first(struct slice s, size_t n)
{
    return (struct slice){ s.p, n < s.n ? n : s.n };
}

/* slice_same - are the n octets of both equal but for the case of ASCII letters? */
bool slice_same(const char *a, const char *b, size_t n);

/* slice_istarts - does s begin with prefix (ASCII case ignored)? A first letter answers
 * most of what is asked of the rows of a table. */
static inline bool slice_istarts(struct slice s, struct slice prefix)
{
    return s.n >= prefix.n
        && (prefix.n == 0 || (ascii_lower(s.p[0]) == ascii_lower(prefix.p[0])
                              && slice_same(s.p, prefix.p, prefix.n)));
}

/* slice_ieq - equal but for the case of ASCII letters */
static inline bool slice_ieq(struct slice a, struct slice b)
{
    return a.n == b.n && slice_istarts(a, b);
}

/* slice_chr - where c first stands in s; s.n if nowhere */
size_t slice_chr(struct slice s, char c);

/* slice_rchr - where c last stands in s; s.n if nowhere */
size_t slice_rchr(struct slice s, char c);

/* slice_trim - s without spaces, tabs, CR and LF at either end */
struct slice slice_trim(struct slice s);

/* slice_cut - split s at the first c: *head before it, *rest after it.
 * False, with *head all of s and *rest empty, if c is nowhere. */
bool slice_cut(struct slice s, char c, struct slice *head, struct slice *rest);

/* slice_u64 - s, all of it, as decimal digits without sign or space.
 * False when empty, not digits, or more than 64 bits. */
bool slice_u64(struct slice s, uint64_t *value);
