/* test_smtp_reader.c - replies of other servers, honest and hostile; row A154. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include "smtp/reader.h"

/* read_all - give `in` in pieces; the first result that is not MORE, or MORE */

static enum reader_result read_all(struct reply_reader *r, struct slice in, size_t piece)
{
    size_t begun = 0, there = 0, used;
    enum reader_result result = READER_MORE;

    *r = (struct reply_reader){ 0 };
    while (result == READER_MORE && there < in.n) {
        there = there + piece < in.n ? there + piece : in.n;
        result = reader_next(r, slice_of(in.p + begun, there - begun), &used);
        begun += used;
    }
    return result;
}

static void replies_are_read_wherever_they_are_cut(void **state)
{
    const struct {
        struct slice       in;
        enum reader_result result;
        unsigned           code, status[3];
        const char        *text;
    } cases[] = {
        { SLICE_LIT("250 Ok\r\n"), READER_REPLY, 250, { 0 }, "Ok" },
        { SLICE_LIT("250\r\n"), READER_REPLY, 250, { 0 }, "" },
        { SLICE_LIT("250 \r\n"), READER_REPLY, 250, { 0 }, "" },
        { SLICE_LIT("550 5.1.1 No such user\r\n"), READER_REPLY, 550, { 5, 1, 1 }, "No such user" },
        { SLICE_LIT("550-5.1.1 No\r\n550 5.1.1 user\r\n"), READER_REPLY, 550, { 5, 1, 1 }, "No\nuser" },
        { SLICE_LIT("550 5.7.2\r\n"), READER_REPLY, 550, { 5, 7, 2 }, "" },       /* A043 */
        { SLICE_LIT("550 4.7.2 x\r\n"), READER_REPLY, 550, { 0 }, "4.7.2 x" },    /* another class */
        { SLICE_LIT("550 5.1234.1 x\r\n"), READER_REPLY, 550, { 0 }, "5.1234.1 x" },
        { SLICE_LIT("550 5.7.1x\r\n"), READER_REPLY, 550, { 0 }, "5.7.1x" },
        { SLICE_LIT("250-a\r\n250-\r\n250 c\r\n"), READER_REPLY, 250, { 0 }, "a\n\nc" },
        { SLICE_LIT("450 \x1b[2J\xe9\t\x7f\r\n"), READER_REPLY, 450, { 0 }, "?[2J???" },
        /* not replies */
        { SLICE_LIT("25\r\n"), READER_BAD, 0, { 0 }, "" }, { SLICE_LIT("2500\r\n"), READER_BAD, 0, { 0 }, "" },
        { SLICE_LIT("\r\n"), READER_BAD, 0, { 0 }, "" }, { SLICE_LIT("hello\r\n"), READER_BAD, 0, { 0 }, "" },
        { SLICE_LIT("150 x\r\n"), READER_BAD, 0, { 0 }, "" }, { SLICE_LIT("650 x\r\n"), READER_BAD, 0, { 0 }, "" },
        { SLICE_LIT("250-a\r\n251 b\r\n"), READER_BAD, 0, { 0 }, "" },
        { SLICE_LIT("250-a\r\nb\r\n"), READER_BAD, 0, { 0 }, "" },
        { SLICE_LIT("250 a\0b\r\n"), READER_BAD, 0, { 0 }, "" }, { SLICE_LIT("250 a\n"), READER_BAD, 0, { 0 }, "" },
        { SLICE_LIT("250 a\rb\r\n"), READER_BAD, 0, { 0 }, "" },
        /* not yet */
        { SLICE_LIT("250 a"), READER_MORE, 0, { 0 }, "" }, { SLICE_LIT("250-a\r\n"), READER_MORE, 0, { 0 }, "" },
    };
    static struct reply_reader r;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        for (size_t piece = 1; piece <= cases[i].in.n; piece++) {
            assert_int_equal(read_all(&r, cases[i].in, piece), cases[i].result);
            if (cases[i].result != READER_REPLY)
                continue;
            assert_int_equal(r.reply.code, cases[i].code);
            assert_memory_equal(r.reply.status, cases[i].status, sizeof r.reply.status);
            assert_true(slice_eq(slice_of(r.reply.text, r.reply.len), slice_cstr(cases[i].text)));
        }
}

