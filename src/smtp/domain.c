/* domain.c - names of hosts and address literals (RFC 5321 §4.1.2, §4.1.3). */
#include "smtp/address.h"
#include "smtp/punycode.h"
#include "base/ascii.h"

enum { LABEL_MAX = 63, DOMAIN_MAX = 255 };

/* label_length - octets at the front of s that a label may have */

static size_t label_length(struct slice s, bool underscores)
{
    size_t n = 0;

    while (n < s.n && (ascii_alnum(s.p[n]) || s.p[n] == '-' || (underscores && s.p[n] == '_')))
        n++;
    return n;
}

/* label_valid - of such octets */

static bool label_valid(struct slice label)
{
    if (label.n == 0 || label.n > LABEL_MAX)
        return false;
    if (label.p[0] == '-' || label.p[label.n - 1] == '-')
        return false;
    return !slice_istarts(label, SLICE_LIT("xn--"))
        || punycode_decodable(slice_from(label, 4));
}

static bool labels_valid(struct slice domain, bool underscores)
{
    size_t n = label_length(domain, underscores);

    if (domain.n > DOMAIN_MAX)
        return false;
    while (n < domain.n && domain.p[n] == '.' && label_valid(slice_first(domain, n))) {
        domain = slice_from(domain, n + 1);
        n = label_length(domain, underscores);
    }
    return n == domain.n && label_valid(domain);
}

bool domain_valid(struct slice domain)
{
    return labels_valid(domain, false);
}

bool literal_parse(struct slice text, struct ip *ip)
{
    static const struct slice tag = SLICE_INIT("IPv6:");
    bool six;

    if (text.n < 3 || text.p[0] != '[' || text.p[text.n - 1] != ']')
        return false;
    text = slice_of(text.p + 1, text.n - 2);
    six = slice_istarts(text, tag);
    if (six)
        text = slice_from(text, tag.n);
    /* ip_parse makes IPv4 of a mapped address, and there is one way only to write that */
    return ip_parse(text, ip) && ip->family == (six ? 6 : 4);
}

bool helo_valid(struct slice text)
{
    struct ip ip;

    return labels_valid(text, true) || literal_parse(text, &ip);
}
