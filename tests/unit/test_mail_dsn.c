/* test_mail_dsn.c - reports of RFC 3464, and what hostile words cannot do to them; row A153. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>
#include "mail/dsn.h"
#include "mail/header.h"
#include "smtp/data.h"

static const char original[] =
    "From: a@b\r\nMessage-ID: <m1@b>\r\nSubject: x\r\n\r\nHello\r\n.\r\nworld\r\n";

static struct dsn_rcpt rcpt(void)
{
    return (struct dsn_rcpt){
        .address = SLICE_LIT("u@there"), .original = SLICE_LIT("alias@here"), .status = { 5, 1, 1 },
        .code = 550, .text = SLICE_LIT("No such user\nreally"), .remote = SLICE_LIT("mx.there"),
        .last_attempt = 1000, .retry_until = 432000000,
    };
}

static struct dsn failed(const struct dsn_rcpt *r)
{
    return (struct dsn){
        .kind = DSN_FAILED, .hostname = SLICE_LIT("mx.here"), .to = SLICE_LIT("a@b"), .id = 2,
        .original_id = 1, .now = 2000, .arrived = 1, .sender = SLICE_LIT("a@b"), .rcpts = r,
        .nrcpts = 1, .message = { original, sizeof original - 1 }, .message_size = sizeof original - 1, .body_max = 1000,
    };
}

static bool has(struct slice s, const char *text)
{
    return memmem(s.p, s.n, text, strlen(text)) != NULL;
}

static unsigned count(struct slice s, struct slice text)
{
    unsigned n = 0;
    const char *at;

    while ((at = memmem(s.p, s.n, text.p, text.n)) != NULL) {
        n++;
        s = slice_from(s, (size_t)(at - s.p) + text.n);
    }
    return n;
}

/* assert_sendable - CRLF lines of at most 998, which data_write takes; four boundaries */

static void assert_sendable(struct slice s)
{
    struct buf wire = BUF(1 << 20);
    struct data_writer w = { 0 };
    struct header_field type;
    struct slice line, rest = s, quoted, boundary;

    assert_true(data_write(&w, &wire, s) && data_finish(&w, &wire));
    buf_free(&wire);
    while (slice_cut(rest, '\n', &line, &rest))
        assert_in_range(line.n, 1, 999);
    assert_true(header_find(s, SLICE_LIT("Content-Type"), &type));
    assert_true(slice_cut(type.body, '"', &line, &quoted));
    assert_true(slice_cut(quoted, '"', &boundary, &rest));
    assert_int_equal(count(s, boundary), 5);        /* in the field, three parts, the end */
}

static void a_failure_is_told_to_people_and_to_programs(void **state)
{
    struct buf out = BUF(1 << 20);
    struct dsn_rcpt r = rcpt();
    struct dsn d = failed(&r);
    struct slice s;
    bool eight;

    (void)state;
    assert_true(dsn_write(&d, &out, &eight));
    assert_false(eight);
    s = buf_view(&out);
    assert_sendable(s);
    assert_true(has(s, "From: Mail Delivery System <MAILER-DAEMON@mx.here>\r\nTo: <a@b>\r\n"));
    assert_true(has(s, "\r\nAuto-Submitted: auto-replied\r\n"));
    assert_true(has(s, "\r\nIn-Reply-To: <m1@b>\r\n"));
    assert_true(has(s, "multipart/report; report-type=delivery-status;"));
    assert_true(has(s, "\r\nReporting-MTA: dns; mx.here\r\n"));
    assert_true(has(s, "\r\n\r\nOriginal-Recipient: rfc822; alias@here\r\n"
                       "Final-Recipient: rfc822; u@there\r\nAction: failed\r\nStatus: 5.1.1\r\n"
                       "Remote-MTA: dns; mx.there\r\n"
                       "Diagnostic-Code: smtp; 550 No such user really\r\n"
                       "Last-Attempt-Date: Thu, 01 Jan 1970 00:00:01 +0000\r\n"));
    assert_false(has(s, "Will-Retry-Until"));
    assert_true(has(s, "\r\nContent-Type: message/rfc822\r\n"));
    assert_true(has(s, original));
    buf_free(&out);
}

static void a_delay_says_until_when_and_returns_the_header_only(void **state)
{
    struct buf out = BUF(1 << 20);
    struct dsn_rcpt r = rcpt();
    struct dsn d = failed(&r);
    struct slice s;
    bool eight;

    (void)state;
    d.kind = DSN_DELAYED;
    r.status[0] = r.code = 0;
    r.text = SLICE_LIT("connection timed out");
    assert_true(dsn_write(&d, &out, &eight));
    s = buf_view(&out);
    assert_sendable(s);
    assert_true(has(s, "Action: delayed\r\nStatus: 4.0.0\r\n"));
    assert_true(has(s, "Diagnostic-Code: x-postrider; connection timed out\r\n"));
    assert_true(has(s, "Will-Retry-Until: Tue, 06 Jan 1970 00:00:00 +0000\r\n"));
    assert_true(has(s, "text/rfc822-headers") && has(s, "Subject: x") && !has(s, "Hello"));
    buf_free(&out);
}

