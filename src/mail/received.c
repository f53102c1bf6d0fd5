/* received.c - Received: from, by, with, id, for; date. */
#include "mail/received.h"
#include "base/date.h"
#include "base/id.h"
#include "base/utf8.h"

enum { SHOWN = 255 };       /* octets of a name or an address that are shown */

/* RFC 3848, and the names with UTF8 of RFC 6531 §4.3. */
struct slice received_protocol(unsigned way)
{
    static const struct slice names[2][2][2][2] = {     /* utf8, lmtp, tls, auth */
        { { { SLICE_INIT("ESMTP"), SLICE_INIT("ESMTPA") },
            { SLICE_INIT("ESMTPS"), SLICE_INIT("ESMTPSA") } },
          { { SLICE_INIT("LMTP"), SLICE_INIT("LMTPA") },
            { SLICE_INIT("LMTPS"), SLICE_INIT("LMTPSA") } } },
        { { { SLICE_INIT("UTF8SMTP"), SLICE_INIT("UTF8SMTPA") },
            { SLICE_INIT("UTF8SMTPS"), SLICE_INIT("UTF8SMTPSA") } },
          { { SLICE_INIT("UTF8LMTP"), SLICE_INIT("UTF8LMTPA") },
            { SLICE_INIT("UTF8LMTPS"), SLICE_INIT("UTF8LMTPSA") } } },
    };

    if (!(way & (RECEIVED_ESMTP | RECEIVED_LMTP)))
        return SLICE_LIT("SMTP");
    return names[(way & RECEIVED_UTF8) != 0][(way & RECEIVED_LMTP) != 0]
                [(way & RECEIVED_TLS) != 0][(way & RECEIVED_AUTH) != 0];
}

/* plain - nothing that has a meaning in a field; blanks only in comments */

static bool plain(uint32_t point, bool blanks, bool utf8)
{
    if (point > 127)
        return utf8 && utf8_shows(point);
    return (point > ' ' || (blanks && point == ' ')) && point <= '~'
        && strchr("();\\", (int)point) == NULL;
}

/* put_text - text from outside as one word, or as the inside of a comment */

static void put_text(struct buf *out, struct slice s, bool blanks, bool utf8)
{
    struct slice rest = slice_first(s, SHOWN), before;
    uint32_t point;

    for (before = rest; rest.n > 0; before = rest) {
        if (!utf8_next(&rest, &point)) {
            rest = slice_from(rest, 1);
            point = 0;
        }
        if (plain(point, blanks, utf8))
            buf_put(out, before.p, before.n - rest.n);
        else
            buf_puts(out, "?");
    }
}

static void put_word(struct buf *out, const struct received *r, struct slice s)
{
    put_text(out, s, false, slice_istarts(r->protocol, SLICE_LIT("UTF8")));
}

static void put_comment(struct buf *out, const char *before, struct slice s)
{
    if (s.n == 0)
        return;
    buf_printf(out, "\r\n\t(%s", before);
    put_text(out, s, true, false);
    buf_puts(out, ")");
}

static void put_client(struct buf *out, const struct received *r)
{
    char literal[IP_TEXT + 8];

    if (r->helo.n > 0)
        put_word(out, r, r->helo);
    else
        buf_puts(out, r->client.family != 0 ? ip_literal(&r->client, literal) : "localhost");
    if (r->client.family == 0)
        return;
    buf_puts(out, " (");
    if (r->name.n > 0) {
        put_word(out, r, r->name);
        buf_puts(out, " ");
    }
    buf_printf(out, "%s)", ip_literal(&r->client, literal));
    put_comment(out, "using ", r->tls);
}

static void put_with(struct buf *out, const struct received *r)
{
    buf_puts(out, "\r\n\tby ");
    put_word(out, r, r->hostname);
    buf_puts(out, " with ");
    put_word(out, r, r->protocol);
    if (r->requiretls)
        buf_puts(out, " (REQUIRETLS)");
    put_comment(out, "SOLICIT=", r->solicit);
    put_comment(out, "", r->note);
}

bool received_write(const struct received *r, struct buf *out)
{
    char id[ID_TEXT + 1], date[DATE_TEXT];

    buf_puts(out, "Received: from ");
    put_client(out, r);
    put_with(out, r);
    buf_printf(out, " id %s", id_text(r->id, id));
    if (r->rcpt.n > 0) {
        buf_puts(out, "\r\n\tfor <");
        put_word(out, r, r->rcpt);
        buf_puts(out, ">");
    }
    if (r->prioritized)
        buf_printf(out, " PRIORITY %d", r->priority);
    buf_printf(out, ";\r\n\t%s\r\n", date_text(r->now, date));
    return !out->full;
}
