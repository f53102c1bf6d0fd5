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
 *     STARTTLS    TLS is asked for                 input
 *     SECURE      the owner makes it TLS           client_secured
 *     LOGIN       the vault is asked what to say   client_login_say, client_login_end
 *     AUTH        ... and the host what it thinks  input
 *     IDLE        ready for a transaction          client_send, client_say, client_quit
 *     COMMAND     what client_say asked            input: IDLE, and the reply is in `reader`
 *     RSET..DOT   a transaction, `mail` is set     input, client_fill
 *     DEAD        send what is in `out`, close     -
 *
 * The transaction is over when `mail` is NULL again. A recipient of it that is
 * not `decided` was not tried to the end and may be tried elsewhere at once:
 * `unfit` says what this host lacks for it, or `problem` why the session ended.
 * A command group goes out in one piece when the host offers PIPELINING (RFC 2920).
 */
#pragma once
#include "base/arena.h"
#include "ipc/messages.h"
#include "mail/downgrade.h"
#include "mail/envelope.h"
#include "relay/trouble.h"
#include "smtp/data.h"
#include "tls/context.h"

/* What a host lacks for a message or recipient that the sender insists on; final
 * when no other host of the destination has it. */
struct unfit {
    const char *status;     /* 5.7.30 */
    const char *text;
};

struct client_rcpt {
    struct slice address;
    struct slice original;      /* as the sender wrote it; empty: the same */
    struct slice extra;         /* mail/envelope.h */
    struct slice wire;          /* the address in this transaction's commands */
    bool         decided;
    bool         open;          /* part of the transaction under way */
    bool         accepted;      /* RCPT was; waits for the end of data */
    enum fate    fate;
    enum delivery_kind how;     /* when done */
    unsigned     code;          /* of the reply, or 0 */
    const char  *status;        /* in the mail's arena */
    struct slice text;          /* in the mail's arena */
    const struct unfit *unfit;  /* this host lacks something: not decided */
};

/* Read up to n bytes of the text at `at`; how many, 0 or less: trouble. */
typedef int64_t client_read_f(void *user, char *to, size_t n, uint64_t at);

/* The text of a message, in memory or behind a function. */
struct client_text {
    uint64_t       size;
    struct slice   body;        /* unless read is set */
    client_read_f *read;
    void          *user;
};

/* Make the text fit for a host without 8BITMIME or BINARYMIME. DONE: *text is the
 * new one, the mail's until it is over; FITS: it is as it was. */
typedef enum downgrade_result client_fit_f(void *user, enum downgrade_target target,
                                           struct client_text *text);

/* One transaction. Lives until client.mail is NULL again. */
struct client_mail {
    struct arena       *arena;      /* for the words of replies */
    struct slice        id;         /* for XFORWARD's IDENT */
    struct slice        sender;     /* without <> */
    unsigned            flags;      /* enum envelope_flags: what the text is */
    struct slice        extra;      /* mail/envelope.h */
    struct slice        from_ip, from_name, protocol;   /* how it came, for XFORWARD */
    int64_t             wall_ahead; /* wall clock minus the owner's `now`, ms */
    struct client_text  text;       /* as it came */
    client_fit_f       *fit;        /* NULL: cannot */
    void               *fit_user;
    struct client_rcpt *rcpts;
    size_t              nrcpts;
    const char         *note;       /* set here: what was left out, for the trace; or NULL */
};

/* What is asked of the vault, by way of the owner. */
enum client_ask { CLIENT_ASK_BEGIN, CLIENT_ASK_STEP, CLIENT_ASK_CANCEL };
/* BEGIN: data are the mechanisms offered. STEP: what the host said. Answered by
 * client_login_say or client_login_end, perhaps from inside. */
typedef void client_login_f(void *user, enum client_ask ask, struct slice data);

struct client_options {
    bool             lmtp;
    bool             plain;     /* HELO only: the host closes at EHLO */
    bool             loops;     /* a greeting with our own name is a loop (A185) */
    bool             lines;     /* the other side reads line by line: no BDAT */
    bool             xforward, xexch50;     /* the host is a peer with that grant */
    enum tls_policy  tls;
    struct slice     account;   /* log in as this; empty: do not */
    client_login_f  *login;
    void            *login_user;
    struct slice     hostname;
    struct slice     session;   /* name in the log */
    unsigned         scale;     /* per cent of the timeouts; 0: 100 */
    struct buf      *out;       /* at least CLIENT_OUT_MAX large */
};

