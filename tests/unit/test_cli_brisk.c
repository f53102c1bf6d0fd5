/* test_cli_brisk.c - the load's own client of TLS 1.3, against OpenSSL's server. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include "certificates.h"
#include "cli/brisk.h"

enum { PIECE = 4096 };

static struct made rsa, p256;

static int setup(void **state)
{
    (void)state;
    rsa = make("rsa2048", "mx.test", "DNS:mx.test", -1, 90, NULL);
    p256 = make("p256", "mx.test", "DNS:mx.test", -1, 90, NULL);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    made_free(&rsa);
    made_free(&p256);
    return 0;
}

/* --- a server in memory --------------------------------------------------------------- */

struct pair {
    SSL_CTX      *context;
    SSL          *server;
    struct brisk *client;
    size_t        came;     /* bytes of the server's so far */
    size_t        spoil;    /* which of them comes wrong; SIZE_MAX: none */
    size_t        piece;    /* how many come at a time */
};

static void pair_start(struct pair *p, const char *name)
{
    p->server = SSL_new(p->context);
    SSL_set_bio(p->server, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    SSL_set_accept_state(p->server);
    p->client = brisk_new(name);
    assert_non_null(p->client);
}

static struct pair pair_new(const struct made *certificate)
{
    struct pair p = { .spoil = SIZE_MAX, .piece = PIECE, .context = SSL_CTX_new(TLS_server_method()) };

    assert_int_equal(SSL_CTX_use_cert_and_key(p.context, certificate->cert, certificate->key, NULL, 1), 1);
    return p;
}

static void pair_stop(struct pair *p)
{
    SSL_free(p->server);
    brisk_free(p->client);
    p->came = 0;
}

static void pair_end(struct pair *p)
{
    pair_stop(p);
    SSL_CTX_free(p->context);
}

/* exchange - until neither says anything more */

static bool to_server(struct pair *p)
{
    struct slice out = buf_view(&p->client->out);

    if (out.n == 0)
        return false;
    BIO_write(SSL_get_rbio(p->server), out.p, (int)out.n);
    buf_drop(&p->client->out, out.n);
    return true;
}

static bool to_client(struct pair *p)
{
    char bytes[PIECE];
    int n = BIO_read(SSL_get_wbio(p->server), bytes, (int)p->piece);

    if (n <= 0)
        return false;
    if (p->spoil >= p->came && p->spoil < p->came + (size_t)n)
        bytes[p->spoil - p->came] ^= 1;
    p->came += (size_t)n;
    brisk_take(p->client, slice_of(bytes, (size_t)n));
    return true;
}

static void exchange(struct pair *p)
{
    bool said = true;

    while (said) {
        said = to_server(p);
        SSL_do_handshake(p->server);
        said |= to_client(p);
    }
}

static void says(struct pair *p, const char *words)
{
    struct slice plain = buf_view(&p->client->plain);

    assert_true(slice_eq(plain, slice_cstr(words)));
    buf_drop(&p->client->plain, plain.n);
}

/* --- tests ------------------------------------------------------------------------------- */

static void talk(struct pair *p)
{
    char heard[100];

    pair_start(p, "mx.test");
    exchange(p);
    assert_int_equal(p->client->state, BRISK_OPEN);
    assert_true(SSL_is_init_finished(p->server));
    assert_string_equal(SSL_get_servername(p->server, TLSEXT_NAMETYPE_host_name), "mx.test");
    for (int i = 0; i < 3; i++) {
        assert_true(brisk_seal(p->client, SLICE_LIT("EHLO h\r\n")));
        to_server(p);
        assert_int_equal(SSL_read(p->server, heard, sizeof heard), 8);
        assert_memory_equal(heard, "EHLO h\r\n", 8);
        SSL_write(p->server, "250 mx\r\n", 8);
        exchange(p);
        says(p, "250 mx\r\n");
    }
    SSL_shutdown(p->server);
    exchange(p);
    assert_int_equal(p->client->state, BRISK_ENDED);
    assert_false(brisk_seal(p->client, SLICE_LIT("x")));
}

static void a_handshake_is_whole_with_either_kind_of_key(void **state)
{
    const struct made *keys[] = { &p256, &rsa, &p256 };

    (void)state;
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        struct pair p = pair_new(keys[i]);

        talk(&p);
        pair_stop(&p);
        talk(&p);               /* the certificate is known now */
        pair_end(&p);
    }
}

static void keys_may_be_made_before(void **state)
{
    struct pair p = pair_new(&p256);

    (void)state;
    assert_true(brisk_prepare(2));
    assert_false(brisk_prepare(2));
    for (int i = 0; i < 4; i++) {
        talk(&p);
        pair_stop(&p);
    }
    brisk_forget();
    assert_true(brisk_prepare(3));
    talk(&p);
    brisk_forget();
    pair_end(&p);
}

static void it_does_not_matter_how_the_bytes_are_cut(void **state)
{
    (void)state;
    for (size_t piece = 1; piece < 200; piece += piece < 8 ? 1 : 37) {
        struct pair p = pair_new(&p256);

        p.piece = piece;
        talk(&p);
        pair_end(&p);
    }
}

