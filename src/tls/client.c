/* client.c - whom to trust, and sessions to resume, for the side that connects.
 *
 * A session is kept under the name, policy and place of its connection, so what
 * was verified once is only ever taken up again where the same would have been
 * asked. Only so many are kept; the one not used for longest goes first.
 */
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <unistd.h>
#include "base/ip.h"
#include "base/map.h"
#include "tls/inside.h"

enum {
    KEPT_MAX    = 1000,
    NAME_BYTES  = 254,
    STRICT      = 2,        /* 112 bits; OpenSSL's "security level" */
    LENIENT     = 1,        /* an old key is better than none when any certificate will do */
};

/* Where the bundle of a system is, if OpenSSL's own place does not have it. */
static const char *const bundles[] = {
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/cert.pem",
};

struct kept {
    struct list  link;
    SSL_SESSION *session;
    size_t       n;
    char         key[];
};

struct tls_client {
    unsigned    refs;
    SSL_CTX    *ssl;
    struct map  kept;
    struct list order;      /* the last used at the end */
};

/* --- sessions */

static struct slice kept_key(const void *member)
{
    const struct kept *k = member;

    return slice_of(k->key, k->n);
}

static void kept_free(struct tls_client *t, struct kept *k)
{
    map_take(&t->kept, kept_key(k));
    list_remove(&k->link);
    SSL_SESSION_free(k->session);
    free(k);
}

void client_forget(struct tls_client *t, struct slice key)
{
    struct kept *k = map_get(&t->kept, key);

    if (k != NULL)
        kept_free(t, k);
}

void client_keep(struct tls_client *t, struct slice key, SSL_SESSION *session)
{
    struct kept *k = malloc(sizeof *k + key.n);

    client_forget(t, key);
    if (t->kept.n >= KEPT_MAX)
        kept_free(t, LIST_OWNER(t->order.next, struct kept, link));
    if (k != NULL) {
        *k = (struct kept){ .session = session, .n = key.n };
        memcpy(k->key, key.p, key.n);
    }
    if (k == NULL || !map_put(&t->kept, k)) {
        free(k);
        SSL_SESSION_free(session);
        return;
    }
    list_push(&t->order, &k->link);
}

/* A ticket of TLS 1.3 is used once, so that nobody can see that two connections
 * come from the same client (RFC 8446 C.4); one of 1.2 may serve again. */

void client_recall(struct tls_client *t, SSL *ssl, struct slice key)
{
    struct kept *k = map_get(&t->kept, key);

    if (k == NULL)
        return;
    if (SSL_SESSION_is_resumable(k->session))
        SSL_set_session(ssl, k->session);
    if (SSL_SESSION_get_protocol_version(k->session) > TLS1_2_VERSION) {
        kept_free(t, k);
        return;
    }
    list_remove(&k->link);
    list_push(&t->order, &k->link);
}

static int on_new_session(SSL *ssl, SSL_SESSION *session)
{
    struct slice place = ssl_place(ssl);

    if (place.n == 0)
        return 0;
    client_keep(ssl_client(ssl), place, session);
    return 1;
}

/* --- whom to trust */

static bool trust_file(X509_STORE *store, const char *file)
{
    bool loaded = access(file, R_OK) == 0 && X509_STORE_load_file(store, file) == 1;

    ERR_clear_error();
    return loaded;
}

static bool trust_folder(X509_STORE *store, const char *folder)
{
    return access(folder, R_OK | X_OK) == 0 && X509_STORE_load_path(store, folder) == 1;
}

/* Without authorities mail still goes, hidden from those who only listen. What must
 * be verified fails then, and this says why. */

static bool trust_system(X509_STORE *store, struct why *why)
{
    bool any = trust_file(store, X509_get_default_cert_file());

    for (size_t i = 0; !any && i < sizeof bundles / sizeof bundles[0]; i++)
        any = trust_file(store, bundles[i]);
    if (!any && !trust_folder(store, X509_get_default_cert_dir()))
        why_text(why, FATE_DONE, "the system has no authorities to trust, so no certificate can be "
                 "verified: install ca-certificates, or name a file");
    ERR_clear_error();
    return true;
}

static bool trust_chain(X509_STORE *store, const struct chain *c)
{
    bool all = X509_STORE_add_cert(store, c->leaf) == 1;

    for (int i = 0; all && i < sk_X509_num(c->rest); i++)
        all = X509_STORE_add_cert(store, sk_X509_value(c->rest, i)) == 1;
    return all;
}

static bool trust(X509_STORE *store, struct slice pem, const char *file, struct why *why)
{
    struct chain c;
    bool all;

    if (pem.n == 0)
        return trust_system(store, why);
    if (!chain_read(&c, pem, file, why))
        return false;
    all = trust_chain(store, &c) && X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN) == 1;
    chain_free(&c);
    return all || why_text(why, FATE_LATER, "no memory for the authorities of %s", file);
}

/* --- contexts */

struct tls_client *tls_client_new(struct slice authorities, const char *file, struct why *why)
{
    struct tls_client *t = calloc(1, sizeof *t);

    *why = (struct why){ .fate = FATE_DONE };
    if (t == NULL || (t->ssl = ssl_context_new(TLS_client_method(), STRICT)) == NULL) {
        free(t);
        why_text(why, FATE_LATER, "no memory for TLS");
        return NULL;
    }
    t->refs = 1;
    t->kept = MAP(kept_key);
    list_init(&t->order);
    SSL_CTX_set_session_cache_mode(t->ssl, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(t->ssl, on_new_session);
    if (!trust(SSL_CTX_get_cert_store(t->ssl), authorities, file, why)) {
        tls_client_free(t);
        return NULL;
    }
    return t;
}

struct tls_client *tls_client_ref(struct tls_client *t)
{
    t->refs++;
    return t;
}

void tls_client_free(struct tls_client *t)
{
    if (t == NULL || --t->refs > 0)
        return;
    while (!list_empty(&t->order))
        kept_free(t, LIST_OWNER(t->order.next, struct kept, link));
    map_free(&t->kept);
    SSL_CTX_free(t->ssl);
    free(t);
}

/* --- one connection */

/* expect_name - whom the certificate must name, and what is asked for (SNI; RFC 6066
 * forbids addresses there) */

static bool expect_name(SSL *ssl, struct slice name)
{
    char text[NAME_BYTES + 1];
    struct ip ip;

    if (name.n > 1 && name.p[name.n - 1] == '.')
        name.n--;
    if (name.n == 0 || name.n > NAME_BYTES || memchr(name.p, '\0', name.n) != NULL)
        return false;
    memcpy(text, name.p, name.n);
    text[name.n] = '\0';
    if (ip_parse(name, &ip))
        return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), text) == 1;
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return SSL_set1_host(ssl, text) == 1 && SSL_set_tlsext_host_name(ssl, text) == 1;
}

SSL *client_ssl(struct tls_client *t, const struct tls_peer *peer)
{
    bool strict = peer->policy != TLS_POLICY_OPPORTUNISTIC;
    SSL *ssl = SSL_new(t->ssl);

    if (ssl == NULL)
        return NULL;
    SSL_set_security_level(ssl, strict ? STRICT : LENIENT);
    SSL_set_verify(ssl, strict ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, NULL);
    if (!expect_name(ssl, peer->name) && strict) {
        SSL_free(ssl);
        return NULL;
    }
    return ssl;
}
