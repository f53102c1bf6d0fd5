/* ehlo.c - one row for each feature that this server has: how it is announced.
 *
 * A feature without a row is announced nowhere, whatever is granted.
 */
#include "smtpd/ehlo.h"

/* Writes the line behind the keyword; NULL: there is nothing behind it. */
typedef void line_f(const struct session *s, struct reply *r);

static line_f on_size;

static const struct row {
    enum feature feature;
    line_f      *line;      /* adds the whole line (or lines) itself; NULL: the keyword alone */
} rows[] = {
    { FEATURE_PIPELINING, NULL },
    { FEATURE_SIZE,       on_size },
    { FEATURE_8BITMIME,   NULL },
    { FEATURE_EXPN,       NULL },
    { FEATURE_HELP,       NULL },
    { FEATURE_ENHANCED,   NULL },
};

static void on_size(const struct session *s, struct reply *r)
{
    reply_add(r, REPLY_EHLO, "SIZE %llu",
              (unsigned long long)s->server->conf->limits.message_size);
}

unsigned ehlo_write(const struct session *s, struct reply *r)
{
    if (s->listen->role != LISTEN_ODMR)
        reply_add(r, REPLY_EHLO, "VRFY");       /* always there, if only to answer 252 */
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (!session_granted(s, rows[i].feature))
            continue;
        if (rows[i].line != NULL)
            rows[i].line(s, r);
        else
            reply_add(r, REPLY_EHLO, "%s", feature_keyword(rows[i].feature));
    }
    return REPLY_EHLO;
}
