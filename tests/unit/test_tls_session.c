/* test_tls_session.c - the server's end against clients of every kind, without a wire.
 *
 * The client is OpenSSL as it comes, told to want what a test asks for.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include "certificates.h"
#include "tls/session.h"
#include "tls/signer.h"

static struct made rsa, p256;
static struct signer *signers[2];
static unsigned asked, kinds;
static struct tls_server *rsa_server, *both_server;

static void sign(void *ctx, struct tls_sign *op)
{
    char out[TLS_SIGN_MAX];
    struct why why = { 0 };
    size_t n = signer_sign(signers[op->key], op->kind, slice_of(op->bytes, op->n), out, &why);

    (void)ctx;
    assert_string_equal(why.text, "");
    asked++;
    kinds |= 1u << op->kind;
    tls_signed(op, slice_of(out, n));
}

static const struct tls_keys keys = { sign, NULL };

/* --- a client that does what it is told */

struct client {
    SSL_CTX *ctx;
    SSL     *ssl;
    BIO     *in, *out;
};

static struct tls_session *session;
static struct buf wire;         /* what the session wants to send */
static struct client client;

static void client_new(int least, int most, const char *ciphers, const char *algorithms)
{
    client.ctx = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_security_level(client.ctx, 0);
    SSL_CTX_set_min_proto_version(client.ctx, least);
    SSL_CTX_set_max_proto_version(client.ctx, most);
    if (ciphers != NULL)
        assert_int_equal(SSL_CTX_set_cipher_list(client.ctx, ciphers), 1);
    if (algorithms != NULL)
        assert_int_equal(SSL_CTX_set1_sigalgs_list(client.ctx, algorithms), 1);
}

static void connect_to(struct tls_server *t, SSL_SESSION *again)
{
    client.ssl = SSL_new(client.ctx);
    client.in = BIO_new(BIO_s_mem());
    client.out = BIO_new(BIO_s_mem());
    SSL_set_bio(client.ssl, client.in, client.out);
    SSL_set_connect_state(client.ssl);
    if (again != NULL)
        SSL_set_session(client.ssl, again);
    asked = kinds = 0;
    wire = BUF(68 << 10);
    session = tls_session_server(t, NULL, NULL);
    assert_non_null(session);
}

static void disconnect(void)
{
    tls_session_free(session);
    SSL_free(client.ssl);
    buf_free(&wire);
}

static void client_free(void)
{
    SSL_CTX_free(client.ctx);
    ERR_clear_error();
}

/* carry - what either has to say to the other, once; true: there was something. Plain
 * text that the server gets is put at p. */

static size_t got;

static bool carry(char *p, size_t n)
{
    char *said = NULL;
    long length = BIO_get_mem_data(client.out, &said);
    struct slice in = { said, (size_t)length };

    tls_session_wire(session, &in, &wire);
    if (tls_session_state(session) == TLS_OPEN)
        got = tls_read(session, p, n);
    else
        tls_handshake(session);
    (void)BIO_reset(client.out);
    if (wire.n > 0)
        BIO_write(client.in, buf_view(&wire).p, (int)wire.n);
    buf_clear(&wire);
    return length > 0;
}

static bool shake(void)
{
    char none[16];

    for (int i = 0; i < 10; i++) {
        ERR_clear_error();
        SSL_do_handshake(client.ssl);
        carry(none, sizeof none);
    }
    return SSL_is_init_finished(client.ssl) && tls_session_state(session) == TLS_OPEN;
}

/* --- what is agreed and what is not */

