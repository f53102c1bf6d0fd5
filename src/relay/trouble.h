/* trouble.h - what a failure of another server means: who suffers, and for how long.
 *
 * The one place where this is decided. "Later" unless the other side has said,
 * in the right place and with a 5xx, that it will never take this.
 */
#pragma once
#include "base/fate.h"
#include "smtp/reader.h"

/* What a client waits for; also the name of a reply's place. */
#define CLIENT_STAGES(S)                                                        \
    /*    seconds to wait (RFC 5321 §4.5.3.2), in words */                      \
    S(GREETING, 300, "the greeting")                                            \
    S(EHLO,     300, "the reply to EHLO")                                       \
    S(HELO,     300, "the reply to HELO")                                       \
    S(STARTTLS, 300, "the reply to STARTTLS")                                   \
    S(SECURE,    60, "the TLS handshake")                                       \
    S(LOGIN,     60, "the vault")                                               \
    S(AUTH,     300, "the reply to AUTH")                                       \
    S(IDLE,       0, "the next message")                                        \
    S(COMMAND,  600, "the reply to a command")                                  \
    S(RSET,     300, "the reply to RSET")                                       \
    S(XFORWARD, 300, "the reply to XFORWARD")                                   \
    S(MAIL,     300, "the reply to MAIL")                                       \
    S(RCPT,     300, "the reply to RCPT")                                       \
    S(XEXCH50,  300, "the reply to XEXCH50")                                    \
    S(BLOB,     180, "more room to send the data of XEXCH50")                   \
    S(BLOBBED,  600, "the reply to the data of XEXCH50")                        \
    S(DATA,     120, "the reply to DATA")                                       \
    S(BODY,     180, "more room to send the message")                           \
    S(CHUNK,    600, "the reply to BDAT")                                       \
    S(DOT,      600, "the reply to the end of data")                            \
    S(DEAD,       0, "nothing")

enum stage {
#define S(NAME, seconds, words) STAGE_##NAME,
    CLIENT_STAGES(S)
#undef S
    STAGE_COUNT
};

int64_t stage_seconds(enum stage stage);
const char *stage_words(enum stage stage);

enum victim {
    VICTIM_NONE,        /* it was a good reply */
    VICTIM_RCPT,        /* this recipient */
    VICTIM_MESSAGE,     /* every recipient of the transaction that has no fate yet */
    VICTIM_SESSION,     /* this connection: another may do better */
    VICTIM_HOST,        /* this host: another may do better */
};

struct verdict {
    enum victim victim;
    enum fate   fate;
    const char *status;     /* ours, when the host gives none that fits */
};

/* trouble_reply - what this reply means in this place */
struct verdict trouble_reply(enum stage stage, unsigned code);

/* Failures that are not a reply. */
#define TROUBLE_CAUSES(C)                                                       \
    C(CONNECT,  VICTIM_HOST,    "4.4.1", "cannot connect")                      \
    C(TIMEOUT,  VICTIM_HOST,    "4.4.2", "timed out")                           \
    C(LOST,     VICTIM_SESSION, "4.4.2", "connection lost")                     \
    C(PROTOCOL, VICTIM_SESSION, "4.5.0", "protocol error")                      \
    C(LOOP,     VICTIM_HOST,    "4.4.6", "mail loops back to this server")      \
    C(NO_TLS,   VICTIM_HOST,    "4.7.10", "TLS is required")                    \
    C(TLS,      VICTIM_HOST,    "4.7.5", "TLS failed")                          \
    C(LOGIN,    VICTIM_HOST,    "4.7.0", "cannot log in")                       \
    C(RESOURCE, VICTIM_SESSION, "4.3.0", "local trouble")

enum cause {
    CAUSE_NONE,
#define C(NAME, victim, status, words) CAUSE_##NAME,
    TROUBLE_CAUSES(C)
#undef C
    CAUSE_COUNT
};

struct verdict trouble_cause(enum cause cause);
const char *cause_words(enum cause cause);

enum { STATUS_TEXT = 16 };

/* trouble_status - the enhanced status to record: the host's if its class fits
 * the code, else ours; its class always agrees with the fate (RFC 3463 §2) */
void trouble_status(char text[STATUS_TEXT], const struct reply_in *r, const struct verdict *v);
