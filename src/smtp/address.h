/* address.h - mailboxes and paths, as RFC 5321 §4.1.2 writes them.
 *
 * Parsed once, at the border. Source routes are read and dropped (§4.1.1.3,
 * A084); a local part is never looked into for %, ! or @ (A081 to A085).
 */
#pragma once
#include "base/arena.h"
#include "base/ip.h"

struct mailbox {
    struct slice local;     /* meaning, not spelling: quotes and backslashes gone */
    struct slice domain;    /* lower case; empty for <> and <postmaster>; a literal with its brackets */
    struct slice text;      /* canonical: local part quoted only where needed, "@", domain */
    struct ip    literal;   /* family 0 unless the domain is an address literal */
    bool         null;      /* <> */
};

enum address_error {
    ADDRESS_OK = 0,
    ADDRESS_SYNTAX,         /* 501 */
    ADDRESS_TOO_LONG,       /* 501: local part over 64, domain over 255, path over 256 octets (§4.5.3.1) */
    ADDRESS_UTF8,           /* 553 5.6.7: octets above 127 without SMTPUTF8 */
    ADDRESS_NO_MEMORY,
};

/* path_parse - "<...>" at the front of `in`; *rest is what follows it. A
 * reverse-path (`null_ok`) may be <>, a forward-path may be <postmaster> without
 * a domain (§4.1.1.3), neither the other's. */
enum address_error path_parse(struct slice in, bool null_ok, struct arena *a,
                              struct mailbox *m, struct slice *rest);

/* mailbox_parse - local-part "@" domain without brackets, all of `in`; from
 * tables and the command line */
enum address_error mailbox_parse(struct slice in, struct arena *a, struct mailbox *m);

/* path_parse_utf8, mailbox_parse_utf8 - with `utf8`, local part and domain may have UTF-8
 * that can be shown (RFC 6531 §3.3). Such a domain keeps its U-labels: whether they are
 * names is for mail/address_idn.h to say. */
enum address_error path_parse_utf8(struct slice in, bool null_ok, bool utf8, struct arena *a,
                                   struct mailbox *m, struct slice *rest);
enum address_error mailbox_parse_utf8(struct slice in, bool utf8, struct arena *a,
                                      struct mailbox *m);

/* mailbox_domain - give it another spelling of its domain (its A-labels); the text
 * follows. False: the arena is spent. */
bool mailbox_domain(struct mailbox *m, struct slice domain, struct arena *a);

/* address_domain - what follows the last @ of a canonical address; empty if there is none */
struct slice address_domain(struct slice address);

/* domain_valid - a Domain of §4.1.2 in letters, digits, hyphens: labels of 1 to 63,
 * 255 in all, no trailing dot; A-labels must be decodable form (A091) */
bool domain_valid(struct slice domain);

/* literal_parse - "[192.0.2.1]" or "[IPv6:...]"; nothing looser (A087) */
bool literal_parse(struct slice text, struct ip *ip);

/* helo_valid - an argument of HELO or EHLO: domain or address literal (§4.1.1.1).
 * Underscores are let pass, as everyone does. */
bool helo_valid(struct slice text);
