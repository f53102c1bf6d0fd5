/* params.c - MAIL and RCPT with the parameters that this host understands.
 *
 * One row for each parameter: the extension that the host must offer, and what writes
 * it. Values are of strangers: what could end the line or begin another parameter is
 * not written.
 */
#include "base/date.h"
#include "base/digits.h"
#include "base/utf8.h"
#include "mail/notify.h"
#include "relay/inside.h"
#include "relay/wants.h"

enum { VALUE_MAX = 1100 };      /* octets of one value */

bool client_address_ok(struct slice address, bool null_ok, bool utf8)
{
    bool quoted = false;

    if (address.n == 0)
        return null_ok;
    for (size_t i = 0; i < address.n; i++) {
        unsigned char b = (unsigned char)address.p[i];

        if (b < ' ' || b == 127 || (b > 127 && !utf8)
            || (!quoted && (b == ' ' || b == '<' || b == '>')))
            return false;
        if (b == '"')
            quoted = !quoted;
        if (b == '\\' && quoted && ++i < address.n
            && ((unsigned char)address.p[i] < ' ' || (unsigned char)address.p[i] > 126))
            return false;
    }
    return !quoted && address.n <= 512 && (!utf8 || utf8_valid(address));
}

/* value_ok - an esmtp-value (RFC 5321 §4.1.2); octets above 127 where SMTPUTF8 is in force */

static bool value_ok(struct slice value, bool utf8)
{
    for (size_t i = 0; i < value.n; i++) {
        unsigned char b = (unsigned char)value.p[i];

        if (b <= ' ' || b == '=' || b == 127 || (b > 127 && !utf8))
            return false;
    }
    return value.n > 0 && value.n <= VALUE_MAX && (!utf8 || utf8_valid(value));
}

void xtext_put(struct buf *out, struct slice text)
{
    for (size_t i = 0; i < text.n; i++) {
        unsigned char b = (unsigned char)text.p[i];

        if (b > ' ' && b < 127 && b != '+' && b != '=')
            buf_put(out, text.p + i, 1);
        else
            buf_printf(out, "+%02X", b);
    }
}

/* put_extra - a parameter as it came */

static void put_extra(struct client *c, struct slice extra, enum envelope_extra which,
                      const char *name)
{
    struct slice value;

    if (extra_get(extra, which, &value) && value_ok(value, c->utf8))
        buf_printf(c->options.out, " %s=%.*s", name, SLICE(value));
}

static void put_path(struct client *c, const char *verb, struct slice address)
{
    buf_puts(c->options.out, verb);
    buf_put_slice(c->options.out, address);
    buf_put(c->options.out, ">", 1);
}

/* --- MAIL */

typedef void mail_param_f(struct client *c);

static void put_size(struct client *c)
{
    char room[DIGITS_TEXT];

    buf_puts(c->options.out, " SIZE=");
    buf_put_slice(c->options.out, digits_text((int64_t)c->text.size, room));
}

static void put_body(struct client *c)
{
    if (c->body != NULL)
        buf_printf(c->options.out, " BODY=%s", c->body);
}

static void put_utf8(struct client *c)
{
    if (c->utf8)
        buf_puts(c->options.out, " SMTPUTF8");
}

/* On LMTP delivery is final, and the report ours (RFC 2033 has none). */
static void put_dsn(struct client *c)
{
    if (c->options.lmtp)
        return;
    put_extra(c, c->mail->extra, EXTRA_RET, "RET");
    put_extra(c, c->mail->extra, EXTRA_ENVID, "ENVID");
}

/* Who sent it, as we were told by somebody whom we trust; where we have logged in
 * ourselves, nothing means that we do not say (RFC 4954 §5). */
static void put_auth(struct client *c)
{
    struct slice value = { NULL, 0 };

    extra_get(c->mail->extra, EXTRA_AUTH, &value);
    if (value.n > 0 && !slice_eq(value, SLICE_LIT("<>")) && value_ok(value, false))
        buf_printf(c->options.out, " AUTH=%.*s", SLICE(value));
    else if (c->logged_in)
        buf_puts(c->options.out, " AUTH=<>");
}

static void put_by(struct client *c)
{
    struct want_by by;

    if (want_by(c->mail->extra, c->now + c->mail->wall_ahead, &by))
        buf_printf(c->options.out, " BY=%lld;%c%s", (long long)by.seconds, by.mode,
                   by.trace ? "T" : "");
}

/* Usually the time has come before we are asked to send; if not, the next host waits. */
static void put_hold(struct client *c)
{
    int64_t wall = c->now + c->mail->wall_ahead;
    char stamp[DATE_TEXT];
    struct slice value;
    uint64_t until, left;

    if (!extra_get(c->mail->extra, EXTRA_HOLD, &value) || !slice_u64(value, &until)
        || until > INT64_MAX / 2 || (int64_t)until <= wall)
        return;
    left = (until - (uint64_t)wall) / 1000;
    if (c->offers.hold_max >= left)
        buf_printf(c->options.out, " HOLDFOR=%llu", (unsigned long long)left);
    else if (c->offers.hold_until >= (int64_t)until)
        buf_printf(c->options.out, " HOLDUNTIL=%s", date_stamp((int64_t)until, stamp));
}

