/* load_wire.h - one connection of a load: plain or TLS, never waiting.
 *
 * What is to be sent is not copied: it is pointed at, and has to stay until the reply that
 * belongs to it has come. All that is said in one step goes out in one write.
 */
#pragma once
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include "cli/brisk.h"

enum { WIRE_INPUT = 64 << 10 };

/* Where to connect to, and from. */
struct wire_target {
    int                     epoll;
    struct sockaddr_storage to;
    socklen_t               to_size;
    unsigned                source;     /* 127.0.0.(source + 1), when ports have run out; 0: any */
    SSL_CTX                *tls;        /* NULL: no TLS */
    bool                    brisk;      /* TLS by brisk.h, not by OpenSSL's */
    SSL_SESSION            *ticket;     /* to be resumed, or NULL */
    const char             *name;       /* for SNI; NULL: none */
};

struct wire {
    int           fd;           /* -1: closed */
    SSL          *tls;          /* both NULL: plain */
    struct brisk *brisk;
    bool          blocked;      /* waits until it can be written to */
    unsigned      first, n;     /* of the parts: to be sent still, and all */
    struct iovec *parts;
    char         *carry;        /* the beginning of a reply whose end has not come */
    size_t        carried;
};

enum wire_result { WIRE_OK, WIRE_AGAIN, WIRE_LOST };

/* wire_open - connect; events go to `user`. False: errno. */
bool wire_open(struct wire *w, struct wire_target *t, void *user);
void wire_close(struct wire *w);

/* wire_secure - TLS from now on; wire_handshake: WIRE_AGAIN until it is through. The last of it
 * may go with the first that is said: wire_flush() when nothing is. */
bool wire_secure(struct wire *w, const struct wire_target *t);
enum wire_result wire_handshake(struct wire *w, const struct wire_target *t, void *user);

bool wire_is_secure(const struct wire *w);
bool wire_resumed(const struct wire *w);

/* wire_part - to be sent by the next wire_flush(); the parts' number is the caller's care */
void wire_part(struct wire *w, struct slice bytes);

/* wire_flush - as much as goes; the rest when it can be written to. WIRE_AGAIN: some is left. */
enum wire_result wire_flush(struct wire *w, const struct wire_target *t, void *user);

/* wire_read - what has come, with what was kept before, in memory that all connections share:
 * use it at once. WIRE_OK with something; WIRE_LOST at the end (errno 0) or an error. */
enum wire_result wire_read(struct wire *w, struct slice *in);

/* wire_more - is there more to be read that the system does not know of? */
bool wire_more(const struct wire *w);

/* wire_keep - what is to stand before what comes next. False: too much of it, or no memory. */
bool wire_keep(struct wire *w, struct slice rest);

/* wire_why - the words for the last error */
const char *wire_why(const struct wire *w, char text[160]);

/* tls_load_context - for clients that look at no certificate and resume nothing unless told.
 * keep(session): gets new tickets. NULL: no memory. */
SSL_CTX *tls_load_context(int (*keep)(SSL *, SSL_SESSION *), void *user);
