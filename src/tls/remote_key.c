/* remote_key.c - a key of OpenSSL whose private half is a question to somebody else.
 *
 * RSA_METHOD and EC_KEY_METHOD are the old way to do this; OpenSSL 3 still
 * honours them everywhere in TLS and needs no whole provider for it. They are
 * marked as deprecated, so this file alone is compiled for the older interface.
 */
#define OPENSSL_API_COMPAT 0x10100000L
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/rsa.h>
#include "tls/inside.h"

/* The number is kept as the pointer that OpenSSL stores with the key. */

static void *number_pack(uint32_t number)
{
    return (void *)(uintptr_t)number;
}

static uint32_t number_unpack(void *p)
{
    return (uint32_t)(uintptr_t)p;
}

static int rsa_index(void)
{
    static int index = -1;

    if (index < 0)
        index = RSA_get_ex_new_index(0, NULL, NULL, NULL, NULL);
    return index;
}

static int ec_index(void)
{
    static int index = -1;

    if (index < 0)
        index = EC_KEY_get_ex_new_index(0, NULL, NULL, NULL, NULL);
    return index;
}

/* --- RSA */

static int rsa_private(int n, const unsigned char *from, unsigned char *to, RSA *rsa, int padding)
{
    enum tls_sign_kind kind = padding == RSA_NO_PADDING ? TLS_SIGN_RSA_RAW : TLS_SIGN_RSA_PKCS1;
    size_t size = (size_t)RSA_size(rsa);

    if (n <= 0 || (padding != RSA_NO_PADDING && padding != RSA_PKCS1_PADDING))
        return -1;
    if (key_ask(number_unpack(RSA_get_ex_data(rsa, rsa_index())), kind,
                    from, (size_t)n, to, size) != size)
        return -1;
    return (int)size;
}

static int rsa_decrypt(int n, const unsigned char *from, unsigned char *to, RSA *rsa, int padding)
{
    (void)n;
    (void)from;
    (void)to;
    (void)rsa;
    (void)padding;
    return -1;
}

static const RSA_METHOD *rsa_method(void)
{
    static RSA_METHOD *method;

    if (method == NULL && (method = RSA_meth_dup(RSA_PKCS1_OpenSSL())) != NULL) {
        RSA_meth_set1_name(method, "a key in the vault");
        RSA_meth_set_priv_enc(method, rsa_private);
        RSA_meth_set_priv_dec(method, rsa_decrypt);
    }
    return method;
}

static EVP_PKEY *rsa_key(EVP_PKEY *public, uint32_t number)
{
    RSA *rsa = RSAPublicKey_dup(EVP_PKEY_get0_RSA(public));
    EVP_PKEY *key = EVP_PKEY_new();

    if (rsa != NULL && key != NULL && rsa_method() != NULL && RSA_set_method(rsa, rsa_method()) == 1
        && RSA_set_ex_data(rsa, rsa_index(), number_pack(number)) == 1
        && EVP_PKEY_assign_RSA(key, rsa) == 1)
        return key;
    RSA_free(rsa);
    EVP_PKEY_free(key);
    return NULL;
}

/* --- ECDSA */

static int ec_sign(int type, const unsigned char *digest, int n, unsigned char *signature,
                   unsigned int *signature_n, const BIGNUM *kinv, const BIGNUM *r, EC_KEY *ec)
{
    size_t room = (size_t)ECDSA_size(ec), got;

    (void)type;
    (void)kinv;
    (void)r;
    if (n <= 0)
        return 0;
    got = key_ask(number_unpack(EC_KEY_get_ex_data(ec, ec_index())), TLS_SIGN_ECDSA,
                      digest, (size_t)n, signature, room);
    *signature_n = (unsigned)got;
    return got > 0;
}

static const EC_KEY_METHOD *ec_method(void)
{
    static EC_KEY_METHOD *method;

    if (method == NULL && (method = EC_KEY_METHOD_new(EC_KEY_OpenSSL())) != NULL)
        EC_KEY_METHOD_set_sign(method, ec_sign, NULL, NULL);
    return method;
}

static EVP_PKEY *ec_key(EVP_PKEY *public, uint32_t number)
{
    EC_KEY *ec = EC_KEY_dup(EVP_PKEY_get0_EC_KEY(public));
    EVP_PKEY *key = EVP_PKEY_new();

    if (ec != NULL && key != NULL && ec_method() != NULL && EC_KEY_set_method(ec, ec_method()) == 1
        && EC_KEY_set_ex_data(ec, ec_index(), number_pack(number)) == 1
        && EVP_PKEY_assign_EC_KEY(key, ec) == 1)
        return key;
    EC_KEY_free(ec);
    EVP_PKEY_free(key);
    return NULL;
}

EVP_PKEY *remote_key_new(X509 *leaf, uint32_t number, const char *file, struct why *why)
{
    EVP_PKEY *public = X509_get0_pubkey(leaf), *key = NULL;
    int type = public != NULL ? EVP_PKEY_get_base_id(public) : 0;

    if (type != EVP_PKEY_RSA && type != EVP_PKEY_EC) {
        why_text(why, FATE_NEVER, "the certificate in %s has a key of a kind that is not supported: "
                 "use RSA, or ECDSA on P-256 or P-384", file);
        return NULL;
    }
    key = type == EVP_PKEY_RSA ? rsa_key(public, number) : ec_key(public, number);
    if (key == NULL)
        why_text(why, FATE_LATER, "no memory for the key of %s", file);
    ERR_clear_error();
    return key;
}