static void put_priority(struct client *c)
{
    put_extra(c, c->mail->extra, EXTRA_PRIORITY, "MT-PRIORITY");
}

static void put_requiretls(struct client *c)
{
    if ((c->mail->flags & ENV_REQUIRETLS) && c->secure && c->verified)
        buf_puts(c->options.out, " REQUIRETLS");
}

static void put_solicit(struct client *c)
{
    put_extra(c, c->mail->extra, EXTRA_SOLICIT, "SOLICIT");
}

/* put_linkpath - where it has been, for the neighbour's choice of the way on */

static void put_linkpath(struct client *c)
{
    put_extra(c, c->mail->extra, EXTRA_LINKPATH, "XLINKPATH");
}

static const struct { unsigned offer; mail_param_f *put; } mail_params[] = {
    { HOST_SIZE,          put_size },
    { HOST_8BITMIME | HOST_BINARYMIME, put_body },
    { HOST_SMTPUTF8,      put_utf8 },
    { HOST_DSN,           put_dsn },
    { HOST_AUTH,          put_auth },
    { HOST_DELIVERBY,     put_by },
    { HOST_FUTURERELEASE, put_hold },
    { HOST_MT_PRIORITY,   put_priority },
    { HOST_REQUIRETLS,    put_requiretls },
    { HOST_NO_SOLICITING, put_solicit },
    { HOST_LINK2STATE,    put_linkpath },
};

void put_mail(struct client *c)
{
    size_t at = c->options.out->n;

    put_path(c, "MAIL FROM:<", c->sender);
    for (size_t i = 0; i < sizeof mail_params / sizeof *mail_params; i++)
        if (host_has(c, mail_params[i].offer))
            mail_params[i].put(c);
    buf_puts(c->options.out, "\r\n");
    command_log(c, at);
}

/* --- RCPT */

/* put_notify - as it came; but who hears of a time limit that this host does not
 * know is told of delays (RFC 2852 §4.1.4.2) */

static void put_notify(struct client *c, const struct client_rcpt *rcpt)
{
    struct slice value = { NULL, 0 };
    struct notify_decision d;
    unsigned notify = 0;
    struct want_by by;

    if (extra_get(rcpt->extra, EXTRA_NOTIFY, &value) && !notify_parse(value, &notify))
        return;
    if (!host_has(c, HOST_DELIVERBY) && want_by(c->mail->extra, c->now, &by)) {
        d = notify_decide(NOTIFY_BY_PLAIN_HOST, notify, c->mail->sender.n == 0);
        value = slice_cstr(notify_text(d.notify));
    }
    if (value.n > 0)
        buf_printf(c->options.out, " NOTIFY=%.*s", SLICE(value));
}

/* put_orcpt - octet by octet as it came; where none came and the address is now
 * another, the one we were given (RFC 3461 §5.2.1) */

static void put_orcpt(struct client *c, const struct client_rcpt *rcpt)
{
    struct slice value;

    if (extra_get(rcpt->extra, EXTRA_ORCPT, &value)) {
        put_extra(c, rcpt->extra, EXTRA_ORCPT, "ORCPT");
    } else if (rcpt->original.n > 0 && utf8_ascii(rcpt->original)
               && !slice_eq(rcpt->original, rcpt->address)) {
        buf_puts(c->options.out, " ORCPT=rfc822;");
        xtext_put(c->options.out, slice_first(rcpt->original, 320));
    }
}

static void put_rcpt_dsn(struct client *c, const struct client_rcpt *rcpt)
{
    if (!c->options.lmtp)
        put_notify(c, rcpt);
    put_orcpt(c, rcpt);
}

static void put_rrvs(struct client *c, const struct client_rcpt *rcpt)
{
    char stamp[DATE_TEXT];
    struct want_rrvs r;

    if (!want_rrvs(rcpt->extra, &r) || r.since > INT64_MAX / 1000)
        return;
    buf_printf(c->options.out, " RRVS=%s", date_stamp(r.since * 1000, stamp));
    if (r.action != '\0')
        buf_printf(c->options.out, ";%c", r.action);
}

static const struct {
    unsigned offer;
    void   (*put)(struct client *c, const struct client_rcpt *rcpt);
} rcpt_params[] = {
    { HOST_DSN,  put_rcpt_dsn },
    { HOST_RRVS, put_rrvs },
};

void put_rcpt(struct client *c, size_t i)
{
    const struct client_rcpt *rcpt = &c->mail->rcpts[i];
    size_t at = c->options.out->n;

    put_path(c, "RCPT TO:<", rcpt->wire);
    for (size_t k = 0; k < sizeof rcpt_params / sizeof *rcpt_params; k++)
        if (host_has(c, rcpt_params[k].offer))
            rcpt_params[k].put(c, rcpt);
    buf_puts(c->options.out, "\r\n");
    command_log(c, at);
}
