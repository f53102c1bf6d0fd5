/* test_mail_header.c - fields found, counted and left out; trace fields and dates. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>
#include "base/date.h"
#include "mail/header.h"
#include "mail/received.h"

static const char message[] =
    "Return-Path: <x@y>\r\n"
    "Received: from a\r\n\tby b;\r\n\tdate\r\n"
    "received : from c\r\n"
    "Received-SPF: pass\r\n"
    "X-Received: no\r\n"
    "Subject:\r\n"
    "RECEIVED:from d\r\n"
    "\r\n"
    "Received: in the body\r\n";

static struct slice whole(void)
{
    return slice_of(message, sizeof message - 1);
}

static void fields_are_found_with_their_folds(void **state)
{
    struct header_field f;

    (void)state;
    assert_true(header_find(whole(), SLICE_LIT("RECEIVED"), &f));
    assert_true(slice_eq(f.body, SLICE_LIT(" from a\r\n\tby b;\r\n\tdate")));
    assert_true(header_find(whole(), SLICE_LIT("subject"), &f) && f.body.n == 0);
    assert_false(header_find(whole(), SLICE_LIT("From"), &f));
    assert_int_equal(header_count(whole(), SLICE_LIT("Received")), 3);
}

static void the_header_ends_where_it_must(void **state)
{
    const struct { struct slice in; size_t length; } cases[] = {
        { SLICE_LIT(""), 0 }, { SLICE_LIT("\r\nbody"), 0 }, { SLICE_LIT("body\r\n"), 0 },
        { SLICE_LIT("A: b\r\n\r\nC: d\r\n"), 6 }, { SLICE_LIT("A: b\r\nno field\r\nC: d\r\n"), 6 },
        { SLICE_LIT("A: b"), 4 }, { SLICE_LIT(" folded: first\r\n"), 0 }, { SLICE_LIT(": x\r\n"), 0 },
        { SLICE_LIT("A:\r\n b\r\n\tc\r\n\r\n"), 12 }, { SLICE_LIT("A b: c\r\n"), 0 },
        { SLICE_LIT("A\xe9: c\r\n"), 0 }, { SLICE_LIT("A"), 0 }, { SLICE_LIT("A:\r\n"), 4 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_int_equal(header_length(cases[i].in), cases[i].length);
}

static void a_field_can_be_left_out(void **state)
{
    struct buf out = BUF(4096);

    (void)state;
    assert_true(header_without(SLICE_LIT("Return-Path: <a>\r\nA: b\r\nreturn-path:\r\n <c>\r\n\r\nx"),
                               SLICE_LIT("Return-Path"), &out));
    assert_true(slice_eq(buf_view(&out), SLICE_LIT("A: b\r\n")));
    buf_free(&out);
}

static void fields_are_counted_wherever_the_message_is_cut(void **state)
{
    const struct slice cases[] = {
        { message, sizeof message - 1 }, SLICE_LIT(""), SLICE_LIT("Received: a\r\nno field\r\nReceived: b\r\n"),
        SLICE_LIT("\r\nReceived: a\r\n"), SLICE_LIT(" Received: a\r\nReceived: a\r\n"),
        SLICE_LIT("receivedreceived: a\r\nReceive: b\r\nReceived: c"),
        SLICE_LIT("A: b\r\n Received: c\r\nReceived:\r\n Received: d\r\n\r\n"), SLICE_LIT(": x\r\nReceived: y\r\n"),
        SLICE_LIT("TLS-Required: No\r\ntls-requireD \t: No\r\nTLS-Required2: No\r\nTLS-Require: No\r\n\r\nTLS-Required: No"),
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        for (size_t cut = 0; cut <= cases[i].n; cut++) {
            struct header_watch w = { 0 };

            header_watch(&w, slice_first(cases[i], cut));
            header_watch(&w, slice_from(cases[i], cut));
            assert_int_equal(w.count[WATCH_RECEIVED], header_count(cases[i], SLICE_LIT("Received")));
            assert_int_equal(w.count[WATCH_TLS_REQUIRED], header_count(cases[i], SLICE_LIT("TLS-Required")));
        }
}

static void dates_are_written_as_rfc_5322_says(void **state)
{
    char text[DATE_TEXT];

    (void)state;
    assert_string_equal(date_text(0, text), "Thu, 01 Jan 1970 00:00:00 +0000");
    assert_string_equal(date_text(951782399999, text), "Mon, 28 Feb 2000 23:59:59 +0000");
    assert_string_equal(date_text(951782400000, text), "Tue, 29 Feb 2000 00:00:00 +0000");
    assert_string_equal(date_text(INT64_MAX, text), "Fri, 31 Dec 9999 23:59:59 +0000");
    assert_string_equal(date_text(INT64_MIN, text), "Thu, 01 Jan 1970 00:00:00 +0000");
}

static void a_trace_field_names_who_and_when(void **state)
{
    struct buf out = BUF(4096);
    struct received r = {
        .helo = SLICE_LIT("client.example"), .hostname = SLICE_LIT("mx.example"),
        .protocol = SLICE_LIT("ESMTP"), .id = 1, .rcpt = SLICE_LIT("a@b"), .now = 0,
    };

    (void)state;
    assert_true(ip_parse(SLICE_LIT("2001:db8::1"), &r.client));
    assert_true(received_write(&r, &out));
    assert_true(slice_eq(buf_view(&out), SLICE_LIT(
        "Received: from client.example ([IPv6:2001:db8::1])\r\n"
        "\tby mx.example with ESMTP id 0000000000001\r\n"
        "\tfor <a@b>;\r\n\tThu, 01 Jan 1970 00:00:00 +0000\r\n")));
    buf_clear(&out);
    r.helo = SLICE_LIT("a)\r\nX: y\\(\xe9");
    r.rcpt = (struct slice){ 0 };
    assert_true(received_write(&r, &out));
    assert_true(slice_istarts(buf_view(&out), SLICE_LIT("Received: from a???X:?y??? ([IPv6:")));
    assert_int_equal(header_count(buf_view(&out), SLICE_LIT("Received")), 1);
    assert_int_equal(header_length(buf_view(&out)), buf_view(&out).n);
    buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_are_found_with_their_folds),
        cmocka_unit_test(the_header_ends_where_it_must),
        cmocka_unit_test(a_field_can_be_left_out),
        cmocka_unit_test(fields_are_counted_wherever_the_message_is_cut),
        cmocka_unit_test(dates_are_written_as_rfc_5322_says),
        cmocka_unit_test(a_trace_field_names_who_and_when),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
