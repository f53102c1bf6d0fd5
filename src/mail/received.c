/* received.c - Received: from, by, with, id, for; date. */
#include "mail/received.h"
#include "mail/date.h"
#include "base/id.h"

enum { SHOWN = 255 };       /* octets of a name or an address that are shown */

/* put_word - text from outside as one word: nothing that has a meaning in a field */

static void put_word(struct buf *out, struct slice s)
{
    s = slice_first(s, SHOWN);
    for (size_t i = 0; i < s.n; i++) {
        bool plain = s.p[i] > ' ' && s.p[i] <= '~' && strchr("();\\", s.p[i]) == NULL;

        buf_put(out, plain ? &s.p[i] : "?", 1);
    }
}

static void put_client(struct buf *out, const struct received *r)
{
    char literal[IP_TEXT + 8];

    if (r->helo.n > 0)
        put_word(out, r->helo);
    else
        buf_puts(out, r->client.family != 0 ? ip_literal(&r->client, literal) : "localhost");
    if (r->client.family != 0)
        buf_printf(out, " (%s)", ip_literal(&r->client, literal));
}

bool received_write(const struct received *r, struct buf *out)
{
    char id[ID_TEXT + 1], date[DATE_TEXT];

    buf_puts(out, "Received: from ");
    put_client(out, r);
    buf_puts(out, "\r\n\tby ");
    put_word(out, r->hostname);
    buf_puts(out, " with ");
    put_word(out, r->protocol);
    buf_printf(out, " id %s", id_text(r->id, id));
    if (r->rcpt.n > 0) {
        buf_puts(out, "\r\n\tfor <");
        put_word(out, r->rcpt);
        buf_puts(out, ">");
    }
    buf_printf(out, ";\r\n\t%s\r\n", date_text(r->now, date));
    return !out->full;
}
