/* load_connection.h - one connection of a load: plain or TLS, never waiting.
 *
 * What is to be sent is not copied: it is pointed at, and has to stay until the reply that
 * belongs to it has come. All that is said in one step goes out in one write.
 */
#pragma once
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include "cli/brisk.h"

enum { CONNECTION_INPUT = 64 << 10 };

/* Where to connect to, and from. */
struct load_target {
    int                     epoll;
    struct sockaddr_storage to;
    socklen_t               to_size;
    unsigned                source;     /* 127.0.0.(source + 1), when ports have run out; 0: any */
    SSL_CTX                *tls;        /* NULL: no TLS */
    bool                    brisk;      /* TLS by brisk.h, not by OpenSSL's */
    SSL_SESSION            *ticket;     /* to be resumed, or NULL */
    const char             *name;       /* for SNI; NULL: none */
};

struct connection {
    int           fd;           /* -1: closed */
    SSL          *tls;          /* both NULL: plain */
    struct brisk *brisk;
    bool          blocked;      /* waits until it can be written to */
    unsigned      first, n;     /* of the parts: to be sent still, and all */
    struct iovec *parts;
    char         *carry;        /* the beginning of a reply whose end has not come */
    size_t        carried;
};

enum connection_result { CONNECTION_OK, CONNECTION_AGAIN, CONNECTION_LOST };

/* connection_open - connect; events go to `user`. False: errno. */
bool connection_open(struct connection *c, struct load_target *t, void *user);
void connection_close(struct connection *c);

/* connection_secure - TLS from now on; connection_handshake: CONNECTION_AGAIN until it is
 * through. The last of it may go with the first that is said: connection_flush() when nothing is. */
bool connection_secure(struct connection *c, const struct load_target *t);
enum connection_result connection_handshake(struct connection *c, const struct load_target *t,
                                            void *user);

bool connection_is_secure(const struct connection *c);
bool connection_resumed(const struct connection *c);

/* connection_part - to be sent by the next connection_flush(); the parts' number is the caller's
 * care */
void connection_part(struct connection *c, struct slice bytes);

/* connection_flush - as much as goes; the rest when it can be written to. CONNECTION_AGAIN: some
 * is left. */
enum connection_result connection_flush(struct connection *c, const struct load_target *t,
                                        void *user);

/* connection_read - what has come, with what was kept before, in memory that all connections share:
 * use it at once. CONNECTION_OK with something; CONNECTION_LOST at the end (errno 0) or an error. */
enum connection_result connection_read(struct connection *c, struct slice *in);

/* connection_more - is there more to be read that the system does not know of? */
bool connection_more(const struct connection *c);

/* connection_keep - what is to stand before what comes next. False: too much of it, or no memory. */
bool connection_keep(struct connection *c, struct slice rest);

/* connection_why - the words for the last error */
const char *connection_why(const struct connection *c, char text[160]);

/* tls_load_context - for clients that look at no certificate and resume nothing unless told.
 * keep(session): gets new tickets. NULL: no memory. */
SSL_CTX *tls_load_context(int (*keep)(SSL *, SSL_SESSION *), void *user);
