/* session.h - one SMTP server session, without I/O.
 *
 * Bytes go in with session_input(), replies come out in a buffer, and what the
 * session needs of the world it asks through a table of functions; answers
 * come back through session_xxx(). So the real server, unit tests and the
 * fuzzer drive the same code. Time is handed in.
 *
 *     stage       entered by (in)                    left for
 *     GREETING    session_begin                      START, ENDED
 *     START       session_greet                      READY, ENDED
 *     READY       hello (verbs.c), tx_drop           SENDER, ENDED
 *     SENDER      tx_begin: MAIL                     RCPTS, READY
 *     RCPTS       rcpt_take (policy.c): RCPT         TEXT, READY
 *     TEXT        intake_begin: DATA                 READY
 *     CHUNKS      intake_begin: BDAT                 READY
 *     ENDED       session_stop, session_end          -
 *
 * There is a transaction exactly in SENDER to CHUNKS, and tx_drop() is the one
 * way out of it. Only session_enter() changes the stage. A whole message becomes
 * a flight (flight.h), and the session is READY for what the client has sent behind it.
 */
#pragma once
#include "base/arena.h"
#include "base/fate.h"
#include "base/id.h"
#include "base/list.h"
#include "conf/conf.h"
#include "mail/header.h"
#include "smtp/command.h"
#include "smtp/data.h"
#include "smtp/reply.h"

enum stage {
    S_GREETING = 1 << 0,
    S_START    = 1 << 1,
    S_READY    = 1 << 2,
    S_SENDER   = 1 << 3,
    S_RCPTS    = 1 << 4,
    S_TEXT     = 1 << 5,
    S_CHUNKS   = 1 << 6,
    S_ENDED    = 1 << 7,

    S_IN_TX    = S_SENDER | S_RCPTS | S_TEXT | S_CHUNKS,
    S_COMMANDS = S_START | S_READY | S_SENDER | S_RCPTS | S_CHUNKS,
};

/* Whom the session waits for; meanwhile its input stays where it is. */
enum wait {
    WAIT_CLIENT = 0,
    WAIT_QUEUE,         /* MAIL: the queue has not yet said that it is there */
    WAIT_RCPTS,         /* something other than RCPT, while recipients are looked up */
    WAIT_FILE,          /* a file for a large body */
    WAIT_COMMIT,        /* messages are to become durable before what comes next */
    WAIT_ANSWER,        /* a command asked the world something: session.asking */
    WAIT_SECURE,        /* a TLS handshake */
    WAIT_TURN,          /* 250 was said to TURN or ATRN: the connection is no longer ours */
};

/* What a table alone can say about a local address. */
enum known { KNOWN_ASK = 0, KNOWN_YES, KNOWN_NO, KNOWN_TROUBLE };

/* How the queue answers at MAIL. */
enum room { ROOM_UNKNOWN = 0, ROOM_YES, ROOM_FULL };

/* Where an address goes (MSG_RESOLVED). */
struct answer {
    enum fate    fate;
    bool         terminal;  /* somebody with an open terminal is logged in as this user */
    int64_t      since;     /* the address is this user's since, wall s (RFC 7293); 0: unknown */
    uint32_t     nentries;
    struct slice entries;
};

struct flight;
struct session;
struct talk_server;

/* asking - a command whose reply depends on an answer of the world. The command
 * sets it (session_ask) and says REPLY_NONE; whoever brings the answer calls
 * session_answered() and says the reply. `late` is called instead when the
 * answer does not come in time: it forgets the question; the client hears 451. */
struct asking {
    void   (*late)(struct session *s);      /* NULL: no question is open */
    int64_t  deadline;                      /* mono, ms */
    uint64_t ticket;                        /* whatever the command likes */
    enum reply_id otherwise;                /* what is said then; 0: 451 */
};

/* aside_f - reads what a command has asked the client for: lines of a login,
 * octets of a blob. Returns bytes used; 0: it needs more, or waits. It ends by
 * setting session.aside to NULL. */
typedef size_t aside_f(struct session *s, struct slice in);

/* A file for a large body. number 0: none. */
struct lent {
    uint64_t number;
    int      fd;        /* the session's, once taken */
};

/* Room for a medium body, in memory that the queue reads. p NULL: none. */
struct slot {
    char    *p;
    size_t   room;
    uint64_t bay, place;    /* its name for the queue */
};

/* What the session asks of the world. Every function may answer at once, from
 * inside, or later; `s` is the session to answer to. */
