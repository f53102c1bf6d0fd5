/* ehlo.c - one row for each feature that this server has: how it is announced.
 *
 * A feature without a row is announced nowhere, whatever is granted.
 */
#include "base/date.h"
#include "base/digits.h"
#include "smtpd/auth.h"
#include "smtpd/ehlo.h"

/* Writes the line behind the keyword; NULL: there is nothing behind it. */
typedef void line_f(const struct session *s, struct reply *r);

static line_f on_size, on_by, on_hold, on_limits, on_xclient_names, on_xforward_names,
              on_auth_words, on_exps_words;

static const struct row {
    enum feature feature;
    line_f      *line;      /* adds the whole line (or lines) itself; NULL: the keyword alone */
} rows[] = {
    { FEATURE_PIPELINING, NULL },
    { FEATURE_SIZE,       on_size },
    { FEATURE_8BITMIME,   NULL },
    { FEATURE_CHUNKING,   NULL },
    { FEATURE_BINARYMIME, NULL },
    { FEATURE_SMTPUTF8,   NULL },
    { FEATURE_DSN,        NULL },
    { FEATURE_DELIVERBY,  on_by },
    { FEATURE_FUTURERELEASE, on_hold },
    { FEATURE_MT_PRIORITY, NULL },
    { FEATURE_REQUIRETLS, NULL },
    { FEATURE_RRVS,       NULL },
    { FEATURE_NO_SOLICITING, NULL },
    { FEATURE_LIMITS,     on_limits },
    { FEATURE_ETRN,       NULL },
    { FEATURE_TURN,       NULL },
    { FEATURE_ATRN,       NULL },
    { FEATURE_LINK2STATE, NULL },
    { FEATURE_AUTH,       on_auth_words },
    { FEATURE_X_EXPS,     on_exps_words },
    { FEATURE_XCLIENT,    on_xclient_names },
    { FEATURE_XFORWARD,   on_xforward_names },
    { FEATURE_XEXCH50,    NULL },
    { FEATURE_SEND,       NULL },
    { FEATURE_SOML,       NULL },
    { FEATURE_SAML,       NULL },
    { FEATURE_STARTTLS,   NULL },
    { FEATURE_EXPN,       NULL },
    { FEATURE_HELP,       NULL },
    { FEATURE_ENHANCED,   NULL },
};

static void on_size(const struct session *s, struct reply *r)
{
    char size[DIGITS_TEXT];

    reply_text(r, REPLY_EHLO, SLICE_LIT("SIZE "),
               digits_text((int64_t)s->server->conf->limits.message_size, size));
}

/* on_by - the least time that it may ask for (RFC 2852 §2) */

static void on_by(const struct session *s, struct reply *r)
{
    int64_t least = s->server->conf->limits.deliver_by / 1000;
    char seconds[DIGITS_TEXT];

    if (least > 0)
        reply_text(r, REPLY_EHLO, SLICE_LIT("DELIVERBY "), digits_text(least, seconds));
    else
        reply_text(r, REPLY_EHLO, SLICE_LIT("DELIVERBY"), (struct slice){ 0 });
}

/* on_hold - how long, and until when at most (RFC 4865 §3) */

static void on_hold(const struct session *s, struct reply *r)
{
    int64_t most = s->server->conf->limits.future_release;
    char moment[DATE_TEXT];

    reply_add(r, REPLY_EHLO, "FUTURERELEASE %lld %s", (long long)(most / 1000),
              date_stamp(s->server->wall + most, moment));
}

/* mechanisms - in both forms: old clients look for the one with the sign alone */

static void mechanisms(const struct session *s, struct reply *r, const char *verb)
{
    struct buf words = BUF(REPLY_LINE);

    if (auth_words(s, &words))
        reply_add(r, REPLY_EHLO, "%s %.*s", verb, SLICE(buf_view(&words)));
    if (auth_login(s))
        reply_add(r, REPLY_EHLO, "%s=LOGIN", verb);
    buf_free(&words);
}

static void on_auth_words(const struct session *s, struct reply *r)
{
    mechanisms(s, r, "AUTH");
}

static void on_exps_words(const struct session *s, struct reply *r)
{
    mechanisms(s, r, "X-EXPS");
}

static void on_xclient_names(const struct session *s, struct reply *r)
{
    (void)s;
    reply_add(r, REPLY_EHLO, "XCLIENT NAME ADDR PORT PROTO HELO LOGIN DESTADDR DESTPORT");
}

static void on_xforward_names(const struct session *s, struct reply *r)
{
    (void)s;
    reply_add(r, REPLY_EHLO, "XFORWARD NAME ADDR PORT PROTO HELO IDENT SOURCE");
}

/* on_limits - RFC 9422 §4 */

static void on_limits(const struct session *s, struct reply *r)
{
    reply_add(r, REPLY_EHLO, "LIMITS MAILMAX=%llu RCPTMAX=%llu",
              (unsigned long long)s->server->conf->limits.messages,
              (unsigned long long)s->server->conf->limits.recipients);
}

unsigned ehlo_write(const struct session *s, struct reply *r)
{
    if (s->listen->role != LISTEN_ODMR)     /* VRFY is always there, if only to answer 252 */
        reply_text(r, REPLY_EHLO, SLICE_LIT("VRFY"), (struct slice){ 0 });
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (!session_granted(s, rows[i].feature))
            continue;
        if (rows[i].line != NULL)
            rows[i].line(s, r);
        else
            reply_text(r, REPLY_EHLO, slice_cstr(feature_keyword(rows[i].feature)),
                       (struct slice){ 0 });
    }
    return REPLY_EHLO;
}
