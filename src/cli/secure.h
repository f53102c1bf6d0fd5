/* secure.h - TLS over a socket, for a tool that waits for each step. */
#pragma once
#include "tls/session.h"

struct secure {
    int                 fd;
    int64_t             timeout;        /* ms for each wait */
    struct tls_session *session;
    struct buf          in, out;        /* of the wire */
};

/* secure_begin - the handshake. False: errno, or secure_error() says why. */
bool secure_begin(struct secure *s, struct tls_client *trust, const struct tls_peer *peer,
                  int fd, int64_t timeout);

/* secure_read - plain text; 0: they said that it ends; -1: errno or secure_error().
 * wait false: only what is there at this moment, -1 with EAGAIN when that is nothing. */
ssize_t secure_read(struct secure *s, char *p, size_t n, bool wait);

/* secure_write - all of it, or false */
bool secure_write(struct secure *s, struct slice plain);

/* secure_end - say goodbye as far as that goes without waiting, and forget it all */
void secure_end(struct secure *s);
const char *secure_error(const struct secure *s);   /* for people */
