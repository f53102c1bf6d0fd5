/* dsn.h - reports to a sender: what became of a message (RFC 3464).
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
};

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
                                 * headers; DSN_DELAYED returns headers only */
};

/* dsn_write - append the report to out (the caller gives it a max; 64 KiB plus
 * 2 KiB a recipient plus body_max is enough). *eight_bit: octets above 127 are in
 * it (for ENV_8BIT). False when out is full: it then holds part of a report and
 * must be thrown away. */
bool dsn_write(const struct dsn *d, struct buf *out, bool *eight_bit);
