/* scan.c - sixteen octets at a time where the processor can. */
#include "smtp/scan.h"

static bool special(char c)
{
    return c == '\r' || c == '\n' || c == '\0';
}

static const char *scan_octets(const char *p, const char *end, bool *eight)
{
    for (; p < end && !special(*p); p++)
        if ((unsigned char)*p > 127)
            *eight = true;
    return p;
}

static bool lines_octets(const char *p, const char *end, bool *cr)
{
    for (; p < end; *cr = *p++ == '\r')
        if (*p == '\0' || *cr != (*p == '\n'))
            return false;
    return true;
}

#ifdef __SSE2__
#include <emmintrin.h>

/* masks - a bit for each of 16 octets: is it special; is it above 127 */

static unsigned masks(const char *p, unsigned *eight)
{
    __m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
    __m128i cr = _mm_cmpeq_epi8(v, _mm_set1_epi8('\r'));
    __m128i lf = _mm_cmpeq_epi8(v, _mm_set1_epi8('\n'));
    __m128i nul = _mm_cmpeq_epi8(v, _mm_setzero_si128());

    *eight = (unsigned)_mm_movemask_epi8(v);
    return (unsigned)_mm_movemask_epi8(_mm_or_si128(nul, _mm_or_si128(cr, lf)));
}

const char *scan_special(const char *p, const char *end, bool *eight)
{
    unsigned seen = 0, high, found;

    for (; end - p >= 16; p += 16, seen |= high) {
        found = masks(p, &high);
        if (found == 0)
            continue;
        /* only what stands before it counts */
        *eight |= (seen | (high & ((found & -found) - 1))) != 0;
        return p + __builtin_ctz(found);
    }
    *eight |= seen != 0;
    return scan_octets(p, end, eight);
}

static unsigned mask_of(__m128i v, char octet)
{
    return (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(v, _mm_set1_epi8(octet)));
}

/* In masks of 16 octets, each LF must stand one behind a CR, and nowhere else. */
bool scan_lines(const char *p, const char *end, bool *cr)
{
    unsigned before = *cr, wrong = 0;

    for (; end - p >= 16 && wrong == 0; p += 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
        unsigned crs = mask_of(v, '\r');

        wrong = mask_of(v, '\0') | (mask_of(v, '\n') ^ ((crs << 1 | before) & 0xffff));
        before = crs >> 15;
    }
    *cr = before != 0;
    return wrong == 0 && lines_octets(p, end, cr);
}
#else
const char *scan_special(const char *p, const char *end, bool *eight)
{
    return scan_octets(p, end, eight);
}

bool scan_lines(const char *p, const char *end, bool *cr)
{
    return lines_octets(p, end, cr);
}
#endif
