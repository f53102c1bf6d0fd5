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

/* Octets that have no meaning in a field; a blank has none in a comment. */
static bool plain_octet(char c, bool blanks)
{
    return c >= (blanks ? ' ' : '!') && c <= '~' && c != '(' && c != ')' && c != ';' && c != '\\';
}

/* plain_length - how many octets at the front go as they are */

static size_t plain_length(struct slice s, bool blanks)
{
    size_t n = 0;

    while (n < s.n && plain_octet(s.p[n], blanks))
        n++;
    return n;
}

/* put_strange - the character at the front of *rest, or '?' for it */

static void put_strange(struct buf *out, struct slice *rest, bool utf8)
{
    struct slice before = *rest;
    uint32_t point;

    if (!utf8_next(rest, &point)) {
        *rest = slice_from(before, 1);
        point = 0;
    }
    if (point > 127 && utf8 && utf8_shows(point))
        buf_put(out, before.p, before.n - rest->n);
    else
        buf_put(out, "?", 1);
}

/* put_text - text from outside as one word, or as the inside of a comment */

static void put_text(struct buf *out, struct slice s, bool blanks, bool utf8)
{
    struct slice rest = slice_first(s, SHOWN);

    while (rest.n > 0) {
        size_t n = plain_length(rest, blanks);

        buf_put(out, rest.p, n);
        rest = slice_from(rest, n);
        if (rest.n > 0)
            put_strange(out, &rest, utf8);
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
    buf_puts(out, "\r\n\t(");
    buf_puts(out, before);
    put_text(out, s, true, false);
    buf_puts(out, ")");
}

static void put_client(struct buf *out, const struct received *r)
{
    char literal[IP_TEXT + 8];

    if (r->client.family != 0)
        ip_literal(&r->client, literal);
    if (r->helo.n > 0)
        put_word(out, r, r->helo);
    else
        buf_puts(out, r->client.family != 0 ? literal : "localhost");
    if (r->client.family == 0)
        return;
    buf_puts(out, " (");
    if (r->name.n > 0) {
        put_word(out, r, r->name);
        buf_puts(out, " ");
    }
    buf_puts(out, literal);
    buf_puts(out, ")");
    put_comment(out, "using ", r->tls);
}

static void put_with(struct buf *out, const struct received *r)
{
    buf_puts(out, "\r\n\tby ");
    put_word(out, r, r->hostname);
    buf_puts(out, " with ");
    buf_put_slice(out, r->protocol);
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
    buf_puts(out, " id ");
    buf_puts(out, id_text(r->id, id));
    if (r->rcpt.n > 0) {
        buf_puts(out, "\r\n\tfor <");
        put_word(out, r, r->rcpt);
        buf_puts(out, ">");
    }
    if (r->prioritized)
        buf_printf(out, " PRIORITY %d", r->priority);
    buf_puts(out, ";\r\n\t");
    buf_puts(out, date_text(r->now, date));
    buf_puts(out, "\r\n");
    return !out->full;
}