static void versions_and_ciphers(void **state)     /* A105 */
{
    enum { PSS = 1 << TLS_SIGN_RSA_RAW, PKCS1 = 1 << TLS_SIGN_RSA_PKCS1, ECDSA = 1 << TLS_SIGN_ECDSA };
    static const struct {
        const char *what;
        int least, most;
        const char *ciphers, *algorithms;
        bool both;
        unsigned kinds;             /* 0: refused */
    } rows[] = {
        { "TLS 1.3",             TLS1_3_VERSION, TLS1_3_VERSION, NULL, NULL, false, PSS },
        { "1.3, two keys",       TLS1_3_VERSION, TLS1_3_VERSION, NULL, NULL, true, ECDSA },
        { "1.3, RSA of two",     TLS1_3_VERSION, TLS1_3_VERSION, NULL, "RSA-PSS+SHA512", true, PSS },
        { "TLS 1.2",             TLS1_2_VERSION, TLS1_2_VERSION, NULL, NULL, false, PSS },
        { "1.2, two keys",       TLS1_2_VERSION, TLS1_2_VERSION, NULL, NULL, true, ECDSA },
        { "1.2, PKCS #1",        TLS1_2_VERSION, TLS1_2_VERSION, NULL, "RSA+SHA256", false, PKCS1 },
        { "1.2, PKCS #1 SHA384", TLS1_2_VERSION, TLS1_2_VERSION, NULL, "RSA+SHA384", false, PKCS1 },
        { "1.2, CBC",            TLS1_2_VERSION, TLS1_2_VERSION, "ECDHE-RSA-AES128-SHA", NULL, false, PSS },
        { "1.2, DHE",            TLS1_2_VERSION, TLS1_2_VERSION, "DHE-RSA-AES128-GCM-SHA256", NULL, false, PSS },
        { "1.2, SHA1",           TLS1_2_VERSION, TLS1_2_VERSION, NULL, "RSA+SHA1", false, 0 },
        { "1.2, RSA exchange",   TLS1_2_VERSION, TLS1_2_VERSION, "AES128-GCM-SHA256", NULL, false, 0 },
        { "1.2, no encryption",  TLS1_2_VERSION, TLS1_2_VERSION, "NULL-SHA256", NULL, false, 0 },
        { "1.2, anonymous",      TLS1_2_VERSION, TLS1_2_VERSION, "ADH-AES128-GCM-SHA256", NULL, false, 0 },
        { "TLS 1.1",             TLS1_1_VERSION, TLS1_1_VERSION, NULL, NULL, false, 0 },
        { "TLS 1.0",             TLS1_VERSION,   TLS1_VERSION,   NULL, NULL, false, 0 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        bool open;

        client_new(rows[i].least, rows[i].most, rows[i].ciphers, rows[i].algorithms);
        connect_to(rows[i].both ? both_server : rsa_server, NULL);
        open = shake();
        if (open != (rows[i].kinds != 0) || kinds != rows[i].kinds)
            fail_msg("%s: open %d, signatures %#x, \"%s\"", rows[i].what, open, kinds,
                     tls_session_error(session));
        if (!open) {
            assert_int_equal(tls_session_state(session), TLS_FAILED);
            assert_true(strlen(tls_session_error(session)) > 15);
        }
        disconnect();
        client_free();
    }
}

static void a_session_is_resumed_without_a_signature(void **state)
{
    static const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };
    struct tls_info info;

    (void)state;
    for (size_t i = 0; i < sizeof versions / sizeof versions[0]; i++) {
        SSL_SESSION *again;
        char c;

        client_new(versions[i], versions[i], NULL, NULL);
        connect_to(rsa_server, NULL);
        assert_true(shake());
        SSL_read(client.ssl, &c, 1);            /* the ticket of TLS 1.3 comes late */
        again = SSL_get1_session(client.ssl);
        SSL_set_shutdown(client.ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
        disconnect();
        connect_to(rsa_server, again);
        assert_true(shake());
        assert_int_equal(asked, 0);
        assert_true(tls_session_info(session, &info));
        assert_true(info.resumed);
        disconnect();
        connect_to(both_server, again);         /* another service: A108 */
        assert_true(shake());
        assert_int_equal(asked, 1);
        SSL_SESSION_free(again);
        disconnect();
        client_free();
    }
}

static void nobody_begins_a_handshake_anew(void **state)
{
    char text[16];

    (void)state;
    client_new(TLS1_2_VERSION, TLS1_2_VERSION, NULL, NULL);
    connect_to(rsa_server, NULL);
    assert_true(shake());
    assert_int_equal(asked, 1);
    SSL_renegotiate(client.ssl);
    for (int i = 0; i < 5; i++) {
        SSL_do_handshake(client.ssl);
        carry(text, sizeof text);
    }
    assert_int_equal(asked, 1);
    disconnect();
    client_free();
}

static void who_makes_us_answer_and_does_not_listen_is_cut_off(void **state)
{
    char text[16];
    int rounds = 0;

    (void)state;
    client_new(TLS1_3_VERSION, TLS1_3_VERSION, NULL, NULL);
    connect_to(rsa_server, NULL);
    assert_true(shake());
    wire.max = 2000;
    while (tls_session_state(session) == TLS_OPEN && rounds++ < 1000) {
        char *said = NULL;
        struct slice in;

        SSL_key_update(client.ssl, SSL_KEY_UPDATE_REQUESTED);
        SSL_write(client.ssl, "x", 1);
        in = slice_of(said, (size_t)BIO_get_mem_data(client.out, &said));
        in.p = said;
        tls_session_wire(session, &in, &wire);
        tls_read(session, text, sizeof text);
        (void)BIO_reset(client.out);
    }
    assert_int_equal(tls_session_state(session), TLS_FAILED);
    assert_non_null(strstr(tls_session_error(session), "does not take our answers"));
    assert_true(wire.n <= 2000);
    disconnect();
    client_free();
}

static void what_has_no_room_is_written_later(void **state)
{
    static char big[100000], back[100000];
    struct slice none = { 0 }, rest = { big, sizeof big };
    size_t all = 0;

    (void)state;
    memset(big, 'b', sizeof big);
    client_new(TLS1_3_VERSION, TLS1_3_VERSION, NULL, NULL);
    connect_to(rsa_server, NULL);
    assert_true(shake());
    wire.max = 20000;
    for (int i = 0; i < 1000 && all < sizeof big; i++) {
        int n;

        tls_session_wire(session, &none, &wire);
        rest = slice_from(rest, tls_write(session, rest));
        assert_true(wire.n <= 20000);
        if (wire.n > 0)
            BIO_write(client.in, buf_view(&wire).p, (int)wire.n);
        buf_clear(&wire);
        while ((n = SSL_read(client.ssl, back + all, (int)(sizeof back - all))) > 0)
            all += (size_t)n;
    }
    assert_int_equal(all, sizeof big);
    assert_memory_equal(back, big, sizeof big);
    tls_goodbye(session);
    tls_goodbye(session);
    assert_int_equal(tls_write(session, SLICE_LIT("more")), 0);
    disconnect();
    client_free();
}

static void any_octets_at_all_only_fail(void **state)
{
    uint32_t seed = 12345;

    (void)state;
    for (int round = 0; round < 300; round++) {
        char junk[200];
        struct slice in = { junk, sizeof junk };

        client_new(TLS1_2_VERSION, TLS1_3_VERSION, NULL, NULL);
        connect_to(rsa_server, NULL);
        SSL_do_handshake(client.ssl);
        BIO_read(client.out, junk, sizeof junk);        /* a hello, with changes */
        for (int i = 0; i < 1 + round % 20; i++) {
            seed = seed * 1664525 + 1013904223;
            junk[(seed >> 8) % sizeof junk] = (char)(seed >> 24);
        }
        tls_session_wire(session, &in, &wire);
        tls_handshake(session);
        tls_cut(session);
        assert_int_equal(tls_session_state(session), TLS_FAILED);
        disconnect();
        client_free();
    }
}

static void add(struct tls_server *t, const struct made *m, uint32_t key)
{
    struct tls_certificate c = { SLICE_LIT("mx.test"), slice_cstr(m->cert_pem), "mx.pem", key };
    struct why why;

    assert_true(tls_server_add(t, &c, &why));
}

static int group_setup(void **state)
{
    struct why why;

    (void)state;
    rsa = make("rsa2048", "mx.test", "DNS:mx.test", -1, 90, NULL);
    p256 = make("p256", "mx.test", "DNS:mx.test", -1, 90, NULL);
    signers[0] = signer_new(slice_cstr(rsa.key_pem), "rsa.key", &why);
    signers[1] = signer_new(slice_cstr(p256.key_pem), "p256.key", &why);
    rsa_server = tls_server_new(SLICE_LIT("one"), &keys);
    both_server = tls_server_new(SLICE_LIT("two"), &keys);
    add(rsa_server, &rsa, 0);
    add(both_server, &rsa, 0);
    add(both_server, &p256, 1);
    return 0;
}

static int group_teardown(void **state)
{
    (void)state;
    tls_server_free(rsa_server);
    tls_server_free(both_server);
    signer_free(signers[0]);
    signer_free(signers[1]);
    made_free(&rsa);
    made_free(&p256);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(versions_and_ciphers),
        cmocka_unit_test(a_session_is_resumed_without_a_signature),
        cmocka_unit_test(nobody_begins_a_handshake_anew),
        cmocka_unit_test(who_makes_us_answer_and_does_not_listen_is_cut_off),
        cmocka_unit_test(what_has_no_room_is_written_later),
        cmocka_unit_test(any_octets_at_all_only_fail),
    };

    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
