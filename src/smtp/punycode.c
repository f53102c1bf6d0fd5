/* punycode.c - RFC 3492 §6.2, keeping only how many code points there are. */
#include "smtp/punycode.h"
#include "base/ascii.h"

enum { BASE = 36, TMIN = 1, TMAX = 26, SKEW = 38, DAMP = 700, BIAS = 72, FIRST = 128 };

struct decoder {
    struct slice in;
    uint32_t     code;      /* the code point reached */
    uint32_t     at;        /* place in the output */
    uint32_t     bias;
    uint32_t     points;    /* in the output so far */
};

static int digit(char c)
{
    if (ascii_digit(c))
        return c - '0' + 26;
    return ascii_alpha(c) ? ascii_lower(c) - 'a' : -1;
}

/* adapt - RFC 3492 §6.1 */

static uint32_t adapt(uint32_t delta, uint32_t points, bool first)
{
    uint32_t k = 0;

    delta = first ? delta / DAMP : delta / 2;
    for (delta += delta / points; delta > (BASE - TMIN) * TMAX / 2; k += BASE)
        delta /= BASE - TMIN;
    return k + (BASE - TMIN + 1) * delta / (delta + SKEW);
}

static uint32_t threshold(uint32_t k, uint32_t bias)
{
    if (k <= bias + TMIN)
        return TMIN;
    return k >= bias + TMAX ? TMAX : k - bias;
}

/* take_number - one variable-length integer added to *sum */

static bool take_number(struct decoder *d, uint32_t *sum)
{
    uint32_t weight = 1, product;

    for (uint32_t k = BASE; ; k += BASE) {
        uint32_t t = threshold(k, d->bias);
        int v = d->in.n > 0 ? digit(d->in.p[0]) : -1;

        if (v < 0 || __builtin_mul_overflow((uint32_t)v, weight, &product)
            || __builtin_add_overflow(*sum, product, sum))
            return false;
        d->in = slice_from(d->in, 1);
        if ((uint32_t)v < t)
            return true;
        if (__builtin_mul_overflow(weight, BASE - t, &weight))
            return false;
    }
}

static bool take_point(struct decoder *d)
{
    uint32_t sum = d->at;

    if (!take_number(d, &sum))
        return false;
    d->points++;
    d->bias = adapt(sum - d->at, d->points, d->at == 0 && d->code == FIRST);
    if (__builtin_add_overflow(d->code, sum / d->points, &d->code))
        return false;
    d->at = sum % d->points + 1;
    return d->code <= 0x10ffff && !(d->code >= 0xd800 && d->code <= 0xdfff);
}

bool punycode_decodable(struct slice text)
{
    size_t hyphen = slice_rchr(text, '-');
    bool basic = hyphen < text.n;
    struct decoder d = {
        .in = basic ? slice_from(text, hyphen + 1) : text,
        .code = FIRST,
        .bias = BIAS,
        .points = basic ? (uint32_t)hyphen : 0,
    };

    if (d.in.n == 0)
        return false;
    while (d.in.n > 0)
        if (!take_point(&d))
            return false;
    return true;
}
