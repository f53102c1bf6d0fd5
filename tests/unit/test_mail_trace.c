/* test_mail_trace.c - how a message came, written in front of it; what its own header
 * asks for.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "mail/header.h"
#include "mail/received.h"
#include "mail/wishes.h"

enum { E = RECEIVED_ESMTP, L = RECEIVED_LMTP, T = RECEIVED_TLS, A = RECEIVED_AUTH, U = RECEIVED_UTF8 };

static void every_way_has_its_registered_name(void **state)
{
    static const struct { unsigned way; const char *name; } cases[] = {
        { 0, "SMTP" }, { T, "SMTP" }, { E, "ESMTP" }, { E | A, "ESMTPA" }, { E | T, "ESMTPS" },
        { E | T | A, "ESMTPSA" }, { L, "LMTP" }, { L | A, "LMTPA" }, { L | T, "LMTPS" }, { L | T | A, "LMTPSA" },
        { E | U, "UTF8SMTP" }, { E | U | A, "UTF8SMTPA" }, { E | U | T, "UTF8SMTPS" },
        { E | U | T | A, "UTF8SMTPSA" }, { L | U, "UTF8LMTP" }, { L | U | A, "UTF8LMTPA" },
        { L | U | T, "UTF8LMTPS" }, { L | U | T | A, "UTF8LMTPSA" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_true(slice_eq(received_protocol(cases[i].way), slice_cstr(cases[i].name)));
}

static struct received example(void)
{
    return (struct received){
        .helo = SLICE_LIT("client.test"), .hostname = SLICE_LIT("mx.here"), .protocol = SLICE_LIT("ESMTPS"),
        .client = { .family = 4, .bytes = { 192, 0, 2, 1 } }, .id = 1, .rcpt = SLICE_LIT("u@here"), .now = 1000,
    };
}

static bool has(const struct buf *b, const char *text)
{
    return memmem(buf_view(b).p, b->n, text, strlen(text)) != NULL;
}

static void the_trace_says_all_that_is_known(void **state)
{
    struct received r = example();
    struct buf out = BUF(8192);
    size_t plain;

    (void)state;
    assert_true(received_write(&r, &out));
    plain = out.n;
    assert_true(has(&out, "Received: from client.test ([192.0.2.1])\r\n\tby mx.here with ESMTPS id "));
    buf_clear(&out);
    r.name = SLICE_LIT("dns.client.test");
    r.tls = SLICE_LIT("TLSv1.3 with cipher TLS_AES_256_GCM_SHA384");
    r.requiretls = r.prioritized = true;
    r.priority = -3;
    r.solicit = SLICE_LIT("net.example:ADV");
    r.note = SLICE_LIT("XEXCH50 dropped");
    assert_true(received_write(&r, &out));
    assert_true(out.n > plain && header_count(buf_view(&out), SLICE_LIT("Received")) == 1);
    assert_int_equal(header_length(buf_view(&out)), out.n);
    assert_true(has(&out, "from client.test (dns.client.test [192.0.2.1])\r\n"
                          "\t(using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384)\r\n"
                          "\tby mx.here with ESMTPS (REQUIRETLS)\r\n\t(SOLICIT=net.example:ADV)\r\n"
                          "\t(XEXCH50 dropped) id "));
    assert_true(has(&out, "for <u@here> PRIORITY -3;\r\n\tThu, 01 Jan 1970 00:00:01 +0000\r\n"));
    buf_free(&out);
}

static void utf8_stays_only_where_the_protocol_has_it(void **state)
{
    struct received r = example();
    struct buf out = BUF(8192);

    (void)state;
    r.rcpt = SLICE_LIT("\xc3\xbc@here\xe2\x80\xae\xff");
    assert_true(received_write(&r, &out));
    assert_true(has(&out, "<?@here?" "?>"));
    buf_clear(&out);
    r.protocol = received_protocol(E | U);
    assert_true(received_write(&r, &out));
    assert_true(has(&out, "with UTF8SMTP id ") && has(&out, "<\xc3\xbc@here?" "?>"));
    buf_free(&out);
}

static void hostile_words_stay_in_their_place(void **state)
{
    struct received r = example();
    struct buf out = BUF(8192);

    (void)state;
    r.tls = r.solicit = r.note = r.name = r.helo = SLICE_LIT("a)\r\nX-Evil: (\\;\0 ");
    assert_true(received_write(&r, &out));
    assert_int_equal(header_length(buf_view(&out)), out.n);
    assert_false(has(&out, "\nX-Evil") || has(&out, "\\"));
    buf_free(&out);
}

static void tls_required_means_something_once_and_only_no(void **state)
{
    static const struct { struct slice message; bool optional; } cases[] = {
        { SLICE_INIT("TLS-Required: No\r\n\r\n"), true }, { SLICE_INIT("tls-required:\r\n no\r\n\r\n"), true },
        { SLICE_INIT("TLS-Required: Yes\r\n\r\n"), false }, { SLICE_INIT("TLS-Required:\r\n\r\n"), false },
        { SLICE_INIT("TLS-Required: No\r\nTLS-Required: No\r\n\r\n"), false },
        { SLICE_INIT("A: b\r\n\r\nTLS-Required: No\r\n"), false }, { SLICE_INIT(""), false },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_int_equal(wishes_tls_optional(cases[i].message), cases[i].optional);
}

static void solicitation_keywords_are_checked_and_compared(void **state)
{
    static const struct { struct slice list; bool valid; } cases[] = {
        { SLICE_INIT("net.example:ADV"), true }, { SLICE_INIT("net.example:ADV,org.example:ADV:ADLT"), true },
        { SLICE_INIT("a"), true }, { SLICE_INIT(""), false }, { SLICE_INIT("a,"), false }, { SLICE_INIT(",a"), false },
        { SLICE_INIT("1a"), false }, { SLICE_INIT("a, b"), false }, { SLICE_INIT("a=b"), false }, { SLICE_INIT("a\0"), false },
    };
    static char longest[1001];
    struct slice word, list;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_int_equal(solicit_valid(cases[i].list), cases[i].valid);
    memset(longest, 'a', sizeof longest);
    assert_true(solicit_valid(slice_of(longest, 1000)) && !solicit_valid(slice_of(longest, 1001)));
    assert_true(solicit_meets(cases[1].list, SLICE_LIT("x,ORG.example:adv:adlt"), &word));
    assert_true(slice_eq(word, SLICE_LIT("org.example:ADV:ADLT")));
    assert_false(solicit_meets(cases[1].list, SLICE_LIT("net.example"), &word));
    assert_false(solicit_meets(SLICE_LIT(""), SLICE_LIT("a"), &word) || solicit_meets(SLICE_LIT("a"), SLICE_LIT(""), &word));
    assert_true(wishes_solicitation(SLICE_LIT("Solicitation: a,b\r\n\r\n"), &list) && slice_eq(list, SLICE_LIT("a,b")));
    assert_false(wishes_solicitation(SLICE_LIT("Solicitation: a, b\r\n\r\n"), &list));
    assert_false(wishes_solicitation(SLICE_LIT("Solicitation: a\r\nSolicitation: b\r\n\r\n"), &list));
}

static void rrvs_fields_are_read_and_bad_ones_passed_over(void **state)
{
    struct slice rest = SLICE_LIT(
        "Require-Recipient-Valid-Since: nonsense\r\n"
        "Require-Recipient-Valid-Since: a@b; 3 Apr 2014 23:01:00\r\n"
        "Require-Recipient-Valid-Since: no-domain; 3 Apr 2014 23:01:00 +0000\r\n"
        "Require-Recipient-Valid-Since: user@example.com; Thu, 3 Apr 2014 23:01:00 +0000\r\n"
        "Subject: x\r\n"
        "require-recipient-valid-since:\r\n \"a;b\"@example.com;\r\n\tThu, 3 Apr 2014 16:01:00 -0700 (PDT)\r\n"
        "\r\nRequire-Recipient-Valid-Since: user@example.com; Thu, 3 Apr 2014 23:01:00 +0000\r\n");
    struct wish_rrvs r;

    (void)state;
    assert_true(wishes_rrvs(&rest, &r));
    assert_true(slice_eq(r.address, SLICE_LIT("user@example.com")) && r.since == 1396566060000);
    assert_true(wishes_rrvs(&rest, &r));
    assert_true(slice_eq(r.address, SLICE_LIT("\"a;b\"@example.com")) && r.since == 1396566060000);
    assert_false(wishes_rrvs(&rest, &r));
    assert_true(wishes_role(SLICE_LIT("Postmaster")) && wishes_role(SLICE_LIT("abuse")));
    assert_false(wishes_role(SLICE_LIT("postmaste")) || wishes_role(SLICE_LIT("")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_way_has_its_registered_name),
        cmocka_unit_test(the_trace_says_all_that_is_known),
        cmocka_unit_test(utf8_stays_only_where_the_protocol_has_it),
        cmocka_unit_test(hostile_words_stay_in_their_place),
        cmocka_unit_test(tls_required_means_something_once_and_only_no),
        cmocka_unit_test(solicitation_keywords_are_checked_and_compared),
        cmocka_unit_test(rrvs_fields_are_read_and_bad_ones_passed_over),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
