/* wishes.h - what a message's own header asks of the hosts that carry it.
 *
 * Each is the poor man's form of a parameter: it counts only where the parameter
 * was not given with the envelope.
 */
#pragma once
#include "base/slice.h"

/* wishes_tls_optional - "TLS-Required: No": deliver even where policy asks for TLS
 * (RFC 8689 §3). False when absent, when it says anything else, or stands twice.
 * With REQUIRETLS on MAIL the caller does not ask (§4.1). */
bool wishes_tls_optional(struct slice message);

/* solicit_valid - a list of keywords as RFC 3865 §2.2 has them: at most 1000 octets,
 * separated by commas, no blanks */
bool solicit_valid(struct slice list);

/* solicit_next - take the next keyword from the front of *rest; false at the end */
bool solicit_next(struct slice *rest, struct slice *keyword);

/* solicit_meets - the first keyword of `list` that `refused` has too (case ignored).
 * Both are valid lists or empty. False: none. */
bool solicit_meets(struct slice list, struct slice refused, struct slice *keyword);

/* wishes_solicitation - the keywords of the Solicitation field (§2.5). False: there is
 * none, more than one, or it is not valid. */
bool wishes_solicitation(struct slice message, struct slice *list);

/* A Require-Recipient-Valid-Since field (RFC 7293 §3.2). */
struct wish_rrvs {
    struct slice address;   /* as it stands there */
    int64_t      since;     /* wall clock ms */
};

/* wishes_rrvs - take the next such field from the front of *rest (start with the
 * message); malformed ones are passed over (§5.2). False: no more. */
bool wishes_rrvs(struct slice *rest, struct wish_rrvs *r);

/* wishes_role - a role account of RFC 2142 (postmaster, abuse, ...), for which RRVS is
 * ignored (RFC 7293 §5.1) */
bool wishes_role(struct slice local);
