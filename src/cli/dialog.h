/* dialog.h - a conversation with an SMTP server, printed as it happens.
 *
 * Blocking, one command at a time: this is a tool to look at a server with.
 * Every function returns an exit status of sysexits.h, EX_OK to go on.
 */
#pragma once
#include <sysexits.h>
#include "base/buf.h"
#include "smtp/reader.h"

struct dialog {
    int                 fd;             /* -1: not connected */
    int                 family;         /* AF_UNSPEC, AF_INET, AF_INET6 */
    int64_t             timeout;        /* ms for each step */
    bool                quiet;          /* print nothing but trouble */
    struct buf          in, raw;        /* raw: what was read of this reply, to be shown */
    struct reply_reader reader;
    struct host_offers  offers;
    char                host[256], port[32];
    int64_t             asked;          /* monotonic us of the last thing sent */
};

/* dialog_server - take "host", "host:port", "[::1]:25" apart; false: malformed */
bool dialog_server(struct dialog *d, const char *server);

/* dialog_open - resolve and connect: EX_NOHOST, EX_UNAVAILABLE */
int dialog_open(struct dialog *d);

/* dialog_say - send one command line (without CRLF), or nothing when NULL, and
 * read the reply into d->reader.reply. EX_TEMPFAIL: the connection was lost or
 * silent; EX_PROTOCOL: that was not SMTP. The reply's code is not looked at. */
int dialog_say(struct dialog *d, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
int dialog_greeting(struct dialog *d);

/* dialog_hello - greeting, EHLO, HELO if that is refused: EX_NOPERM for 5xx, EX_TEMPFAIL for 4xx */
int dialog_hello(struct dialog *d, const char *name);

/* dialog_text - the message with its final dot, and the reply */
int dialog_text(struct dialog *d, struct slice text);

/* dialog_close - QUIT if the server still listens; close; free */
void dialog_close(struct dialog *d);

/* dialog_code - of the last reply; dialog_judge - EX_OK for 2xx and 3xx,
 * EX_TEMPFAIL for 4xx, `never` for 5xx, else EX_PROTOCOL */
unsigned dialog_code(const struct dialog *d);
int dialog_judge(const struct dialog *d, int never);

/* dialog_name - what to call oneself: the machine's name if it can be one */
const char *dialog_name(char name[256]);
