/* test_log_line.c - what a line looks like, and what never gets into one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include <jansson.h>
#include "log/line.h"
#include "log/log.h"

static struct slice line_of(char *line, size_t size, bool json, struct slice value)
{
    const struct log_field f = LF_TEXT("v", value);

    return slice_of(line, log_line(line, size, json, 1795308601123, "smtpd", 123,
                                   EVENT_ACCEPT, &f, 1));
}

static void a_line_has_time_process_event_and_fields(void **state)
{
    const struct log_field fields[] = {
        LF_ID("id", 5), LF_NUM("size", -3), LF_STR("from", "a@b.test"), LF_STR("why", "two words"),
        LF_STR("empty", ""),
    };
    char line[LOG_LINE];
    size_t n;

    (void)state;
    n = log_line(line, sizeof line, false, 1795308601123, "smtpd", 123, EVENT_ACCEPT, fields, 5);
    assert_true(slice_eq(slice_of(line, n), slice_cstr(
        "2026-11-22T00:50:01.123Z smtpd[123] accept id=0000000000005 size=-3 from=a@b.test "
        "why=\"two words\" empty=\"\"\n")));
    n = log_line(line, sizeof line, true, 1795308601123, "smtpd", 123, EVENT_ACCEPT, fields, 5);
    assert_true(slice_eq(slice_of(line, n), slice_cstr(
        "{\"time\":\"2026-11-22T00:50:01.123Z\",\"process\":\"smtpd\",\"pid\":123,"
        "\"event\":\"accept\",\"id\":\"0000000000005\",\"size\":-3,\"from\":\"a@b.test\","
        "\"why\":\"two words\",\"empty\":\"\"}\n")));
}

static void what_could_harm_is_escaped(void **state)
{
    static const struct { struct slice value; const char *text, *json; } cases[] = {
        { { "plain", 5 }, "plain", "plain" },
        { { "a=b", 3 }, "\"a=b\"", "a=b" },
        { { "a\"b", 3 }, "\"a\\\"b\"", "a\"b" },
        { { "a\\b", 3 }, "\"a\\\\b\"", "a\\b" },
        { { "a\r\nb", 4 }, "\"a\\x0d\\x0ab\"", "a\r\nb" },
        { { "a\0b", 3 }, "\"a\\x00b\"", NULL },
        { { "\x1b[2J\a", 5 }, "\"\\x1b[2J\\x07\"", "\x1b[2J\a" },
        { { "\x7f", 1 }, "\"\\x7f\"", "\x7f" },
        { { "gr\xc3\xbc\xc3\x9f", 6 }, "\"gr\xc3\xbc\xc3\x9f\"", "gr\xc3\xbc\xc3\x9f" },
        { { "\xf0\x9f\x93\xa7", 4 }, "\"\xf0\x9f\x93\xa7\"", "\xf0\x9f\x93\xa7" },
        /* C1 as a character and as a byte */
        { { "\xc2\x9b" "2J", 4 }, "\"\\xc2\\x9b2J\"", "\xc2\x9b" "2J" },
        { { "\x9b" "2J", 3 }, "\"\\x9b2J\"", "\\x9b2J" },
        /* direction overrides, line separators, a byte order mark, nothing at all */
        { { "a\xe2\x80\xae" "b", 5 }, "\"a\\xe2\\x80\\xaeb\"", "a\xe2\x80\xae" "b" },
        { { "\xe2\x81\xa6", 3 }, "\"\\xe2\\x81\\xa6\"", "\xe2\x81\xa6" },
        { { "\xe2\x80\xa8", 3 }, "\"\\xe2\\x80\\xa8\"", "\xe2\x80\xa8" },
        { { "\xef\xbb\xbf", 3 }, "\"\\xef\\xbb\\xbf\"", "\xef\xbb\xbf" },
        { { "\xe2\x80\x8b", 3 }, "\"\\xe2\\x80\\x8b\"", "\xe2\x80\x8b" },
        /* tags: beyond what \u can name at once */
        { { "\xf3\xa0\x81\x81", 4 }, "\"\\xf3\\xa0\\x81\\x81\"", "\\xf3\\xa0\\x81\\x81" },
        /* not UTF-8: overlong, surrogate, too large, cut */
        { { "\xc0\xaf", 2 }, "\"\\xc0\\xaf\"", "\\xc0\\xaf" },
        { { "\xe0\x80\xaf", 3 }, "\"\\xe0\\x80\\xaf\"", "\\xe0\\x80\\xaf" },
        { { "\xed\xa0\x80", 3 }, "\"\\xed\\xa0\\x80\"", "\\xed\\xa0\\x80" },
        { { "\xf4\x90\x80\x80", 4 }, "\"\\xf4\\x90\\x80\\x80\"", "\\xf4\\x90\\x80\\x80" },
        { { "\xff\xfe", 2 }, "\"\\xff\\xfe\"", "\\xff\\xfe" },
        { { "a\xc3", 2 }, "\"a\\xc3\"", "a\\xc3" },
    };
    char line[LOG_LINE], expected[400];

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct slice got = line_of(line, sizeof line, false, cases[i].value);
        json_t *j;

        snprintf(expected, sizeof expected,
                 "2026-11-22T00:50:01.123Z smtpd[123] accept v=%s\n", cases[i].text);
        if (!slice_eq(got, slice_cstr(expected)))
            fail_msg("%zu: %.*s", i, SLICE(got));
        got = line_of(line, sizeof line, true, cases[i].value);
        j = json_loadb(got.p, got.n, JSON_ALLOW_NUL, NULL);
        assert_non_null(j);
        if (cases[i].json != NULL && strcmp(json_string_value(json_object_get(j, "v")), cases[i].json) != 0)
            fail_msg("%zu: %.*s", i, SLICE(got));
        json_decref(j);
    }
}

