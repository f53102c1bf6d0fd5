/* proxy.c - both versions, each with its own bounds. */
#include "smtp/proxy.h"

enum {
    LINE_MAX = 107,         /* of version 1, with CRLF */
    HEAD     = 16,          /* octets before the addresses of version 2 */
};

static const struct slice signature = SLICE_INIT("\r\n\r\n\0\r\nQUIT\n");

/* ------------------------------------------------------------------ version 1 -- */

static bool port_read(struct slice text, uint16_t *port)
{
    uint64_t v;

    if (text.n == 0 || text.n > 5 || (text.n > 1 && text.p[0] == '0')
        || !slice_u64(text, &v) || v > UINT16_MAX)
        return false;
    *port = (uint16_t)v;
    return true;
}

/* words_read - "TCP4 SOURCE TARGET PORT PORT" */

static bool words_read(struct slice line, struct proxy *p)
{
    struct slice word[5];

    for (int i = 0; i < 5; i++)
        if (slice_cut(line, ' ', &word[i], &line) != (i < 4))
            return false;
    p->known = true;
    return ip_parse(word[1], &p->source) && ip_parse(word[2], &p->target)
        && p->source.family == p->target.family
        && slice_eq(word[0], p->source.family == 4 ? SLICE_LIT("TCP4") : SLICE_LIT("TCP6"))
        && port_read(word[3], &p->source_port) && port_read(word[4], &p->target_port);
}

static enum proxy_result line_read(struct slice in, struct proxy *p, size_t *used)
{
    struct slice head = slice_first(in, LINE_MAX);
    const char *end = memmem(head.p, head.n, "\r\n", 2);
    struct slice line;

    if (end == NULL)
        return head.n == LINE_MAX ? PROXY_BAD : PROXY_MORE;
    *used = (size_t)(end - in.p) + 2;
    line = slice_from(slice_first(in, *used - 2), 6);
    if (slice_eq(line, SLICE_LIT("UNKNOWN"))
        || (line.n > 8 && memcmp(line.p, "UNKNOWN ", 8) == 0))
        return PROXY_OK;
    return words_read(line, p) ? PROXY_OK : PROXY_BAD;
}

/* ------------------------------------------------------------------ version 2 -- */

static uint16_t number(const char *p)
{
    return (uint16_t)((unsigned char)p[0] << 8 | (unsigned char)p[1]);
}

static struct ip address(const char *p, unsigned family)
{
    struct ip ip = { .family = (uint8_t)family };

    memcpy(ip.bytes, p, family == 4 ? 4 : 16);
    return ip;
}

/* addresses_read - of a TCP connection; of others there is nothing to believe */

static bool addresses_read(struct slice rest, unsigned char family, struct proxy *p)
{
    unsigned version = family == 0x11 ? 4 : family == 0x21 ? 6 : 0;
    size_t size = version == 4 ? 4 : 16;

    if (version == 0)
        return true;
    if (rest.n < 2 * size + 4)
        return false;
    *p = (struct proxy){
        .known = true, .source = address(rest.p, version),
        .target = address(rest.p + size, version),
        .source_port = number(rest.p + 2 * size), .target_port = number(rest.p + 2 * size + 2),
    };
    return true;
}

static enum proxy_result binary_read(struct slice in, struct proxy *p, size_t *used)
{
    unsigned char command;
    size_t length;

    if (in.n < HEAD)
        return PROXY_MORE;
    command = (unsigned char)in.p[12];
    length = number(in.p + 14);
    if ((command != 0x20 && command != 0x21) || HEAD + length > PROXY_MAX)
        return PROXY_BAD;
    if (in.n < HEAD + length)
        return PROXY_MORE;
    *used = HEAD + length;
    p->itself = command == 0x20;        /* LOCAL */
    if (p->itself)
        return PROXY_OK;
    return addresses_read(slice_of(in.p + HEAD, length), (unsigned char)in.p[13], p) ? PROXY_OK
                                                                                   : PROXY_BAD;
}

/* begins - could this be the beginning of `with`? */

static bool begins(struct slice in, struct slice with)
{
    size_t n = in.n < with.n ? in.n : with.n;

    return memcmp(in.p, with.p, n) == 0;
}

enum proxy_result proxy_read(struct slice in, struct proxy *p, size_t *used)
{
    static const struct slice word = SLICE_INIT("PROXY ");

    *p = (struct proxy){ 0 };
    *used = 0;
    if (in.n == 0)
        return PROXY_MORE;
    if (begins(in, word))
        return in.n <= word.n ? PROXY_MORE : line_read(in, p, used);
    return begins(in, signature) ? binary_read(in, p, used) : PROXY_BAD;
}
