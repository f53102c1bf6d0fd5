/* server.h - one authentication exchange, the server's side, without I/O.
 *
 * libgsasl speaks the mechanism (kerberos.h: GSSAPI), the accounts decide. Bytes
 * in, bytes out, base64 is the caller's. Every attempt has an exchange of its own, never
 * reused (CVE-2011-1720). What a client can tell apart (reply, time) does not
 * depend on whether an account exists.
 *
 *     sasl_server_new -> sasl_server_step -> MORE -> step ...
 *                                         -> SLOW -> check (thread) -> checked -> DONE, FAILED
 *                                         -> DONE, FAILED, BROKEN, LATER
 */
#pragma once
#include "sasl/accounts.h"
#include "sasl/kerberos.h"
#include "sasl/mechanism.h"

/* What the exchanges of a process share. */
struct sasl {
    struct Gsasl    *gsasl;
    struct accounts *accounts;
    char             hostname[256];     /* ours, for GSSAPI: smtp@hostname */
    char             realm[256];        /* Kerberos realm whose principals are our accounts; "": none */
    struct kerberos  kerberos;          /* our key, if there is one */
    uint8_t          key[32];           /* makes up salts for accounts that do not exist */
};

/* sasl_begin - accounts and texts are the caller's and live longer. keytab: a path,
 * or NULL: no GSSAPI as a server; nor is there when it has no key of smtp/HOSTNAME.
 * False: no memory, no random bytes. */
bool sasl_begin(struct sasl *sasl, struct accounts *accounts, const char *hostname,
                const char *realm, const char *keytab);
void sasl_end(struct sasl *sasl);

/* sasl_server_set - the mechanisms that can be served now (which of them a
 * listener may offer is the caller's to decide) */
uint32_t sasl_server_set(const struct sasl *sasl);

struct sasl_server;

/* sasl_server_new - an exchange. NULL: not in sasl_server_set(), or no memory. */
struct sasl_server *sasl_server_new(struct sasl *sasl, enum sasl_mechanism mechanism);

/* sasl_server_start - with the client's initial response, or none (has_first
 * false). `out` is cleared, then gets what must be sent with MORE. */
enum sasl_result sasl_server_start(struct sasl_server *s, bool has_first, struct slice first,
                                   struct buf *out);

/* sasl_server_step - the client's next message */
enum sasl_result sasl_server_step(struct sasl_server *s, struct slice in, struct buf *out);

/* sasl_server_check - after SLOW, on any thread; nothing else may touch s meanwhile.
 * sasl_server_checked - afterwards, what it came to: DONE, FAILED or LATER. */
void sasl_server_check(struct sasl_server *s);
enum sasl_result sasl_server_checked(struct sasl_server *s);

/* sasl_server_user - after SLOW, DONE or FAILED: the account's name as far as it is
 * known, prepared where it could be; empty when it is not known. After DONE this is who
 * has logged in; Kerberos principals of our realm without it, others whole. */
struct slice sasl_server_user(const struct sasl_server *s);

/* sasl_server_known - is that name one of an account, or of Kerberos? Never for the client. */
bool sasl_server_known(const struct sasl_server *s);

/* sasl_server_free - wipes what it knows */
void sasl_server_free(struct sasl_server *s);
