/* dsn.h - reports to a sender: what became of a message (RFC 3461, 3464, 6522, 6533).
 *
 * A pure function: facts in, a whole message out, ready for the spool (CRLF
 * lines, no line over 998 octets, 7-bit unless the returned original has 8-bit
 * octets, and then it says so). Everything in it that came from outside (the
 * words of another server, addresses, the original itself) is cleaned so that
 * it can neither end a field nor a body part (A153).
 *
 * The caller sends it from the null reverse-path to `to`, and never writes one
 * for a message whose own reverse-path is null (RFC 5321 §4.5.5).
 */
#pragma once
#include "base/buf.h"

enum dsn_kind {
    DSN_FAILED,             /* it will not be delivered: Action: failed */
    DSN_DELAYED,            /* not yet delivered, still trying: Action: delayed */
    DSN_DELIVERED,          /* in the recipient's mailbox: Action: delivered */
    DSN_RELAYED,            /* given to a host that sends no reports: Action: relayed */
    DSN_EXPANDED,           /* given to the addresses behind it: Action: expanded */
};

/* RET of MAIL (RFC 3461 §4.3). */
enum dsn_return {
    DSN_RETURN_ANY,         /* not given: the whole message, as body_max allows */
    DSN_RETURN_FULL,        /* the same, asked for */
    DSN_RETURN_HEADERS,
};

/* BY of MAIL (RFC 2852). */
enum dsn_by { DSN_BY_NONE, DSN_BY_NOTIFY, DSN_BY_RETURN };

/* What became of one recipient. */
struct dsn_rcpt {
    struct slice address;   /* where it went: Final-Recipient */
    struct slice original;  /* what the sender asked for; empty: the same as address */
    unsigned     status[3]; /* RFC 3463: 5.1.1; all 0: made from the kind (x.0.0) */
    unsigned     code;      /* the other side's SMTP code; 0: nobody answered, `text` is ours */
    struct slice text;      /* its words, lines joined by '\n'; may be empty */
    struct slice remote;    /* name of the host that said so; empty: this host decided */
    int64_t      last_attempt;  /* wall clock ms; 0: never tried */
    int64_t      retry_until;   /* wall clock ms; DSN_DELAYED only; 0: not said */
    bool          own_kind;     /* `kind` holds for this recipient, not the report's */
    enum dsn_kind kind;
    struct slice  orcpt;        /* ORCPT, decoded: "rfc822;Bob@example.org"; Original-Recipient */
    int64_t       rrvs;         /* failed, for RRVS: who owns it now did not at this moment
                                 * (wall clock ms; RFC 7293); 0: not so */
};

struct dsn {
    enum dsn_kind kind;
    struct slice  hostname;     /* this host: Reporting-MTA, From, Message-ID */
    struct slice  to;           /* who reads the report: the original's reverse-path */
    uint64_t      id;           /* the report's own message id */
    uint64_t      original_id;  /* of the message reported on, for people to trace */
    int64_t       now;          /* wall clock ms */
    int64_t       arrived;      /* wall clock ms: when the original came */
    struct slice  sender;       /* the original's reverse-path, as shown in the text */
    const struct dsn_rcpt *rcpts;
    size_t        nrcpts;       /* at least one */
    struct slice  message;      /* the original's bytes (or their beginning); empty: gone */
    uint64_t      message_size; /* octets of the whole original; more than message.n:
                                 * only its headers are returned */
    uint64_t      body_max;     /* return the whole original up to this many octets, else its
                                 * headers; only a failure returns more than headers */
    struct slice  envid;        /* ENVID, decoded: Original-Envelope-Id; empty: not given */
    enum dsn_return ret;
    bool          orcpt_only;   /* no Original-Recipient but from ORCPT (RFC 3461 §6.3 d);
                                 * false: `original` stands in for it */
    bool          utf8;         /* the original came with SMTPUTF8: types of RFC 6533 */
    bool          requiretls;   /* it came with REQUIRETLS: headers only (RFC 8689 §5), and
                                 * the report goes with REQUIRETLS too */
    enum dsn_by   by;           /* it came with BY=, and ... */
    int64_t       deliver_by;   /* ... was to be there by then, wall clock ms */
};

/* dsn_write - append the report to out (the caller gives it a max; 64 KiB plus
 * 2 KiB a recipient plus body_max is enough). *eight_bit: octets above 127 are in
 * it (for ENV_8BIT). False when out is full: it then holds part of a report and
 * must be thrown away. */
bool dsn_write(const struct dsn *d, struct buf *out, bool *eight_bit);

/* dsn_needs_utf8 - the report itself is a message of SMTPUTF8: its reader's address
 * is not ASCII */
bool dsn_needs_utf8(const struct dsn *d);

/* dsn_action - "failed", "delayed", "delivered", "relayed", "expanded" */
const char *dsn_action(enum dsn_kind kind);
