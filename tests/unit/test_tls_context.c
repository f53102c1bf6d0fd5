/* test_tls_context.c - certificates as files have them, right and wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include "certificates.h"
#include "tls/context.h"
#include "tls/signer.h"

static struct made rsa, p256, expired, small, ed, other, soon, future, root, leaf;

static int setup(void **state)
{
    (void)state;
    rsa = make("rsa2048", "mx.test", "DNS:mx.test", -1, 90, NULL);
    p256 = make("p256", "mx.test", "DNS:mx.test,DNS:*.wild.test", -1, 90, NULL);
    expired = make("p256", "mx.test", "DNS:mx.test", -90, -1, NULL);
    small = make("rsa1024", "mx.test", "DNS:mx.test", -1, 90, NULL);
    ed = make("ed25519", "mx.test", "DNS:mx.test", -1, 90, NULL);
    other = make("p256", "other.test", "DNS:other.test", -1, 90, NULL);
    soon = make("p256", "mx.test", "DNS:mx.test", -80, 3, NULL);
    future = make("p256", "mx.test", "DNS:mx.test", 2, 90, NULL);
    root = make("p256", "Root", NULL, -1, 90, NULL);
    leaf = make("p256", "mx.test", "DNS:mx.test", -1, 90, &root);
    return 0;
}

static int teardown(void **state)
{
    struct made *all[] = { &rsa, &p256, &expired, &small, &ed, &other, &soon, &future, &root, &leaf };

    (void)state;
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        made_free(all[i]);
    return 0;
}

static struct tls_certificate cert_of(const char *name, const char *pem)
{
    return (struct tls_certificate){ .name = slice_cstr(name), .chain = slice_cstr(pem),
                                     .file = "/etc/ssl/mx.pem", .key = 1 };
}

static void has(const char *text, const char *words)
{
    if (strstr(text, words) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", text, words);
}

static void a_good_certificate_is_taken_without_a_word(void **state)
{
    struct tls_server *t = tls_server_new(SLICE_LIT("mx"), NULL);
    struct tls_certificate c = cert_of("mx.test", rsa.cert_pem);
    struct why why = { .text = "x" };

    (void)state;
    assert_true(tls_server_add(t, &c, &why));
    assert_string_equal(why.text, "");
    assert_int_equal(tls_server_count(t), 1);
    tls_server_free(t);
    tls_server_free(NULL);
}

static void the_text_names_file_and_remedy(void **state)
{
    char *cut = strndup(rsa.cert_pem, strlen(rsa.cert_pem) / 2), *two, *bad;
    struct { const char *pem, *words; } rows[] = {
        { "", "is empty" },
        { "nonsense", "has no certificate" },
        { rsa.key_pem, "exchanged" },
        { cut, "damaged" },
        { NULL, "certificate 2 in /etc/ssl/mx.pem is damaged" },
        { NULL, "certificate 2 in /etc/ssl/mx.pem is damaged" },
        { ed.cert_pem, "use RSA, or ECDSA" },
        { small.cert_pem, "too small" },
    };

    (void)state;
    assert_true(asprintf(&two, "%s%s", p256.cert_pem, cut) > 0);
    assert_true(asprintf(&bad, "%s-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
                         p256.cert_pem) > 0);
    rows[4].pem = two;
    rows[5].pem = bad;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct tls_server *t = tls_server_new(SLICE_LIT("mx"), NULL);
        struct tls_certificate c = cert_of("mx.test", rows[i].pem);
        struct why why = { 0 };

        assert_false(tls_server_add(t, &c, &why));
        has(why.text, rows[i].words);
        has(why.text, "/etc/ssl/mx.pem");
        assert_int_equal(tls_server_count(t), 0);
        tls_server_free(t);
    }
    free(cut);
    free(two);
    free(bad);
}

static void what_a_person_should_know_is_said_and_the_certificate_used(void **state)
{
    const struct { const char *name, *pem, *words; } rows[] = {
        { "mx.test",    expired.cert_pem, "has expired on" },
        { "mx.test",    soon.cert_pem,    "expires on" },
        { "mx.test",    future.cert_pem,  "not valid before" },
        { "mx.test",    other.cert_pem,   "not made for the name mx.test" },
        { "a.wild.test", p256.cert_pem,   "" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct tls_server *t = tls_server_new(SLICE_LIT("mx"), NULL);
        struct tls_certificate c = cert_of(rows[i].name, rows[i].pem);
        struct why why = { 0 };

        assert_true(tls_server_add(t, &c, &why));
        has(why.text, rows[i].words);
        assert_true(rows[i].words[0] != '\0' || why.text[0] == '\0');
        tls_server_free(t);
    }
}

static void rsa_and_ecdsa_of_one_name_are_both_kept_and_a_third_is_refused(void **state)
{
    struct tls_server *t = tls_server_new(SLICE_LIT("mx"), NULL);
    struct tls_certificate c = cert_of("mx.test", rsa.cert_pem);
    struct why why;

    (void)state;
    assert_true(tls_server_add(t, &c, &why));
    c = cert_of("MX.test", p256.cert_pem);
    assert_true(tls_server_add(t, &c, &why));
    assert_int_equal(tls_server_count(t), 1);
    c = cert_of("mx.test", other.cert_pem);
    assert_false(tls_server_add(t, &c, &why));
    has(why.text, "two certificates for mx.test");
    c = cert_of("other.test", other.cert_pem);
    assert_true(tls_server_add(t, &c, &why));
    assert_int_equal(tls_server_count(t), 2);
    tls_server_free(tls_server_ref(t));
    assert_int_equal(tls_server_count(t), 2);
    tls_server_free(t);
}

static void a_local_key_must_fit(void **state)
{
    struct tls_server *t = tls_server_new(SLICE_LIT("mx"), NULL);
    struct tls_certificate c = cert_of("mx.test", p256.cert_pem);
    struct why why;

    (void)state;
    assert_false(tls_server_add_local(t, &c, slice_cstr(other.key_pem), "/etc/ssl/mx.key", &why));
    has(why.text, "/etc/ssl/mx.key is not that of the first certificate in /etc/ssl/mx.pem");
    assert_true(tls_server_add_local(t, &c, slice_cstr(p256.key_pem), "/etc/ssl/mx.key", &why));
    tls_server_free(t);
}

static void a_client_trusts_whom_it_is_told(void **state)
{
    struct why why = { 0 };
    struct tls_client *t = tls_client_new(slice_cstr(root.cert_pem), "/etc/ssl/ca.pem", &why);

    (void)state;
    assert_non_null(t);
    tls_client_free(t);
    assert_null(tls_client_new(SLICE_LIT("nobody"), "/etc/ssl/ca.pem", &why));
    has(why.text, "/etc/ssl/ca.pem has no certificate");
}

/* --- the vault's side */

