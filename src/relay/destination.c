/* destination.c - destinations read. */
#include "relay/destination.h"
#include "smtp/address.h"

static bool port_parse(struct slice text, uint16_t *port)
{
    uint64_t n;

    if (!slice_u64(text, &n) || n == 0 || n > 65535)
        return false;
    *port = (uint16_t)n;
    return true;
}

/* "name:port", "192.0.2.1:port", "[::1]:port" */
static bool host_parse(struct slice text, struct destination *d)
{
    size_t colon = slice_rchr(text, ':');
    struct slice host = slice_first(text, colon);

    if (!port_parse(slice_from(text, colon + 1), &d->port))
        return false;
    if (host.n > 2 && host.p[0] == '[' && host.p[host.n - 1] == ']')
        host = slice_first(slice_from(host, 1), host.n - 2);
    d->name = host;
    d->way = WAY_HOST;
    return ip_parse(host, &d->ip) || domain_valid(host);
}

static bool mx_domain_parse(struct slice text, struct destination *d)
{
    d->name = text;
    d->way = WAY_MX;
    if (text.n > 0 && text.p[0] == '[')
        return literal_parse(text, &d->ip);
    return domain_valid(text);
}

static bool lmtp_parse(struct slice text, struct destination *d)
{
    d->lmtp = true;
    if (text.n == 0 || text.p[0] != '/')
        return host_parse(text, d);
    d->name = text;
    d->way = WAY_UNIX;
    return text.n < 108 && slice_chr(text, '\0') == text.n;     /* sun_path */
}

bool destination_parse(struct slice text, struct destination *d)
{
    struct slice kind, rest;

    *d = (struct destination){ 0 };
    slice_cut(text, ':', &kind, &rest);
    if (slice_eq(kind, SLICE_LIT("mx")))
        return mx_domain_parse(rest, d);
    if (slice_eq(kind, SLICE_LIT("host")))
        return host_parse(rest, d);
    if (slice_eq(kind, SLICE_LIT("turn"))) {
        d->way = WAY_TURN;
        return slice_u64(rest, &d->ticket);
    }
    return slice_eq(kind, SLICE_LIT("lmtp")) && lmtp_parse(rest, d);
}
