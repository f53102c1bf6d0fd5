/* mx.c - the bytes and the order of MX records (RFC 1035 §3.3.9, RFC 5321 §5.1). */
#include <stdlib.h>
#include "base/ascii.h"
#include "base/ip.h"
#include "dns/mx.h"

static bool host_char(char c)
{
    return ascii_alnum(c) || c == '-' || c == '_';
}

/* label_copy - one label and the dot after it; false: a byte that no host name has */
static bool label_copy(struct slice label, char *name, size_t *at)
{
    if (*at + label.n + 2 > DNS_NAME)
        return false;
    for (size_t i = 0; i < label.n; i++) {
        if (!host_char(label.p[i]))
            return false;
        name[(*at)++] = ascii_lower(label.p[i]);
    }
    name[(*at)++] = '.';
    return true;
}

/* name_parse - labels up to the root, which must be the last byte */
static bool name_parse(struct slice in, char name[DNS_NAME])
{
    enum { LABEL_MAX = 63 };
    size_t at = 0;

    while (in.n > 0 && in.p[0] != 0) {
        size_t n = (unsigned char)in.p[0];

        if (n > LABEL_MAX || n + 1 > in.n
            || !label_copy(slice_first(slice_from(in, 1), n), name, &at))
            return false;
        in = slice_from(in, n + 1);
    }
    name[at > 0 ? at - 1 : 0] = '\0';
    return in.n == 1;
}

bool mx_parse(struct slice rdata, struct mx *mx)
{
    if (rdata.n < 3)
        return false;
    mx->preference = (uint16_t)((unsigned char)rdata.p[0] << 8 | (unsigned char)rdata.p[1]);
    return name_parse(slice_from(rdata, 2), mx->name);
}

static int by_preference(const void *a, const void *b)
{
    const struct mx *x = a, *y = b;

    return x->preference < y->preference ? -1 : x->preference > y->preference;
}

/* Shuffled before, sorted after: qsort on a random order leaves equal ones in
 * an order that favours nobody. */
void mx_order(struct mx *mx, size_t n, mx_random_f *random)
{
    for (size_t i = n; i > 1; i--) {
        size_t j = random((uint32_t)i);
        struct mx t = mx[i - 1];

        mx[i - 1] = mx[j];
        mx[j] = t;
    }
    if (n > 1)
        qsort(mx, n, sizeof *mx, by_preference);
}

bool mx_is_null(const struct mx *mx, size_t n)
{
    return n == 1 && mx[0].name[0] == '\0';
}

bool mx_is_literal(const struct mx *mx)
{
    struct ip ip;

    return ip_parse(slice_cstr(mx->name), &ip);
}
