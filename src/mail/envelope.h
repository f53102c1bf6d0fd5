/* envelope.h - who sent a message, how it came, and to whom it goes.
 *
 * An envelope is written once, by the process that accepted the message, and
 * travels in that form (COMMIT, the journal's MESSAGE record) unchanged.
 * Recipients are numbered from 0 in the order written; that number names them
 * in every later outcome. An address is kept in its canonical SMTP form,
 * without angle brackets: local part quoted where needed, domain in lower case.
 */
#pragma once
#include "base/wire.h"
#include "base/ip.h"

enum {
    ENVELOPE_MAX    = 8 << 20,      /* bytes of an encoded envelope */
    ENVELOPE_RCPTS  = 10000,        /* recipients, after expansion of aliases */
    ENVELOPE_FIELD  = 4096,         /* bytes of any one text in it */
};

enum envelope_flags {
    ENV_8BIT    = 1 << 0,   /* the body has octets above 127 (seen, not declared) */
    ENV_BODY8   = 1 << 1,   /* BODY=8BITMIME was declared */
    ENV_SINK    = 1 << 2,   /* came by a listener of role sink: deliver as that says */
    ENV_BOUNCE  = 1 << 3,   /* a report that we wrote */
    ENV_BINARY  = 1 << 4,   /* BODY=BINARYMIME (RFC 3030): any octets */
    ENV_UTF8    = 1 << 5,   /* SMTPUTF8 was given (RFC 6531) */
    ENV_REQUIRETLS = 1 << 6,/* RFC 8689 */
    ENV_TLS_OPTIONAL = 1 << 7,  /* "TLS-Required: No" in the header (RFC 8689 §3) */
    ENV_BARE    = 1 << 8,   /* the body has NUL, bare CR or bare LF (binary only) */
    ENV_SECURE  = 1 << 9,   /* came over TLS */
    ENV_AUTHENTICATED = 1 << 10,
};

/* Parameters of extensions: names of what is in an `extra`, of envelope or recipient. */
#define ENVELOPE_EXTRAS(X)                                                    \
    X(RET,       "RET")         /* "FULL" or "HDRS" (RFC 3461) */             \
    X(ENVID,     "ENVID")       /* xtext, as it came */                       \
    X(AUTH,      "AUTH")        /* xtext of a mailbox, or "<>" (RFC 4954 §5) */ \
    X(BY,        "BY")          /* "MS R|N[T]": deadline as wall ms, mode, trace (RFC 2852) */ \
    X(HOLD,      "HOLD")        /* wall ms: not before (RFC 4865) */          \
    X(PRIORITY,  "MT-PRIORITY") /* "-9".."9" (RFC 6710) */                    \
    X(SOLICIT,   "SOLICIT")     /* keywords (RFC 3865) */                     \
    X(VERB,      "VERB")        /* "SEND", "SOML" or "SAML" (RFC 821) */      \
    X(XEXCH50,   "XEXCH50")     /* u32 the second argument, and the blob */   \
    X(TLS,       "TLS")         /* "TLSv1.3 TLS_AES_256_GCM_SHA384", for people */ \
    X(ACCOUNT,   "ACCOUNT")     /* who had logged in */                       \
    X(XFORWARD,  "XFORWARD")    /* attributes as they came, "NAME=... ADDR=..." */ \
    X(NOTIFY,    "NOTIFY")      /* recipient: "NEVER" or a list (RFC 3461) */ \
    X(ORCPT,     "ORCPT")       /* recipient: "rfc822;xtext", octets as they came */ \
    X(RRVS,      "RRVS")        /* recipient: "SECONDS C|R" (RFC 7293) */     \
    X(EXPANDED,  "EXPANDED")    /* recipient: came out of a list; "list" or "alias" */ \
    X(LINKPATH,  "LINKPATH")    /* nodes of the link-state routing that it has passed, "," between */ \
    X(SEEN,      "SEEN")        /* of both: for later */

enum envelope_extra {
#define X(NAME, text) EXTRA_##NAME,
    ENVELOPE_EXTRAS(X)
#undef X
    EXTRA_COUNT
};

enum { ENVELOPE_EXTRA_MAX = 5 << 20 };  /* bytes of one `extra` */

/* The texts may be empty. `extra` is room for parameters of extensions, each
 * as two byte runs (name, value); readers keep what they do not know. */
#define ENVELOPE_FIELDS(F)                                                    \
    F(i64,   arrived)       /* wall clock, ms */                              \
    F(u32,   flags)         /* enum envelope_flags */                         \
    F(u32,   hops)          /* Received fields counted at arrival */          \
    F(bytes, sender)        /* reverse-path without <>; empty: null sender */ \
    F(bytes, client)        /* the client's IP address as text */             \
    F(bytes, helo)          /* what it called itself */                       \
    F(bytes, protocol)      /* "SMTP", "ESMTP" (RFC 3848), "local" */         \
    F(bytes, listener)      /* "192.0.2.1:25" as in the configuration */      \
    F(bytes, session)       /* the session's name in the log */               \
    F(bytes, extra)                                                           \
    F(u32,   nrcpts)                                                          \
    F(bytes, rcpts)         /* nrcpts recipients, see below */

struct envelope {
#define MEMBER(kind, name) field_##kind name;
    ENVELOPE_FIELDS(MEMBER)
#undef MEMBER
};

/* One recipient. */
#define RECIPIENT_FIELDS(F)                                                   \
    F(bytes, address)       /* where it goes */                               \
    F(bytes, original)      /* what the sender asked for; empty: the same */  \
    F(bytes, return_path)   /* another reverse-path (a list's owner); empty: the envelope's */ \
    F(bytes, extra)

struct recipient {
#define MEMBER(kind, name) field_##kind name;
    RECIPIENT_FIELDS(MEMBER)
#undef MEMBER
};

/* extra_put - append one parameter to what becomes an `extra` */
void extra_put(struct wire *w, enum envelope_extra name, struct slice value);

/* extra_get - the value of a parameter; false: it is not there */
bool extra_get(struct slice extra, enum envelope_extra name, struct slice *value);

/* envelope_put - encode; the caller checks w->bad */
void envelope_put(struct wire *w, const struct envelope *e);

/* envelope_get - decode all of `bytes` and check every bound: counts, lengths,
 * no NUL, CR or LF in any text, at least one recipient, nothing left over.
 * Slices point into `bytes`. False: malformed. */
bool envelope_get(struct slice bytes, struct envelope *e);

/* recipient_put - append one recipient to a buffer that becomes `rcpts` */
void recipient_put(struct wire *w, const struct recipient *r);

/* recipient_next - read the next of `rcpts`, which envelope_get() has checked or we have
 * made; start with wire_reader(e->rcpts). False at the end (or when bad). */
bool recipient_next(struct wire *w, struct recipient *r);
