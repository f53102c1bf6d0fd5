/* reader.h - another server's replies, read by a client.
 *
 * Bounded: 64 lines and 8 KiB are kept of one reply, further lines are counted
 * and dropped up to 1,000; a code change inside a reply, a line without a code,
 * or one over 4 KiB is a protocol error, and that means later (A154).
 */
#pragma once
#include "base/buf.h"

struct reply_in {
    unsigned code;              /* 250 */
    unsigned status[3];         /* enhanced: class, subject, detail; all 0: none given */
    unsigned lines;
    size_t   len;               /* of text */
    char     text[8192];        /* lines joined by '\n', without codes; printable only */
};

enum reader_result { READER_MORE, READER_REPLY, READER_BAD };

struct reply_reader {
    struct reply_in reply;      /* under construction; valid after READER_REPLY */
    bool            begun;
};

/* reader_next - take lines from `in` until a reply is whole. *used: consumed. */
enum reader_result reader_next(struct reply_reader *r, struct slice in, size_t *used);

/* reader_line - one line of the reply's text (0: the first); false when there is none */
bool reader_line(const struct reply_in *r, unsigned n, struct slice *line);

/* --- what a host offers: the lines of its answer to EHLO ----------------- */

/*    NAME           keyword */
#define HOST_KEYWORDS(K)            \
    K(SIZE,          "SIZE")        \
    K(8BITMIME,      "8BITMIME")    \
    K(PIPELINING,    "PIPELINING")  \
    K(ENHANCED,      "ENHANCEDSTATUSCODES") \
    K(CHUNKING,      "CHUNKING")    \
    K(BINARYMIME,    "BINARYMIME")  \
    K(DSN,           "DSN")         \
    K(SMTPUTF8,      "SMTPUTF8")    \
    K(DELIVERBY,     "DELIVERBY")   \
    K(FUTURERELEASE, "FUTURERELEASE") \
    K(MT_PRIORITY,   "MT-PRIORITY") \
    K(REQUIRETLS,    "REQUIRETLS")  \
    K(RRVS,          "RRVS")        \
    K(LIMITS,        "LIMITS")      \
    K(NO_SOLICITING, "NO-SOLICITING") \
    K(VRFY,          "VRFY")        \
    K(EXPN,          "EXPN")        \
    K(HELP,          "HELP")        \
    K(ETRN,          "ETRN")        \
    K(TURN,          "TURN")        \
    K(ATRN,          "ATRN")        \
    K(SEND,          "SEND")        \
    K(SOML,          "SOML")        \
    K(SAML,          "SAML")        \
    K(STARTTLS,      "STARTTLS")    \
    K(AUTH,          "AUTH")        \
    K(X_EXPS,        "X-EXPS")      \
    K(XEXCH50,       "XEXCH50")     \
    K(LINK2STATE,    "X-LINK2STATE") \
    K(XFORWARD,      "XFORWARD")

enum host_keyword {
#define K(NAME, keyword) HOST_AT_##NAME,
    HOST_KEYWORDS(K)
#undef K
    HOST_KEYWORD_COUNT
};

enum offer {
#define K(NAME, keyword) HOST_##NAME = 1 << HOST_AT_##NAME,
    HOST_KEYWORDS(K)
#undef K
    HOST_EHLO = 1 << HOST_KEYWORD_COUNT,    /* it answered to EHLO at all */
};

/* Attributes of XFORWARD, in the order in which they are sent. */
#define XFORWARD_ATTRIBUTES(X) X(NAME) X(ADDR) X(PORT) X(PROTO) X(HELO) X(IDENT) X(SOURCE)
enum xforward_attribute {
#define X(NAME) XFORWARD_##NAME,
    XFORWARD_ATTRIBUTES(X)
#undef X
    XFORWARD_COUNT
};

enum { OFFER_WORDS = 512, OFFER_SOLICITATIONS = 1008 };

struct host_offers {
    unsigned flags;             /* enum offer */
    uint64_t size_max;          /* SIZE's argument; 0: no limit said */
    uint64_t by_min;            /* DELIVERBY's, seconds; 0: none said (RFC 2852 §2) */
    uint64_t hold_max;          /* FUTURERELEASE's: seconds (RFC 4865 §3) ... */
    int64_t  hold_until;        /* ... and moment, wall ms; 0: not said */
    uint64_t rcpt_max, mail_max, rcpt_domain_max;   /* LIMITS (RFC 9422 §4); 0: not said */
    unsigned xforward;          /* a bit for each attribute */
    char     auth[OFFER_WORDS];     /* mechanisms of AUTH, a blank between two */
    char     exps[OFFER_WORDS];     /* of X-EXPS */
    char     priority[40];      /* MT-PRIORITY's profile, in capitals; empty: none said */
    char     refused[OFFER_SOLICITATIONS];  /* NO-SOLICITING's keywords, comma between two */
};

/* offers_read - the whole reply. Lines that make no sense are passed over; both
 * "AUTH LOGIN" and the older "AUTH=LOGIN" are read. */
void offers_read(const struct reply_in *ehlo, struct host_offers *o);

/* offers_mechanism - is this mechanism among those words? */
bool offers_mechanism(const char *words, struct slice name);
