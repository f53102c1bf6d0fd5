/* peer.c - certificates as text. The caller cleans what he prints: it came from outside. */
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include "tls/inside.h"
#include "tls/peer.h"

static void name_text(const X509_NAME *name, char text[PEER_TEXT])
{
    BIO *bio = BIO_new(BIO_s_mem());
    int n = 0;

    if (bio != NULL && X509_NAME_print_ex(bio, name, 0, XN_FLAG_ONELINE & ~ASN1_STRFLGS_ESC_MSB) >= 0)
        n = BIO_read(bio, text, PEER_TEXT - 1);
    text[n > 0 ? n : 0] = '\0';
    BIO_free(bio);
}

static void names_text(const X509 *x, char text[PEER_NAMES])
{
    GENERAL_NAMES *all = X509_get_ext_d2i(x, NID_subject_alt_name, NULL, NULL);
    size_t n = 0;

    text[0] = '\0';
    for (int i = 0; i < sk_GENERAL_NAME_num(all); i++) {
        const GENERAL_NAME *g = sk_GENERAL_NAME_value(all, i);
        const ASN1_STRING *s = g->type == GEN_DNS ? g->d.dNSName : NULL;
        int len = s != NULL ? ASN1_STRING_length(s) : 0;

        if (len <= 0 || n + (size_t)len + 2 > PEER_NAMES)
            continue;
        n += (size_t)snprintf(text + n, PEER_NAMES - n, "%s%.*s", n > 0 ? " " : "", len,
                              (const char *)ASN1_STRING_get0_data(s));
        if (n >= PEER_NAMES)
            break;
    }
    GENERAL_NAMES_free(all);
}

static int64_t time_ms(const ASN1_TIME *t)
{
    struct tm tm;

    return ASN1_TIME_to_tm(t, &tm) == 1 ? (int64_t)timegm(&tm) * 1000 : 0;
}

static void digest_text(const X509 *x, char text[65])
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned n = 0;

    text[0] = '\0';
    if (X509_digest(x, EVP_sha256(), digest, &n) != 1 || n != 32)
        return;
    for (unsigned i = 0; i < n; i++)
        snprintf(text + 2 * i, 3, "%02x", digest[i]);
}

static void describe(X509 *x, struct peer_certificate *c)
{
    EVP_PKEY *key = X509_get0_pubkey(x);
    const char *kind = key != NULL ? EVP_PKEY_get0_type_name(key) : NULL;

    *c = (struct peer_certificate){ .begins = time_ms(X509_get0_notBefore(x)),
                                    .ends = time_ms(X509_get0_notAfter(x)) };
    name_text(X509_get_subject_name(x), c->subject);
    name_text(X509_get_issuer_name(x), c->issuer);
    names_text(x, c->names);
    digest_text(x, c->sha256);
    snprintf(c->key, sizeof c->key, "%.30s %d bits", kind != NULL ? kind : "unknown",
             key != NULL ? EVP_PKEY_get_bits(key) : 0);
    snprintf(c->signature, sizeof c->signature, "%.60s", OBJ_nid2ln(X509_get_signature_nid(x)));
}

bool peer_certificate(const struct tls_session *t, unsigned i, struct peer_certificate *c)
{
    const SSL *ssl = session_ssl(t);
    STACK_OF(X509) *chain = SSL_get_peer_cert_chain(ssl);

    if (chain == NULL || i >= (unsigned)sk_X509_num(chain))
        return false;
    describe(sk_X509_value(chain, (int)i), c);
    return true;
}
