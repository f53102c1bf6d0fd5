/* crc32c.c - with the processor's instruction where it has one, else by table. */
#include "base/crc32c.h"

#define POLYNOMIAL 0x82f63b78u

enum { AT_HAND = 6 << 10 };     /* octets that are still near when they are summed */

static uint32_t table[256];

static void make_table(void)
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t c = i;

        for (int k = 0; k < 8; k++)
            c = (c & 1) ? (c >> 1) ^ POLYNOMIAL : c >> 1;
        table[i] = c;
    }
}

static uint32_t by_table(uint32_t crc, struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        crc = table[(crc ^ (unsigned char)s.p[i]) & 0xff] ^ (crc >> 8);
    return crc;
}

#if defined(__x86_64__)
/* The instruction gives a result every cycle, but three cycles late: so three
 * lanes are summed side by side, and then joined. A sum goes past LANE more bytes
 * as if they were zero by a linear map, which is kept as tables for its bytes. */

enum { LANE = 256, WORDS = LANE / 8 };

static uint32_t past[4][256];       /* past[k][b]: byte k of a sum is b, and LANE zeros follow */

static void make_past(void)
{
    static const char zeros[LANE];
    uint32_t bit[32];

    for (int i = 0; i < 32; i++)
        bit[i] = by_table((uint32_t)1 << i, slice_of(zeros, LANE));
    for (int k = 0; k < 4; k++)
        for (uint32_t b = 0; b < 256; b++) {
            uint32_t sum = 0;

            for (int i = 0; i < 8; i++)
                sum ^= (b >> i & 1) ? bit[8 * k + i] : 0;
            past[k][b] = sum;
        }
}

static uint32_t pass_lane(uint64_t crc)
{
    return past[0][crc & 0xff] ^ past[1][crc >> 8 & 0xff] ^ past[2][crc >> 16 & 0xff]
         ^ past[3][crc >> 24 & 0xff];
}

static uint64_t load(const char *p)
{
    uint64_t word;

    memcpy(&word, p, sizeof word);
    return word;
}

__attribute__((target("sse4.2")))
static uint32_t three_lanes(uint32_t crc, const char *p)
{
    uint64_t a = crc, b = 0, c = 0;

    for (size_t i = 0; i < WORDS; i++, p += 8) {
        a = __builtin_ia32_crc32di(a, load(p));
        b = __builtin_ia32_crc32di(b, load(p + LANE));
        c = __builtin_ia32_crc32di(c, load(p + 2 * LANE));
    }
    return pass_lane(pass_lane(a) ^ b) ^ (uint32_t)c;
}

__attribute__((target("sse4.2")))
static uint32_t by_instruction(uint32_t crc, struct slice s)
{
    uint64_t c;

    for (; s.n >= 3 * LANE; s = slice_from(s, 3 * LANE))
        crc = three_lanes(crc, s.p);
    for (c = crc; s.n >= 8; s.p += 8, s.n -= 8)
        c = __builtin_ia32_crc32di(c, load(s.p));
    crc = (uint32_t)c;
    for (size_t i = 0; i < s.n; i++)
        crc = __builtin_ia32_crc32qi(crc, (unsigned char)s.p[i]);
    return crc;
}

#endif

/* prepare - before main(): sums are made on several threads */

__attribute__((constructor))
static void prepare(void)
{
    make_table();
#if defined(__x86_64__)
    make_past();
#endif
}

uint32_t crc32c(uint32_t crc, struct slice s)
{
    crc = ~crc;
#if defined(__x86_64__)
    if (__builtin_cpu_supports("sse4.2"))
        return ~by_instruction(crc, s);
#endif
    return ~by_table(crc, s);
}

/* product - of two polynomials, modulo the polynomial; the highest bit is x^0 */

static uint32_t product(uint32_t a, uint32_t b)
{
    uint32_t p = 0;

    for (; a != 0; a <<= 1) {
        p ^= a >> 31 ? b : 0;
        b = b & 1 ? b >> 1 ^ POLYNOMIAL : b >> 1;
    }
    return p;
}

uint32_t crc32c_join(uint32_t a, uint32_t b, uint64_t n)
{
    uint32_t power = 1u << (31 - 8);        /* x^8: past one octet */

    for (; n > 0; n >>= 1, power = product(power, power))
        if (n & 1)
            a = product(power, a);
    return a ^ b;
}

uint32_t crc32c_copy(char *to, struct slice s)
{
    uint32_t crc = 0;

    for (; s.n > 0; s = slice_from(s, AT_HAND)) {
        struct slice piece = slice_of(to, s.n < AT_HAND ? s.n : AT_HAND);

        memcpy(to, s.p, piece.n);
        crc = crc32c(crc, piece);
        to += piece.n;
    }
    return crc;
}
