/* dsn.c - a report in three parts: for people, for programs, and the original. */
#include <stdio.h>
#include "mail/dsn_inside.h"
#include "mail/downgrade.h"
#include "mail/foreign.h"
#include "mail/header.h"
#include "base/id.h"
#include "base/map.h"
#include "base/utf8.h"

enum {
    HEADER_MAX = 32768,     /* octets returned of the original's header */
    BOUNDARY   = 40,
};

static const struct kind { const char *subject, *action; } kinds[] = {
    [DSN_FAILED]    = { "Undelivered mail",                 "failed"    },
    [DSN_DELAYED]   = { "Delayed mail (still being tried)", "delayed"   },
    [DSN_DELIVERED] = { "Delivered mail",                   "delivered" },
    [DSN_RELAYED]   = { "Relayed mail",                     "relayed"   },
    [DSN_EXPANDED]  = { "Expanded mail",                    "expanded"  },
};

const char *dsn_action(enum dsn_kind kind)
{
    return kinds[kind].action;
}

bool dsn_needs_utf8(const struct dsn *d)
{
    return !utf8_ascii(d->to) && utf8_printable(d->to);
}

bool dsn_has(const struct dsn *d, enum dsn_kind kind)
{
    for (size_t i = 0; i < d->nrcpts; i++)
        if (dsn_kind_of(d, &d->rcpts[i]) == kind)
            return true;
    return false;
}

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

static void put_encoding(struct buf *out, bool eight_bit)
{
    if (eight_bit)
        buf_puts(out, "Content-Transfer-Encoding: 8bit\r\n");
}

static void put_header(struct buf *out, const struct dsn *d, const char *boundary, bool eight_bit)
{
    char id[ID_TEXT + 1];

    dsn_date(out, "Date", d->now);
    buf_puts(out, "From: Mail Delivery System <MAILER-DAEMON@");
    foreign_name(out, d->hostname);
    buf_puts(out, ">\r\nTo: <");
    foreign_name_in(out, d->to, dsn_needs_utf8(d));
    buf_printf(out, ">\r\nSubject: %s\r\nMessage-ID: <%s@", kinds[d->kind].subject,
               id_text(d->id, id));
    foreign_name(out, d->hostname);
    buf_puts(out, ">\r\n");
    put_in_reply_to(out, d->message);
    buf_printf(out, "Auto-Submitted: auto-replied\r\n"
                    "MIME-Version: 1.0\r\n"
                    "Content-Type: multipart/report; report-type=delivery-status;\r\n"
                    "\tboundary=\"%s\"\r\n", boundary);
    put_encoding(out, eight_bit);
    buf_puts(out, "\r\n");
}

/* The original. */

/* returns_all - only a failure returns the body (RFC 3461 §6.2), and never one that was
 * to travel by TLS alone (RFC 8689 §5) */

static bool returns_all(const struct dsn *d)
{
    return dsn_has(d, DSN_FAILED) && d->ret != DSN_RETURN_HEADERS && !d->requiretls
        && d->message_size <= d->message.n && d->message.n <= d->body_max;
}

/* headers_of - a header that is too long is cut, at a line */

static struct slice headers_of(struct slice message)
{
    struct slice head = slice_first(message, header_length(message));

    if (head.n <= HEADER_MAX)
        return head;
    head.n = HEADER_MAX;
    return slice_first(head, slice_rchr(head, '\n') + 1);
}

static bool collect(void *user, struct slice piece)
{
    return buf_put_slice(user, piece);
}

/* put_whole - a binary message is returned encoded, if it can be; else what would end
 * a line and may not becomes '?' */

static void put_whole(struct buf *out, const struct dsn *d)
{
    struct downgrade lines = { .message = d->message, .target = DOWNGRADE_TO_8BIT };
    uint64_t octets;
    bool eight_bit = false;

    if (downgrade_length(&lines, &octets) == DOWNGRADE_DONE && octets <= d->body_max)
        downgrade_write(&lines, collect, out);
    else
        foreign_message(out, d->message, &eight_bit);
}

/* The types of what is returned: whole or headers only, with a header in ASCII (or
 * unlawful, RFC 5322) or in UTF-8 (RFC 6533 §4.2, §4.3). */
static const char *original_type(bool whole, bool utf8)
{
    static const char *const types[2][2] = {
        { "text/rfc822-headers", "message/global-headers" },
        { "message/rfc822", "message/global" },
    };

    return types[whole][utf8];
}

/* Parts. */

struct parts {
    struct buf  text, fields, original;
    const char *fields_type, *original_type;
};

static void parts_make(const struct dsn *d, struct parts *p)
{
    struct slice head = headers_of(d->message);
    bool whole = returns_all(d), eight_bit = false;

    dsn_text(d, &p->text);
    dsn_fields(d, &p->fields);
    if (whole)
        put_whole(&p->original, d);
    else
        foreign_message(&p->original, head, &eight_bit);
    p->fields_type = utf8_ascii(buf_view(&p->fields)) ? "message/delivery-status"
                                                      : "message/global-delivery-status";
    p->original_type = original_type(whole, d->utf8 && !utf8_ascii(head));
}

static void put_part(struct buf *out, const char *boundary, const char *type, const char *what,
                     const struct buf *content)
{
    buf_printf(out, "%s--%s\r\nContent-Type: %s\r\nContent-Description: %s\r\n",
               "\r\n", boundary, type, what);
    put_encoding(out, !utf8_ascii(buf_view(content)));
    buf_puts(out, "\r\n");
    buf_put_slice(out, buf_view(content));
}

static void put_parts(struct buf *out, const struct parts *p, const char *boundary)
{
    bool ascii = utf8_ascii(buf_view(&p->text));

    buf_puts(out, "This is a report in MIME format (RFC 3464).\r\n");
    put_part(out, boundary, ascii ? "text/plain; charset=us-ascii" : "text/plain; charset=utf-8",
             "Notification", &p->text);
    put_part(out, boundary, p->fields_type, "Delivery report", &p->fields);
    put_part(out, boundary, p->original_type,
             strchr(p->original_type, '-') != NULL ? "Headers of the message" : "The message",
             &p->original);
    buf_printf(out, "\r\n--%s--\r\n", boundary);
}

bool dsn_write(const struct dsn *d, struct buf *out, bool *eight_bit)
{
    struct parts p = { .text = BUF(out->max), .fields = BUF(out->max), .original = BUF(out->max) };
    char boundary[BOUNDARY];

    parts_make(d, &p);
    *eight_bit = !utf8_ascii(buf_view(&p.text)) || !utf8_ascii(buf_view(&p.fields))
        || !utf8_ascii(buf_view(&p.original));
    boundary_make(d, boundary);
    put_header(out, d, boundary, *eight_bit);
    put_parts(out, &p, boundary);
    if (p.text.full || p.fields.full || p.original.full)
        out->full = true;
    *eight_bit |= dsn_needs_utf8(d);
    buf_free(&p.text);
    buf_free(&p.fields);
    buf_free(&p.original);
    return !out->full;
}
