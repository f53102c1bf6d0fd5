/* dsn.c - a report in three parts: for people, for programs, and the original. */
#include <stdio.h>
#include "mail/dsn.h"
#include "base/date.h"
#include "mail/foreign.h"
#include "mail/header.h"
#include "base/id.h"
#include "base/map.h"

enum {
    WORDS      = 2000,      /* octets shown of another server's words */
    HEADER_MAX = 32768,     /* octets returned of the original's header */
    BOUNDARY   = 40,
};

/* What differs between the kinds. */
static const struct kind {
    const char *subject, *action, *intro;
    unsigned    class;
} kinds[] = {
    [DSN_FAILED] = { "Undelivered mail", "failed",
        "Your message could not be delivered to the recipients below, and no\r\n"
        "further attempt will be made.\r\n", 5 },
    [DSN_DELAYED] = { "Delayed mail (still being tried)", "delayed",
        "Your message could not be delivered yet to the recipients below.\r\n"
        "It is still being tried: you need not send it again.\r\n", 4 },
};

/* boundary_make - nobody who does not know this process's secret can guess it */

static void boundary_make(const struct dsn *d, char text[BOUNDARY])
{
    uint64_t seed[4] = { d->id, d->original_id, (uint64_t)d->now, 0 };
    char high[ID_TEXT + 1], low[ID_TEXT + 1];

    id_text(hash_keyed(slice_of((const char *)seed, sizeof seed)), high);
    seed[3] = 1;
    id_text(hash_keyed(slice_of((const char *)seed, sizeof seed)), low);
    snprintf(text, BOUNDARY, "=_%s.%s", high, low);
}

static void put_field(struct buf *out, const char *name, struct slice value, size_t max)
{
    buf_printf(out, "%s: ", name);
    foreign_folded(out, value, strlen(name) + 2, max);
    buf_puts(out, "\r\n");
}

static void put_date(struct buf *out, const char *name, int64_t when)
{
    char text[DATE_TEXT];

    if (when != 0)
        buf_printf(out, "%s: %s\r\n", name, date_text(when, text));
}

static void put_typed(struct buf *out, const char *name, const char *type, struct slice value)
{
    buf_printf(out, "%s: %s; ", name, type);
    foreign_name(out, value);
    buf_puts(out, "\r\n");
}

/* put_in_reply_to - so that the sender's reader shows the report with the message */

static void put_in_reply_to(struct buf *out, struct slice original)
{
    struct header_field f;
    struct slice id;

    if (!header_find(original, SLICE_LIT("Message-ID"), &f))
        return;
    id = slice_trim(f.body);
    if (id.n > 250 || id.n < 3 || id.p[0] != '<' || slice_chr(id, '>') != id.n - 1)
        return;
    buf_puts(out, "In-Reply-To: ");
    foreign_name(out, id);
    buf_puts(out, "\r\n");
}

static void put_header(struct buf *out, const struct dsn *d, const char *boundary, bool eight_bit)
{
    char id[ID_TEXT + 1];

    put_date(out, "Date", d->now);
    buf_puts(out, "From: Mail Delivery System <MAILER-DAEMON@");
    foreign_name(out, d->hostname);
    buf_puts(out, ">\r\nTo: <");
    foreign_name(out, d->to);
    buf_printf(out, ">\r\nSubject: %s\r\nMessage-ID: <%s@", kinds[d->kind].subject,
               id_text(d->id, id));
    foreign_name(out, d->hostname);
    buf_puts(out, ">\r\n");
    put_in_reply_to(out, d->message);
    buf_printf(out, "Auto-Submitted: auto-replied\r\n"
                    "MIME-Version: 1.0\r\n"
                    "Content-Type: multipart/report; report-type=delivery-status;\r\n"
                    "\tboundary=\"%s\"\r\n%s\r\n",
               boundary, eight_bit ? "Content-Transfer-Encoding: 8bit\r\n" : "");
}

/* For people. */

static void put_told(struct buf *out, const struct dsn_rcpt *r)
{
    buf_puts(out, "\r\n<");
    foreign_name(out, r->address);
    buf_puts(out, ">");
    if (r->original.n > 0 && !slice_eq(r->original, r->address)) {
        buf_puts(out, " (you wrote to <");
        foreign_name(out, r->original);
        buf_puts(out, ">)");
    }
    buf_puts(out, ":\r\n\t");
    if (r->remote.n > 0) {
        foreign_name(out, r->remote);
        buf_puts(out, " said: ");
    }
    if (r->code != 0)
        buf_printf(out, "%u ", r->code);
    foreign_folded(out, r->text, 40, WORDS);
    buf_puts(out, "\r\n");
}