struct world {
    /* What do the mapped tables say about this address of ours? */
    enum known (*known)(void *ctx, const struct conf_domain *domain,
                        const struct mailbox *m);
    /* Answer with session_resolved(s, ticket, ...). */
    void (*resolve)(void *ctx, struct session *s, uint32_t ticket, struct slice address);
    /* May there be a transaction now? Unknown: the world calls session_wake() when it knows. */
    enum room (*room)(void *ctx);
    /* A name for the next message; there was room before. */
    uint64_t (*message_id)(void *ctx);
    /* A file for a large body. False: session_wake() will be called when there is one. */
    bool (*lend)(void *ctx, struct session *s, struct lent *lent);
    /* The file is not needed: close it and give it back. */
    void (*lend_back)(void *ctx, struct lent *lent);
    /* Room for a medium body, if there is some at once; and it is not needed. */
    bool (*slot)(void *ctx, struct slot *slot);
    void (*slot_back)(void *ctx, struct slot *slot);
    /* Make this message durable: answer with flight_landed(). */
    void (*commit)(void *ctx, struct flight *f);
    /* VRFY or EXPN of this text: never answered from inside, but later with
     * session_whois() and the ticket that is returned. 0: no memory. */
    uint64_t (*whois)(void *ctx, struct session *s, bool expn, bool utf8, struct slice text);
    /* ETRN of this kind (enum kick_kind): answered later, with session_kicked() and the
     * ticket that is returned. 0: cannot be asked now. */
    uint64_t (*kick)(void *ctx, struct session *s, unsigned kind, struct slice name);
    /* X-LINK2STATE's payload: answered later, with session_linkstate() and the ticket
     * that is returned. 0: not now. */
    uint64_t (*linkstate)(void *ctx, struct session *s, struct slice payload);
    /* TURN, ATRN: is there mail for these domains (as MSG_TURN_ASK has them)? The same,
     * with session_turned(). */
    uint64_t (*turn)(void *ctx, struct session *s, uint32_t ndomains, struct slice domains);
    /* AUTH (smtpd/auth.h): a login begins (secure, as MSG_AUTH has it), goes on, comes to
     * nothing. Answered later with session_login_say() or session_login_done() and the
     * ticket that is returned. 0, false: cannot be asked now. */
    uint64_t (*login)(void *ctx, struct session *s, struct slice mechanism, unsigned secure,
                      bool has_initial, struct slice initial);
    bool (*login_step)(void *ctx, uint64_t ticket, struct slice data);
    void (*login_cancel)(void *ctx, uint64_t ticket);
    /* May this session begin TLS now? Its owner does it once the reply has gone,
     * when it sees WAIT_SECURE, and then calls session_secured(). */
    bool (*secure)(void *ctx, struct session *s);
};

/* What all sessions of a process share. */
struct server {
    const struct conf  *conf;
    const struct world *world;
    void               *ctx;        /* the world's */
    int64_t             mono, wall; /* now, ms: server_now() */
    bool                draining;   /* no new transactions */
    uint32_t            mechanisms; /* that the vault can serve now: SASL_BIT()s */
    struct flight      *spare;      /* flights for the next messages */
    unsigned            nspare;
    size_t              flight_octets;  /* of all that are under way */
};

/* A recipient that waits for its answer, or for those before it: replies stay
 * in the order of the commands. */
struct rcpt_wait {
    struct rcpt_wait *next;
    uint32_t          ticket;
    bool              answered;     /* `reply` is final */
    enum reply_id     reply;
    struct slice      address;      /* as it was asked for; empty: not a recipient */
    struct slice      extra;        /* its parameters, for the envelope */
    int64_t           rrvs;         /* RRVS, wall ms; 0: not asked for */
    struct slice      entries;      /* from the answer */
    uint32_t          nentries;
};

/* Which command began a transaction: one of RFC 821's that show mail on terminals, or
 * MAIL. */
enum tx_verb { TX_MAIL = 0, TX_SEND, TX_SOML, TX_SAML };

/* What MAIL asked for, as it goes into the envelope; texts are in the arena. */
struct wishes {
    enum tx_verb   verb;
    enum body_kind body;
    enum ret_kind  ret;
    struct slice   envid, auth, solicit, linkpath;
    bool           utf8, requiretls;
    uint64_t       size;        /* declared; 0: it was not */
    struct slice   by;          /* "MS R|N[T]"; empty: no BY */
    int64_t        hold;        /* wall ms: not before; 0: at once */
    bool           has_priority;
    int            priority;
};

/* The recipients of a transaction, so that nobody gets a message twice because
 * two aliases lead to him: an open table of keyed hashes, in the arena. */
struct seen {
    uint64_t *slots;
    size_t    n, cap;
};

