/* dsn_text.c - a report in words. */
#include "mail/dsn_inside.h"
#include "mail/foreign.h"
#include "base/date.h"
#include "base/id.h"

/* What each kind means to the reader. */
static const char *const meanings[] = {
    [DSN_FAILED] =
        "Your message could not be delivered to the recipients below, and no\r\n"
        "further attempt will be made.\r\n",
    [DSN_DELAYED] =
        "Your message could not be delivered yet to the recipients below.\r\n"
        "It is still being tried: you need not send it again.\r\n",
    [DSN_DELIVERED] =
        "Your message was delivered to the mailboxes of the recipients below.\r\n",
    [DSN_RELAYED] =
        "Your message was handed on for the recipients below, to a host that\r\n"
        "may not report when it has been delivered: this may be the last that\r\n"
        "you hear of it.\r\n",
    [DSN_EXPANDED] =
        "The addresses below stand for several others. Your message is on its\r\n"
        "way to all of them; you will hear of those that cannot be reached, but\r\n"
        "not of those that are.\r\n",
};

static void put_told(struct buf *out, const struct dsn *d, const struct dsn_rcpt *r)
{
    char date[DATE_TEXT];

    buf_puts(out, "\r\n<");
    foreign_name_in(out, r->address, d->utf8);
    buf_puts(out, ">");
    if (r->original.n > 0 && !slice_eq(r->original, r->address)) {
        buf_puts(out, " (you wrote to <");
        foreign_name_in(out, r->original, d->utf8);
        buf_puts(out, ">)");
    }
    buf_puts(out, ":\r\n\t");
    if (r->remote.n > 0) {
        foreign_name(out, r->remote);
        buf_puts(out, " said: ");
    }
    if (r->code != 0)
        buf_printf(out, "%u ", r->code);
    foreign_folded_in(out, r->text, 40, DSN_WORDS, d->utf8);
    buf_puts(out, "\r\n");
    if (r->rrvs != 0)
        buf_printf(out, "\tThe address may belong to somebody else than it did on\r\n\t%s,\r\n"
                        "\tand your message asked not to be delivered then.\r\n",
                   date_text(r->rrvs, date));
}

/* put_deadline - what DELIVERBY asked for (RFC 2852 §4.1.3) */

static void put_deadline(struct buf *out, const struct dsn *d)
{
    char date[DATE_TEXT];

    if (d->by == DSN_BY_NONE || !(dsn_has(d, DSN_FAILED) || dsn_has(d, DSN_DELAYED)))
        return;
    buf_printf(out, "\r\nIt was to be delivered by %s,\r\n%s\r\n", date_text(d->deliver_by, date),
               d->by == DSN_BY_RETURN ? "or else to be returned." : "or else you were to be told.");
}

/* put_kind - the recipients of one kind, under its meaning */

static void put_kind(struct buf *out, const struct dsn *d, enum dsn_kind kind)
{
    if (!dsn_has(d, kind))
        return;
    buf_printf(out, "\r\n%s", meanings[kind]);
    for (size_t i = 0; i < d->nrcpts; i++)
        if (dsn_kind_of(d, &d->rcpts[i]) == kind)
            put_told(out, d, &d->rcpts[i]);
}

void dsn_text(const struct dsn *d, struct buf *out)
{
    char id[ID_TEXT + 1];

    buf_puts(out, "This is the mail system at host ");
    foreign_name(out, d->hostname);
    buf_puts(out, ".\r\n");
    for (unsigned kind = 0; kind < sizeof meanings / sizeof meanings[0]; kind++)
        put_kind(out, d, (enum dsn_kind)kind);
    put_deadline(out, d);
    buf_printf(out, "\r\nFor questions, ask postmaster and name message %s.\r\n",
               id_text(d->original_id, id));
}
