/* password.h - what is kept of a password, made and checked.
 *
 * Three schemes: {crypt} a hash of crypt(5), {SCRAM-SHA-256} the verifier of
 * RFC 5803 and 7677, {clear} the password itself, which CRAM-MD5 needs.
 */
#pragma once
#include "sasl/mechanism.h"

enum {
    SCRAM_KEY        = 32,      /* bytes of a key of SCRAM-SHA-256 */
    SCRAM_SALT       = 16,      /* bytes of a salt of ours */
    SCRAM_SALT_MAX   = 64,      /* bytes of anybody's */
    SCRAM_ITERATIONS = 16384,   /* of ours */
    SCRAM_ITERATIONS_MIN = 4096, SCRAM_ITERATIONS_MAX = 1000000,
    CRYPT_HASH_MAX   = 383,     /* bytes of a hash of crypt(5) */
};

/* The schemes of one account, as they stand in the file; empty: not there. */
struct secret {
    struct slice crypt;         /* "$y$j9T$..." */
    struct slice scram;         /* "ITERATIONS:SALT$STOREDKEY:SERVERKEY", the last three in base64 */
    struct slice clear;
};

/* A SCRAM verifier, taken apart; texts in base64, as the exchange carries them. */
struct scram {
    uint32_t     iterations;
    struct slice salt, stored_key, server_key;
};

/* scram_parse - false: malformed */
bool scram_parse(struct slice text, struct scram *v);

/* password_prepare - SASLprep (RFC 4013); to[] gets the text and a NUL. stored:
 * refuse code points that Unicode has not assigned. False: must not be used. */
bool password_prepare(struct slice password, bool stored, char to[SASL_PASSWORD_MAX + 1]);

/* password_make - append "{crypt}...{SCRAM-SHA-256}..." and, with clear,
 * "{clear}..." for a prepared password. False: no room, or no random bytes. */
bool password_make(const char *prepared, bool clear, struct buf *out);

/* secret_check - is `prepared` the password? Always the same work for the same
 * secret; takes tens of milliseconds: for a thread. -1: could not be computed. */
int secret_check(const struct secret *s, const char *prepared);

/* hash_ok - does crypt(3) know this kind of hash? */
bool hash_ok(struct slice hash);
