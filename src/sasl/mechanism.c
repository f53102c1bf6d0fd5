/* mechanism.c - the table of mechanisms, and sets of them as text. */
#include "sasl/mechanism.h"

static const struct row {
    struct slice name;
    unsigned     flags;
    unsigned     nuls;      /* in each message of the client */
} rows[] = {
#define M(NAME, name, flags, nuls) [SASL_##NAME] = { SLICE_INIT(name), flags, nuls },
    SASL_MECHANISMS(M)
#undef M
};

const char *sasl_name(enum sasl_mechanism mechanism)
{
    return (unsigned)mechanism < SASL_MECHANISM_COUNT ? rows[mechanism].name.p : "";
}

unsigned sasl_flags(enum sasl_mechanism mechanism)
{
    return (unsigned)mechanism < SASL_MECHANISM_COUNT ? rows[mechanism].flags : 0;
}

bool sasl_nuls_ok(enum sasl_mechanism mechanism, struct slice message)
{
    unsigned n = 0;

    if (rows[mechanism].nuls == SASL_ANY_NULS || message.n == 0)
        return true;
    for (size_t i = 0; i < message.n; i++)
        n += message.p[i] == '\0';
    return n == rows[mechanism].nuls;
}

enum sasl_mechanism sasl_find(struct slice name)
{
    enum sasl_mechanism m = 0;

    while (m < SASL_MECHANISM_COUNT && !slice_ieq(rows[m].name, name))
        m++;
    return m;
}

void sasl_set_put(struct buf *out, uint32_t set)
{
    const char *between = "";

    for (size_t m = 0; m < SASL_MECHANISM_COUNT; m++)
        if (set >> m & 1) {
            buf_puts(out, between);
            buf_put_slice(out, rows[m].name);
            between = " ";
        }
}

uint32_t sasl_set_read(struct slice words)
{
    struct slice word, rest;
    uint32_t set = 0;

    for (; words.n > 0; words = rest) {
        slice_cut(words, ' ', &word, &rest);
        if (sasl_find(word) < SASL_MECHANISM_COUNT)
            set |= 1u << sasl_find(word);
    }
    return set;
}

enum sasl_mechanism sasl_strongest(uint32_t set)
{
    enum sasl_mechanism m = 0;

    while (m < SASL_MECHANISM_COUNT && !(set >> m & 1))
        m++;
    return m;
}
