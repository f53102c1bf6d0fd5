/* wire.h - a bounded cursor over typed bytes, for reading and for writing.
 *
 * Numbers are little-endian and of fixed size, byte runs carry their length.
 * After the first failure the cursor is `bad` for ever: reads give zero,
 * writes do nothing, and wire_done() asks once whether everything was read
 * and nothing is left over. Messages between processes, envelopes and journal
 * records are all written with it.
 */
#pragma once
#include <endian.h>
#include "base/buf.h"

struct wire {
    struct slice in;        /* what is left to read */
    struct buf  *out;       /* where writes go; NULL when reading */
    bool         bad;
};

static inline struct wire wire_reader(struct slice in)
{
    return (struct wire){ .in = in };
}

static inline struct wire wire_writer(struct buf *out)
{
    return (struct wire){ .out = out };
}

/* wire_take - the next n bytes, or NULL; the only function that moves a reader */
static inline const char *wire_take(struct wire *w, size_t n)
{
    const char *p = w->in.p;

    if (w->bad || n > w->in.n) {
        w->bad = true;
        return NULL;
    }
    w->in = slice_from(w->in, n);
    return p;
}

#define WIRE_NUMBER(bits, from_little)                                      \
    static inline uint##bits##_t wire_get_u##bits(struct wire *w)           \
    {                                                                       \
        uint##bits##_t v = 0;                                               \
        const char *p = wire_take(w, sizeof v);                             \
                                                                            \
        if (p != NULL)                                                      \
            memcpy(&v, p, sizeof v);                                        \
        return from_little(v);                                              \
    }
WIRE_NUMBER(8, (uint8_t))
WIRE_NUMBER(16, le16toh)
WIRE_NUMBER(32, le32toh)
WIRE_NUMBER(64, le64toh)
#undef WIRE_NUMBER

static inline int64_t wire_get_i64(struct wire *w)
{
    return (int64_t)wire_get_u64(w);
}

/* wire_get_bytes - points into the input */
static inline struct slice wire_get_bytes(struct wire *w)
{
    size_t n = wire_get_u32(w);
    const char *p = wire_take(w, n);

    return p != NULL ? slice_of(p, n) : (struct slice){ 0 };
}

void wire_put_u8(struct wire *w, uint8_t v);
void wire_put_u16(struct wire *w, uint16_t v);
void wire_put_u32(struct wire *w, uint32_t v);
void wire_put_u64(struct wire *w, uint64_t v);
void wire_put_i64(struct wire *w, int64_t v);
void wire_put_bytes(struct wire *w, struct slice v);

/* wire_done - was everything readable, and is nothing left over? */
static inline bool wire_done(const struct wire *w)
{
    return !w->bad && w->in.n == 0;
}

/* The C type of each kind, for lists of fields (see ipc/messages.h). */
typedef uint8_t      field_u8;
typedef uint16_t     field_u16;
typedef uint32_t     field_u32;
typedef uint64_t     field_u64;
typedef int64_t      field_i64;
typedef struct slice field_bytes;
