/* brisk_keys.c - the secrets of a handshake and what is sealed with them. */
#include <openssl/err.h>
#include "cli/brisk.h"

enum { BLOCK = 64, TAG = 16, LABEL_MAX = 32 };

/* tools_make - nothing is given back: it is as long-lived as the process */

static bool tools_make(struct brisk_tools *t)
{
    EVP_CIPHER *cipher = EVP_CIPHER_fetch(NULL, "AES-128-GCM", NULL);

    t->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    t->digest = EVP_MD_CTX_new();
    t->seals = EVP_CIPHER_CTX_new();
    t->opens = EVP_CIPHER_CTX_new();
    t->shares = EVP_PKEY_CTX_new_from_name(NULL, "X25519", NULL);
    return cipher != NULL && t->sha256 != NULL && t->digest != NULL && t->seals != NULL
           && t->opens != NULL && t->shares != NULL && EVP_PKEY_keygen_init(t->shares) == 1
           && EVP_EncryptInit_ex2(t->seals, cipher, NULL, NULL, NULL) == 1
           && EVP_DecryptInit_ex2(t->opens, cipher, NULL, NULL, NULL) == 1;
}

const struct brisk_tools *brisk_tools(void)
{
    static struct brisk_tools tools;
    static bool tried, made;

    if (!tried)
        made = tools_make(&tools);
    tried = true;
    return made ? &tools : NULL;
}

/* --- digests ------------------------------------------------------------------------------- */

/* hash_two - of two runs of bytes, as if they were one */

static bool hash_two(struct slice a, struct slice b, unsigned char hash[BRISK_HASH])
{
    const struct brisk_tools *t = brisk_tools();

    return EVP_DigestInit_ex2(t->digest, t->sha256, NULL) == 1
           && EVP_DigestUpdate(t->digest, a.p, a.n) == 1
           && EVP_DigestUpdate(t->digest, b.p, b.n) == 1
           && EVP_DigestFinal_ex(t->digest, hash, NULL) == 1;
}

bool brisk_hash(struct slice bytes, unsigned char hash[BRISK_HASH])
{
    return hash_two(bytes, (struct slice){ 0 }, hash);
}

bool brisk_hmac(const unsigned char key[BRISK_HASH], struct slice bytes, unsigned char mac[BRISK_HASH])
{
    unsigned char inner[BLOCK], outer[BLOCK];

    for (size_t i = 0; i < BLOCK; i++) {
        inner[i] = (i < BRISK_HASH ? key[i] : 0) ^ 0x36;
        outer[i] = (i < BRISK_HASH ? key[i] : 0) ^ 0x5c;
    }
    return hash_two(slice_of((char *)inner, BLOCK), bytes, mac)
           && hash_two(slice_of((char *)outer, BLOCK), slice_of((char *)mac, BRISK_HASH), mac);
}

/* One block of HKDF-Expand is enough for all that is asked here (n <= BRISK_HASH). */

bool brisk_expand(const unsigned char secret[BRISK_HASH], const char *label, struct slice context,
                  unsigned char *out, size_t n)
{
    char text[4 + 6 + LABEL_MAX + BRISK_HASH + 1];
    unsigned char block[BRISK_HASH];
    size_t length = strnlen(label, LABEL_MAX), at = 0;

    text[at++] = 0;
    text[at++] = (char)n;
    text[at++] = (char)(6 + length);
    memcpy(text + at, "tls13 ", 6);
    memcpy(text + at + 6, label, length);
    at += 6 + length;
    text[at++] = (char)context.n;
    if (context.n > 0)
        memcpy(text + at, context.p, context.n);
    at += context.n;
    text[at++] = 1;
    if (!brisk_hmac(secret, slice_of(text, at), block))
        return false;
    memcpy(out, block, n);
    return true;
}

bool brisk_keys_make(struct brisk_keys *k, const unsigned char secret[BRISK_HASH])
{
    k->sequence = 0;
    k->on = true;
    return brisk_expand(secret, "key", (struct slice){ 0 }, k->key, sizeof k->key)
           && brisk_expand(secret, "iv", (struct slice){ 0 }, k->iv, sizeof k->iv);
}

/* --- records ------------------------------------------------------------------------------- */

static void nonce_next(struct brisk_keys *k, unsigned char nonce[BRISK_IV])
{
    uint64_t n = k->sequence++;

    memcpy(nonce, k->iv, BRISK_IV);
    for (size_t i = 1; i <= sizeof n; i++, n >>= 8)
        nonce[BRISK_IV - i] ^= (unsigned char)n;
}

/* record_seal - `p` has the header and the content with its type behind it; the tag comes last */

static bool record_seal(struct brisk_keys *k, unsigned char *p, size_t n)
{
    EVP_CIPHER_CTX *c = brisk_tools()->seals;
    unsigned char nonce[BRISK_IV];
    int some;

    nonce_next(k, nonce);
    return EVP_EncryptInit_ex2(c, NULL, k->key, nonce, NULL) == 1
           && EVP_EncryptUpdate(c, NULL, &some, p, BRISK_HEADER) == 1
           && EVP_EncryptUpdate(c, p + BRISK_HEADER, &some, p + BRISK_HEADER, (int)n) == 1
           && EVP_EncryptFinal_ex(c, p + BRISK_HEADER + n, &some) == 1
           && EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_GET_TAG, TAG, p + BRISK_HEADER + n) == 1;
}

bool brisk_record(struct brisk_keys *k, uint8_t type, struct slice plain, struct buf *out)
{
    size_t n = plain.n + 1, body = n + TAG;
    char *p = buf_room(out, BRISK_HEADER + body);

    if (p == NULL)
        return false;
    memcpy(p, (char[]){ 23, 3, 3, (char)(body >> 8), (char)body }, BRISK_HEADER);
    memcpy(p + BRISK_HEADER, plain.p, plain.n);
    p[BRISK_HEADER + plain.n] = (char)type;
    if (!record_seal(k, (unsigned char *)p, n))
        return false;
    buf_added(out, BRISK_HEADER + body);
    return true;
}

bool brisk_unseal(struct brisk_keys *k, const char header[5], struct slice *body, uint8_t *type)
{
    EVP_CIPHER_CTX *c = brisk_tools()->opens;
    unsigned char *p = (unsigned char *)(uintptr_t)body->p, nonce[BRISK_IV];
    size_t n = body->n;
    int some;

    if (n < TAG + 1)
        return false;
    n -= TAG;
    nonce_next(k, nonce);
    if (EVP_DecryptInit_ex2(c, NULL, k->key, nonce, NULL) != 1
        || EVP_DecryptUpdate(c, NULL, &some, (const unsigned char *)header, BRISK_HEADER) != 1
        || EVP_DecryptUpdate(c, p, &some, p, (int)n) != 1
        || EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_SET_TAG, TAG, p + n) != 1
        || EVP_DecryptFinal_ex(c, p + n, &some) != 1) {
        ERR_clear_error();
        return false;
    }
    while (n > 0 && p[n - 1] == 0)
        n--;
    if (n == 0)
        return false;
    *type = p[n - 1];
    *body = slice_of(body->p, n - 1);
    return true;
}