static void put_human(struct buf *out, const struct dsn *d)
{
    char id[ID_TEXT + 1];

    buf_puts(out, "Content-Type: text/plain; charset=us-ascii\r\n"
                  "Content-Description: Notification\r\n\r\n"
                  "This is the mail system at host ");
    foreign_name(out, d->hostname);
    buf_printf(out, ".\r\n\r\n%s", kinds[d->kind].intro);
    for (size_t i = 0; i < d->nrcpts; i++)
        put_told(out, &d->rcpts[i]);
    buf_printf(out, "\r\nFor questions, ask postmaster and name message %s.\r\n",
               id_text(d->original_id, id));
}

/* For programs (RFC 3464 §2). */

static void put_status(struct buf *out, const struct dsn *d, const struct dsn_rcpt *r)
{
    bool said = r->status[0] == 2 || r->status[0] == 4 || r->status[0] == 5;

    if (said)
        buf_printf(out, "Status: %u.%u.%u\r\n", r->status[0], r->status[1] % 1000,
                   r->status[2] % 1000);
    else
        buf_printf(out, "Status: %u.0.0\r\n", kinds[d->kind].class);
}

/* put_diagnostic - §2.3.6: the type says whose words they are */

static void put_diagnostic(struct buf *out, const struct dsn_rcpt *r)
{
    if (r->code == 0 && r->text.n == 0)
        return;
    buf_puts(out, "Diagnostic-Code: ");
    if (r->code != 0)
        buf_printf(out, "smtp; %u ", r->code % 1000);
    else
        buf_puts(out, "x-postrider; ");
    foreign_folded(out, r->text, 28, WORDS);
    buf_puts(out, "\r\n");
}

static void put_rcpt(struct buf *out, const struct dsn *d, const struct dsn_rcpt *r)
{
    buf_puts(out, "\r\n");
    if (r->original.n > 0)
        put_typed(out, "Original-Recipient", "rfc822", r->original);
    put_typed(out, "Final-Recipient", "rfc822", r->address);
    buf_printf(out, "Action: %s\r\n", kinds[d->kind].action);
    put_status(out, d, r);
    if (r->remote.n > 0)
        put_typed(out, "Remote-MTA", "dns", r->remote);
    put_diagnostic(out, r);
    put_date(out, "Last-Attempt-Date", r->last_attempt);
    if (d->kind == DSN_DELAYED)
        put_date(out, "Will-Retry-Until", r->retry_until);
}

static void put_machine(struct buf *out, const struct dsn *d)
{
    char id[ID_TEXT + 1];

    buf_puts(out, "Content-Type: message/delivery-status\r\n"
                  "Content-Description: Delivery report\r\n\r\n");
    put_typed(out, "Reporting-MTA", "dns", d->hostname);
    put_field(out, "X-Postrider-ID", slice_cstr(id_text(d->original_id, id)), ID_TEXT);
    put_typed(out, "X-Postrider-Sender", "rfc822", d->sender);
    put_date(out, "Arrival-Date", d->arrived);
    for (size_t i = 0; i < d->nrcpts; i++)
        put_rcpt(out, d, &d->rcpts[i]);
}

/* The original. */

static bool returns_all(const struct dsn *d)
{
    return d->kind == DSN_FAILED && d->message_size <= d->message.n
        && d->message.n <= d->body_max;
}

/* returned - what of the original goes back; a header that is cut, at a line */

static struct slice returned(const struct dsn *d)
{
    struct slice head;

    if (returns_all(d))
        return d->message;
    head = slice_first(d->message, header_length(d->message));
    if (head.n <= HEADER_MAX)
        return head;
    head.n = HEADER_MAX;
    return slice_first(head, slice_rchr(head, '\n') + 1);
}

static bool has_eight_bit(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] > 127)
            return true;
    return false;
}

static void put_original(struct buf *out, const struct dsn *d, bool *eight_bit)
{
    struct slice part = returned(d);

    buf_printf(out, "Content-Type: %s\r\nContent-Description: Undelivered message%s\r\n",
               returns_all(d) ? "message/rfc822" : "text/rfc822-headers",
               returns_all(d) ? "" : " headers");
    if (*eight_bit)
        buf_puts(out, "Content-Transfer-Encoding: 8bit\r\n");
    buf_puts(out, "\r\n");
    foreign_message(out, part, eight_bit);
}

bool dsn_write(const struct dsn *d, struct buf *out, bool *eight_bit)
{
    char boundary[BOUNDARY];

    *eight_bit = has_eight_bit(returned(d));
    boundary_make(d, boundary);
    put_header(out, d, boundary, *eight_bit);
    buf_printf(out, "This is a report in MIME format (RFC 3464).\r\n\r\n--%s\r\n", boundary);
    put_human(out, d);
    buf_printf(out, "\r\n--%s\r\n", boundary);
    put_machine(out, d);
    buf_printf(out, "\r\n--%s\r\n", boundary);
    put_original(out, d, eight_bit);
    buf_printf(out, "\r\n--%s--\r\n", boundary);
    return !out->full;
}
