/* floor_wire.c - recv and send, or SSL_read and SSL_write. */
#include <err.h>
#include <errno.h>
#include <limits.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include "floor_wire.h"

struct wire_tls { SSL_CTX *context; };

struct wire_tls *wire_tls_open(const char *certificate, const char *key)
{
    struct wire_tls *t = calloc(1, sizeof *t);

    if (t == NULL || (t->context = SSL_CTX_new(TLS_server_method())) == NULL)
        errx(1, "TLS: no memory");
    if (SSL_CTX_use_certificate_chain_file(t->context, certificate) != 1
        || SSL_CTX_use_PrivateKey_file(t->context, key, SSL_FILETYPE_PEM) != 1)
        errx(1, "TLS: %s and %s are no certificate and its key", certificate, key);
    SSL_CTX_set_session_cache_mode(t->context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_num_tickets(t->context, 0);
    SSL_CTX_set_options(t->context, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_ciphersuites(t->context, "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384");   /* the cheaper first */
    SSL_CTX_set_mode(t->context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_read_ahead(t->context, 1);      /* a record's head and body in one read */
    return t;
}

bool wire_secure(struct wire *w, struct wire_tls *tls)
{
    w->ssl = SSL_new(tls->context);
    if (w->ssl == NULL || SSL_set_fd(w->ssl, w->fd) != 1)
        return false;
    SSL_set_accept_state(w->ssl);
    return true;
}

/* tls_result - what a call of OpenSSL that gave n means */
static ssize_t tls_result(struct wire *w, int n, ssize_t later)
{
    switch (SSL_get_error(w->ssl, n)) {
    case SSL_ERROR_NONE:        return n;
    case SSL_ERROR_ZERO_RETURN: return 0;
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:  return later;
    default:
        ERR_clear_error();      /* or the next session would be blamed */
        return -1;
    }
}

ssize_t wire_read(struct wire *w, char *to, size_t n)
{
    ssize_t got;

    if (w->ssl != NULL)
        return tls_result(w, SSL_read(w->ssl, to, n < INT_MAX ? (int)n : INT_MAX), WIRE_LATER);
    got = recv(w->fd, to, n, 0);
    return got < 0 && errno == EAGAIN ? WIRE_LATER : got;
}

bool wire_pending(const struct wire *w)
{
    return w->ssl != NULL && SSL_has_pending(w->ssl);
}

ssize_t wire_write(struct wire *w, const char *p, size_t n)
{
    ssize_t sent;

    if (w->ssl != NULL)
        return tls_result(w, SSL_write(w->ssl, p, n < INT_MAX ? (int)n : INT_MAX), 0);
    sent = send(w->fd, p, n, MSG_NOSIGNAL);
    return sent < 0 && errno == EAGAIN ? 0 : sent;
}

void wire_close(struct wire *w)
{
    if (w->ssl != NULL)
        SSL_free(w->ssl);
    close(w->fd);
    *w = (struct wire){ .fd = -1 };
}
