/* test_mail_content.c - what a message contains, wherever it is cut. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>
#include "mail/content.h"

static const struct { struct slice in; unsigned facts; } cases[] = {
    { SLICE_INIT(""), 0 },
    { SLICE_INIT("A: b\r\n\r\nbody\r\n"), 0 },
    { SLICE_INIT("A: b\r\n\r\nbody"), CONTENT_OPEN },
    { SLICE_INIT("A: b\r\n\r\nb\xc3\xb6" "dy\r\n"), CONTENT_8BIT },
    { SLICE_INIT("A: b\xc3\xb6\r\n\r\nbody\r\n"), CONTENT_8BIT | CONTENT_8HEADER },
    { SLICE_INIT("A: b\r\n\r\nbo\0dy\r\n"), CONTENT_NUL },
    { SLICE_INIT("A: b\r\n\r\nbo\ndy\r\n"), CONTENT_BARE },
    { SLICE_INIT("A: b\r\n\r\nbo\rdy\r\n"), CONTENT_BARE },
    { SLICE_INIT("A: b\r\n\r\nbody\r"), CONTENT_BARE | CONTENT_OPEN },
    { SLICE_INIT("A: b\r\n\r\nbody\r\r\n"), CONTENT_BARE },
    { SLICE_INIT("A: b\r\n\r\nbody\n"), CONTENT_BARE | CONTENT_OPEN },
    { SLICE_INIT("\r\n\xff"), CONTENT_8BIT | CONTENT_OPEN },
    { SLICE_INIT("\n\xff\r\n"), CONTENT_BARE | CONTENT_8BIT | CONTENT_8HEADER },
};

static void the_facts_of_a_message_are_seen(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_int_equal(content_facts(cases[i].in), cases[i].facts);
}

static void it_does_not_matter_where_it_is_cut(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        for (size_t cut = 0; cut <= cases[i].in.n; cut++) {
            struct content_scan c = { 0 };

            content_scan(&c, slice_first(cases[i].in, cut));
            content_scan(&c, slice_from(cases[i].in, cut));
            assert_int_equal(content_end(&c), cases[i].facts);
        }
}

static void a_line_of_998_octets_is_the_longest(void **state)
{
    static char text[1100];

    (void)state;
    memset(text, 'x', sizeof text);
    memcpy(text + 998, "\r\n", 2);
    assert_int_equal(content_facts(slice_of(text, 1000)), 0);
    memcpy(text + 998, "x\r\n", 3);
    assert_int_equal(content_facts(slice_of(text, 1001)), CONTENT_LONG);
    memcpy(text + 997, "\rx\r\n", 4);                  /* a bare CR counts as content */
    assert_int_equal(content_facts(slice_of(text, 1001)), CONTENT_LONG | CONTENT_BARE);
    assert_int_equal(content_facts(slice_of(text, 999)), CONTENT_LONG | CONTENT_BARE | CONTENT_OPEN);
}

static void the_longest_line_can_be_another(void **state)
{
    struct content_scan c = { .line_max = 10, .in_body = true };

    (void)state;
    content_scan(&c, SLICE_LIT("0123456789\r\n"));
    assert_int_equal(content_end(&c), 0);
    content_scan(&c, SLICE_LIT("01234567890\r\n"));
    assert_int_equal(content_end(&c), CONTENT_LONG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_facts_of_a_message_are_seen),
        cmocka_unit_test(it_does_not_matter_where_it_is_cut),
        cmocka_unit_test(a_line_of_998_octets_is_the_longest),
        cmocka_unit_test(the_longest_line_can_be_another),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
