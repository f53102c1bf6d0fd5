/* wire.c - the writing half of the bounded cursor; the reading half is in the header. */
#include "base/wire.h"

#define NUMBER(bits, to_little)                                             \
    void wire_put_u##bits(struct wire *w, uint##bits##_t v)                 \
    {                                                                       \
        v = to_little(v);                                                   \
        if (!buf_put(w->out, (const char *)&v, sizeof v))                   \
            w->bad = true;                                                  \
    }

NUMBER(8, (uint8_t))
NUMBER(16, htole16)
NUMBER(32, htole32)
NUMBER(64, htole64)

void wire_put_i64(struct wire *w, int64_t v)
{
    wire_put_u64(w, (uint64_t)v);
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
