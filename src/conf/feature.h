/* feature.h - what a listener can offer, and to whom it does without being told.
 *
 * A feature is an extension or a command that the configuration may grant. The
 * session adds up the grants of who its client is (a stranger, in a trusted
 * network, authenticated, a named peer); what is not granted is neither
 * announced nor accepted.
 */
#pragma once
#include <stdint.h>
#include "base/slice.h"

/*    NAME           keyword in EHLO and in the configuration */
#define FEATURES(F)                         \
    F(PIPELINING,    "PIPELINING")          \
    F(SIZE,          "SIZE")                \
    F(8BITMIME,      "8BITMIME")            \
    F(ENHANCED,      "ENHANCEDSTATUSCODES") \
    F(CHUNKING,      "CHUNKING")            \
    F(BINARYMIME,    "BINARYMIME")          \
    F(DSN,           "DSN")                 \
    F(SMTPUTF8,      "SMTPUTF8")            \
    F(DELIVERBY,     "DELIVERBY")           \
    F(FUTURERELEASE, "FUTURERELEASE")       \
    F(MT_PRIORITY,   "MT-PRIORITY")         \
    F(REQUIRETLS,    "REQUIRETLS")          \
    F(RRVS,          "RRVS")                \
    F(LIMITS,        "LIMITS")              \
    F(NO_SOLICITING, "NO-SOLICITING")       \
    F(HELP,          "HELP")                \
    F(VRFY,          "VRFY")                \
    F(EXPN,          "EXPN")                \
    F(ETRN,          "ETRN")                \
    F(TURN,          "TURN")                \
    F(ATRN,          "ATRN")                \
    F(SEND,          "SEND")                \
    F(SOML,          "SOML")                \
    F(SAML,          "SAML")                \
    F(STARTTLS,      "STARTTLS")            \
    F(AUTH,          "AUTH")                \
    F(X_EXPS,        "X-EXPS")              \
    F(XEXCH50,       "XEXCH50")             \
    F(LINK2STATE,    "X-LINK2STATE")        \
    F(XCLIENT,       "XCLIENT")             \
    F(XFORWARD,      "XFORWARD")

enum feature {
#define F(NAME, keyword) FEATURE_##NAME,
    FEATURES(F)
#undef F
    FEATURE_COUNT
};

#define FEATURE(NAME) (UINT64_C(1) << FEATURE_##NAME)

/* Who a client is to a listener. */
enum who { WHO_STRANGER, WHO_TRUSTED, WHO_AUTHENTICATED, WHO_COUNT };

/* feature_keyword - as EHLO says it, in capitals */
const char *feature_keyword(enum feature f);

/* feature_parse - a keyword, case ignored ("link2state" and "x-exch50" too);
 * false: no such feature */
bool feature_parse(struct slice word, enum feature *f);

/* features_usual - what a listener of this role (enum listen_role) offers to
 * `who` when the configuration does not say */
uint64_t features_usual(unsigned role, enum who who);
