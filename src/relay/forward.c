/* forward.c - XFORWARD: telling a peer where a message came from (Postfix's
 * XFORWARD_README), so that its log and filters see the first client, not us.
 *
 * Only attributes that the peer offers. If we were told by XFORWARD ourselves, that
 * goes on. Two lines at most, so that each is short enough for everybody.
 */
#include "base/ip.h"
#include "relay/inside.h"

enum { VALUE_MAX = 255 };   /* octets of a value (Postfix) */

static const struct slice unavailable = SLICE_INIT("[UNAVAILABLE]");

static const struct slice names[] = {
#define X(NAME) SLICE_INIT(#NAME),
    XFORWARD_ATTRIBUTES(X)
#undef X
};

#define BIT(NAME) (1u << XFORWARD_##NAME)

/* What goes into each line. */
static const unsigned lines[] = { BIT(NAME) | BIT(ADDR) | BIT(PORT),
                                  BIT(PROTO) | BIT(HELO) | BIT(IDENT) | BIT(SOURCE) };

enum { LINES = sizeof lines / sizeof *lines };

bool forward_wanted(const struct client *c)
{
    return c->options.xforward && host_has(c, HOST_XFORWARD)
        && (c->offers.xforward & (lines[0] | lines[1])) != 0;
}

/* told - the attribute as we were told it by XFORWARD, xtext already */

static bool told(const struct client_mail *m, enum xforward_attribute at, struct slice *value)
{
    struct slice rest, word, name;

    if (!extra_get(m->extra, EXTRA_XFORWARD, &rest))
        return false;
    while (rest.n > 0) {
        slice_cut(rest, ' ', &word, &rest);
        if (slice_cut(word, '=', &name, value) && slice_ieq(name, names[at]))
            return value->n > 0 && value->n <= VALUE_MAX;
    }
    return false;
}

static struct slice known(const struct client_mail *m, enum xforward_attribute at)
{
    bool smtp = slice_eq(m->protocol, SLICE_LIT("SMTP"));

    switch (at) {
    case XFORWARD_ADDR:
        return m->from_ip;
    case XFORWARD_PROTO:
        return smtp ? m->protocol : SLICE_LIT("ESMTP");
    case XFORWARD_HELO:
        return m->from_name;
    case XFORWARD_IDENT:
        return m->id;
    case XFORWARD_SOURCE:
        return m->from_ip.n > 0 ? SLICE_LIT("REMOTE") : SLICE_LIT("LOCAL");
    default:
        return (struct slice){ NULL, 0 };
    }
}

static void put_known(struct buf *out, const struct client_mail *m, enum xforward_attribute at)
{
    struct slice value = slice_first(known(m, at), VALUE_MAX);
    struct ip ip;

    if (at == XFORWARD_ADDR && ip_parse(value, &ip) && slice_chr(value, ':') < value.n)
        buf_puts(out, "IPV6:");
    if (value.n > 0)
        xtext_put(out, value);
    else
        buf_put_slice(out, unavailable);
}

static bool plain(struct slice value)
{
    for (size_t i = 0; i < value.n; i++)
        if (value.p[i] <= ' ' || value.p[i] > '~')
            return false;
    return true;
}

static void put_attribute(struct client *c, enum xforward_attribute at)
{
    struct buf *out = c->options.out;
    struct slice value;

    buf_printf(out, " %.*s=", SLICE(names[at]));
    if (told(c->mail, at, &value) && plain(value))
        buf_put_slice(out, value);
    else
        put_known(out, c->mail, at);
}

bool forward_put(struct client *c)
{
    size_t at = c->options.out->n;
    unsigned set = 0;

    while (c->forwarded < LINES && set == 0)
        set = lines[c->forwarded++] & c->offers.xforward;
    if (set == 0)
        return false;
    buf_puts(c->options.out, "XFORWARD");
    for (unsigned i = 0; i < XFORWARD_COUNT; i++)
        if (set >> i & 1)
            put_attribute(c, i);
    buf_puts(c->options.out, "\r\n");
    command_log(c, at);
    return true;
}
