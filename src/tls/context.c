/* context.c - the rules of every TLS connection, whichever end is ours. */
#include "tls/inside.h"

/* Ciphers of TLS 1.2: forward secrecy, no anonymous or broken ones (RFC 9325 4.2) */
static const char ciphers[] =
    "ECDHE+AESGCM:ECDHE+CHACHA20:DHE+AESGCM:DHE+CHACHA20:ECDHE+AES:DHE+AES"
    ":!aNULL:!eNULL:!DSS:!PSK:!SRP:!AESCCM";

/* Suites of TLS 1.3. AES-128 first: it is as strong as the key exchange before it (X25519,
 * P-256), and most processors have SHA-256 in hardware, but not SHA-384. A handshake
 * derives some twenty secrets with it. */
static const char suites[] =
    "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";

/* Idle sessions must be small: no buffers are kept. Writes may be partial and
 * may be repeated from another place, because ours is a moving buffer. */
static const long modes = SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE
                          | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER;

static const uint64_t options = SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION
                                | SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA;

SSL_CTX *ssl_context_new(const SSL_METHOD *method, int security_level)
{
    SSL_CTX *ssl = SSL_CTX_new(method);

    if (ssl == NULL)
        return NULL;
    SSL_CTX_set_mode(ssl, modes);
    SSL_CTX_set_options(ssl, options);
    SSL_CTX_set_security_level(ssl, security_level);
    SSL_CTX_set_dh_auto(ssl, 1);
    SSL_CTX_set_read_ahead(ssl, 0);
    if (SSL_CTX_set_min_proto_version(ssl, TLS1_2_VERSION) != 1
        || SSL_CTX_set_max_proto_version(ssl, TLS1_3_VERSION) != 1
        || SSL_CTX_set_ciphersuites(ssl, suites) != 1
        || SSL_CTX_set_cipher_list(ssl, ciphers) != 1) {
        SSL_CTX_free(ssl);
        return NULL;
    }
    return ssl;
}
