/* brisk.h - a client of TLS 1.3 that knows one way of everything, for loads of handshakes.
 *
 * OpenSSL 3.0 takes more of the processor for a client's handshake than for a server's: it
 * reads the certificate anew each time, and looks up every algorithm by name wherever it is
 * used. A load on the same machine would measure itself. This one does the same handshake
 * (RFC 8446), whole and checked: X25519, the server's signature verified, both Finished; but it
 * has one suite (AES-128-GCM, SHA-256), reads a certificate once, and does not judge it. What
 * it does not know it refuses: an earlier version, another group.
 *
 * It does no I/O: what came from the socket goes in by brisk_take(), what is to be sent waits
 * in `out`, what the server said is in `plain`. All of them are one thread's.
 */
#pragma once
#include <openssl/evp.h>
#include "base/buf.h"

enum { BRISK_HASH = 32, BRISK_KEY = 16, BRISK_IV = 12, BRISK_SHARE = 32 /* X25519 */,
       BRISK_HEADER = 5 /* of a record */, BRISK_RECORD = 16 << 10 };

enum brisk_state { BRISK_HANDSHAKE, BRISK_OPEN, BRISK_ENDED, BRISK_FAILED };

/* One direction of the traffic (RFC 8446 section 7.3). */
struct brisk_keys {
    unsigned char key[BRISK_KEY], iv[BRISK_IV];
    uint64_t      sequence;
    bool          on;           /* false: still in clear */
};

struct brisk {
    enum brisk_state  state;
    const char       *why;      /* FAILED: a text that lives for ever */
    struct buf        in;       /* records that are not whole yet */
    struct buf        out;
    struct buf        plain;
    struct buf        said;     /* all messages of the handshake, one after the other */
    size_t            heard;    /* of them: understood */
    size_t            step;     /* which message is the next */
    bool              asked;    /* for a certificate, which we have not */
    size_t            leaf_at, leaf_n;      /* the server's certificate: where in `said` */
    EVP_PKEY         *share;    /* ours, until the server's has come */
    struct brisk_keys reads, writes;
    unsigned char     secret[BRISK_HASH];               /* of the handshake, then the master secret */
    unsigned char     ours[BRISK_HASH], theirs[BRISK_HASH];     /* traffic secrets of the handshake */
};

/* brisk_prepare - the keys of so many hellos, while no time is measured: to make one takes more
 * than a quarter of a handshake. False: no memory, or they were made before. brisk_forget() gives
 * back those that were not used. */
bool brisk_prepare(size_t n);
void brisk_forget(void);

/* brisk_new - its `out` has the client's hello. `name` is for SNI, NULL: none. NULL: no memory. */
struct brisk *brisk_new(const char *name);
void brisk_free(struct brisk *b);

/* brisk_take - what came from the socket: see `state` and `plain` then. When it is OPEN for the
 * first time, the client's Finished is in `out`, and may go together with what is said next. */
void brisk_take(struct brisk *b, struct slice bytes);

/* brisk_seal - at most BRISK_RECORD bytes to be sent, as a record in `out`. False: it failed. */
bool brisk_seal(struct brisk *b, struct slice plain);

/* --- what is in brisk_hello.c */

/* brisk_hello - our share is made, and the hello stands in `said` and in `out`. False: no memory. */
bool brisk_hello(struct brisk *b, const char *name);

/* --- what is in brisk_keys.c: digests and records */

/* brisk_tools - made once, for all connections. NULL: no memory. */
struct brisk_tools {
    EVP_MD         *sha256;
    EVP_MD_CTX     *digest;
    EVP_CIPHER_CTX *seals, *opens;
    EVP_PKEY_CTX   *shares;         /* makes keys of X25519 */
};
const struct brisk_tools *brisk_tools(void);

/* The functions of RFC 8446 section 7.1; false only when OpenSSL fails. */
bool brisk_hash(struct slice bytes, unsigned char hash[BRISK_HASH]);
bool brisk_hmac(const unsigned char key[BRISK_HASH], struct slice bytes, unsigned char mac[BRISK_HASH]);
bool brisk_expand(const unsigned char secret[BRISK_HASH], const char *label, struct slice context,
                  unsigned char *out, size_t n);
bool brisk_keys_make(struct brisk_keys *k, const unsigned char secret[BRISK_HASH]);

/* brisk_record - a record of this type, sealed with the keys, at the end of `out` */
bool brisk_record(struct brisk_keys *k, uint8_t type, struct slice plain, struct buf *out);

/* brisk_unseal - the body of a record, opened in place: its content and its true type.
 * False: it was not sealed with these keys. */
bool brisk_unseal(struct brisk_keys *k, const char header[5], struct slice *body, uint8_t *type);
