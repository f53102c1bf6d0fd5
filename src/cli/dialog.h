/* dialog.h - a conversation with an SMTP server, printed as it happens.
 *
 * Blocking, one command at a time: this is a tool to look at a server with.
 * Every function returns an exit status of sysexits.h, EX_OK to go on.
 */
#pragma once
#include <jansson.h>
#include <sysexits.h>
#include "cli/secure.h"
#include "smtp/reader.h"

struct dialog {
    int                 fd;             /* -1: not connected */
    int                 family;         /* AF_UNSPEC, AF_INET, AF_INET6 */
    int64_t             timeout;        /* ms for each step */
    bool                quiet;          /* print nothing but trouble */
    json_t             *story;          /* array to which each step is added; NULL: none */
    struct secure       secure;         /* in force when its session is there */
    struct buf          in, raw;        /* raw: the last reply as it came */
    struct reply_reader reader;
    struct host_offers  offers;
    struct reply_in     ehlo;           /* the last reply to EHLO or HELO */
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

/* dialog_secret - the same for a line that nobody should see: `shown` is printed */
int dialog_secret(struct dialog *d, struct slice line, const char *shown);

/* dialog_ehlo - EHLO, HELO if that is refused: EX_NOPERM for 5xx, EX_TEMPFAIL for 4xx */
int dialog_ehlo(struct dialog *d, const char *name);

/* dialog_hello - greeting, and dialog_ehlo */
int dialog_hello(struct dialog *d, const char *name);

/* dialog_tls - the handshake, now. EX_PROTOCOL: it failed, and the connection is gone. */
int dialog_tls(struct dialog *d, struct tls_client *trust, const struct tls_peer *peer);
bool dialog_is_secure(const struct dialog *d);

/* dialog_text - the message with its final dot, and the reply */
int dialog_text(struct dialog *d, struct slice text);

/* dialog_chunks - the message by BDAT, in pieces of `size` octets (0: one), and the last
 * reply. Stops at the first that is not 2xx. */
int dialog_chunks(struct dialog *d, struct slice text, size_t size);

/* dialog_bytes - as they are, no reply read; dialog_read - what comes, like recv(2):
 * for those who take the connection over. wait: until something is there. */
int dialog_bytes(struct dialog *d, struct slice bytes);
ssize_t dialog_read(struct dialog *d, char *p, size_t n, bool wait);

/* dialog_note - tell people something, in brackets by custom */
void dialog_note(const struct dialog *d, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* dialog_drop - hang up without a word more */
void dialog_drop(struct dialog *d);

/* dialog_close - QUIT if the server still listens; close; free */
void dialog_close(struct dialog *d);

/* dialog_code - of the last reply; dialog_judge - EX_OK for 2xx and 3xx,
 * EX_TEMPFAIL for 4xx, `never` for 5xx, else EX_PROTOCOL */
unsigned dialog_code(const struct dialog *d);
int dialog_judge(const struct dialog *d, int never);

/* dialog_name - what to call oneself: the machine's name if it can be one */
const char *dialog_name(char name[256]);
