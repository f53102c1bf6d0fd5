/* command.h - a command line as a typed value. No I/O, no policy. */
#pragma once
#include "smtp/address.h"

/* command_split - "VERB rest"; args without leading and trailing spaces */
void command_split(struct slice line, struct slice *verb, struct slice *args);

enum body_kind { BODY_7BIT, BODY_8BITMIME, BODY_BINARYMIME };
enum ret_kind { RET_NONE, RET_FULL, RET_HDRS };

enum param_error {
    PARAM_OK = 0,
    PARAM_SYNTAX,           /* 501: malformed, repeated */
    PARAM_UNKNOWN,          /* 555 */
    PARAM_VALUE,            /* 504 or 501: known parameter, impossible value */
};

/* MAIL FROM:<reverse-path> [SP parameters] (§4.1.1.2) */
struct mail_command {
    struct mailbox sender;
    uint64_t       size;        /* SIZE= (RFC 1870); 0: not given */
    enum body_kind body;        /* BODY= (RFC 6152, RFC 3030) */
    bool           has_body;
    enum ret_kind  ret;         /* RET= (RFC 3461 §4.3) */
    struct slice   envid;       /* ENVID=, xtext as it came (§4.4) */
    struct slice   auth;        /* AUTH=, xtext as it came, or "<>" (RFC 4954 §5) */
    bool           utf8;        /* SMTPUTF8 (RFC 6531 §3.4) */
    bool           requiretls;  /* REQUIRETLS (RFC 8689 §2) */
    bool           has_by;      /* BY= (RFC 2852 §4) */
    int64_t        by;          /* seconds from now; may be negative in mode N */
    char           by_mode;     /* 'N' or 'R' */
    bool           by_trace;
    uint64_t       hold_for;    /* HOLDFOR= (RFC 4865 §3), seconds; 0: not given */
    int64_t        hold_until;  /* HOLDUNTIL=, wall ms; 0: not given */
    bool           has_priority;/* MT-PRIORITY= (RFC 6710 §3) */
    int            priority;    /* -9 to 9 */
    struct slice   solicit;     /* SOLICIT=, as it came (RFC 3865 §2.4) */
    struct slice   linkpath;    /* XLINKPATH=, names of nodes (docs/LINKSTATE.md) */
};

/* RCPT TO:<forward-path> [SP parameters] (§4.1.1.3) */
struct rcpt_command {
    struct mailbox rcpt;
    struct slice   notify;      /* NOTIFY=, as it came: mail/notify.h reads it (RFC 3461 §4.1) */
    struct slice   orcpt;       /* ORCPT=, "type;xtext" as it came (§4.2) */
    bool           has_rrvs;    /* RRVS= (RFC 7293 §3.1) */
    int64_t        rrvs;        /* wall ms */
    bool           rrvs_reject; /* ";R", or nothing said: refuse where the next host cannot check */
};

enum { LINKPATH_MAX = 1000, LINKPATH_NODES = 32 };  /* octets and names of an XLINKPATH */

/* Which parameters this server offers now; others are PARAM_UNKNOWN. */
enum param_offer {
    OFFER_SIZE          = 1 << 0,
    OFFER_8BITMIME      = 1 << 1,
    OFFER_BINARYMIME    = 1 << 2,
    OFFER_DSN           = 1 << 3,   /* RET, ENVID, NOTIFY, ORCPT */
    OFFER_SMTPUTF8      = 1 << 4,   /* MAIL: the parameter; RCPT: MAIL had it */
    OFFER_AUTH          = 1 << 5,
    OFFER_DELIVERBY     = 1 << 6,
    OFFER_FUTURERELEASE = 1 << 7,
    OFFER_MT_PRIORITY   = 1 << 8,
    OFFER_REQUIRETLS    = 1 << 9,
    OFFER_RRVS          = 1 << 10,
    OFFER_SOLICIT       = 1 << 11,
    OFFER_LINK2STATE    = 1 << 12,  /* XLINKPATH */
};

/* xtext_valid - RFC 3461 §4, and what it stands for is printable ASCII: never a CR,
 * LF or NUL that somebody decodes into a file (CVE-2020-28026) */
bool xtext_valid(struct slice text);

/* xtext_decode - what a valid xtext stands for, in the arena */
struct slice xtext_decode(struct slice text, struct arena *a);

enum command_error {
    COMMAND_OK = 0,
    COMMAND_SYNTAX,             /* no FROM:<, no TO:< */
    COMMAND_ADDRESS,            /* see ->address_error */
    COMMAND_PARAM,              /* see ->param_error */
};

struct command_problem {
    enum address_error address;
    enum param_error   param;
    struct slice       where;   /* the offending part, for the log */
};

/* mail_parse, rcpt_parse - all of `args`; texts live in the arena */
enum command_error mail_parse(struct slice args, unsigned offers, struct arena *a,
                              struct mail_command *m, struct command_problem *why);
enum command_error rcpt_parse(struct slice args, unsigned offers, struct arena *a,
                              struct rcpt_command *r, struct command_problem *why);

/* A command line out of a stream: strict CRLF, bounded. */
enum line_result {
    LINE_MORE,      /* not yet whole */
    LINE_OK,        /* *line is it, without CRLF; *used bytes are consumed */
    LINE_BAD,       /* NUL, bare CR or bare LF in it: 500, counts as an error (A020, A032) */
    LINE_LONG,      /* over the limit; was discarded up to its CRLF: one 500 (A030) */
    LINE_ENDLESS,   /* discarded 64 KiB without an end: 421 and close */
};
struct line_reader {
    size_t scanned;     /* bytes of the pending input already looked at */
    size_t dropped;     /* bytes discarded of a line that is too long */
    bool   discarding;
};
/* line_next - take one line from the front of `in`. Consumes *used bytes in every
 * case (0 for LINE_MORE unless discarding). max counts CRLF. */
enum line_result line_next(struct line_reader *r, struct slice in, size_t max,
                           struct slice *line, size_t *used);