static void the_vault_refuses_keys_with_words(void **state)
{
    struct { char *pem; const char *words; } rows[] = {
        { strdup(""), "is empty" },
        { strdup("nonsense"), "has no private key" },
        { strdup(rsa.cert_pem), "exchanged" },
        { strndup(rsa.key_pem, 200), "damaged" },
        { strdup(ed.key_pem), "use RSA, or ECDSA" },
        { strdup(small.key_pem), "has 1024 bits" },
        { NULL, "is encrypted" },
    };
    BIO *bio = BIO_new(BIO_s_mem());
    struct why why;

    (void)state;
    PEM_write_bio_PrivateKey(bio, p256.key, EVP_aes_128_cbc(), (const unsigned char *)"secret", 6,
                             NULL, NULL);
    rows[6].pem = bio_text(bio);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_null(signer_new(slice_cstr(rows[i].pem), "/etc/ssl/mx.key", &why));
        has(why.text, rows[i].words);
        has(why.text, "/etc/ssl/mx.key");
        free(rows[i].pem);
    }
    signer_free(NULL);
}

static void the_vault_knows_which_key_fits(void **state)
{
    struct why why;
    struct signer *k = signer_new(slice_cstr(p256.key_pem), "mx.key", &why);

    (void)state;
    assert_non_null(k);
    assert_true(signer_fits(k, "mx.key", slice_cstr(p256.cert_pem), "mx.pem", &why));
    assert_false(signer_fits(k, "mx.key", slice_cstr(rsa.cert_pem), "mx.pem", &why));
    has(why.text, "mx.key is not that");
    assert_false(signer_fits(k, "mx.key", SLICE_LIT("x"), "mx.pem", &why));
    has(why.text, "mx.pem has no certificate");
    signer_free(k);
}

/* pss - a block as a handshake would send it: padded, not yet signed */