enum {
    CLIENT_OUT_MAX  = 2 << 20,
    CLIENT_RCPTS    = 1000,     /* of one transaction at most */
    CLIENT_TEXT     = 1000,     /* bytes kept of a reply's words */
    CLIENT_CHUNK    = 1 << 20,  /* bytes of one BDAT */
    CLIENT_TOGETHER = 32 << 10, /* bytes of a text that may go with its commands */
    CLIENT_WARM     = 500,      /* ms since the host was heard that a text may go so */
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
    int64_t               heard_at;     /* when something came last */
    struct host_offers    offers;
    struct reply_reader   reader;
    struct client_problem problem;
    unsigned              sent;         /* transactions begun */
    unsigned              heard;        /* replies heard in this one */
    bool                  unclean;      /* RSET before the next transaction */
    bool                  no_tls;       /* STARTTLS was refused: go on without */
    bool                  secure, verified;     /* it is TLS; with a certificate for the host's name */
    bool                  logged_in;
    bool                  proved;       /* the vault believes the host (RFC 4954: 235 alone is not enough) */
    bool                  first_said;   /* the command of AUTH has gone out */

    struct client_mail   *mail;
    struct client_text    text;         /* what is sent */
    struct slice          sender;       /* in this transaction's commands */
    size_t                at;           /* recipient whose reply is next */
    size_t                accepted;
    bool                  refused;      /* MAIL was */
    bool                  utf8;         /* with SMTPUTF8 */
    const char           *body;         /* value of BODY; NULL: not given */
    bool                  bdat;         /* the text goes by BDAT */
    bool                  asked_data;   /* DATA has gone out */
    bool                  sent_all;     /* the text has gone out, with its end */
    bool                  grouped;      /* MAIL to RCPT have gone out */
    bool                  exch50;       /* XEXCH50 comes before the text */
    unsigned              forwarded;    /* lines of XFORWARD that have gone out */
    uint64_t              done;         /* bytes of the text (or blob) taken */
    uint64_t              chunk_end;    /* where the BDAT under way ends */
    struct data_writer    writer;
    bool                  after_cr;     /* the text so far ends with CR; where BDAT is no BINARYMIME */
};

/* client_begin - the connection is there */
void client_begin(struct client *c, const struct client_options *options, int64_t now);

/* client_input - what came; all of it is used, but for the beginning of a line */
void client_input(struct client *c, struct slice in, size_t *used, int64_t now);

/* client_secured - the handshake that stage SECURE asked for is done */
void client_secured(struct client *c, bool verified, int64_t now);

/* client_login_say - the vault: say this to the host. mechanism: of the first answer.
 * client_login_end - the vault is satisfied (DONE), or this login is not possible */
void client_login_say(struct client *c, struct slice mechanism, bool has_data, struct slice data,
                      int64_t now);
void client_login_end(struct client *c, enum fate fate, struct slice why, int64_t now);

/* client_send - begin a transaction; only when IDLE. It may be over at once. */
void client_send(struct client *c, struct client_mail *mail, int64_t now);

/* client_say - a command that is not of a transaction, without CRLF; only when IDLE.
 * When it is IDLE again, the reply is in reader.reply. */
void client_say(struct client *c, struct slice line, int64_t now);

/* client_fill - what was in `out` has gone: put more of the text there */
void client_fill(struct client *c, int64_t now);

/* client_fills - is there more to be put when `out` has gone? */
static inline bool client_fills(const struct client *c)
{
    return c->stage == STAGE_BODY || c->stage == STAGE_BLOB;
}

/* client_fail - the connection ended, the deadline passed, ...; then DEAD */
void client_fail(struct client *c, enum cause cause, const char *detail);

/* client_quit - say goodbye; then DEAD */
void client_quit(struct client *c);

/* client_address_ok - can this go into a command line as it is (A186)? utf8: the
 * host has SMTPUTF8 */
bool client_address_ok(struct slice address, bool null_ok, bool utf8);