static void a_large_or_partial_original_comes_back_as_header(void **state)
{
    struct buf out = BUF(1 << 20);
    struct dsn_rcpt r = rcpt();
    struct dsn d = failed(&r);
    bool eight;

    (void)state;
    d.body_max = 10;
    assert_true(dsn_write(&d, &out, &eight));
    assert_true(has(buf_view(&out), "text/rfc822-headers") && !has(buf_view(&out), "Hello"));
    buf_clear(&out);
    d.body_max = 100000;
    d.message_size = 5000;
    assert_true(dsn_write(&d, &out, &eight));
    assert_true(has(buf_view(&out), "text/rfc822-headers"));
    buf_free(&out);
}

static void hostile_words_end_nothing(void **state)
{
    static char hostile[12000];
    struct buf out = BUF(1 << 20);
    struct dsn_rcpt r = rcpt();
    struct dsn d = failed(&r);
    bool eight;

    (void)state;
    for (size_t i = 0; i < sizeof hostile; i++)
        hostile[i] = "\r\nX-Evil: yes\r\n\r\n--boundary\r\n\0\xe9\x1b. \n"[i % 35];
    d.hostname = d.to = d.sender = slice_of(hostile, sizeof hostile);
    r.address = r.original = r.remote = r.text = d.to;
    assert_true(dsn_write(&d, &out, &eight));
    assert_sendable(buf_view(&out));
    assert_false(has(buf_view(&out), "\nX-Evil") || has(buf_view(&out), "\n--boundary"));
    assert_false(eight);
    memset(hostile, 'z', sizeof hostile);           /* one word without end */
    buf_clear(&out);
    assert_true(dsn_write(&d, &out, &eight));
    assert_sendable(buf_view(&out));
    buf_free(&out);
}

static void eight_bit_is_declared_and_bare_octets_do_not_come_back(void **state)
{
    struct buf out = BUF(1 << 20);
    struct dsn_rcpt r = rcpt();
    struct dsn d = failed(&r);
    bool eight;

    (void)state;
    d.message = SLICE_LIT("A: b\r\n\r\nna\xc3\xafve\n.\nx\ry\0z");
    d.message_size = d.message.n;
    assert_true(dsn_write(&d, &out, &eight));
    assert_true(eight);
    assert_sendable(buf_view(&out));
    assert_int_equal(count(buf_view(&out), SLICE_LIT("Content-Transfer-Encoding: 8bit\r\n")), 2);
    assert_true(has(buf_view(&out), "na\xc3\xafve?.?x?y?z\r\n\r\n--"));
    buf_free(&out);
}

static void many_recipients_have_a_group_each(void **state)
{
    struct buf out = BUF(1 << 20);
    struct dsn_rcpt r[50];
    struct dsn d = failed(r);
    bool eight;

    (void)state;
    for (int i = 0; i < 50; i++)
        r[i] = rcpt();
    d.nrcpts = 50;
    assert_true(dsn_write(&d, &out, &eight));
    assert_sendable(buf_view(&out));
    assert_int_equal(count(buf_view(&out), SLICE_LIT("\r\n\r\nOriginal-Recipient: ")), 50);
    out.max = 500;
    buf_free(&out);
    assert_false(dsn_write(&d, &out, &eight));
    buf_free(&out);
}

static void an_original_that_is_gone_leaves_an_empty_part(void **state)
{
    struct buf out = BUF(1 << 20);
    struct dsn_rcpt r = rcpt();
    struct dsn d = failed(&r);
    bool eight;

    (void)state;
    d.message = (struct slice){ 0 };
    assert_true(dsn_write(&d, &out, &eight));
    assert_sendable(buf_view(&out));
    buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_failure_is_told_to_people_and_to_programs),
        cmocka_unit_test(a_delay_says_until_when_and_returns_the_header_only),
        cmocka_unit_test(a_large_or_partial_original_comes_back_as_header),
        cmocka_unit_test(hostile_words_end_nothing),
        cmocka_unit_test(eight_bit_is_declared_and_bare_octets_do_not_come_back),
        cmocka_unit_test(many_recipients_have_a_group_each),
        cmocka_unit_test(an_original_that_is_gone_leaves_an_empty_part),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