struct tx {
    uint64_t          id;           /* 0 before DATA */
    int64_t           arrived;      /* wall clock, ms */
    struct slice      sender;       /* canonical, without <>; empty: null */
    struct wishes     wishes;
    struct slice      xexch50;      /* as EXTRA_XEXCH50 has it; in the arena (exchange.c) */
    bool              chunked;      /* it comes by BDAT */
    bool              header_seen;  /* the header was looked at, and said: */
    bool              tls_optional; /* TLS-Required: No */
    uint64_t          size_max;     /* octets that all of its recipients may be sent */
    unsigned          refused;      /* recipients that were refused */
    unsigned          accepted;     /* RCPT commands that were accepted */
    uint32_t          nrcpts;       /* recipients in session.rcpts, aliases expanded */
    struct seen       seen;
    uint32_t          ticket;       /* last ticket given */
    struct rcpt_wait *first, *last; /* unanswered or not yet told */
    unsigned          nwaiting;
    int64_t           rcpt_deadline;/* mono, ms: for the answers */
    struct data_reader data;
    struct header_watch watch;      /* fields in the text that say what to do */
    bool              discard;      /* refused already: read on to the true end */
    bool              broken;       /* its file is lost, or could not be written */
    struct slot       slot;
    struct lent       lent;
    uint64_t          length;       /* octets in the slot, or written to the file */
    uint32_t          crc;
    int64_t           window;       /* mono, ms: the rate is measured since */
    uint64_t          window_size;  /* octets at that moment */
};

struct session {
    struct server            *server;
    const struct conf_listen *listen;
    void                     *user;         /* the owner's */
    struct buf               *out;          /* where replies go */
    uint64_t                  number;       /* its name in the log */
    struct ip                 client;
    enum stage                stage;
    enum wait                 wait;
    bool                      esmtp, trusted;
    bool                      lmtp;         /* LHLO: replies for each recipient */
    struct ip                 peer;         /* who is there (or behind a balancer); client: or whom
                                               XCLIENT named */
    bool                      claimed;      /* `account` is whom XCLIENT named */
    struct slice              name;         /* the client's DNS name, by XCLIENT; malloced, or empty */
    struct slice              xforward;     /* attributes for the next message; malloced, or empty */
    bool                      secure;       /* over TLS */
    struct slice              tls_note;     /* "TLSv1.3 TLS_AES_256_GCM_SHA384"; malloced */
    struct slice              account;      /* who has logged in; malloced, empty: nobody */
    uint64_t                  granted;      /* FEATURE() bits: see session_grants */
    aside_f                  *aside;        /* reads instead of the command loop, or NULL */
    struct talk_server       *linkstate;    /* of X-LINK2STATE (linkstate.c), or NULL */
    void                     *aside_state;  /* of `aside`: freed by aside_free at the end */
    void                    (*aside_free)(void *state);
    struct asking             asking;
    bool                      greeted;      /* a first command line was seen */
    bool                      input_waiting;/* there is input behind the line at hand */
    struct slice              helo;         /* malloced */
    struct line_reader        reader;
    size_t                    line_max;     /* of the line at hand, with CRLF */
    bool                      line_chunk;   /* it is a BDAT: octets follow that are no commands */
    struct chunk {                          /* of BDAT (bdat.c) */
        uint64_t      size, left;
        bool          last;
        enum reply_id refuse;               /* REPLY_OK: it is taken */
    } chunk;
    unsigned                  errors, junk;
    unsigned                  messages;     /* accepted, or begun */
    unsigned                  accepted, refused;
    unsigned                  whois_asked;  /* VRFY and EXPN so far */
    unsigned                  etrn_asked;
    unsigned                  logins_failed;
    bool                      etrn_many;    /* the ETRN under way may be about several nodes */
    uint64_t                  turn;         /* ticket, in WAIT_TURN */
    bool                      whois_expn, whois_utf8;   /* of the one under way (whois.c) */
    int64_t                   began, deadline;  /* mono, ms */
    int64_t                   stalled;      /* mono, ms: MAIL waits for the queue since; 0: it does not */
    struct arena              arena;        /* of the transaction */
    struct tx                *tx;
    struct buf                rcpts;        /* encoded recipients of the transaction */
    struct buf                body;         /* text in memory */
    uint32_t                  tx_serial;    /* answers for an earlier transaction are not ours */
    enum reply_id             last;         /* why it ended, for the log */
    struct list               flights;      /* messages that are to become durable, oldest first */
    unsigned                  nflights;
    size_t                    flight_octets;
    enum reply_id             refusal;      /* said once they all have landed; 0: none */
    unsigned                  refusal_times;
    struct list               link;         /* the world's, while it waits for it */
    struct list               due;          /* the world's, while it has an answer for it */
};

enum {
    BODY_INLINE = 64 << 10,     /* a larger body goes into a slot, or into a file */
    BODY_MORE = 4 << 10,        /* what a body in memory may be longer */
    WORLD_PATIENCE = 20000,     /* ms for a resolution, a file, or the queue's greeting */
    COMMIT_PATIENCE = 120000,   /* ms for a commit; the world sees to it */
    RCPTS_WAITING = 100,        /* recipients looked up at once */
    REPLY_OUT_HIGH = 64 << 10,  /* bytes of replies waiting: take no more commands */
};

