/* test_mail_dsn.c - reports of RFC 3461, 3464 and 6533, and what hostile words cannot do to them; row A153. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include "mail/downgrade.h"
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

/* The report of a case: a failure, until the case says otherwise. */
struct report {
    struct dsn_rcpt r;
    struct dsn      d;
    struct buf      out;
    bool            eight;      /* it has octets above 127 */
};

static int report_begin(void **state)
{
    struct report *t = calloc(1, sizeof *t);

    if (t == NULL)
        return -1;
    *t = (struct report){ .r = rcpt(), .d = failed(&t->r), .out = BUF(1 << 20) };
    *state = t;
    return 0;
}

static int report_end(void **state)
{
    struct report *t = *state;

    buf_free(&t->out);
    free(t);
    return 0;
}

static struct slice report_write(struct report *t)
{
    buf_clear(&t->out);
    assert_true(dsn_write(&t->d, &t->out, &t->eight));
    return buf_view(&t->out);
}

static void a_failure_is_told_to_people_and_to_programs(void **state)
{
    struct report *t = *state;
    struct slice s;

    s = report_write(t);
    assert_false(t->eight);
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
}

static void a_delay_says_until_when_and_returns_the_header_only(void **state)
{
    struct report *t = *state;
    struct slice s;

    t->d.kind = DSN_DELAYED;
    t->r.status[0] = t->r.code = 0;
    t->r.text = SLICE_LIT("connection timed out");
    s = report_write(t);
    assert_sendable(s);
    assert_true(has(s, "Action: delayed\r\nStatus: 4.0.0\r\n"));
    assert_true(has(s, "Diagnostic-Code: x-postrider; connection timed out\r\n"));
    assert_true(has(s, "Will-Retry-Until: Tue, 06 Jan 1970 00:00:00 +0000\r\n"));
    assert_true(has(s, "text/rfc822-headers") && has(s, "Subject: x") && !has(s, "Hello"));
}

static void a_large_or_partial_original_comes_back_as_header(void **state)
{
    struct report *t = *state;
    struct slice s;

    t->d.body_max = 10;
    s = report_write(t);
    assert_true(has(s, "text/rfc822-headers") && !has(s, "Hello"));
    t->d.body_max = 100000;
    t->d.message_size = 5000;
    s = report_write(t);
    assert_true(has(s, "text/rfc822-headers"));
}

static void hostile_words_end_nothing(void **state)
{
    static char hostile[12000];
    struct report *t = *state;
    struct slice s;

    for (size_t i = 0; i < sizeof hostile; i++)
        hostile[i] = "\r\nX-Evil: yes\r\n\r\n--boundary\r\n\0\xe9\x1b. \n"[i % 35];
    t->d.hostname = t->d.to = t->d.sender = slice_of(hostile, sizeof hostile);
    t->r.address = t->r.original = t->r.remote = t->r.text = t->d.to;
    s = report_write(t);
    assert_sendable(s);
    assert_false(has(s, "\nX-Evil") || has(s, "\n--boundary"));
    assert_false(t->eight);
    memset(hostile, 'z', sizeof hostile);           /* one word without end */
    s = report_write(t);
    assert_sendable(s);
}

static void eight_bit_is_declared_and_bare_octets_do_not_come_back(void **state)
{
    struct report *t = *state;
    struct slice s;

    t->d.message = SLICE_LIT("A: b\nc\r\n\r\nna\xc3\xafve\n.\nx\ry\0z");      /* cannot be encoded */
    t->d.message_size = t->d.message.n;
    s = report_write(t);
    assert_true(t->eight);
    assert_sendable(s);
    assert_int_equal(count(s, SLICE_LIT("Content-Transfer-Encoding: 8bit\r\n")), 2);
    assert_true(has(s, "na\xc3\xafve?.?x?y?z\r\n\r\n--"));
}

static void a_binary_original_comes_back_encoded(void **state)
{
    struct report *t = *state;
    struct slice s;

    t->d.message = SLICE_LIT("A: b\r\nMIME-Version: 1.0\r\nContent-Type: image/x\r\n\r\n\0\n\r\xff");
    t->d.message_size = t->d.message.n;
    s = report_write(t);
    assert_false(t->eight);
    assert_sendable(s);
    assert_true(has(s, "\r\nContent-Transfer-Encoding: base64\r\n\r\nAAoN/w==\r\n\r\n--"));
}