static void a_long_text_comes_whole_both_ways(void **state)
{
    struct pair p = pair_new(&p256);
    static char text[BRISK_RECORD], heard[BRISK_RECORD];

    (void)state;
    memset(text, 'x', sizeof text);
    pair_start(&p, NULL);
    exchange(&p);
    for (int i = 0; i < 5; i++) {
        assert_true(brisk_seal(p.client, slice_of(text, sizeof text)));
        to_server(&p);
        assert_int_equal(SSL_read(p.server, heard, sizeof heard), sizeof text);
        assert_memory_equal(text, heard, sizeof text);
        assert_int_equal(SSL_write(p.server, text, sizeof text), sizeof text);
        exchange(&p);
        assert_true(slice_eq(buf_view(&p.client->plain), slice_of(text, sizeof text)));
        buf_clear(&p.client->plain);
    }
    pair_end(&p);
}

/* Whichever byte of the server's handshake comes wrong: it is never taken for a good one.
 * The versions of the records' heads are not looked at (RFC 8446 section 5.1), and are part
 * of what is sealed only later. */

static void a_spoilt_byte_never_opens(void **state)
{
    const struct made *keys[] = { &p256, &rsa };
    size_t until;

    (void)state;
    for (size_t k = 0; k < 2; k++) {
        struct pair p = pair_new(keys[k]);

        SSL_CTX_set_num_tickets(p.context, 0);
        SSL_CTX_clear_options(p.context, SSL_OP_ENABLE_MIDDLEBOX_COMPAT);
        pair_start(&p, NULL);
        exchange(&p);
        assert_int_equal(p.client->state, BRISK_OPEN);
        until = p.came;
        pair_stop(&p);
        for (size_t at = 0; at < until; at++) {
            if (at == 1 || at == 2)
                continue;
            p.spoil = at;
            pair_start(&p, NULL);
            exchange(&p);
            if (p.client->state == BRISK_OPEN && at < p.came)      /* signatures vary in length */
                fail_msg("byte %zu of %zu is not looked at", at, until);
            assert_true(p.client->plain.n == 0);
            pair_stop(&p);
        }
        p.server = NULL;
        p.client = NULL;
        pair_end(&p);
    }
}

static void what_is_not_known_is_refused_with_a_word(void **state)
{
    static const struct { const char *groups, *suites; int version; } rows[] = {
        { "P-256",  "TLS_AES_128_GCM_SHA256", TLS1_3_VERSION },
        { "X25519", "TLS_AES_256_GCM_SHA384", TLS1_3_VERSION },
        { "X25519", "TLS_AES_128_GCM_SHA256", TLS1_2_VERSION },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct pair p = pair_new(&p256);

        SSL_CTX_set1_groups_list(p.context, rows[i].groups);
        SSL_CTX_set_ciphersuites(p.context, rows[i].suites);
        SSL_CTX_set_max_proto_version(p.context, rows[i].version);
        pair_start(&p, NULL);
        exchange(&p);
        assert_int_equal(p.client->state, BRISK_FAILED);
        assert_string_equal(p.client->why, "the server sent an alert");
        pair_end(&p);
    }
}

static void asked_for_a_certificate_it_has_none(void **state)
{
    struct pair p = pair_new(&p256);

    (void)state;
    SSL_CTX_set_verify(p.context, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_session_id_context(p.context, (const unsigned char *)"x", 1);
    talk(&p);
    pair_stop(&p);
    SSL_CTX_set_verify(p.context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    pair_start(&p, NULL);
    exchange(&p);
    assert_int_equal(p.client->state, BRISK_FAILED);
    assert_string_equal(p.client->why, "the server sent an alert");
    pair_end(&p);
}

/* refuses - what a new client makes of these bytes */

static void refuses(struct slice bytes, const char *why)
{
    struct brisk *b = brisk_new(NULL);

    brisk_take(b, bytes);
    assert_int_equal(b->state, BRISK_FAILED);
    assert_string_equal(b->why, why);
    brisk_take(b, bytes);
    assert_int_equal(b->plain.n, 0);
    brisk_free(b);
}

static void nonsense_is_refused(void **state)
{
    (void)state;
    refuses(SLICE_LIT("\x17\3\3\0\1x"), "data came before the handshake was over");
    refuses(SLICE_LIT("\x16\3\3\xff\xff"), "a record is too long");
    refuses(SLICE_LIT("\x14\3\3\0\1\2"), "a record of an unknown type came");
    refuses(SLICE_LIT("\x16\3\3\0\4\2\0\0\0"), "the server does not choose TLS 1.3 with TLS_AES_128_GCM_SHA256");
    refuses(SLICE_LIT("\x16\3\3\0\4\x0b\0\0\0"), "the server sends another message than is due");
    refuses(SLICE_LIT("\x15\3\3\0\2\2\x28"), "the server sent an alert");
    refuses(SLICE_LIT("\x18\3\3\0\0"), "a record of an unknown type came");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_handshake_is_whole_with_either_kind_of_key),
        cmocka_unit_test(keys_may_be_made_before),
        cmocka_unit_test(it_does_not_matter_how_the_bytes_are_cut),
        cmocka_unit_test(a_long_text_comes_whole_both_ways),
        cmocka_unit_test(a_spoilt_byte_never_opens),
        cmocka_unit_test(what_is_not_known_is_refused_with_a_word),
        cmocka_unit_test(asked_for_a_certificate_it_has_none),
        cmocka_unit_test(nonsense_is_refused),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
