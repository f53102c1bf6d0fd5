/* wire.c - the bounded cursor. */
#include <endian.h>
#include "base/wire.h"

const char *wire_take(struct wire *w, size_t n)
{
    const char *p = w->in.p;

    if (w->bad || n > w->in.n) {
        w->bad = true;
        return NULL;
    }
    w->in = slice_from(w->in, n);
    return p;
}

#define NUMBER(bits)                                                        \
    uint##bits##_t wire_get_u##bits(struct wire *w)                         \
    {                                                                       \
        uint##bits##_t v = 0;                                               \
        const char *p = wire_take(w, sizeof v);                             \
                                                                            \
        if (p != NULL)                                                      \
            memcpy(&v, p, sizeof v);                                        \
        return le##bits##toh(v);                                            \
    }                                                                       \
    void wire_put_u##bits(struct wire *w, uint##bits##_t v)                 \
    {                                                                       \
        v = htole##bits(v);                                                 \
        if (!buf_put(w->out, (const char *)&v, sizeof v))                   \
            w->bad = true;                                                  \
    }

NUMBER(16)
NUMBER(32)
NUMBER(64)

uint8_t wire_get_u8(struct wire *w)
{
    const char *p = wire_take(w, 1);

    return p != NULL ? (uint8_t)*p : 0;
}

void wire_put_u8(struct wire *w, uint8_t v)
{
    if (!buf_put(w->out, (const char *)&v, 1))
        w->bad = true;
}

int64_t wire_get_i64(struct wire *w)
{
    return (int64_t)wire_get_u64(w);
}

void wire_put_i64(struct wire *w, int64_t v)
{
    wire_put_u64(w, (uint64_t)v);
}

struct slice wire_get_bytes(struct wire *w)
{
    size_t n = wire_get_u32(w);
    const char *p = wire_take(w, n);

    return p != NULL ? slice_of(p, n) : (struct slice){ 0 };
}

void wire_put_bytes(struct wire *w, struct slice v)
{
    if (v.n > UINT32_MAX) {
        w->bad = true;
        return;
    }
    wire_put_u32(w, (uint32_t)v.n);
    if (!buf_put(w->out, v.p, v.n))
        w->bad = true;
}
