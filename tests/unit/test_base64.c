/* test_base64.c - one text for every run of bytes, and no other. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "base/base64.h"

static void the_published_texts_go_both_ways(void **state)
{
    static const struct { const char *bytes, *text; } cases[] = {
        { "", "" }, { "f", "Zg==" }, { "fo", "Zm8=" }, { "foo", "Zm9v" }, { "foob", "Zm9vYg==" },
        { "fooba", "Zm9vYmE=" }, { "foobar", "Zm9vYmFy" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct buf to = BUF(100), back = BUF(100);

        assert_true(base64_put(&to, slice_cstr(cases[i].bytes)));
        assert_true(slice_eq(buf_view(&to), slice_cstr(cases[i].text)));
        assert_true(base64_take(&back, slice_cstr(cases[i].text)));
        assert_true(slice_eq(buf_view(&back), slice_cstr(cases[i].bytes)));
        buf_free(&to);
        buf_free(&back);
    }
}

static void every_byte_comes_back_at_every_length(void **state)
{
    char bytes[256];

    (void)state;
    for (int i = 0; i < 256; i++)
        bytes[i] = (char)(i * 7 + 3);
    for (size_t n = 0; n <= sizeof bytes; n++) {
        struct buf text = BUF(400), back = BUF(256);

        assert_true(base64_put(&text, slice_of(bytes, n)));
        assert_int_equal(text.n, (n + 2) / 3 * 4);
        assert_true(base64_take(&back, buf_view(&text)));
        assert_true(slice_eq(buf_view(&back), slice_of(bytes, n)));
        buf_free(&text);
        buf_free(&back);
    }
}

static void what_is_not_canonical_is_refused(void **state)
{
    static const struct slice cases[] = {
        SLICE_INIT("Z"), SLICE_INIT("Zg"), SLICE_INIT("Zg="), SLICE_INIT("Zm9vY"), SLICE_INIT("Zm9vYg="),
        SLICE_INIT("="), SLICE_INIT("=="), SLICE_INIT("===="), SLICE_INIT("Z==="), SLICE_INIT("Zg==Zg=="),
        SLICE_INIT("Zg=a"), SLICE_INIT("Zm=v"), SLICE_INIT("Z=9v"), SLICE_INIT("=m9v"),
        SLICE_INIT("Zh=="), SLICE_INIT("Zm9="), SLICE_INIT("Zm9 "), SLICE_INIT(" Zm9"), SLICE_INIT("Zm\r\n"),
        SLICE_INIT("Zm9v\r\n"), SLICE_INIT("Zm9v\n"), SLICE_INIT("Zm-v"), SLICE_INIT("Zm_v"), SLICE_INIT("Zm9\0"),
        SLICE_INIT("Zm9\xff"), SLICE_INIT("Zg==\0"), SLICE_INIT("Zg===="), SLICE_INIT("Zm9v===="),
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct buf to = BUF(100);

        if (base64_take(&to, cases[i]))
            fail_msg("taken: %.*s", SLICE(cases[i]));
        assert_false(to.full);
        assert_int_equal(to.n, 0);
        buf_free(&to);
    }
}

static void a_full_buffer_is_not_a_malformed_text(void **state)
{
    struct buf to = BUF(5);

    (void)state;
    assert_false(base64_take(&to, SLICE_LIT("Zm9vYmFy")));
    assert_true(to.full);
    buf_clear(&to);
    assert_true(base64_take(&to, SLICE_LIT("Zm9vYmE=")));
    assert_int_equal(to.n, 5);
    buf_clear(&to);
    assert_false(base64_put(&to, SLICE_LIT("foob")));
    assert_true(to.full);
    buf_free(&to);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_published_texts_go_both_ways),
        cmocka_unit_test(every_byte_comes_back_at_every_length),
        cmocka_unit_test(what_is_not_canonical_is_refused),
        cmocka_unit_test(a_full_buffer_is_not_a_malformed_text),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
