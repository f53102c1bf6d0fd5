/* test_base_text.c - dates and UTF-8 from outside: what is read, what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "base/date.h"
#include "base/utf8.h"

#define S(text) SLICE_INIT(text)
#define MS(seconds) ((int64_t)(seconds) * 1000)

static void stamps_of_rfc_3339_are_read(void **state)
{
    static const struct { struct slice text; int64_t ms; } cases[] = {
        { S("1970-01-01T00:00:00Z"), 0 },
        { S("2014-04-03T23:01:00Z"), MS(1396566060) },
        { S("2014-04-03t23:01:00z"), MS(1396566060) },
        { S("2014-04-03T23:01:00.25Z"), MS(1396566060) + 250 },
        { S("2014-04-03T23:01:00.1239999Z"), MS(1396566060) + 123 },
        { S("2014-04-03T16:01:00-07:00"), MS(1396566060) },
        { S("2014-04-04T04:31:00+05:30"), MS(1396566060) },
        { S("2000-02-29T12:00:00-00:00"), MS(951825600) },
        { S("1990-12-31T23:59:60Z"), MS(662688000) },
        { S("9999-12-31T23:59:59Z"), MS(253402300799) },
        { S("0001-01-01T00:00:00Z"), MS(-62135596800) },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int64_t ms = -1;

        assert_true(date_parse_stamp(cases[i].text, &ms));
        assert_int_equal(ms, cases[i].ms);
    }
}

static void other_stamps_are_refused(void **state)
{
    static const struct slice cases[] = {
        S(""), S("2014-04-03"), S("2014-04-03T23:01:00"), S("2014-04-03 23:01:00Z"),
        S("2014-4-03T23:01:00Z"), S("14-04-03T23:01:00Z"), S("2014-13-03T23:01:00Z"),
        S("2014-00-03T23:01:00Z"), S("2014-04-31T23:01:00Z"), S("2014-02-29T23:01:00Z"),
        S("1900-02-29T00:00:00Z"), S("2014-04-00T23:01:00Z"), S("2014-04-03T24:00:00Z"),
        S("2014-04-03T23:60:00Z"), S("2014-04-03T23:01:61Z"), S("2014-04-03T23:01:00.Z"),
        S("2014-04-03T23:01:00+24:00"), S("2014-04-03T23:01:00+05:60"), S("2014-04-03T23:01:00+0530"),
        S("2014-04-03T23:01:00Z "), S(" 2014-04-03T23:01:00Z"), S("2014-04-03T23:01:00ZZ"),
        S("0000-01-01T00:00:00Z"), S("2014-04-03T23:01:00Z\0"), S("2014-04-03T23:01Z"),
        S("+014-04-03T23:01:00Z"), S("2014-04-03T23:01:00.0000000000000000000000000000000Z"),
    };
    int64_t ms;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_false(date_parse_stamp(cases[i], &ms));
}

static void dates_of_rfc_5322_are_read(void **state)
{
    static const struct { struct slice text; int64_t ms; } cases[] = {
        { S("Thu, 01 Jan 1970 00:00:00 +0000"), 0 },
        { S("1 Jan 1970 00:00 +0000"), 0 },
        { S(" thu, 3 APR 2014 23:01:00 GMT"), MS(1396566060) },
        { S("Thu,3 Apr 2014 16:01:00 -0700 (PDT)"), MS(1396566060) },
        { S("Thu (day (really)),\r\n 3 (d) Apr\t2014 23 : 01 : 00 UT (\\))\r\n"), MS(1396566060) },
        { S("Fri, 04 Apr 2014 04:31 +0530"), MS(1396566060) },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int64_t ms = -1;

        assert_true(date_parse(cases[i].text, &ms));
        assert_int_equal(ms, cases[i].ms);
    }
}

static void other_dates_are_refused(void **state)
{
    static const struct slice cases[] = {
        S(""), S("Thu"), S("Fri, 3 Apr 2014 23:01:00 +0000"), S("Thu 3 Apr 2014 23:01:00 +0000"),
        S("3 April 2014 23:01:00 +0000"), S("3 Apr 14 23:01:00 +0000"), S("3 Apr 2014 23:01:00"),
        S("3 Apr 2014 23:01:00 EST"), S("3 Apr 2014 23:01:00 +000"), S("3 Apr 2014 23:01:00 +00000"),
        S("31 Apr 2014 23:01:00 +0000"), S("3 Apr 2014 25:01:00 +0000"), S("3 Apr 2014 2301 +0000"),
        S("3 Apr 2014 23:01:00 +0000 (open"), S("3 Apr 2014 23:01:00 +0000 x"), S("3Apr2014 23:01:00 +0000"),
        S("3 Apr 2014 1:01:00 +0000"), S("3 Apr 2014 23:01:00 +0060"), S("3 Apr 2014 23:01:00+0000"),
    };
    int64_t ms;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_false(date_parse(cases[i], &ms));
}

static void what_is_written_can_be_read(void **state)
{
    char text[DATE_TEXT];
    int64_t ms;

    (void)state;
    for (int64_t when = 0; when < MS(253402300799); when += MS(86400) * 1013 + 12345000) {
        assert_true(date_parse(slice_cstr(date_text(when, text)), &ms));
        assert_int_equal(ms, when);
        assert_true(date_parse_stamp(slice_cstr(date_stamp(when, text)), &ms));
        assert_int_equal(ms, when);
    }
    assert_string_equal(date_stamp(MS(1396566060) + 999, text), "2014-04-03T23:01:00Z");
    assert_string_equal(date_stamp_ms(MS(1396566060) + 999, text), "2014-04-03T23:01:00.999Z");
    assert_string_equal(date_stamp_ms(MS(1396566060) + 7, text), "2014-04-03T23:01:00.007Z");
    assert_string_equal(date_stamp_ms(MS(1396566061), text), "2014-04-03T23:01:01.000Z");
}

static void utf8_is_strict(void **state)
{
    static const struct { struct slice text; bool valid, printable; } cases[] = {
        { S(""), true, true }, { S("a\xc3\xbc\xe2\x82\xac\xf0\x9f\x98\x80"), true, true },
        { S("\x7f"), true, false }, { S("a\nb"), true, false }, { S("\0"), true, false },
        { S("\xc2\x80"), true, false }, { S("\xc2\x9f"), true, false }, { S("\xc2\xa0"), true, true },
        { S("\xe2\x80\xae"), true, false }, { S("\xe2\x81\xa6"), true, false }, { S("\xe2\x80\xa8"), true, false },
        { S("\xef\xbb\xbf"), true, false }, { S("\xef\xbf\xbf"), true, false }, { S("\xf3\xa0\x80\x81"), true, false },
        { S("\xf4\x8f\xbf\xbd"), true, true }, { S("\xf4\x8f\xbf\xbf"), true, false },
        { S("\xc0\x80"), false, false }, { S("\xc1\xbf"), false, false }, { S("\xe0\x9f\xbf"), false, false },
        { S("\xf0\x8f\xbf\xbf"), false, false }, { S("\xed\xa0\x80"), false, false }, { S("\xed\xbf\xbf"), false, false },
        { S("\xf4\x90\x80\x80"), false, false }, { S("\xf8\x88\x80\x80\x80"), false, false }, { S("\x80"), false, false },
        { S("\xc3"), false, false }, { S("\xe2\x82"), false, false }, { S("\xc3\x28"), false, false }, { S("\xff"), false, false },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(utf8_valid(cases[i].text), cases[i].valid);
        assert_int_equal(utf8_printable(cases[i].text), cases[i].printable);
    }
    assert_true(utf8_ascii(cases[2].text) && !utf8_ascii(cases[1].text));
}

static void what_has_no_shape_may_stand_in_a_name_but_is_not_seen(void **state)
{
    static const struct { uint32_t point; bool shows, seen; } cases[] = {
        { ' ', true, true }, { '~', true, true }, { 0xa0, true, true }, { 0x2014, true, true }, { 0x1f4e7, true, true },
        { 0xad, true, false }, { 0x180e, true, false }, { 0x200b, true, false }, { 0x200d, true, false },
        { 0x2060, true, false }, { 0xe0100, true, false },
        { '\n', false, false }, { 0x9b, false, false }, { 0x200e, false, false }, { 0x202e, false, false },
        { 0xfeff, false, false }, { 0xfdd0, false, false }, { 0xe0041, false, false }, { 0x1ffff, false, false },
        { 0xd800, false, false },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(utf8_shows(cases[i].point), cases[i].shows);
        assert_int_equal(utf8_seen(cases[i].point), cases[i].seen);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stamps_of_rfc_3339_are_read),
        cmocka_unit_test(other_stamps_are_refused),
        cmocka_unit_test(dates_of_rfc_5322_are_read),
        cmocka_unit_test(other_dates_are_refused),
        cmocka_unit_test(what_is_written_can_be_read),
        cmocka_unit_test(utf8_is_strict),
        cmocka_unit_test(what_has_no_shape_may_stand_in_a_name_but_is_not_seen),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