/* Each of RFC 3464's actions, alone. */
static const struct { enum dsn_kind kind; const char *subject, *action, *status, *says; } kinds[] = {
    { DSN_FAILED, "Undelivered mail", "failed", "5.0.0", "could not be delivered to the" },
    { DSN_DELAYED, "Delayed mail (still being tried)", "delayed", "4.0.0", "need not send it again" },
    { DSN_DELIVERED, "Delivered mail", "delivered", "2.0.0", "delivered to the mailboxes" },
    { DSN_RELAYED, "Relayed mail", "relayed", "2.0.0", "may be the last that" },
    { DSN_EXPANDED, "Expanded mail", "expanded", "2.0.0", "stand for several others" },
};

static void each_action_has_its_words(void **state)
{
    struct report *t = *state;
    char wanted[100];
    struct slice s;

    t->r = (struct dsn_rcpt){ .address = SLICE_LIT("u@there") };
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        t->d.kind = kinds[i].kind;
        s = report_write(t);
        assert_sendable(s);
        snprintf(wanted, sizeof wanted, "\r\nSubject: %s\r\n", kinds[i].subject);
        assert_true(has(s, wanted));
        snprintf(wanted, sizeof wanted, "\r\nAction: %s\r\nStatus: %s\r\n", kinds[i].action, kinds[i].status);
        assert_true(has(s, wanted));
        assert_true(has(s, kinds[i].says));
        assert_int_equal(has(s, "\r\nHello\r\n"), kinds[i].kind == DSN_FAILED);
    }
}

static void one_report_may_tell_of_several_fates(void **state)
{
    struct dsn_rcpt r[3] = { rcpt(), rcpt(), rcpt() };
    struct report *t = *state;
    struct slice s;

    t->d.rcpts = r;
    t->d.nrcpts = 3;
    t->d.kind = DSN_DELIVERED;
    r[0].own_kind = r[2].own_kind = true;
    r[0].kind = DSN_FAILED;
    r[1].status[0] = r[2].status[0] = 2;
    r[2].kind = DSN_EXPANDED;
    s = report_write(t);
    assert_sendable(s);
    assert_true(has(s, "Action: failed\r\nStatus: 5.1.1\r\n"));
    assert_true(has(s, "Action: delivered\r\nStatus: 2.1.1\r\n"));
    assert_true(has(s, "Action: expanded\r\nStatus: 2.1.1\r\n"));
    assert_true(has(s, "Hello"));      /* one of them failed */
}

static void what_the_sender_gave_comes_back(void **state)
{
    struct report *t = *state;
    struct slice s;

    t->d.envid = SLICE_LIT("QQ 314159");
    t->d.orcpt_only = true;
    s = report_write(t);
    assert_true(has(s, "\r\n\r\nOriginal-Envelope-Id: QQ 314159\r\nReporting-MTA: dns; mx.here\r\n"));
    assert_false(has(s, "Original-Recipient"));
    t->r.orcpt = SLICE_LIT("X400;/C=de/S=Bob");
    s = report_write(t);
    assert_true(has(s, "\r\nOriginal-Recipient: X400; /C=de/S=Bob\r\nFinal-Recipient: "));
}

static void the_body_comes_back_only_where_it_may(void **state)
{
    static const struct { enum dsn_return ret; bool requiretls; const char *type; } cases[] = {
        { DSN_RETURN_ANY, false, "message/rfc822" }, { DSN_RETURN_FULL, false, "message/rfc822" },
        { DSN_RETURN_HEADERS, false, "text/rfc822-headers" },
        { DSN_RETURN_FULL, true, "text/rfc822-headers" },       /* RFC 8689 §5 */
    };
    struct report *t = *state;
    struct slice s;

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        t->d.ret = cases[i].ret;
        t->d.requiretls = cases[i].requiretls;
        s = report_write(t);
        assert_true(has(s, cases[i].type));
    }
}

static void a_deadline_is_told(void **state)
{
    struct report *t = *state;
    struct slice s;

    t->d.by = DSN_BY_RETURN;
    t->d.deliver_by = 1500;
    t->r.rrvs = 86400000;
    s = report_write(t);
    assert_true(has(s, "Arrival-Date: Thu, 01 Jan 1970 00:00:00 +0000\r\n"
                                    "Deliver-By-Date: Thu, 01 Jan 1970 00:00:01 +0000\r\n"));
    assert_true(has(s, "or else to be returned.") && has(s, "Fri, 02 Jan 1970"));
}

