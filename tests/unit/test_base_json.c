/* test_base_json.c - JSON written for every message: the same as a library would write. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>
#include "base/json.h"

static void assert_is(struct buf *b, const char *want)
{
    assert_true(slice_eq(buf_view(b), slice_cstr(want)));
    buf_clear(b);
}

static void strings_are_escaped(void **state)
{
    struct buf b = BUF(1000);

    (void)state;
    json_put_string(&b, SLICE_LIT(""));
    assert_is(&b, "\"\"");
    json_put_string(&b, SLICE_LIT("a\"b\\c/d"));
    assert_is(&b, "\"a\\\"b\\\\c/d\"");
    json_put_string(&b, SLICE_LIT("\x01\n\x1f\x7f\0x"));
    assert_is(&b, "\"\\u0001\\u000a\\u001f\x7f\\u0000x\"");
    json_put_string(&b, SLICE_LIT("eight and more \" and \\ and \x1f and so on"));
    assert_is(&b, "\"eight and more \\\" and \\\\ and \\u001f and so on\"");
    for (int c = 0; c < 128; c++) {
        char text[] = "abcdefghijklmnop", want[40];

        text[c % 16] = (char)c;
        snprintf(want, sizeof want, c < 0x20 ? "\"%.*s\\u%04x%s\"" : c == '"' || c == '\\' ? "\"%.*s\\%c%s\"" : "\"%.*s%c%s\"",
                 c % 16, text, c, text + c % 16 + 1);
        json_put_text(&b, NULL, slice_of(text, 16));
        assert_is(&b, want);
    }
    json_put_string(&b, SLICE_LIT("gr\xc3\xbc\xc3\x9f"));
    assert_is(&b, "\"gr\xc3\xbc\xc3\x9f\"");
    buf_free(&b);
}

static void what_is_not_utf8_shows_its_ascii(void **state)
{
    struct buf b = BUF(1000);

    (void)state;
    json_put_string(&b, SLICE_LIT("\xff" "a\xc3"));
    assert_is(&b, "\"?a?\"");
    json_put_string(&b, SLICE_LIT("\xed\xa0\x80"));
    assert_is(&b, "\"???\"");
    buf_free(&b);
}

static void commas_come_by_themselves(void **state)
{
    struct buf b = BUF(1000);

    (void)state;
    for (int i = 0; i < 2; i++) {
        json_put_open(&b, NULL, '{');
        json_put_text(&b, "a", SLICE_LIT("{"));
        json_put_number(&b, "b", i == 0 ? INT64_MIN : INT64_MAX);
        json_put_open(&b, "c", '[');
        json_put_text(&b, NULL, SLICE_LIT("["));
        json_put_text(&b, NULL, SLICE_LIT("\n"));
        json_put_number(&b, NULL, 0);
        json_put_close(&b, ']');
        json_put_text(&b, "d", SLICE_LIT("x"));
        json_put_close(&b, '}');
        buf_puts(&b, "\n");
    }
    assert_is(&b, "{\"a\":\"{\",\"b\":-9223372036854775808,\"c\":[\"[\",\"\\u000a\",0],\"d\":\"x\"}\n"
                  "{\"a\":\"{\",\"b\":9223372036854775807,\"c\":[\"[\",\"\\u000a\",0],\"d\":\"x\"}\n");
    buf_free(&b);
}

static void what_does_not_fit_is_known(void **state)
{
    struct buf b = BUF(10);

    (void)state;
    json_put_text(&b, "key", SLICE_LIT("a longer text"));
    assert_true(b.full);
    assert_true(b.n <= 10);
    buf_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strings_are_escaped),
        cmocka_unit_test(what_is_not_utf8_shows_its_ascii),
        cmocka_unit_test(commas_come_by_themselves),
        cmocka_unit_test(what_does_not_fit_is_known),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
