/* mechanism.h - the list of SASL mechanisms that we speak, strongest first.
 *
 * The order is the one in which a client of ours takes them. -PLUS forms are
 * not here: without the channel binding of both sides they must not be offered.
 */
#pragma once
#include "base/buf.h"

enum {
    SASL_TEXT_MAX    = 12288,   /* octets of one line of an exchange (RFC 4954 §4.3) */
    SASL_MESSAGE_MAX = SASL_TEXT_MAX / 4 * 3,   /* bytes of one message */
    SASL_NAME_MAX    = 255,     /* bytes of a user's name */
    SASL_PASSWORD_MAX = 511,    /* bytes of a password: what crypt(3) takes */
    SASL_ANY_NULS    = 255,
};

enum mechanism_flag {
    MECH_CLEAR        = 1 << 0, /* the password itself is sent: only under TLS */
    MECH_SERVER_FIRST = 1 << 1, /* the server speaks first: no initial response (501 5.7.0) */
    MECH_TAKES_FIRST  = 1 << 2, /* ... but a client may answer before it was asked */
};

/*  NAME     name              flags                                  NULs in a message */
#define SASL_MECHANISMS(M)                                                             \
    M(SCRAM_SHA_256, "SCRAM-SHA-256", 0,                                            0) \
    M(GSSAPI,        "GSSAPI",        0,                                SASL_ANY_NULS) \
    M(CRAM_MD5,      "CRAM-MD5",      MECH_SERVER_FIRST,                            0) \
    M(PLAIN,         "PLAIN",         MECH_CLEAR,                                   2) \
    M(LOGIN,         "LOGIN",         MECH_CLEAR | MECH_SERVER_FIRST | MECH_TAKES_FIRST, 0)

enum sasl_mechanism {
#define M(NAME, name, flags, nuls) SASL_##NAME,
    SASL_MECHANISMS(M)
#undef M
    SASL_MECHANISM_COUNT
};

/* A set of them: the bit of each. */
#define SASL_BIT(NAME)  (1u << SASL_##NAME)
#define SASL_ALL        ((1u << SASL_MECHANISM_COUNT) - 1)

const char *sasl_name(enum sasl_mechanism mechanism);
unsigned sasl_flags(enum sasl_mechanism mechanism);

/* sasl_nuls_ok - has a message as many NUL octets as the mechanism allows? What
 * stands behind one would be lost in C strings further down. */
bool sasl_nuls_ok(enum sasl_mechanism mechanism, struct slice message);

/* sasl_find - by its name (case ignored); SASL_MECHANISM_COUNT: not one of ours */
enum sasl_mechanism sasl_find(struct slice name);

/* sasl_set_put - append the names of a set, a space between two; a client's order */
void sasl_set_put(struct buf *out, uint32_t set);

/* sasl_set_read - the set named in the words of a line; unknown words are left out */
uint32_t sasl_set_read(struct slice words);

/* sasl_strongest - the one to use out of a set; SASL_MECHANISM_COUNT: it is empty */
enum sasl_mechanism sasl_strongest(uint32_t set);

/* What a step of an exchange, on either side, has come to. */
enum sasl_result {
    SASL_LATER = 0,     /* cannot be told now: 454 4.7.0 */
    SASL_MORE,          /* send `out`, and come back with the answer */
    SASL_SLOW,          /* server: the password must be checked on a thread */
    SASL_DONE,          /* server: authenticated. Client: send `out`; a 235 may follow */
    SASL_FAILED,        /* server: 535 5.7.8. Client: do not believe this server */
    SASL_BROKEN,        /* server: malformed, 501 5.5.2. Client: the server's is */
    SASL_RESULT_COUNT
};
