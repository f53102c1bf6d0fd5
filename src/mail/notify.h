/* notify.h - who is told what: the rules of RFC 3461 §5.2 and RFC 2852 §4.1 as one
 * decision for one recipient.
 */
#pragma once
#include "mail/dsn.h"

/* NOTIFY of RCPT (RFC 3461 §4.1). 0: not given. NEVER stands alone. */
enum notify {
    NOTIFY_NEVER   = 1 << 0,
    NOTIFY_SUCCESS = 1 << 1,
    NOTIFY_FAILURE = 1 << 2,
    NOTIFY_DELAY   = 1 << 3,
};

enum notify_event {
    NOTIFY_DELIVERED,       /* in the recipient's mailbox, or handed to a program or list */
    NOTIFY_TO_DSN_HOST,     /* relaying to a host that offers DSN */
    NOTIFY_TO_PLAIN_HOST,   /* relayed to one that does not (or to a foreign system) */
    NOTIFY_FORWARDED,       /* an alias with one address */
    NOTIFY_EXPANDED,        /* an alias with several addresses, same return address */
    NOTIFY_REDISTRIBUTED,   /* a list: several addresses, its own return address */
    NOTIFY_FAILED,          /* never, or expired */
    NOTIFY_DELAYED,         /* still being tried after the time to warn */
    NOTIFY_BY_EXPIRED,      /* deliver-by-time passed, mode N (mode R is NOTIFY_FAILED, 5.4.7) */
    NOTIFY_BY_PLAIN_HOST,   /* mode N: relayed to a host without DELIVERBY but with DSN */
    NOTIFY_BY_PLAINEST_HOST,/* mode N: relayed to a host with neither */
    NOTIFY_BY_TRACED,       /* trace T: relayed to a host that offers DELIVERBY (and DSN or not) */
    NOTIFY_EVENTS
};

struct notify_decision {
    bool          report;   /* send one */
    enum dsn_kind kind;     /* of the report */
    bool          pass;     /* ENVID, RET and ORCPT go on with the message */
    unsigned      notify;   /* enum notify that goes on with it, if pass; 0: no parameter */
    const char   *rule;     /* "RFC 3461 5.2.2(b)" */
};

/* notify_decide - null_sender: the reverse-path is <>, and nobody is ever told
 * (RFC 3461 §6.1, RFC 5321 §6.1); parameters go on all the same */
struct notify_decision notify_decide(enum notify_event event, unsigned notify, bool null_sender);

/* notify_valid - a set that may stand in a command: not empty, NEVER alone */
bool notify_valid(unsigned notify);

/* notify_text - as NOTIFY's value: "SUCCESS,FAILURE"; "" for 0 */
const char *notify_text(unsigned notify);

/* notify_parse - NOTIFY's value, case ignored; false: malformed or repeated */
bool notify_parse(struct slice value, unsigned *notify);
