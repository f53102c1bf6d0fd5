/* context.h - what all TLS connections of one kind share: certificates, trust, rules.
 *
 * TLS 1.2 and 1.3 only; forward secrecy always; no compression, renegotiation
 * or early data (RFC 9325). Contexts are made from bytes that somebody else has
 * read, so that a process without files can make them. They are counted: a
 * connection keeps its context alive, so one may be replaced at any moment.
 */
#pragma once
#include "base/fate.h"
#include "base/slice.h"
#include "tls/remote_key.h"

/* What a client asks of the other side. */
enum tls_policy {
    TLS_POLICY_NONE,          /* do not try */
    TLS_POLICY_OPPORTUNISTIC, /* if offered, with any certificate (RFC 7435) */
    TLS_POLICY_REQUIRE,        /* an authority we trust says that it is this name */
    /* TLS_POLICY_DANE and TLS_POLICY_MTA_STS have their place here */
};

/* --- servers ------------------------------------------------------------ */

struct tls_server;

struct tls_certificate {
    struct slice name;      /* from the configuration: chosen when the client asks for it */
    struct slice chain;     /* text of the PEM file: ours first, then the intermediate ones */
    const char  *file;      /* where that was read, for messages */
    uint32_t     key;       /* number of its private key, for tls_keys */
};

/* tls_server_new - a context without certificates. service ("submission", a
 * listener's name): sessions of one service cannot be resumed at another (A108).
 * keys: who signs. NULL: no memory. */
struct tls_server *tls_server_new(struct slice service, const struct tls_keys *keys);

/* tls_server_add - one certificate more. The first is the default. A client is
 * given the one whose name it asks for, else one which itself says that name. Two
 * of one name, RSA and ECDSA, are both kept. False: *why names file and remedy,
 * and the context is as before. True with why->text not empty: in use, but a
 * person should know (expired, or soon; not made for that name). */
bool tls_server_add(struct tls_server *t, const struct tls_certificate *c, struct why *why);

/* tls_server_add_local - the same, with the private key (PEM) in this process:
 * for tests and measurements */
bool tls_server_add_local(struct tls_server *t, const struct tls_certificate *c,
                          struct slice key, const char *key_file, struct why *why);

/* tls_server_count - how many certificates it has; none: do not offer TLS */
unsigned tls_server_count(const struct tls_server *t);

struct tls_server *tls_server_ref(struct tls_server *t);
void tls_server_free(struct tls_server *t);     /* one reference less; NULL is harmless */

/* --- clients ------------------------------------------------------------ */

struct tls_client;

/* tls_client_new - authorities: text of a PEM file with those to trust, or empty
 * for the system's. The system's are read here, at once. NULL: *why. Not NULL with
 * why->text not empty: usable, but there is nobody to trust. */
struct tls_client *tls_client_new(struct slice authorities, const char *file, struct why *why);

/* Whom a client connects to. */
struct tls_peer {
    struct slice    name;       /* host name: sent as SNI, compared with the certificate; may
                                   be an address in text (then no SNI); may be empty if the
                                   policy is opportunistic */
    enum tls_policy policy;     /* TLS_POLICY_OPPORTUNISTIC or TLS_POLICY_REQUIRE */
    struct slice    place;      /* where, "192.0.2.1:25": sessions are resumed for the same name,
                                   policy and place only; empty: never resumed */
};

struct tls_client *tls_client_ref(struct tls_client *t);
void tls_client_free(struct tls_client *t);
