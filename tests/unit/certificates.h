/* certificates.h - certificates and keys for tests, made while the test runs. */
#pragma once
#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include "base/slice.h"

enum { DAY = 86400 };

struct made {
    EVP_PKEY *key;
    X509     *cert;
    char     *cert_pem, *key_pem;
};

static inline char *bio_text(BIO *bio)
{
    char *p = NULL, *copy;
    long n = BIO_get_mem_data(bio, &p);

    copy = strndup(p, (size_t)n);
    BIO_free(bio);
    return copy;
}

static inline EVP_PKEY *key_make(const char *kind)
{
    if (strcmp(kind, "p256") == 0)
        return EVP_EC_gen("P-256");
    if (strcmp(kind, "p384") == 0)
        return EVP_EC_gen("P-384");
    if (strcmp(kind, "ed25519") == 0)
        return EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    return EVP_RSA_gen((unsigned)atoi(kind + 3));       /* "rsa2048" */
}

static inline void extension_add(X509 *cert, int nid, const char *value)
{
    X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, NULL, nid, value);

    X509_add_ext(cert, e, -1);
    X509_EXTENSION_free(e);
}

/* make - a certificate with names "DNS:a,DNS:b" (NULL: an authority), valid from
 * and to so many days from now, signed by issuer (NULL: by itself) */

static inline struct made make(const char *kind, const char *common, const char *names,
                               int from, int to, const struct made *issuer)
{
    static long serial = 1000;
    struct made m = { .key = key_make(kind), .cert = X509_new() };
    X509_NAME *name = X509_get_subject_name(m.cert);
    EVP_PKEY *signer = issuer != NULL ? issuer->key : m.key;
    BIO *bio;

    X509_set_version(m.cert, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(m.cert), ++serial);
    X509_gmtime_adj(X509_getm_notBefore(m.cert), (long)from * DAY);
    X509_gmtime_adj(X509_getm_notAfter(m.cert), (long)to * DAY);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)common, -1, -1, 0);
    X509_set_issuer_name(m.cert, issuer != NULL ? X509_get_subject_name(issuer->cert) : name);
    X509_set_pubkey(m.cert, m.key);
    if (names != NULL)
        extension_add(m.cert, NID_subject_alt_name, names);
    else
        extension_add(m.cert, NID_basic_constraints, "critical,CA:TRUE");
    X509_sign(m.cert, signer, EVP_PKEY_get_base_id(signer) == EVP_PKEY_ED25519 ? NULL : EVP_sha256());
    bio = BIO_new(BIO_s_mem());
    PEM_write_bio_X509(bio, m.cert);
    m.cert_pem = bio_text(bio);
    bio = BIO_new(BIO_s_mem());
    PEM_write_bio_PrivateKey(bio, m.key, NULL, NULL, 0, NULL, NULL);
    m.key_pem = bio_text(bio);
    return m;
}

static inline void made_free(struct made *m)
{
    EVP_PKEY_free(m->key);
    X509_free(m->cert);
    free(m->cert_pem);
    free(m->key_pem);
    *m = (struct made){ 0 };
}
