/* load_session.h - one connection after another of a load, and what is said on each.
 *
 *     phase        awaited                              left to
 *     CLOSED       -                                    GREETING (session_begin)
 *     GREETING     220                                  EHLO, HANDSHAKE, QUIT
 *     EHLO         250                                  STARTTLS AUTH MAIL IDLE QUIT
 *     STARTTLS     220                                  HANDSHAKE
 *     HANDSHAKE    TLS                                  GREETING (TLS on connect) EHLO QUIT
 *     AUTH         334, 235                             MAIL IDLE
 *     MAIL RCPT DATA TEXT   of the oldest message that  each other, RSET, QUIT
 *                  is on its way
 *     RSET         250, after a message was refused     MAIL QUIT
 *     IDLE         nothing; it is just open             QUIT
 *     QUIT         221                                  CLOSED
 *
 * Anything else, and any loss, leads to CLOSED.
 */
#pragma once
#include "cli/load_tally.h"
#include "cli/load_connection.h"
#include "sasl/client.h"
#include "smtp/reader.h"

/* What the sessions of a load share. */
struct load {
    struct load_plan   plan;
    struct load_tally  tally;
    struct load_target target;
    struct sasl        sasl;
    struct credential  credential;
    enum sasl_mechanism mechanism;      /* to log in with; SASL_MECHANISM_COUNT: not chosen */
    uint64_t           left;            /* messages that no connection has taken yet */
    uint64_t           recipient;       /* number of the next one */
    struct host_offers offers[2];       /* of the first answer to EHLO in clear, and under TLS */
    bool               offers_known[2];
    bool               unsent;          /* time was up before all messages had been taken */
    const char        *hopeless;        /* why no session can succeed, or NULL */
};

enum load_phase {
    PHASE_CLOSED, PHASE_GREETING, PHASE_EHLO, PHASE_STARTTLS, PHASE_HANDSHAKE, PHASE_AUTH,
    PHASE_MAIL, PHASE_RCPT, PHASE_DATA, PHASE_TEXT, PHASE_RSET, PHASE_IDLE, PHASE_QUIT,
    PHASE_COUNT,
};

struct load_login;

struct load_session {
    struct load       *load;
    struct connection  connection;
    enum load_phase    phase;
    bool               idle;            /* is to be held open, and sends nothing */
    bool               reserved;        /* has taken a message that has not begun */
    bool               refused;         /* something of the oldest message was */
    bool               spoilt;          /* RSET must be said before another message */
    unsigned           flying;          /* messages begun, and not over */
    uint64_t           begun;           /* messages of this connection */
    uint64_t           rcpt, taken;     /* of the oldest message: answered, and accepted */
    uint64_t           first_rcpt;      /* its number */
    int64_t            opened;          /* ns: when connect(2) was called */
    struct load_login *login;
    int64_t           *started;         /* ns, a slot for each message that can be on its way */
    char              *room;            /* envelopes of those, a slot each */
};

/* session_offers - what the server offers to such as this one is now */
struct host_offers *session_offers(const struct load_session *s);

/* sessions_new - so many, all closed; freed with sessions_free. NULL: no memory. */
struct load_session *sessions_new(struct load *load, size_t n);
void sessions_free(struct load_session *all, size_t n);

/* session_begin - connect. session_event - something came, or can be written.
 * False: the connection is over, and what was on it is counted. */
bool session_begin(struct load_session *s);
bool session_event(struct load_session *s);

/* session_end - now, with QUIT if it is idle. why: what is on its way has failed for that
 * reason; NULL: it is not counted. */
void session_end(struct load_session *s, const char *why);

/* session_drop - close without counting anything */
void session_drop(struct load_session *s);