/* server_now - look at the clock. The owner does so before anything that comes from
 * outside the loop reaches a session, and once for all that came together. */
void server_now(struct server *server);

/* session_begin - a connection is there; nothing is said yet */
void session_begin(struct session *s, struct server *server, const struct conf_listen *listen,
                   const struct ip *client, struct buf *out, uint64_t number, void *user);

/* session_greet - 220; early: the client has spoken first (554, A027) */
void session_greet(struct session *s, bool early);

/* session_refuse - instead of the greeting, or between two commands: say
 * `id` and end */
void session_refuse(struct session *s, enum reply_id id);

/* session_input - take bytes from the front of `in`. Returns how many were
 * used: less than all when a line is not whole, or the session waits. */
size_t session_input(struct session *s, struct slice in);

/* Answers of the world. The owner then calls session_input() with what is left. */
void session_wake(struct session *s);
void session_resolved(struct session *s, uint32_t serial, uint32_t ticket,
                      const struct answer *answer);
enum committed { COMMITTED_DONE, COMMITTED_LATER, COMMITTED_FULL };     /* flight_landed() */

/* session_queue_lost - files lent by the queue are worthless now */
void session_queue_lost(struct session *s);

/* session_tick - once a second or so: timeouts */
void session_tick(struct session *s);

/* session_drain - say 421 and end if there is no transaction */
void session_drain(struct session *s);

/* session_idle - ms since the last command of a session that has no message
 * under way; 0: it has, or is busy otherwise */
int64_t session_idle(const struct session *s);

/* session_end - the connection is gone: give everything back */
void session_end(struct session *s);

static inline bool session_ended(const struct session *s)
{
    return s->stage == S_ENDED;
}

/* session_flies - are there messages that are to become durable? */
static inline bool session_flies(const struct session *s)
{
    return s->nflights > 0;
}

/* session_rests - has it done, and answered, all that it can without more input? */
static inline bool session_rests(const struct session *s)
{
    return s->wait == WAIT_CLIENT && !session_flies(s);
}

/* session_envelope - append the envelope of the message at hand (mail/envelope.h).
 * False: too large. */
bool session_envelope(const struct session *s, struct buf *out);

/* --- for the other files of the session ---------------------------------- */

/* session_enter - the only function that changes the stage */
void session_enter(struct session *s, enum stage stage);

/* session_grants - decide anew what is granted: after a change of who the client
 * is (network, account), or of TLS */
void session_grants(struct session *s);

static inline bool session_granted(const struct session *s, enum feature f)
{
    return s->granted >> f & 1;
}

/* session_enhanced - do this client's replies have RFC 2034 codes? */
static inline bool session_enhanced(const struct session *s)
{
    return s->esmtp && session_granted(s, FEATURE_ENHANCED);
}

/* session_ask - the command at hand waits for the world, for so many ms */
void session_ask(struct session *s, uint64_t ticket, int64_t patience,
                 void (*late)(struct session *s));

/* session_answered - the answer is there: input goes on. False: nobody asked
 * (any more) with this ticket. The caller says the reply, with
 * session_say_reply(), and then lets the owner take input. */
bool session_answered(struct session *s, uint64_t ticket);
void session_say_reply(struct session *s, const struct reply *r);

/* session_aside - let `read` have the input until it sets s->aside to NULL. state:
 * its own, freed with `free_state` when the session ends early */
void session_aside(struct session *s, aside_f *read, void *state, void (*free_state)(void *));
void session_aside_end(struct session *s);

/* session_renew - as if the connection had just been greeted: after a TLS
 * handshake (RFC 3207 §4.2), or XCLIENT. HELO and transaction are forgotten. */
void session_renew(struct session *s);

/* session_answer - say it, or line it up behind recipients still waiting */
void session_answer(struct session *s, const struct reply *r);
void session_say(struct session *s, enum reply_id id);  /* with its default text */

/* session_tell - to the client itself: the reply to a whole message, which LMTP says n times,
 * and the replies that were held back behind it. session_flown - a message has landed:
 * go on, or say what had to wait for the last of them. For flight.c. */
void session_tell(struct session *s, const struct reply *r, unsigned n, const struct buf *behind);
void session_flown(struct session *s);

/* session_say_each - the reply to a whole message; LMTP says it once for each recipient
 * (RFC 2033 §4.2), so before tx_drop() */
void session_say_each(struct session *s, const struct reply *r, unsigned n);

/* session_way - how this session's messages come, for Received (enum received_way) */
unsigned session_way(const struct session *s);

bool tx_begin(struct session *s, const struct mailbox *sender, const struct wishes *wishes);
void tx_drop(struct session *s);
