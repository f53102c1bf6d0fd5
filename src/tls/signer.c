/* signer.c - what the vault does with a private key: sign, after looking at what it signs. */
#include <openssl/err.h>
#include <openssl/rsa.h>
#include <stdlib.h>
#include "tls/inside.h"
#include "tls/signer.h"

enum { RSA_BITS_MIN = 2048, RSA_BITS_MAX = 8192, EC_BITS_MIN = 256, EC_BITS_MAX = 521 };

struct signer {
    EVP_PKEY *key;
    bool      rsa;
};

/* The digests that a handshake signs, and how a DigestInfo of each begins. */
static const struct digest {
    const EVP_MD *(*md)(void);
    size_t        n;
    struct slice  head;
} digests[] = {
    { EVP_sha256, 32, SLICE_INIT("\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20") },
    { EVP_sha384, 48, SLICE_INIT("\x30\x41\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x02\x05\x00\x04\x30") },
    { EVP_sha512, 64, SLICE_INIT("\x30\x51\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x03\x05\x00\x04\x40") },
};
enum { NDIGESTS = sizeof digests / sizeof digests[0] };

/* --- loading */

static bool key_is_usable(struct signer *k, const char *file, struct why *why)
{
    int type = EVP_PKEY_get_base_id(k->key), bits = EVP_PKEY_get_bits(k->key);

    k->rsa = type == EVP_PKEY_RSA;
    if (type != EVP_PKEY_RSA && type != EVP_PKEY_EC)
        return why_text(why, FATE_NEVER, "the private key in %s is of a kind that is not supported: "
                        "use RSA, or ECDSA on P-256 or P-384", file);
    if (k->rsa && (bits < RSA_BITS_MIN || bits > RSA_BITS_MAX))
        return why_text(why, FATE_NEVER, "the RSA key in %s has %d bits: make one of 2048 to 8192 "
                        "(3072 is good)", file, bits);
    if (!k->rsa && (bits < EC_BITS_MIN || bits > EC_BITS_MAX))
        return why_text(why, FATE_NEVER, "the ECDSA key in %s has %d bits: use P-256 or P-384",
                        file, bits);
    return true;
}

struct signer *signer_new(struct slice pem, const char *file, struct why *why)
{
    struct signer *k = calloc(1, sizeof *k);

    if (k == NULL) {
        why_text(why, FATE_LATER, "no memory for %s", file);
        return NULL;
    }
    k->key = private_key_read(pem, file, why);
    if (k->key == NULL || !key_is_usable(k, file, why)) {
        signer_free(k);
        return NULL;
    }
    return k;
}

void signer_free(struct signer *k)
{
    if (k == NULL)
        return;
    EVP_PKEY_free(k->key);
    free(k);
}

bool signer_fits(const struct signer *k, const char *key_file,
                 struct slice chain, const char *chain_file, struct why *why)
{
    struct chain c;
    bool fits = chain_read(&c, chain, chain_file, why)
                && key_fits(c.leaf, k->key, key_file, chain_file, why);

    chain_free(&c);
    return fits;
}

/* --- looking at the request */

static bool is_digest(const struct signer *k, struct slice bytes)
{
    (void)k;
    for (size_t i = 0; i < NDIGESTS; i++)
        if (bytes.n == digests[i].n)
            return true;
    return false;
}

static bool is_digest_info(const struct signer *k, struct slice bytes)
{
    (void)k;
    for (size_t i = 0; i < NDIGESTS; i++)
        if (bytes.n == digests[i].head.n + digests[i].n
            && slice_eq(slice_first(bytes, digests[i].head.n), digests[i].head))
            return true;
    return false;
}

/* mask - xor p with MGF1 of the seed (RFC 8017 B.2.1) */

static bool mask(unsigned char *p, size_t n, const unsigned char *seed, const struct digest *d)
{
    unsigned char block[64 + 4], hash[64];

    memcpy(block, seed, d->n);
    for (size_t at = 0, round = 0; at < n; round++) {
        block[d->n] = block[d->n + 1] = 0;
        block[d->n + 2] = (unsigned char)(round >> 8);
        block[d->n + 3] = (unsigned char)round;
        if (EVP_Digest(block, d->n + 4, hash, NULL, d->md(), NULL) != 1)
            return false;
        for (size_t i = 0; i < d->n && at < n; i++, at++)
            p[at] ^= hash[i];
    }
    return true;
}

