/* inside.h - what the files of tls/ know about each other. */
#pragma once
#include <openssl/ssl.h>
#include "base/fate.h"
#include "tls/session.h"

/* ssl_context_new - with the rules that hold for servers and clients alike */
SSL_CTX *ssl_context_new(const SSL_METHOD *method, int security_level);

/* A certificate file: ours, and those that lead to an authority. */
struct chain {
    X509           *leaf;
    STACK_OF(X509) *rest;
};

/* chain_read - false: *why names file and remedy, and *c is empty */
bool chain_read(struct chain *c, struct slice pem, const char *file, struct why *why);
void chain_free(struct chain *c);

/* chain_warn - what a person should know: a text in *why, or an empty one */
void chain_warn(const struct chain *c, struct slice name, const char *file, struct why *why);

/* private_key_read - NULL: *why names file and remedy */
EVP_PKEY *private_key_read(struct slice pem, const char *file, struct why *why);

/* key_fits - false: *why says what to do */
bool key_fits(X509 *leaf, EVP_PKEY *key, const char *key_file, const char *chain_file,
              struct why *why);

/* remote_key_new - something that OpenSSL takes for the private key of this
 * certificate, and that asks key_ask() when it is used */
EVP_PKEY *remote_key_new(X509 *leaf, uint32_t number, const char *file, struct why *why);

/* key_ask - the running session's keys are asked, and its handshake rests
 * until the answer is there. The length of the signature, 0: failed. */
size_t key_ask(uint32_t key, enum tls_sign_kind kind, const unsigned char *p, size_t n,
                   unsigned char *signature, size_t room);

/* --- what sessions need of contexts */

SSL *server_ssl(struct tls_server *t);
const struct tls_keys *server_keys(const struct tls_server *t);     /* NULL: keys are local */

const SSL *session_ssl(const struct tls_session *t);

SSL *client_ssl(struct tls_client *t, const struct tls_peer *peer);
void client_recall(struct tls_client *t, SSL *ssl, struct slice key);   /* try to resume */
void client_keep(struct tls_client *t, struct slice key, SSL_SESSION *session);    /* takes it */
void client_forget(struct tls_client *t, struct slice key);
struct slice ssl_place(const SSL *ssl);     /* the key of a client's session */
struct tls_client *ssl_client(const SSL *ssl);
