/* mx.h - MX records: read from bytes, and put in the order in which they are tried.
 *
 * Pure. The bytes come from strangers; nothing is read past them (A176).
 */
#pragma once
#include "dns/dns.h"

enum { MX_MAX = 100 };          /* hosts kept of one domain, the best ones (A175) */

struct mx {
    uint16_t preference;        /* smaller is better */
    char     name[DNS_NAME];    /* lower case, no dot at the end; "": the root */
};

/* mx_parse - the data of one record: preference, and a name without compression.
 * False: malformed, or a name that no host can have. */
bool mx_parse(struct slice rdata, struct mx *mx);

/* A random number from 0 to below - 1. */
typedef uint32_t mx_random_f(uint32_t below);

/* mx_order - sort by preference, equal ones shuffled (RFC 5321 §5.1) */
void mx_order(struct mx *mx, size_t n, mx_random_f *random);

/* mx_is_null - is this all that the domain has to say: "no mail" (RFC 7505)? */
bool mx_is_null(const struct mx *mx, size_t n);

/* mx_is_literal - is the target an IPv4 address written as a name? It names no host. */
bool mx_is_literal(const struct mx *mx);
