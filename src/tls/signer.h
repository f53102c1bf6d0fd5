/* signer.h - a private key, and the one thing that it does for others.
 *
 * This is the vault's side of remote_key.h. A request comes from a process that
 * may be in hostile hands, so it must look like what a TLS handshake signs: a
 * digest of SHA-256, -384 or -512, well padded. Nothing can be decrypted here.
 */
#pragma once
#include "base/fate.h"
#include "base/slice.h"
#include "tls/remote_key.h"

struct signer;

/* signer_new - from the text of a PEM file (RSA of 2048 to 8192 bits, or ECDSA on
 * P-256, P-384 or P-521; not encrypted). NULL: *why names `file` and the remedy. */
struct signer *signer_new(struct slice pem, const char *file, struct why *why);
void signer_free(struct signer *k);

/* signer_fits - is this the key of the first certificate in the PEM text?
 * False: *why names both files. */
bool signer_fits(const struct signer *k, const char *key_file,
                 struct slice chain, const char *chain_file, struct why *why);

/* signer_sign - carry out one request. Returns the length of the signature, or 0:
 * refused or failed, and *why says so. out: at least TLS_SIGN_MAX bytes. */
size_t signer_sign(const struct signer *k, enum tls_sign_kind kind, struct slice bytes,
                   char out[TLS_SIGN_MAX], struct why *why);
