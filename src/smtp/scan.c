/* scan.c - sixteen octets, or four times as many, at a time where the processor can. */
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
#include <immintrin.h>
#include <stdint.h>

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

/* A block of 64 octets: a bit for each in which the property is true. */
enum { BLOCK = 64 };
struct block {
    uint64_t cr, lf, dot;
    bool     nul, high;         /* is there any? */
};

static uint64_t bits(__m128i v, int at)
{
    return (uint64_t)(unsigned)_mm_movemask_epi8(v) << at;
}

static uint64_t equal(__m128i a, __m128i b, __m128i c, __m128i d, char octet)
{
    __m128i v = _mm_set1_epi8(octet);

    return bits(_mm_cmpeq_epi8(a, v), 0) | bits(_mm_cmpeq_epi8(b, v), 16)
         | bits(_mm_cmpeq_epi8(c, v), 32) | bits(_mm_cmpeq_epi8(d, v), 48);
}

static inline __attribute__((always_inline)) struct block block_of(const char *p)
{
    const __m128i *at = (const __m128i *)(const void *)p;
    __m128i a = _mm_loadu_si128(at), b = _mm_loadu_si128(at + 1);
    __m128i c = _mm_loadu_si128(at + 2), d = _mm_loadu_si128(at + 3);
    __m128i least = _mm_min_epu8(_mm_min_epu8(a, b), _mm_min_epu8(c, d));
    __m128i any = _mm_or_si128(_mm_or_si128(a, b), _mm_or_si128(c, d));

    return (struct block){
        .cr = equal(a, b, c, d, '\r'), .lf = equal(a, b, c, d, '\n'),
        .dot = equal(a, b, c, d, '.'), .high = _mm_movemask_epi8(any) != 0,
        .nul = _mm_movemask_epi8(_mm_cmpeq_epi8(least, _mm_setzero_si128())) != 0,
    };
}

/* wide_block - the same where one register holds all of it: a large text takes half the time */

static inline __attribute__((always_inline, target("avx512bw")))
struct block wide_block(const char *p)
{
    __m512i v = _mm512_loadu_si512((const void *)p);

    return (struct block){
        .cr = _mm512_cmpeq_epi8_mask(v, _mm512_set1_epi8('\r')),
        .lf = _mm512_cmpeq_epi8_mask(v, _mm512_set1_epi8('\n')),
        .dot = _mm512_cmpeq_epi8_mask(v, _mm512_set1_epi8('.')),
        .nul = _mm512_testn_epi8_mask(v, v) != 0, .high = _mm512_movepi8_mask(v) != 0,
    };
}

/* Every LF must stand behind a CR and every CR before an LF, so one mask is the other
 * moved by one octet; what a block leaves open is settled in the next. */

static inline __attribute__((always_inline))
const char *skip(struct block (*look)(const char *p), const char *p, const char *end,
                 size_t line_max, bool *eight)
{
    const char *line = p;
    uint64_t after_cr = 0, after_lf = 1;
    bool high = false;

    for (; line_max >= BLOCK && end - p >= BLOCK; p += BLOCK) {
        struct block b = look(p);

        if (b.nul || ((b.lf ^ (b.cr << 1 | after_cr)) | (b.dot & (b.lf << 1 | after_lf))) != 0)
            break;
        if (b.lf != 0) {
            if ((size_t)(p + __builtin_ctzll(b.lf) - line) > line_max)   /* a CR may be the one over */
                break;
            line = p + BLOCK - __builtin_clzll(b.lf);
        }
        high |= b.high;
        after_cr = b.cr >> (BLOCK - 1);
        after_lf = b.lf >> (BLOCK - 1);
    }
    *eight |= high;
    return line;
}

__attribute__((target("avx512bw")))
static const char *wide_skip(const char *p, const char *end, size_t line_max, bool *eight)
{
    return skip(wide_block, p, end, line_max, eight);
}

const char *scan_skip(const char *p, const char *end, size_t line_max, bool *eight)
{
    return __builtin_cpu_supports("avx512bw") ? wide_skip(p, end, line_max, eight)
                                              : skip(block_of, p, end, line_max, eight);
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

const char *scan_skip(const char *p, const char *end, size_t line_max, bool *eight)
{
    (void)end;
    (void)line_max;
    (void)eight;
    return p;
}
#endif