static void pipelined_replies_come_one_by_one(void **state)
{
    static struct reply_reader r;
    struct slice in = SLICE_LIT("250 a\r\n354-b\r\n354 c\r\n550 d\r\n");
    static const unsigned codes[] = { 250, 354, 550 };
    size_t used;

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(reader_next(&r, in, &used), READER_REPLY);
        assert_int_equal(r.reply.code, codes[i]);
        in = slice_from(in, used);
    }
    assert_int_equal(in.n, 0);
}

/* many - n lines "550-text" and a last one */

static struct slice many(unsigned n, const char *text)
{
    struct buf b = BUF(64u << 20);

    for (unsigned i = 0; i < n; i++)
        buf_printf(&b, "550%c%s\r\n", i + 1 < n ? '-' : ' ', text);
    assert_false(b.full);
    return buf_view(&b);
}

static void long_replies_are_cut_and_endless_ones_are_bad(void **state)
{
    static struct reply_reader r;
    struct slice in, line;
    char text[4100];

    (void)state;
    in = many(1000, "x");
    assert_int_equal(read_all(&r, in, 5000), READER_REPLY);
    assert_int_equal(r.reply.lines, 1000);
    assert_true(reader_line(&r.reply, 63, &line));
    assert_false(reader_line(&r.reply, 64, &line));
    free((char *)(uintptr_t)in.p);

    in = many(1001, "x");
    assert_int_equal(read_all(&r, in, 5000), READER_BAD);
    free((char *)(uintptr_t)in.p);

    memset(text, 'y', sizeof text);
    text[4000] = '\0';
    in = many(10, text);
    assert_int_equal(read_all(&r, in, 100), READER_REPLY);
    assert_int_equal(r.reply.len, sizeof r.reply.text);
    free((char *)(uintptr_t)in.p);

    memcpy(text, "250 ", 4);
    text[4000] = 'y';
    assert_int_equal(read_all(&r, slice_of(text, 4096), 100), READER_MORE);
    assert_int_equal(read_all(&r, slice_of(text, 4097), 100), READER_BAD);
}

static void offers_of_a_host_are_known(void **state)
{
    static struct reply_reader r;
    struct host_offers o;

    (void)state;
    assert_int_equal(read_all(&r, SLICE_LIT("250-SIZE 7\r\n250-size 1000\r\n250-8BitMIME\r\n"
                                            "250-XSIZE 3\r\n250 PIPELINING\r\n"), 9), READER_REPLY);
    offers_read(&r.reply, &o);
    assert_int_equal(o.flags, HOST_EHLO | HOST_SIZE | HOST_8BITMIME | HOST_PIPELINING);
    assert_true(o.size_max == 1000);
    assert_int_equal(read_all(&r, SLICE_LIT("250-x\r\n250-SIZE\r\n250 ENHANCEDSTATUSCODES\r\n"), 9), READER_REPLY);
    offers_read(&r.reply, &o);
    assert_int_equal(o.flags, HOST_EHLO | HOST_SIZE | HOST_ENHANCED);
    assert_true(o.size_max == 0);
}

