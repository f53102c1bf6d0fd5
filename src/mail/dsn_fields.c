/* dsn_fields.c - a report in fields (RFC 3464 §2). */
#include "mail/dsn_inside.h"
#include "mail/foreign.h"
#include "mail/unitext.h"
#include "base/date.h"
#include "base/id.h"
#include "base/utf8.h"

static const unsigned classes[] = {
    [DSN_FAILED] = 5, [DSN_DELAYED] = 4, [DSN_DELIVERED] = 2, [DSN_RELAYED] = 2, [DSN_EXPANDED] = 2,
};

void dsn_date(struct buf *out, const char *name, int64_t when)
{
    char text[DATE_TEXT];

    if (when != 0)
        buf_printf(out, "%s: %s\r\n", name, date_text(when, text));
}

static void put_host(struct buf *out, const char *name, struct slice host)
{
    buf_printf(out, "%s: dns; ", name);
    foreign_name(out, host);
    buf_puts(out, "\r\n");
}

/* put_utf8 - an address of type utf-8: as it is where the part takes it */

static void put_utf8(struct buf *out, const struct dsn *d, struct slice address)
{
    buf_puts(out, "utf-8; ");
    if (d->utf8)
        foreign_name_in(out, address, true);
    else
        unitext_put(out, slice_first(address, 320), false);
}

static void put_address(struct buf *out, const struct dsn *d, const char *name, struct slice address)
{
    buf_printf(out, "%s: ", name);
    if (utf8_ascii(address)) {
        buf_puts(out, "rfc822; ");
        foreign_name(out, address);
    } else {
        put_utf8(out, d, address);
    }
    buf_puts(out, "\r\n");
}

/* put_orcpt - as the sender gave it; of type utf-8 without its encoding, where the
 * part takes UTF-8 (RFC 6533 §3) */

static void put_orcpt(struct buf *out, const struct dsn *d, struct slice orcpt)
{
    struct buf decoded = BUF(1020);
    struct slice type, address;
    bool utf8;

    slice_cut(orcpt, ';', &type, &address);
    utf8 = slice_ieq(type, SLICE_LIT("utf-8"));
    buf_puts(out, "Original-Recipient: ");
    if (utf8 && unitext_get(&decoded, address)) {
        put_utf8(out, d, buf_view(&decoded));
    } else {
        foreign_name(out, type);
        buf_puts(out, "; ");
        foreign_name_in(out, address, utf8 && d->utf8);
    }
    buf_puts(out, "\r\n");
    buf_free(&decoded);
}

static void put_original(struct buf *out, const struct dsn *d, const struct dsn_rcpt *r)
{
    if (r->orcpt.n > 0)
        put_orcpt(out, d, r->orcpt);
    else if (r->original.n > 0 && !d->orcpt_only)
        put_address(out, d, "Original-Recipient", r->original);
}

static void put_status(struct buf *out, enum dsn_kind kind, const struct dsn_rcpt *r)
{
    bool said = r->status[0] == 2 || r->status[0] == 4 || r->status[0] == 5;

    if (said)
        buf_printf(out, "Status: %u.%u.%u\r\n", r->status[0], r->status[1] % 1000,
                   r->status[2] % 1000);
    else
        buf_printf(out, "Status: %u.0.0\r\n", classes[kind]);
}

/* put_diagnostic - §2.3.6: the type says whose words they are */

static void put_diagnostic(struct buf *out, const struct dsn *d, const struct dsn_rcpt *r)
{
    if (r->code == 0 && r->text.n == 0)
        return;
    buf_puts(out, "Diagnostic-Code: ");
    if (r->code != 0)
        buf_printf(out, "smtp; %u ", r->code % 1000);
    else
        buf_puts(out, "x-postrider; ");
    foreign_folded_in(out, r->text, 28, DSN_WORDS, d->utf8);
    buf_puts(out, "\r\n");
}

static void put_rcpt(struct buf *out, const struct dsn *d, const struct dsn_rcpt *r)
{
    enum dsn_kind kind = dsn_kind_of(d, r);

    buf_puts(out, "\r\n");
    put_original(out, d, r);
    put_address(out, d, "Final-Recipient", r->address);
    buf_printf(out, "Action: %s\r\n", dsn_action(kind));
    put_status(out, kind, r);
    if (r->remote.n > 0)
        put_host(out, "Remote-MTA", r->remote);
    put_diagnostic(out, d, r);
    dsn_date(out, "Last-Attempt-Date", r->last_attempt);
    if (kind == DSN_DELAYED)
        dsn_date(out, "Will-Retry-Until", r->retry_until);
}

void dsn_fields(const struct dsn *d, struct buf *out)
{
    char id[ID_TEXT + 1];

    if (d->envid.n > 0) {
        buf_puts(out, "Original-Envelope-Id: ");
        foreign_name(out, d->envid);
        buf_puts(out, "\r\n");
    }
    put_host(out, "Reporting-MTA", d->hostname);
    buf_printf(out, "X-Postrider-ID: %s\r\n", id_text(d->original_id, id));
    put_address(out, d, "X-Postrider-Sender", d->sender);
    dsn_date(out, "Arrival-Date", d->arrived);
    if (d->by != DSN_BY_NONE)
        dsn_date(out, "Deliver-By-Date", d->deliver_by);
    for (size_t i = 0; i < d->nrcpts; i++)
        put_rcpt(out, d, &d->rcpts[i]);
}
