/* test_smtp_line.c - command lines out of a stream; rows A020, A030, A032, A039. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include "smtp/command.h"

enum { MAX = 2048, LOG = 4096 };

/* feed - give `in` in pieces of `piece` octets; the results as letters and lines */

static void feed(struct slice in, size_t piece, char log[LOG])
{
    struct line_reader r = { 0 };
    size_t begun = 0, there = 0, used, n = 0;
    struct slice line;

    log[0] = '\0';
    while (there < in.n) {
        enum line_result result = LINE_OK;

        there = there + piece < in.n ? there + piece : in.n;
        while (result != LINE_MORE) {
            result = line_next(&r, slice_of(in.p + begun, there - begun), MAX, &line, &used);
            begun += used;
            if (result != LINE_MORE)
                n += (size_t)snprintf(log + n, LOG - n, "%c%.*s|", "-OBLE"[result],
                                      result == LINE_OK ? (int)line.n : 0, line.p);
            if (result == LINE_ENDLESS)
                return;
        }
    }
}

static void lines_end_with_crlf_alone_wherever_the_network_cuts(void **state)
{
    const struct { struct slice in; const char *log; } cases[] = {
        { SLICE_LIT("NOOP\r\nQUIT\r\n"), "ONOOP|OQUIT|" },
        { SLICE_LIT("\r\n\r\n"), "O|O|" },
        { SLICE_LIT("MAIL FROM:<a@b>\nRCPT TO:<c@d>\r\nQUIT\r\n"), "B|OQUIT|" },
        { SLICE_LIT("A\rB\r\nQUIT\r\n"), "B|OQUIT|" },
        { SLICE_LIT("A\r\r\nQUIT\r\n"), "B|OQUIT|" },
        { SLICE_LIT("\n\r\nQUIT\r\n"), "B|OQUIT|" },
        { SLICE_LIT("MAIL FROM:<a\0@b>\r\nQUIT\r\n"), "B|OQUIT|" },
        { SLICE_LIT("\0MAIL\r\n"), "B|" },
        { SLICE_LIT("no end"), "" }, { SLICE_LIT("no end\r"), "" },
    };
    char log[LOG];

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        for (size_t piece = 1; piece <= cases[i].in.n; piece++) {
            feed(cases[i].in, piece, log);
            assert_string_equal(log, cases[i].log);
        }
}

static void a_long_line_is_one_error_and_an_endless_one_the_last(void **state)
{
    static const struct { size_t n; const char *log; } cases[] = {
        { 510, "O" }, { MAX - 2, "O" }, { MAX - 1, "L|OQUIT|" }, { MAX, "L|OQUIT|" },
        { 65535, "L|OQUIT|" }, { 65536, "L|OQUIT|" }, { 65537, "E|" }, { 200000, "E|" },
    };
    static const size_t pieces[] = { 1, 7, 1000, 2048, 4096, 65536, 1000000 };
    char log[LOG];

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        for (size_t k = 0; k < sizeof pieces / sizeof pieces[0]; k++) {
            size_t n = cases[i].n;
            char *text = malloc(n + 8);

            memset(text, 'x', n);
            memcpy(text + n, "\r\nQUIT\r\n", 8);
            feed(slice_of(text, n + 8), pieces[k], log);
            free(text);
            if (cases[i].log[0] == 'O')
                assert_int_equal(log[0], 'O');
            else
                assert_string_equal(log, cases[i].log);
        }
}

static void a_reader_never_holds_more_than_the_limit(void **state)
{
    struct line_reader r = { 0 };
    char text[MAX + 1];
    struct slice line;
    size_t used;

    (void)state;
    memset(text, 'x', sizeof text);
    assert_int_equal(line_next(&r, slice_of(text, MAX - 1), MAX, &line, &used), LINE_MORE);
    assert_int_equal(used, 0);
    assert_int_equal(line_next(&r, slice_of(text, MAX), MAX, &line, &used), LINE_MORE);
    assert_int_equal(used, MAX);
    text[0] = '\r';
    assert_int_equal(line_next(&r, slice_of(text, 1), MAX, &line, &used), LINE_MORE);
    assert_int_equal(used, 0);
    text[1] = '\n';
    assert_int_equal(line_next(&r, slice_of(text, 2), MAX, &line, &used), LINE_LONG);
    assert_int_equal(used, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_end_with_crlf_alone_wherever_the_network_cuts),
        cmocka_unit_test(a_long_line_is_one_error_and_an_endless_one_the_last),
        cmocka_unit_test(a_reader_never_holds_more_than_the_limit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