static const char everything[] =
    "250-mx.test hello\r\n250-SIZE 1000\r\n250-CHUNKING\r\n250-BINARYMIME\r\n250-DSN\r\n"
    "250-SMTPUTF8\r\n250-DELIVERBY 240\r\n250-FUTURERELEASE 86400 2026-11-23T00:00:00Z\r\n"
    "250-MT-PRIORITY MIXER\r\n250-REQUIRETLS\r\n250-RRVS\r\n"
    "250-LIMITS RCPTMAX=20 mailmax=5 RCPTDOMAINMAX=1 OTHER=9\r\n"
    "250-NO-SOLICITING net.example:ADV,org.example:X\r\n250-ETRN\r\n250-ATRN\r\n250-TURN\r\n"
    "250-STARTTLS\r\n250-AUTH PLAIN LOGIN  cram-md5\r\n250-AUTH=LOGIN NTLM\r\n"
    "250-X-EXPS=LOGIN\r\n250-X-EXPS GSSAPI LOGIN\r\n250-XEXCH50\r\n250-X-LINK2STATE\r\n"
    "250-XFORWARD NAME ADDR proto HELO WHAT\r\n250-SEND\r\n250-SOML\r\n250-SAML\r\n"
    "250-SIZE=5\r\n250 OK\r\n";

static void every_extension_is_read_with_its_arguments(void **state)
{
    static struct reply_reader r;
    struct host_offers o;

    (void)state;
    assert_int_equal(read_all(&r, slice_cstr(everything), 100), READER_REPLY);
    offers_read(&r.reply, &o);
    assert_int_equal(o.flags, HOST_EHLO | HOST_SIZE | HOST_CHUNKING | HOST_BINARYMIME | HOST_DSN
        | HOST_SMTPUTF8 | HOST_DELIVERBY | HOST_FUTURERELEASE | HOST_MT_PRIORITY | HOST_REQUIRETLS
        | HOST_RRVS | HOST_LIMITS | HOST_NO_SOLICITING | HOST_ETRN | HOST_ATRN | HOST_TURN
        | HOST_STARTTLS | HOST_AUTH | HOST_X_EXPS | HOST_XEXCH50 | HOST_LINK2STATE
        | HOST_XFORWARD | HOST_SEND | HOST_SOML | HOST_SAML);
    assert_int_equal(o.size_max, 1000);
    assert_int_equal(o.by_min, 240);
    assert_int_equal(o.hold_max, 86400);
    assert_int_equal(o.hold_until, 1795392000000);
    assert_string_equal(o.priority, "MIXER");
    assert_int_equal(o.rcpt_max, 20);
    assert_int_equal(o.mail_max, 5);
    assert_int_equal(o.rcpt_domain_max, 1);
    assert_string_equal(o.refused, "net.example:ADV,org.example:X");
    assert_string_equal(o.auth, "PLAIN LOGIN cram-md5 NTLM");
    assert_string_equal(o.exps, "LOGIN GSSAPI");
    assert_int_equal(o.xforward, 1u << XFORWARD_NAME | 1u << XFORWARD_ADDR | 1u << XFORWARD_PROTO
                                 | 1u << XFORWARD_HELO);
}

static void arguments_that_make_no_sense_promise_nothing(void **state)
{
    static struct reply_reader r;
    struct host_offers o;
    struct slice in = SLICE_LIT("250-x\r\n250-SIZE x\r\n250-DELIVERBY -1\r\n"
                                "250-FUTURERELEASE 10 soon\r\n250-LIMITS RCPTMAX= =5 MAILMAX=x\r\n"
                                "250-AUTH\r\n250-XFORWARD\r\n250 X-EXCH50\r\n");

    (void)state;
    assert_int_equal(read_all(&r, in, 7), READER_REPLY);
    offers_read(&r.reply, &o);
    assert_int_equal(o.size_max + o.by_min + o.rcpt_max + o.mail_max, 0);
    assert_int_equal(o.hold_max, 10);
    assert_int_equal(o.hold_until, 0);
    assert_string_equal(o.auth, "");
    assert_int_equal(o.xforward, 0);
    assert_true(o.flags & HOST_XEXCH50);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(replies_are_read_wherever_they_are_cut),
        cmocka_unit_test(pipelined_replies_come_one_by_one),
        cmocka_unit_test(long_replies_are_cut_and_endless_ones_are_bad),
        cmocka_unit_test(offers_of_a_host_are_known),
        cmocka_unit_test(every_extension_is_read_with_its_arguments),
        cmocka_unit_test(arguments_that_make_no_sense_promise_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
