/* address_idn.h - domains in Unicode for people (U-labels), in ASCII for the DNS
 * (A-labels).
 *
 * By IDNA2008 lookup rules (RFC 5891 §5), without mapping and without the
 * transition of old names; only ASCII letters are made lower case first.
 */
#pragma once
#include "base/buf.h"

enum { DOMAIN_UNICODE = 1020 };     /* octets of a domain in UTF-8, at most */

/* domain_to_ascii - append the domain with each U-label as A-label. A domain in
 * ASCII and an address literal come out as they are, in lower case. False: it is
 * no domain, a label is not allowed, or out is full; then nothing was added. */
bool domain_to_ascii(struct slice domain, struct buf *out);

/* domain_to_unicode - the other way: each A-label that is one, as U-label. What is
 * none stays as it is, so that it can always be shown. False: not UTF-8, or full. */
bool domain_to_unicode(struct slice domain, struct buf *out);

/* address_to_ascii - an address for a host without SMTPUTF8: the domain in ASCII.
 * False when the local part has octets above 127 (RFC 6531 §3.2: no way to send it). */
bool address_to_ascii(struct slice address, struct buf *out);
