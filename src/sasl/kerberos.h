/* kerberos.h - the server's side of GSSAPI: Kerberos V5, no security layer (RFC 4752).
 *
 * Written on the system's GSS library itself: libgsasl's server takes a client's
 * wish for several layers, announces a buffer that it has no use for, and leaks
 * where it fails.
 */
#pragma once
#include "sasl/mechanism.h"

/* Our key: the credential of smtp@HOSTNAME. */
struct kerberos {
    void *credential;           /* NULL: none, GSSAPI cannot be offered */
    void *context, *table;      /* the keys, in memory */
    const char *why;            /* there is none: words for the log */
};

/* kerberos_begin - keytab: "FILE:PATH" or a path, read now and never again. False: k->why. */
bool kerberos_begin(struct kerberos *k, const char *hostname, const char *keytab);
void kerberos_end(struct kerberos *k);

/* One exchange. */
struct kerberos_login;

struct kerberos_login *kerberos_login_new(const struct kerberos *k);    /* NULL: no memory */
void kerberos_login_free(struct kerberos_login *l);

/* kerberos_step - the client's next message; `out` is cleared and gets ours. DONE: the
 * principal is proved, and wants to act as authzid (perhaps empty). */
enum sasl_result kerberos_step(struct kerberos_login *l, struct slice in, struct buf *out);

/* After DONE; they live as long as the login. */
struct slice kerberos_principal(const struct kerberos_login *l);
struct slice kerberos_authzid(const struct kerberos_login *l);
