/* test_cli_text.c - what is shown, and what is sent. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include "cli/letter.h"
#include "cli/text.h"

static void nothing_from_outside_moves_a_terminal(void **state)
{
    const struct { struct slice in; const char *out; } cases[] = {
        { SLICE_LIT("plain"), "plain" },
        { SLICE_LIT("gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x93\xac"), "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x93\xac" },
        { SLICE_LIT("\x1b[2J\r\n\t\x7f"), "\\x1b[2J\\x0d\\x0a\\x09\\x7f" },
        { SLICE_LIT("a\0b"), "a\\x00b" },
        { SLICE_LIT("\xc2\x9b" "31m"), "\\xc2\\x9b31m" },          /* C1 in UTF-8 */
        { SLICE_LIT("\x9b" "31m"), "\\x9b31m" },                    /* and alone */
        { SLICE_LIT("\xc0\x80\xff\xed\xa0\x80"), "\\xc0\\x80\\xff\\xed\\xa0\\x80" },
        { SLICE_LIT("\xe2\x80\xae" "txt"), "\\xe2\\x80\\xaetxt" },  /* right to left */
        { SLICE_LIT("\xe2\x80\x9c\xe2\x80\xa6\xe2\x80\x9d"), "\xe2\x80\x9c\xe2\x80\xa6\xe2\x80\x9d" },   /* "..." as printers set it */
        { SLICE_LIT("a\xe2\x80\x8b" "b"), "a\\xe2\\x80\\x8bb" },    /* a space without width */
        { SLICE_LIT("\xef\xbb\xbf" "b"), "\\xef\\xbb\\xbfb" },      /* a byte-order mark */
        { SLICE_LIT("\xc3"), "\\xc3" }, { SLICE_LIT("\xf0\x9f\x93"), "\\xf0\\x9f\\x93" },
    };
    struct buf out = BUF(1000);

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        buf_clear(&out);
        text_clean(&out, cases[i].in);
        assert_true(slice_eq(buf_view(&out), slice_cstr(cases[i].out)));
    }
    buf_free(&out);
}

static void times_and_sizes_are_short(void **state)
{
    static const struct { int64_t ms; const char *text; } spans[] = {
        { 0, "0s" }, { -5, "0s" }, { 59999, "59s" }, { 200000, "3m20s" }, { 7200000, "2h" },
        { 5 * 86400000LL + 3 * 3600000LL, "5d3h" }, { 7261000, "2h1m" },
    };
    static const struct { int64_t bytes; const char *text; } sizes[] = {
        { 0, "0" }, { 1023, "1023" }, { 4400, "4.3K" }, { 53477376, "51M" },
    };
    char to[24];
    int64_t ms;

    (void)state;
    for (size_t i = 0; i < sizeof spans / sizeof spans[0]; i++)
        assert_string_equal(span_text(spans[i].ms, to), spans[i].text);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        assert_string_equal(size_text(sizes[i].bytes, to), sizes[i].text);
    assert_true(time_parse("2026-11-22T01:02:03.004Z", &ms));
    assert_true(ms == 1795309323004);
    assert_false(time_parse("soon", &ms));
    assert_false(time_parse(NULL, &ms));
}

static void a_table_is_aligned_and_fits_the_screen(void **state)
{
    struct table t = { .columns = 3, .heads = { "A", "N", "WHY" }, .right = { [1] = true } };
    char text[400];
    FILE *out = tmpfile();
    size_t n;

    (void)state;
    table_add(&t, (const char *const[]){ "g\xc3\xbcx", "7", "a long reason that is cut" });
    table_add(&t, (const char *const[]){ "longer", "1234", "\x1b[1m" });
    table_print(&t, out, 28);
    rewind(out);
    n = fread(text, 1, sizeof text - 1, out);
    text[n] = '\0';
    assert_string_equal(text,
        "A          N  WHY\n"
        "g\xc3\xbcx        7  a long reason\xe2\x80\xa6\n"
        "longer  1234  \\x1b[1m\n");
    table_free(&t);
    fclose(out);
}

static const struct text_list nothing = { .n = 0 };

static struct slice make(const char *text, const struct text_list *headers, const char *subject,
                         struct buf *out)
{
    static struct text_list to = { .items = { "b@c.d", "e@f.g" }, .n = 2 };
    struct letter l = { .from = "a@b.c", .to = &to, .headers = headers, .subject = subject,
                        .host = "h.test", .now = 1795309323004, .chance = 7 };

    buf_clear(out);
    assert_true(letter_make(&l, slice_cstr(text), out));
    return buf_view(out);
}

static void line_ends_become_crlf(void **state)
{
    static const struct { const char *in, *out; } cases[] = {
        { "A: b\n\nc\n", "A: b\r\n\r\nc\r\n" }, { "A: b\r\n\r\nc\r\n", "A: b\r\n\r\nc\r\n" },
        { "A: b\r\rc\r", "A: b\r\n\r\nc\r\n" }, { "A: b\n\nno end", "A: b\r\n\r\nno end\r\n" },
        { "\nbody", "\r\nbody\r\n" }, { "A: b\n\n.\n", "A: b\r\n\r\n.\r\n" },
        { "A: b\r\r\nc", "A: b\r\n\r\nc\r\n" },
    };
    struct buf out = BUF(10000);

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_true(slice_eq(make(cases[i].in, &nothing, NULL, &out), slice_cstr(cases[i].out)));
    buf_free(&out);
}

static void a_text_without_header_gets_one(void **state)
{
    static struct text_list headers = { .items = { "X-A: b" }, .n = 1 };
    struct buf out = BUF(10000);
    struct slice s = make("Hello there\n", &headers, "Hi", &out);
    char *text = strndup(s.p, s.n);

    (void)state;
    assert_true(strncmp(text, "X-A: b\r\nDate: ", 14) == 0);
    assert_non_null(strstr(text, "\r\nFrom: <a@b.c>\r\nTo: <b@c.d>,\r\n    <e@f.g>\r\nMessage-ID: <"));
    assert_non_null(strstr(text, "@h.test>\r\nSubject: Hi\r\n\r\nHello there\r\n"));
    assert_null(strstr(text, "MIME"));
    free(text);
    s = make("Gr\xc3\xbc\xc3\x9f" "e\n", &nothing, NULL, &out);
    text = strndup(s.p, s.n);
    assert_non_null(strstr(text, "Content-Transfer-Encoding: 8bit\r\n\r\nGr"));
    free(text);
    buf_free(&out);
}

static void a_header_is_recognised(void **state)
{
    static const struct { const char *text; bool has; } cases[] = {
        { "A: b\n", true }, { "X-Y:z", true }, { "\nbody", true }, { "\r\nbody", true },
        { "Hello there: you\n", false }, { "Hello\n", false }, { "", false }, { ": x", false },
        { "\xc3\xbc: x", false },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_int_equal(letter_has_header(slice_cstr(cases[i].text)), cases[i].has);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_from_outside_moves_a_terminal),
        cmocka_unit_test(times_and_sizes_are_short),
        cmocka_unit_test(a_table_is_aligned_and_fits_the_screen),
        cmocka_unit_test(line_ends_become_crlf),
        cmocka_unit_test(a_text_without_header_gets_one),
        cmocka_unit_test(a_header_is_recognised),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
