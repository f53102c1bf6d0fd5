/* floor_wire.h - a socket, in the clear or with the least TLS server in one process:
 * OpenSSL as it is, no tickets, no session cache, the key in the same process. */
#pragma once
#include <openssl/ssl.h>
#include <stdbool.h>
#include <sys/types.h>

struct wire_tls;

struct wire {
    int  fd;            /* not blocking; -1: closed */
    SSL *ssl;           /* NULL: in the clear */
};

/* wire_tls_open - a certificate and its key, PEM; exits when they are not good */
struct wire_tls *wire_tls_open(const char *certificate, const char *key);

/* wire_secure - the client's next octets begin TLS; false: no memory */
bool wire_secure(struct wire *w, struct wire_tls *tls);

/* wire_read - octets, 0 at the end, WIRE_LATER or -1 for trouble. The handshake is part of it. */
enum { WIRE_LATER = -2 };
ssize_t wire_read(struct wire *w, char *to, size_t n);

/* wire_pending - may another wire_read bring octets without a read of the socket? */
bool wire_pending(const struct wire *w);

/* wire_write - how many octets were taken, perhaps 0, or -1 */
ssize_t wire_write(struct wire *w, const char *p, size_t n);

void wire_close(struct wire *w);