#define UMLAUT "\xc3\xbc"

static void a_message_of_smtputf8_is_reported_in_utf8(void **state)
{
    struct report *t = *state;
    struct slice s;

    t->d.utf8 = true;
    t->r.address = SLICE_LIT("u" UMLAUT "@there");
    t->r.orcpt = SLICE_LIT("utf-8;\\x{FC}x@here");
    t->r.text = SLICE_LIT("Nein, d" UMLAUT "rfen Sie nicht \xe2\x80\xae");
    t->d.message = SLICE_LIT("Subject: " UMLAUT "\r\n\r\nbody\r\n");
    t->d.message_size = t->d.message.n;
    s = report_write(t);
    assert_true(t->eight && !dsn_needs_utf8(&t->d));
    assert_sendable(s);
    assert_true(has(s, "Content-Type: message/global-delivery-status\r\n"));
    assert_true(has(s, "Content-Type: message/global\r\n"));
    assert_true(has(s, "Content-Type: text/plain; charset=utf-8\r\n"));
    assert_true(has(s, "Original-Recipient: utf-8; " UMLAUT "x@here\r\n"
                                    "Final-Recipient: utf-8; u" UMLAUT "@there\r\n"));
    assert_true(has(s, "550 Nein, d" UMLAUT "rfen Sie nicht ???\r\n"));
    assert_int_equal(downgrade_check(&(struct downgrade){ .message = s }), DOWNGRADE_DONE);  /* ... for hosts without 8BITMIME */
    t->d.to = SLICE_LIT(UMLAUT "@b");
    t->d.requiretls = true;
    s = report_write(t);
    assert_true(dsn_needs_utf8(&t->d) && has(s, "\r\nTo: <" UMLAUT "@b>\r\n"));
    assert_true(has(s, "Content-Type: message/global-headers\r\n"));
}

static void an_ascii_report_on_utf8_uses_the_old_types(void **state)
{
    struct report *t = *state;
    struct slice s;

    t->d.utf8 = true;
    s = report_write(t);
    assert_false(t->eight || has(s, "message/global"));
    t->d.utf8 = false;                                  /* and the other way round */
    t->r.address = SLICE_LIT("u" UMLAUT "@there");
    s = report_write(t);
    assert_false(t->eight);
    assert_true(has(s, "Final-Recipient: utf-8; u\\x{FC}@there\r\n"));
}

static void many_recipients_have_a_group_each(void **state)
{
    struct dsn_rcpt r[50];
    struct report *t = *state;
    struct slice s;

    for (int i = 0; i < 50; i++)
        r[i] = rcpt();
    t->d.rcpts = r;
    t->d.nrcpts = 50;
    s = report_write(t);
    assert_sendable(s);
    assert_int_equal(count(s, SLICE_LIT("\r\n\r\nOriginal-Recipient: ")), 50);
    t->out.max = 500;
    buf_free(&t->out);
    assert_false(dsn_write(&t->d, &t->out, &t->eight));
}

static void an_original_that_is_gone_leaves_an_empty_part(void **state)
{
    struct report *t = *state;
    struct slice s;

    t->d.message = (struct slice){ 0 };
    s = report_write(t);
    assert_sendable(s);
}

#define REPORT(test) cmocka_unit_test_setup_teardown(test, report_begin, report_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        REPORT(a_failure_is_told_to_people_and_to_programs),
        REPORT(a_delay_says_until_when_and_returns_the_header_only),
        REPORT(a_large_or_partial_original_comes_back_as_header),
        REPORT(hostile_words_end_nothing),
        REPORT(eight_bit_is_declared_and_bare_octets_do_not_come_back),
        REPORT(a_binary_original_comes_back_encoded),
        REPORT(each_action_has_its_words),
        REPORT(one_report_may_tell_of_several_fates),
        REPORT(what_the_sender_gave_comes_back),
        REPORT(the_body_comes_back_only_where_it_may),
        REPORT(a_deadline_is_told),
        REPORT(a_message_of_smtputf8_is_reported_in_utf8),
        REPORT(an_ascii_report_on_utf8_uses_the_old_types),
        REPORT(many_recipients_have_a_group_each),
        REPORT(an_original_that_is_gone_leaves_an_empty_part),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
