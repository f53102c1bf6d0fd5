/* server.c - certificates by name, for the side that is connected to.
 *
 * Each name has an SSL_CTX; a connection begins with the first and changes to
 * another when the client says which name it wants. Tickets belong to the first:
 * they are made with keys that only this process has, and new ones every few
 * hours, so that a stolen process memory opens the sessions of hours, not months.
 */
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include "tls/inside.h"

enum {
    NAME_BYTES    = 254,
    LEVEL         = 2,              /* 112 bits: RSA and DH of at least 2048 */
    TICKET_KEYS   = 80,             /* what OpenSSL wants of them */
    TICKETS_LIVE  = 6 * 3600,       /* seconds */
};

struct entry {
    char    *name;
    SSL_CTX *ssl;
    X509    *leaf;
};

struct tls_server {
    unsigned      refs;
    const struct tls_keys *keys;
    unsigned char service[32];      /* sessions are bound to it */
    struct entry *entries;
    size_t        n;
    bool          local;            /* private keys are here */
    time_t        tickets_made;
};

struct tls_server *tls_server_new(struct slice service, const struct tls_keys *keys)
{
    struct tls_server *t = calloc(1, sizeof *t);
    unsigned int n = sizeof t->service;

    if (t == NULL)
        return NULL;
    t->refs = 1;
    t->keys = keys;
    t->local = keys == NULL;
    if (EVP_Digest(service.p, service.n, t->service, &n, EVP_sha256(), NULL) != 1) {
        free(t);
        return NULL;
    }
    return t;
}

struct tls_server *tls_server_ref(struct tls_server *t)
{
    t->refs++;
    return t;
}

static void entry_free(struct entry *e)
{
    free(e->name);
    SSL_CTX_free(e->ssl);
    X509_free(e->leaf);
}

void tls_server_free(struct tls_server *t)
{
    if (t == NULL || --t->refs > 0)
        return;
    for (size_t i = 0; i < t->n; i++)
        entry_free(&t->entries[i]);
    free(t->entries);
    free(t);
}

unsigned tls_server_count(const struct tls_server *t)
{
    return (unsigned)t->n;
}

/* --- choosing */

static const struct entry *entry_named(const struct tls_server *t, struct slice name)
{
    for (size_t i = 0; i < t->n; i++)
        if (slice_ieq(slice_cstr(t->entries[i].name), name))
            return &t->entries[i];
    return NULL;
}

static const struct entry *entry_for(const struct tls_server *t, struct slice name)
{
    const struct entry *e = entry_named(t, name);

    for (size_t i = 0; e == NULL && name.n > 0 && i < t->n; i++)
        if (X509_check_host(t->entries[i].leaf, name.p, name.n, 0, NULL) == 1)
            e = &t->entries[i];
    return e;
}

/* An unknown name is no reason to refuse: mail servers have many names, and the
 * client decides whether our default will do. */

static int on_name(SSL *ssl, int *alert, void *server)
{
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    const struct entry *e;

    (void)alert;
    if (name == NULL)
        return SSL_TLSEXT_ERR_NOACK;
    e = entry_for(server, slice_cstr(name));
    if (e != NULL)
        SSL_set_SSL_CTX(ssl, e->ssl);
    return SSL_TLSEXT_ERR_OK;
}

/* --- adding */

static SSL_CTX *server_context(struct tls_server *t)
{
    SSL_CTX *ssl = ssl_context_new(TLS_server_method(), LEVEL);

    if (ssl == NULL)
        return NULL;
    SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_num_tickets(ssl, 1);
    SSL_CTX_set_timeout(ssl, TICKETS_LIVE);
    SSL_CTX_set_session_id_context(ssl, t->service, sizeof t->service);
    SSL_CTX_set_tlsext_servername_callback(ssl, on_name);
    SSL_CTX_set_tlsext_servername_arg(ssl, t);
    return ssl;
}

static bool use_chain(SSL_CTX *ssl, const struct chain *c, EVP_PKEY *key, const char *file,
                      struct why *why)
{
    const char *reason;

    ERR_clear_error();
    if (SSL_CTX_use_cert_and_key(ssl, c->leaf, key, c->rest, 1) == 1)
        return true;
    reason = ERR_reason_error_string(ERR_peek_error());
    why_text(why, FATE_NEVER, "the certificate in %s cannot be used: %s", file,
             reason != NULL ? reason : "no memory");
    ERR_clear_error();
    return false;
}

