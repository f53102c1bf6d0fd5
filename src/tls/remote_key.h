/* remote_key.h - a private key that is somewhere else.
 *
 * A process that talks to strangers has certificates only. Where TLS needs the
 * private key, the handshake stops, the owner of the key is asked, and the
 * handshake goes on with the answer; the event loop never waits for it.
 *
 *     tls_keys.sign(ctx, op)     "sign op->bytes with key op->key"
 *     tls_signed(op, signature)  the answer: inside sign(), or any time later
 *
 * Every op is answered exactly once, with a signature or with a failure; that
 * the connection is gone meanwhile is no concern of the one who answers. When
 * the vault dies, whoever spoke to it answers all open ops with a failure.
 */
#pragma once
#include "base/list.h"
#include "base/slice.h"

enum { TLS_SIGN_MAX = 1024 };       /* bytes of a request and of a signature (RSA 8192) */

/* What to do with the bytes. The numbers travel between processes. */
enum tls_sign_kind {
    TLS_SIGN_RSA_RAW   = 1,     /* a block as long as the modulus, padded for PSS already */
    TLS_SIGN_RSA_PKCS1 = 2,     /* a DigestInfo, to be padded as PKCS #1 1.5 */
    TLS_SIGN_ECDSA     = 3,     /* a digest; the signature is the DER of RFC 3279 2.2.3 */
};

struct tls_session;

struct tls_sign {
    uint32_t            key;        /* the number given to tls_server_add() */
    enum tls_sign_kind  kind;
    size_t              n;
    char                bytes[TLS_SIGN_MAX];
    uint64_t            ticket;     /* the owner's, for whatever finds the op again; */
    struct list         link;       /* both zero when sign() is called */

    /* private to tls/ */
    struct tls_session *session;    /* NULL: the connection is gone */
    bool                asked, answered;
    size_t              signature_n;        /* 0: failed */
    char                signature[TLS_SIGN_MAX];
};

/* Who has the keys. Lives as long as the contexts that name it. */
struct tls_keys {
    void (*sign)(void *ctx, struct tls_sign *op);
    void  *ctx;
};

/* tls_signed - the answer to op; an empty signature means failure, and the
 * handshake fails. The op is gone afterwards. No event of any stream comes from
 * inside this call. */
void tls_signed(struct tls_sign *op, struct slice signature);
