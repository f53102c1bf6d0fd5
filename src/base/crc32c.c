/* crc32c.c - with the processor's instruction where it has one, else by table. */
#include "base/crc32c.h"

static uint32_t by_table(uint32_t crc, struct slice s)
{
    static uint32_t table[256];

    if (table[1] == 0)
        for (uint32_t i = 0; i < 256; i++) {
            uint32_t c = i;

            for (int k = 0; k < 8; k++)
                c = (c & 1) ? (c >> 1) ^ 0x82f63b78u : c >> 1;
            table[i] = c;
        }
    for (size_t i = 0; i < s.n; i++)
        crc = table[(crc ^ (unsigned char)s.p[i]) & 0xff] ^ (crc >> 8);
    return crc;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2")))
static uint32_t by_instruction(uint32_t crc, struct slice s)
{
    uint64_t c = crc, word;
    size_t i;

    for (i = 0; i + 8 <= s.n; i += 8) {
        memcpy(&word, s.p + i, 8);
        c = __builtin_ia32_crc32di(c, word);
    }
    crc = (uint32_t)c;
    for (; i < s.n; i++)
        crc = __builtin_ia32_crc32qi(crc, (unsigned char)s.p[i]);
    return crc;
}
#endif

uint32_t crc32c(uint32_t crc, struct slice s)
{
    crc = ~crc;
#if defined(__x86_64__)
    if (__builtin_cpu_supports("sse4.2"))
        return ~by_instruction(crc, s);
#endif
    return ~by_table(crc, s);
}