/* is_pss_of - is the block EMSA-PSS-encoded (RFC 8017 9.1.2) with this digest and a
 * salt of the same length, as TLS does? What was digested need not be known: it is
 * enough that the masked zeros are there, which a chosen ciphertext would only
 * have by a chance of 2^-1500. */

static bool is_pss_of(struct slice block, const struct digest *d)
{
    unsigned char db[TLS_SIGN_MAX];
    const unsigned char *p = (const unsigned char *)block.p;
    size_t n, zeros;

    if (block.n < 2 * d->n + 2 || block.n > sizeof db || p[block.n - 1] != 0xbc || (p[0] & 0x80) != 0)
        return false;
    n = block.n - d->n - 1;
    memcpy(db, p, n);
    if (!mask(db, n, p + n, d))
        return false;
    db[0] &= 0x7f;
    for (zeros = 0; zeros < n && db[zeros] == 0; zeros++)
        ;
    return n - zeros == d->n + 1 && db[zeros] == 1;
}

/* A modulus whose length is a whole number of bytes: emBits = bits - 1 leaves the
 * block as long as the modulus, with its first bit clear. */

static bool is_pss(const struct signer *k, struct slice bytes)
{
    if (EVP_PKEY_get_bits(k->key) % 8 != 0 || bytes.n != (size_t)EVP_PKEY_get_size(k->key))
        return false;
    for (size_t i = 0; i < NDIGESTS; i++)
        if (is_pss_of(bytes, &digests[i]))
            return true;
    return false;
}

static const struct request {
    bool rsa;
    int  padding;
    bool (*looks_right)(const struct signer *k, struct slice bytes);
} requests[] = {
    [TLS_SIGN_RSA_RAW]   = { true,  RSA_NO_PADDING,    is_pss         },
    [TLS_SIGN_RSA_PKCS1] = { true,  RSA_PKCS1_PADDING, is_digest_info },
    [TLS_SIGN_ECDSA]     = { false, 0,                 is_digest      },
};

/* The kind comes from another process, and may be any number. */

static const struct request *request_find(const struct signer *k, enum tls_sign_kind kind)
{
    size_t i = (size_t)kind;

    if (i >= sizeof requests / sizeof requests[0] || requests[i].looks_right == NULL
        || requests[i].rsa != k->rsa)
        return NULL;
    return &requests[i];
}

/* --- signing */

static bool sign_begin(EVP_PKEY_CTX *ctx, const struct request *r)
{
    return ctx != NULL && EVP_PKEY_sign_init(ctx) == 1
           && (!r->rsa || EVP_PKEY_CTX_set_rsa_padding(ctx, r->padding) == 1);
}

static size_t sign(const struct signer *k, const struct request *r, struct slice bytes,
                   char out[TLS_SIGN_MAX])
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(k->key, NULL);
    size_t n = TLS_SIGN_MAX;

    ERR_clear_error();
    if (!sign_begin(ctx, r)
        || EVP_PKEY_sign(ctx, (unsigned char *)out, &n,
                         (const unsigned char *)bytes.p, bytes.n) != 1)
        n = 0;
    EVP_PKEY_CTX_free(ctx);
    return n;
}

size_t signer_sign(const struct signer *k, enum tls_sign_kind kind, struct slice bytes,
                   char out[TLS_SIGN_MAX], struct why *why)
{
    const struct request *r = request_find(k, kind);
    size_t n;

    if (r == NULL) {
        why_text(why, FATE_NEVER, "this key does not make signatures of kind %u", (unsigned)kind);
        return 0;
    }
    if (!r->looks_right(k, bytes)) {
        why_text(why, FATE_NEVER, "this is not what a TLS handshake signs");
        return 0;
    }
    n = sign(k, r, bytes, out);
    if (n == 0)
        why_text(why, FATE_NEVER, "the signature failed: %s",
                 ERR_reason_error_string(ERR_peek_last_error()));
    ERR_clear_error();
    return n;
}
