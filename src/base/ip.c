/* ip.c - addresses in and out of their texts. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include "base/digits.h"
#include "base/ip.h"

static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

static void set_v4(struct ip *ip, const void *four)
{
    *ip = (struct ip){ .family = 4 };
    memcpy(ip->bytes, four, 4);
}

static void set_v6(struct ip *ip, const uint8_t sixteen[16])
{
    if (memcmp(sixteen, mapped, sizeof mapped) == 0) {
        set_v4(ip, sixteen + 12);
        return;
    }
    *ip = (struct ip){ .family = 6 };
    memcpy(ip->bytes, sixteen, 16);
}

bool ip_parse(struct slice text, struct ip *ip)
{
    char s[IP_TEXT];
    uint8_t b[16];

    if (text.n == 0 || text.n >= sizeof s || slice_chr(text, '\0') < text.n)
        return false;
    memcpy(s, text.p, text.n);
    s[text.n] = '\0';
    if (inet_pton(AF_INET, s, b) == 1)
        set_v4(ip, b);
    else if (inet_pton(AF_INET6, s, b) == 1)
        set_v6(ip, b);
    else
        return false;
    return true;
}

/* text_v4 - with every message, so not inet_ntop(), which prints by format */

static void text_v4(const uint8_t bytes[4], char *to)
{
    char room[DIGITS_TEXT];

    for (unsigned i = 0; i < 4; i++) {
        struct slice part = digits_text(bytes[i], room);

        memcpy(to, part.p, part.n);
        to += part.n;
        *to++ = i < 3 ? '.' : '\0';
    }
}

char *ip_text(const struct ip *ip, char text[IP_TEXT])
{
    text[0] = '\0';
    if (ip->family == 4)
        text_v4(ip->bytes, text);
    else if (ip->family != 0)
        inet_ntop(AF_INET6, ip->bytes, text, IP_TEXT);
    return text;
}

char *ip_literal(const struct ip *ip, char text[IP_TEXT + 8])
{
    char plain[IP_TEXT];

    stpcpy(stpcpy(stpcpy(text, ip->family == 6 ? "[IPv6:" : "["), ip_text(ip, plain)), "]");
    return text;
}

/* same_prefix - do the first `bits` bits agree? */

static bool same_prefix(const uint8_t *a, const uint8_t *b, unsigned bits)
{
    unsigned whole = bits / 8, rest = bits % 8;

    return memcmp(a, b, whole) == 0
        && (rest == 0 || ((a[whole] ^ b[whole]) >> (8 - rest)) == 0);
}

bool ip_net_parse(struct slice text, struct ip_net *net)
{
    struct slice addr, len;
    bool prefix = slice_cut(text, '/', &addr, &len);
    struct ip masked = { 0 };
    uint64_t bits, width;

    if (!ip_parse(addr, &net->ip))
        return false;
    width = net->ip.family == 4 ? 32 : 128;
    bits = width;
    if (prefix && (!slice_u64(len, &bits) || bits > width))
        return false;
    net->bits = (unsigned)bits;
    memcpy(masked.bytes, net->ip.bytes, net->bits / 8);
    if (bits % 8 != 0)
        masked.bytes[bits / 8] = (uint8_t)(net->ip.bytes[bits / 8]
                                           & (0xff00 >> (bits % 8)));
    return memcmp(masked.bytes, net->ip.bytes, sizeof masked.bytes) == 0;
}

bool ip_net_has(const struct ip_net *net, const struct ip *ip)
{
    return net->ip.family == ip->family
        && same_prefix(net->ip.bytes, ip->bytes, net->bits);
}

bool ip_eq(const struct ip *a, const struct ip *b)
{
    return a->family == b->family
        && memcmp(a->bytes, b->bytes, a->family == 4 ? 4 : 16) == 0;
}

bool ip_is_loopback(const struct ip *ip)
{
    static const uint8_t one[16] = { [15] = 1 };

    return ip->family == 4 ? ip->bytes[0] == 127
                           : memcmp(ip->bytes, one, 16) == 0;
}

bool ip_is_unspecified(const struct ip *ip)
{
    static const uint8_t zero[16];

    return ip->family == 4 ? ip->bytes[0] == 0
                           : memcmp(ip->bytes, zero, 16) == 0;
}

bool ip_from_sockaddr(const struct sockaddr *sa, struct ip *ip, uint16_t *port)
{
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;

    switch (sa->sa_family) {
    case AF_INET:
        memcpy(&v4, sa, sizeof v4);
        set_v4(ip, &v4.sin_addr);
        *port = ntohs(v4.sin_port);
        return true;
    case AF_INET6:
        memcpy(&v6, sa, sizeof v6);
        set_v6(ip, v6.sin6_addr.s6_addr);
        *port = ntohs(v6.sin6_port);
        return true;
    default:
        *ip = (struct ip){ 0 };
        *port = 0;
        return false;
    }
}

socklen_t ip_to_sockaddr(const struct ip *ip, uint16_t port,
                         struct sockaddr_storage *sa)
{
    struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons(port) };
    struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };

    *sa = (struct sockaddr_storage){ 0 };
    if (ip->family == 4) {
        memcpy(&v4.sin_addr, ip->bytes, 4);
        memcpy(sa, &v4, sizeof v4);
        return sizeof v4;
    }
    memcpy(&v6.sin6_addr, ip->bytes, 16);
    memcpy(sa, &v6, sizeof v6);
    return sizeof v6;
}
