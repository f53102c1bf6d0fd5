/* certificate.c - PEM files as a person made them, with words for what is wrong in them. */
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include "tls/inside.h"

enum {
    PEM_MAX    = 1 << 20,
    CHAIN_MAX  = 1000,          /* a bundle of authorities has some 150 */
    SOON_DAYS  = 7,
    NAME_BYTES = 254,
};

/* The library would otherwise ask for the password on the terminal. */

static int no_password(char *out, int size, int writing, void *user)
{
    (void)out;
    (void)size;
    (void)writing;
    (void)user;
    return -1;
}

static bool pem_has(struct slice pem, const char *word)
{
    return memmem(pem.p, pem.n, word, strlen(word)) != NULL;
}

static BIO *pem_open(struct slice pem, const char *file, struct why *why)
{
    BIO *bio = NULL;

    ERR_clear_error();
    if (pem.n == 0)
        why_text(why, FATE_NEVER, "%s is empty", file);
    else if (pem.n > PEM_MAX)
        why_text(why, FATE_NEVER, "%s is longer than a PEM file can be", file);
    else if ((bio = BIO_new_mem_buf(pem.p, (int)pem.n)) == NULL)
        why_text(why, FATE_LATER, "no memory to read %s", file);
    return bio;
}

static bool no_certificate(struct slice pem, const char *file, struct why *why)
{
    if (pem_has(pem, "PRIVATE KEY-----") && !pem_has(pem, "BEGIN CERTIFICATE-----"))
        return why_text(why, FATE_NEVER,
                        "%s holds a private key and no certificate: are certificate and key exchanged?",
                        file);
    if (pem_has(pem, "BEGIN CERTIFICATE-----"))
        return why_text(why, FATE_NEVER, "the first certificate in %s is damaged: copy it again", file);
    return why_text(why, FATE_NEVER,
                    "%s has no certificate: it must have -----BEGIN CERTIFICATE----- (PEM)", file);
}

/* chain_rest - the certificates after the first, up to the end of the file */

static bool chain_rest(struct chain *c, BIO *bio, const char *file, struct why *why)
{
    X509 *next;

    while ((next = PEM_read_bio_X509(bio, NULL, no_password, NULL)) != NULL) {
        if (sk_X509_num(c->rest) >= CHAIN_MAX || sk_X509_push(c->rest, next) <= 0) {
            X509_free(next);
            return why_text(why, FATE_NEVER, "%s has too many certificates", file);
        }
    }
    if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
        return why_text(why, FATE_NEVER, "certificate %d in %s is damaged: copy it again",
                        sk_X509_num(c->rest) + 2, file);
    return true;
}

bool chain_read(struct chain *c, struct slice pem, const char *file, struct why *why)
{
    BIO *bio = pem_open(pem, file, why);
    bool fine = false;

    *c = (struct chain){ 0 };
    if (bio == NULL)
        return false;
    c->leaf = PEM_read_bio_X509_AUX(bio, NULL, no_password, NULL);
    c->rest = sk_X509_new_null();
    if (c->leaf == NULL || c->rest == NULL)
        no_certificate(pem, file, why);
    else
        fine = chain_rest(c, bio, file, why);
    BIO_free(bio);
    ERR_clear_error();
    if (!fine)
        chain_free(c);
    return fine;
}

void chain_free(struct chain *c)
{
    X509_free(c->leaf);
    sk_X509_pop_free(c->rest, X509_free);
    *c = (struct chain){ 0 };
}

/* --- warnings */

static void date_text(const ASN1_TIME *when, char text[11])
{
    struct tm tm;

    if (ASN1_TIME_to_tm(when, &tm) != 1 || strftime(text, 11, "%Y-%m-%d", &tm) == 0)
        strcpy(text, "?");
}

static void warn_dates(const X509 *leaf, const char *file, struct why *why)
{
    time_t soon = time(NULL) + SOON_DAYS * 86400;
    char date[11];

    date_text(X509_get0_notAfter(leaf), date);
    if (X509_cmp_current_time(X509_get0_notAfter(leaf)) <= 0)
        why_text(why, FATE_DONE, "the certificate in %s has expired on %s: renew it", file, date);
    else if (X509_cmp_time(X509_get0_notAfter(leaf), &soon) <= 0)
        why_text(why, FATE_DONE, "the certificate in %s expires on %s: renew it", file, date);
    date_text(X509_get0_notBefore(leaf), date);
    if (X509_cmp_current_time(X509_get0_notBefore(leaf)) > 0)
        why_text(why, FATE_DONE, "the certificate in %s is not valid before %s: is the clock right?",
                 file, date);
}

void chain_warn(const struct chain *c, struct slice name, const char *file, struct why *why)
{
    *why = (struct why){ .fate = FATE_DONE };
    if (name.n > 0 && name.n <= NAME_BYTES
        && X509_check_host(c->leaf, name.p, name.n, 0, NULL) != 1)
        why_text(why, FATE_DONE, "the certificate in %s is not made for the name %.*s",
                 file, SLICE(name));
    warn_dates(c->leaf, file, why);
    ERR_clear_error();
}

/* --- private keys */

static bool no_key(struct slice pem, const char *file, struct why *why)
{
    if (pem_has(pem, "ENCRYPTED"))
        return why_text(why, FATE_NEVER, "the private key in %s is encrypted, and nobody is there to give "
                        "a password: store it without one (openssl pkey -in ... -out ...)", file);
    if (pem_has(pem, "PRIVATE KEY-----"))
        return why_text(why, FATE_NEVER, "the private key in %s is damaged: copy it again", file);
    if (pem_has(pem, "BEGIN CERTIFICATE-----"))
        return why_text(why, FATE_NEVER, "%s holds a certificate and no private key: "
                        "are certificate and key exchanged?", file);
    return why_text(why, FATE_NEVER,
                    "%s has no private key: it must have -----BEGIN PRIVATE KEY----- (PEM)", file);
}

EVP_PKEY *private_key_read(struct slice pem, const char *file, struct why *why)
{
    BIO *bio = pem_open(pem, file, why);
    EVP_PKEY *key;

    if (bio == NULL)
        return NULL;
    key = PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL);
    if (key == NULL)
        no_key(pem, file, why);
    BIO_free(bio);
    ERR_clear_error();
    return key;
}

bool key_fits(X509 *leaf, EVP_PKEY *key, const char *key_file, const char *chain_file,
              struct why *why)
{
    bool fits = X509_check_private_key(leaf, key) == 1;

    ERR_clear_error();
    if (!fits)
        why_text(why, FATE_NEVER, "the private key in %s is not that of the first certificate in %s: "
                 "our own certificate must stand first", key_file, chain_file);
    return fits;
}