static void pss(char block[256], const EVP_MD *md)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(rsa.key, NULL);
    unsigned char digest[64], signature[256];
    size_t n = sizeof signature;

    memset(digest, 7, sizeof digest);
    EVP_PKEY_sign_init(ctx);
    EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PSS_PADDING);
    EVP_PKEY_CTX_set_signature_md(ctx, md);
    EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, RSA_PSS_SALTLEN_DIGEST);
    assert_int_equal(EVP_PKEY_sign(ctx, signature, &n, digest, (size_t)EVP_MD_get_size(md)), 1);
    EVP_PKEY_CTX_free(ctx);
    ctx = EVP_PKEY_CTX_new(rsa.key, NULL);
    EVP_PKEY_encrypt_init(ctx);
    EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_NO_PADDING);
    n = 256;
    assert_int_equal(EVP_PKEY_encrypt(ctx, (unsigned char *)block, &n, signature, 256), 1);
    EVP_PKEY_CTX_free(ctx);
}

static void the_vault_signs_what_handshakes_sign_and_nothing_else(void **state)     /* A207 */
{
    static const char info[] = "\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20"
                               "0123456789abcdef0123456789abcdef";
    char block[256], out[TLS_SIGN_MAX];
    struct why why;
    struct signer *r = signer_new(slice_cstr(rsa.key_pem), "mx.key", &why);
    struct signer *e = signer_new(slice_cstr(p256.key_pem), "mx.key", &why);
    struct slice digest = SLICE_LIT("0123456789abcdef0123456789abcdef");
    struct slice good = { info, sizeof info - 1 };
    const EVP_MD *mds[] = { EVP_sha256(), EVP_sha384(), EVP_sha512() };

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        pss(block, mds[i]);
        assert_int_equal(signer_sign(r, TLS_SIGN_RSA_RAW, slice_of(block, 256), out, &why), 256);
        block[100] ^= 1;
        assert_int_equal(signer_sign(r, TLS_SIGN_RSA_RAW, slice_of(block, 256), out, &why), 0);
    }
    pss(block, EVP_sha1());
    assert_int_equal(signer_sign(r, TLS_SIGN_RSA_RAW, slice_of(block, 256), out, &why), 0);
    memset(block, 0x42, sizeof block);                  /* somebody's ciphertext */
    assert_int_equal(signer_sign(r, TLS_SIGN_RSA_RAW, slice_of(block, 256), out, &why), 0);
    has(why.text, "not what a TLS handshake signs");
    assert_int_equal(signer_sign(r, TLS_SIGN_RSA_RAW, slice_of(block, 0), out, &why), 0);
    assert_int_equal(signer_sign(r, TLS_SIGN_RSA_PKCS1, good, out, &why), 256);
    assert_int_equal(signer_sign(r, TLS_SIGN_RSA_PKCS1, slice_first(good, 50), out, &why), 0);
    assert_int_equal(signer_sign(r, TLS_SIGN_RSA_PKCS1, digest, out, &why), 0);
    assert_int_equal(signer_sign(r, TLS_SIGN_ECDSA, digest, out, &why), 0);
    has(why.text, "does not make signatures of kind 3");
    assert_true(signer_sign(e, TLS_SIGN_ECDSA, digest, out, &why) > 64);
    assert_int_equal(signer_sign(e, TLS_SIGN_ECDSA, slice_first(digest, 20), out, &why), 0);
    assert_int_equal(signer_sign(e, TLS_SIGN_RSA_PKCS1, good, out, &why), 0);
    assert_int_equal(signer_sign(e, (enum tls_sign_kind)77, good, out, &why), 0);
    assert_int_equal(signer_sign(e, (enum tls_sign_kind)0, good, out, &why), 0);
    signer_free(r);
    signer_free(e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_certificate_is_taken_without_a_word),
        cmocka_unit_test(the_text_names_file_and_remedy),
        cmocka_unit_test(what_a_person_should_know_is_said_and_the_certificate_used),
        cmocka_unit_test(rsa_and_ecdsa_of_one_name_are_both_kept_and_a_third_is_refused),
        cmocka_unit_test(a_local_key_must_fit),
        cmocka_unit_test(a_client_trusts_whom_it_is_told),
        cmocka_unit_test(the_vault_refuses_keys_with_words),
        cmocka_unit_test(the_vault_knows_which_key_fits),
        cmocka_unit_test(the_vault_signs_what_handshakes_sign_and_nothing_else),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
