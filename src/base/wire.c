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
    uint32_t n = htole32((uint32_t)v.n);
    char *to = v.n <= UINT32_MAX ? buf_room(w->out, sizeof n + v.n) : NULL;

    if (to == NULL) {
        w->bad = true;
        return;
    }
    memcpy(to, &n, sizeof n);
    if (v.n > 0)
        memcpy(to + sizeof n, v.p, v.n);
    buf_added(w->out, sizeof n + v.n);
}