/* harmless - one newline, at the end; no control; nothing that is not UTF-8 */

static bool harmless(struct slice line)
{
    uint32_t code;
    size_t n, bad;

    if (line.n == 0 || line.p[line.n - 1] != '\n')
        return false;
    for (line.n--; line.n > 0; line = slice_from(line, n))
        if ((n = utf8_length(line, &code, &bad)) == 0)
            return false;
    return true;
}

static void any_bytes_of_any_length_make_one_harmless_line(void **state)
{
    static char value[6000], line[LOG_LINE];
    struct log_field f[] = { LF_TEXT("v", slice_of(value, 0)), LF_NUM("n", 7),
                             LF_TEXT("w", slice_of(value, 0)) };

    (void)state;
    srand(7);
    for (int i = 0; i < 4000; i++) {
        size_t size = 257 + (size_t)rand() % (sizeof line - 257);
        bool json = i % 2, mixed = i % 3 == 0;
        size_t n;

        f[0].text.n = (size_t)rand() % (i % 50 == 0 ? sizeof value : 300);
        f[2].text.n = (size_t)rand() % 100;
        for (size_t k = 0; k < f[0].text.n; k++)
            value[k] = (char)(mixed ? rand() : "\xe2\x80\xae\"\\ \n=a"[rand() % 9]);
        n = log_line(line, size, json, 0, "smtpd", 1, EVENT_DIALOG, f, 3);
        assert_true(n <= size);
        assert_true(harmless(slice_of(line, n)));
        if (json) {
            json_t *j = json_loadb(line, n, JSON_ALLOW_NUL, NULL);

            if (j == NULL)
                fail_msg("%.*s", (int)n, line);
            json_decref(j);
        }
    }
}

static void a_long_value_is_cut_and_the_line_still_ends(void **state)
{
    static char value[20000], line[LOG_LINE];
    struct slice got;

    (void)state;
    memset(value, '"', sizeof value);
    for (size_t size = 257; size < 700; size++) {
        got = line_of(line, size, false, slice_of(value, sizeof value));
        assert_true(got.n <= size && got.n >= size - 4);
        assert_true(got.p[got.n - 2] == '"' && got.p[got.n - 1] == '\n');
    }
    memset(value, 'a', sizeof value);
    got = line_of(line, sizeof line, false, slice_of(value, sizeof value));
    assert_true(got.n <= sizeof line && got.p[got.n - 1] == '\n');
}

static void every_event_has_a_name_in_lower_case(void **state)
{
    (void)state;
    for (int e = 0; e < EVENT_COUNT; e++) {
        const char *name = event_name((enum event)e);

        assert_true(name[0] != '\0');
        for (; *name != '\0'; name++)
            assert_true((*name >= 'a' && *name <= 'z') || *name == '_');
    }
    assert_string_equal(event_name(EVENT_DOUBLE_BOUNCE), "double_bounce");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_has_time_process_event_and_fields),
        cmocka_unit_test(what_could_harm_is_escaped),
        cmocka_unit_test(any_bytes_of_any_length_make_one_harmless_line),
        cmocka_unit_test(a_long_value_is_cut_and_the_line_still_ends),
        cmocka_unit_test(every_event_has_a_name_in_lower_case),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
