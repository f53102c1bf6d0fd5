/* client.h - one authentication exchange, the client's side, without I/O.
 *
 * Bytes in, bytes out; base64 is the caller's. A 235 counts only after DONE:
 * SCRAM proves the server too.
 */
#pragma once
#include "sasl/credentials.h"
#include "sasl/mechanism.h"
#include "sasl/server.h"

/* sasl_client_choose - the strongest of `offered` for these credentials. clear_ok:
 * the connection is encrypted, or the route allows it. SASL_MECHANISM_COUNT: none. */
enum sasl_mechanism sasl_client_choose(uint32_t offered, const struct credential *c, bool clear_ok);

struct sasl_client;

/* sasl_client_new - host: of the server, for GSSAPI. NULL: no memory, or texts that
 * no mechanism can carry. The credential is copied. */
struct sasl_client *sasl_client_new(struct sasl *sasl, enum sasl_mechanism mechanism,
                                    const struct credential *c, struct slice host);

/* sasl_client_start - *has_first: `out` is an initial response (perhaps empty: "=").
 * Else send the command alone and come back with the first challenge. */
enum sasl_result sasl_client_start(struct sasl_client *c, bool *has_first, struct buf *out);

/* sasl_client_step - a challenge of the server */
enum sasl_result sasl_client_step(struct sasl_client *c, struct slice in, struct buf *out);

/* sasl_client_free - wipes what it knows */
void sasl_client_free(struct sasl_client *c);
