/* test_smtp_reply.c - every reply is well formed, whatever was put into it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>
#include "smtp/reply.h"

static struct slice written(struct buf *out, const struct reply *r, bool enhanced)
{
    buf_clear(out);
    reply_write(out, r, enhanced);
    return buf_view(out);
}

static void every_reply_has_a_code_a_text_and_an_end(void **state)
{
    struct buf out = BUF(8192);

    (void)state;
    for (unsigned id = 0; id < REPLY_COUNT; id++) {
        struct reply r = { .id = (enum reply_id)id };
        struct slice s = written(&out, &r, true);

        assert_in_range(reply_code(r.id), 200, 599);
        assert_in_range(s.n, 6, 512);
        assert_int_equal(s.p[0] - '0', reply_code(r.id) / 100);
        assert_int_equal(s.p[3], ' ');
        assert_memory_equal(s.p + s.n - 2, "\r\n", 2);
        if (s.p[5] == '.')
            assert_int_equal(s.p[4], s.p[0]);   /* classes agree */
    }
    buf_free(&out);
}

static void enhanced_codes_are_for_those_who_asked(void **state)
{
    struct buf out = BUF(8192);
    struct reply r = { .id = REPLY_NO_SUCH_USER };

    (void)state;
    assert_true(slice_eq(written(&out, &r, true), SLICE_LIT("550 5.1.1 No such user here\r\n")));
    assert_true(slice_eq(written(&out, &r, false), SLICE_LIT("550 No such user here\r\n")));
    r.id = REPLY_SEND_DATA;
    assert_true(slice_istarts(written(&out, &r, true), SLICE_LIT("354 End")));
    buf_free(&out);
}

static void lines_are_joined_by_hyphens(void **state)
{
    struct buf out = BUF(8192);
    struct reply r = { 0 };

    (void)state;
    reply_add(&r, REPLY_EHLO, "%s", "mx.example");
    reply_add(&r, REPLY_EHLO, "SIZE %d", 1000);
    assert_int_equal(reply_add(&r, REPLY_EHLO, "%s", ""), REPLY_EHLO);
    assert_true(slice_eq(written(&out, &r, true),
                         SLICE_LIT("250-mx.example\r\n250-SIZE 1000\r\n250 \r\n")));
    buf_free(&out);
}

static void text_from_outside_cannot_end_a_line(void **state)
{
    struct buf out = BUF(8192);
    struct reply r = { 0 };

    (void)state;
    reply_add(&r, REPLY_BAD_RCPT, "Bad: %s", "a\r\n250 Ok\n\x7f\x1b[2J\xc3\xa9");
    assert_true(slice_eq(written(&out, &r, true),
                         SLICE_LIT("501 5.1.3 Bad: a??250 Ok???[2J??\r\n")));
    buf_free(&out);
}

static void too_much_text_is_cut_and_lines_stay_within_512(void **state)
{
    struct buf out = BUF(65536);
    struct reply r = { 0 };
    char big[3000];
    struct slice rest, line;

    (void)state;
    memset(big, 'x', sizeof big);
    for (int i = 0; i < 10; i++)
        reply_add(&r, REPLY_NULL_MX, "%.*s", (int)sizeof big, big);
    rest = written(&out, &r, true);
    assert_int_equal(rest.p[3], '-');
    while (rest.n > 0) {
        assert_true(slice_cut(rest, '\n', &line, &rest));
        assert_in_range(line.n, 5, 511);
    }
    buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_reply_has_a_code_a_text_and_an_end),
        cmocka_unit_test(enhanced_codes_are_for_those_who_asked),
        cmocka_unit_test(lines_are_joined_by_hyphens),
        cmocka_unit_test(text_from_outside_cannot_end_a_line),
        cmocka_unit_test(too_much_text_is_cut_and_lines_stay_within_512),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
