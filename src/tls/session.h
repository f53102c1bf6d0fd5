/* session.h - one TLS connection as bytes in and bytes out, without a socket.
 *
 * The owner gives what came from the wire, takes what must go to the wire, and
 * exchanges plain text. Nothing here waits, and nothing here calls the owner
 * but `wake`, when a signature has come.
 *
 *     state         entered by                                     left to
 *     HANDSHAKE     tls_session_server, tls_session_client         SIGNING OPEN FAILED
 *     SIGNING       tls_handshake: a signature is awaited          HANDSHAKE (tls_signed) FAILED
 *     OPEN          tls_handshake                                  ENDED FAILED
 *     ENDED         tls_read: close_notify; they send no more      FAILED
 *     FAILED        anything; tls_session_error says why           -
 */
#pragma once
#include "base/buf.h"
#include "tls/context.h"

enum tls_state { TLS_HANDSHAKE, TLS_SIGNING, TLS_OPEN, TLS_ENDED, TLS_FAILED };

struct tls_session;
typedef void tls_wake_f(void *user);

/* tls_session_server, tls_session_client - begin. wake(user): call tls_handshake()
 * again, from elsewhere than inside wake. NULL: no memory. */
struct tls_session *tls_session_server(struct tls_server *t, tls_wake_f *wake, void *user);
struct tls_session *tls_session_client(struct tls_client *t, const struct tls_peer *peer,
                                       tls_wake_f *wake, void *user);
void tls_session_free(struct tls_session *t);

/* tls_session_wire - what came from the wire, and where bytes for the wire go.
 * Both are in force until the next call; set them before each of the calls below.
 * *in is consumed from its front. `out` never gets more than its max: tls_write
 * then returns early, and an answer of the protocol itself that has no room means
 * that the other side does not read, and fails the session. */
void tls_session_wire(struct tls_session *t, struct slice *in, struct buf *out);

/* tls_handshake - go on until it is OPEN, FAILED, SIGNING, or needs more from the
 * wire (HANDSHAKE). tls_keys.sign() is called inside: it must not free the session. */
enum tls_state tls_handshake(struct tls_session *t);

/* tls_read - at most n bytes of plain text, and as many as there are. Fewer than n:
 * more must come from the wire first, or see tls_session_state. */
size_t tls_read(struct tls_session *t, char *p, size_t n);

/* tls_write - encrypt some of the plain text; returns how much, 0 when `out` has no
 * room or when failed. */
size_t tls_write(struct tls_session *t, struct slice plain);

/* tls_goodbye - say close_notify, once; reading may go on */
void tls_goodbye(struct tls_session *t);

/* tls_cut - the wire ended. Without close_notify before it that is a failure:
 * somebody may have cut off the rest (RFC 8446 6.1). */
void tls_cut(struct tls_session *t);

enum tls_state tls_session_state(const struct tls_session *t);
const char *tls_session_error(const struct tls_session *t);     /* "" while nothing is wrong */

/* What has been agreed. */
struct tls_info {
    const char *version;        /* "TLSv1.3" */
    const char *cipher;         /* "TLS_AES_256_GCM_SHA384" */
    unsigned    bits;           /* of the cipher's key */
    bool        resumed;        /* from an earlier session */
    bool        verified;       /* client: a trusted authority says that it is peer.name */
    const char *unverified;     /* client: why not; else NULL */
    char        name[256];      /* server: what the client asked for (SNI); "" if nothing */
};

/* tls_session_info - false before OPEN */
bool tls_session_info(const struct tls_session *t, struct tls_info *info);