static bool entry_push(struct tls_server *t, struct slice name, SSL_CTX *ssl, X509 *leaf)
{
    struct entry *more = realloc(t->entries, (t->n + 1) * sizeof *more);
    char *copy = strndup(name.n > 0 ? name.p : "", name.n);

    if (more != NULL)
        t->entries = more;
    if (more == NULL || copy == NULL) {
        free(copy);
        return false;
    }
    X509_up_ref(leaf);
    t->entries[t->n++] = (struct entry){ .name = copy, .ssl = ssl, .leaf = leaf };
    return true;
}

static bool has_kind(SSL_CTX *ssl, X509 *leaf)
{
    int kind = EVP_PKEY_get_base_id(X509_get0_pubkey(leaf));
    int found = 0;

    for (long at = SSL_CTX_set_current_cert(ssl, SSL_CERT_SET_FIRST); at == 1;
         at = SSL_CTX_set_current_cert(ssl, SSL_CERT_SET_NEXT)) {
        X509 *have = SSL_CTX_get0_certificate(ssl);

        found |= have != NULL && EVP_PKEY_get_base_id(X509_get0_pubkey(have)) == kind;
    }
    return found;
}

/* server_use - a second certificate of the same name joins the first if its key is
 * of the other kind; a third cannot ever be chosen */

static bool server_use(struct tls_server *t, const struct tls_certificate *cert,
                       const struct chain *c, EVP_PKEY *key, struct why *why)
{
    const struct entry *same = entry_named(t, cert->name);
    SSL_CTX *ssl;

    if (same != NULL && has_kind(same->ssl, c->leaf))
        return why_text(why, FATE_NEVER, "there are two certificates for %.*s with the same kind of key; "
                        "remove that in %s or the other", SLICE(cert->name), cert->file);
    if (same != NULL)
        return use_chain(same->ssl, c, key, cert->file, why);
    ssl = server_context(t);
    if (ssl == NULL)
        return why_text(why, FATE_LATER, "no memory for the certificate in %s", cert->file);
    if (use_chain(ssl, c, key, cert->file, why)) {
        if (entry_push(t, cert->name, ssl, c->leaf))
            return true;
        why_text(why, FATE_LATER, "no memory for the certificate in %s", cert->file);
    }
    SSL_CTX_free(ssl);
    return false;
}

static bool server_add(struct tls_server *t, const struct tls_certificate *cert,
                       const struct chain *c, EVP_PKEY *key, struct why *why)
{
    if (key == NULL)
        return false;
    if (cert->name.n > NAME_BYTES)
        return why_text(why, FATE_NEVER, "the name of the certificate in %s is too long", cert->file);
    if (!server_use(t, cert, c, key, why))
        return false;
    chain_warn(c, cert->name, cert->file, why);
    return true;
}

bool tls_server_add(struct tls_server *t, const struct tls_certificate *cert, struct why *why)
{
    EVP_PKEY *key = NULL;
    struct chain c;
    bool added;

    if (!chain_read(&c, cert->chain, cert->file, why))
        return false;
    key = remote_key_new(c.leaf, cert->key, cert->file, why);
    added = server_add(t, cert, &c, key, why);
    EVP_PKEY_free(key);
    chain_free(&c);
    return added;
}

bool tls_server_add_local(struct tls_server *t, const struct tls_certificate *cert,
                          struct slice pem, const char *key_file, struct why *why)
{
    EVP_PKEY *key = NULL;
    struct chain c;
    bool added;

    if (!chain_read(&c, cert->chain, cert->file, why))
        return false;
    key = private_key_read(pem, key_file, why);
    added = key != NULL && key_fits(c.leaf, key, key_file, cert->file, why)
            && server_add(t, cert, &c, key, why);
    EVP_PKEY_free(key);
    chain_free(&c);
    return added;
}

/* --- using */

static void tickets_renew(struct tls_server *t)
{
    unsigned char keys[TICKET_KEYS];
    time_t now = time(NULL);

    if (now - t->tickets_made < TICKETS_LIVE && now >= t->tickets_made)
        return;
    if (RAND_bytes(keys, sizeof keys) == 1
        && SSL_CTX_set_tlsext_ticket_keys(t->entries[0].ssl, keys, sizeof keys) == 1)
        t->tickets_made = now;
    OPENSSL_cleanse(keys, sizeof keys);
}

SSL *server_ssl(struct tls_server *t)
{
    SSL *ssl;

    if (t->n == 0)
        return NULL;
    tickets_renew(t);
    ssl = SSL_new(t->entries[0].ssl);
    if (ssl != NULL && !t->local)
        SSL_set_mode(ssl, SSL_MODE_ASYNC);
    return ssl;
}

const struct tls_keys *server_keys(const struct tls_server *t)
{
    return t->keys;
}
