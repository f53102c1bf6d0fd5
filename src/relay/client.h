/* client.h - one SMTP or LMTP session as a client, without I/O.
 *
 * Bytes in, bytes out, and a deadline. The owner feeds what came
 * (client_input), sends what is in `out`, asks for more when that has gone
 * (client_fill), and says when the connection ended or the deadline passed
 * (client_fail). After each call it looks at `stage` and `mail`:
 *
 *     stage       meaning                          left by
 *     GREETING    connected, nothing heard yet     input
 *     EHLO, HELO  the beginning                    input
 *     IDLE        ready for a transaction          client_send, client_quit
 *     RSET..DOT   a transaction, `mail` is set     input, client_fill
 *     DEAD        send what is in `out`, close     -
 *
 * The transaction is over when `mail` is NULL again. A recipient of it that is
 * not `decided` was not tried to the end and may be tried elsewhere at once;
 * `problem` says why. A command group goes out in one piece when the host
 * offers PIPELINING (RFC 2920).
 */
#pragma once
#include "base/arena.h"
#include "relay/trouble.h"
#include "smtp/data.h"

struct client_rcpt {
    struct slice address;
    bool         decided;
    bool         open;          /* part of the transaction under way */
    bool         accepted;      /* RCPT was; waits for the end of data */
    enum fate    fate;
    unsigned     code;          /* of the reply, or 0 */
    const char  *status;        /* in the mail's arena */
    struct slice text;          /* in the mail's arena */
};

/* Read up to n bytes of the body at `at`; how many, 0 or less: trouble. */
typedef int64_t client_read_f(void *user, char *to, size_t n, uint64_t at);

/* One transaction. Lives until client.mail is NULL again. */
struct client_mail {
    struct arena       *arena;      /* for the words of replies */
    struct slice        sender;     /* without <> */
    bool                eight;      /* there are octets above 127 in the body */
    uint64_t            size;       /* bytes of the body */
    struct slice        body;       /* unless read is set */
    client_read_f      *read;
    void               *read_user;
    struct client_rcpt *rcpts;
    size_t              nrcpts;
};

struct client_options {
    bool         lmtp;
    bool         plain;         /* HELO only: the host closes at EHLO */
    bool         loops;         /* a greeting with our own name is a loop (A185) */
    struct slice hostname;
    struct slice session;       /* name in the log */
    unsigned     scale;         /* per cent of the timeouts; 0: 100 */
    struct buf  *out;           /* at least CLIENT_OUT_MAX large */
};

enum {
    CLIENT_OUT_MAX = 2 << 20,
    CLIENT_RCPTS   = 1000,      /* of one transaction at most */
    CLIENT_TEXT    = 1000,      /* bytes kept of a reply's words */
};

/* Why the session ended, if it did not end well. */
struct client_problem {
    enum cause  cause;          /* NONE: it was a reply */
    enum stage  stage;          /* where */
    enum victim victim;
    unsigned    code;
    char        status[STATUS_TEXT];
    char        text[400];
};

struct client {
    struct client_options options;
    enum stage            stage;
    int64_t               deadline;     /* monotonic ms; 0: none */
    int64_t               now;
    struct host_offers    offers;
    struct reply_reader   reader;
    struct client_problem problem;
    unsigned              sent;         /* transactions begun */
    unsigned              heard;        /* replies heard in this one */
    bool                  unclean;      /* RSET before the next transaction */

    struct client_mail   *mail;
    size_t                at;           /* recipient whose reply is next */
    size_t                accepted;
    bool                  refused;      /* MAIL was */
    bool                  asked_data;   /* DATA has gone out */
    uint64_t              done;         /* bytes of the body taken */
    struct data_writer    writer;
};

/* client_begin - the connection is there */
void client_begin(struct client *c, const struct client_options *options, int64_t now);

/* client_input - what came; all of it is used, but for the beginning of a line */
void client_input(struct client *c, struct slice in, size_t *used, int64_t now);

/* client_send - begin a transaction; only when IDLE. It may be over at once. */
void client_send(struct client *c, struct client_mail *mail, int64_t now);

/* client_fill - what was in `out` has gone: put more of the body there */
void client_fill(struct client *c, int64_t now);

/* client_fail - the connection ended, the deadline passed, ...; then DEAD */
void client_fail(struct client *c, enum cause cause, const char *detail);

/* client_quit - say goodbye; then DEAD */
void client_quit(struct client *c);

/* client_address_ok - can this go into a command line as it is (A186)? */
bool client_address_ok(struct slice address, bool null_ok);
