/* test_mail_idn.c - domains and addresses in Unicode, and in ASCII for those who need it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "mail/address_idn.h"
#include "mail/unitext.h"

#define L(text) SLICE_INIT(text)

typedef bool convert_f(struct slice in, struct buf *out);

struct pair { struct slice in, out; };

static void all_convert(convert_f *convert, const struct pair *pairs, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct buf out = BUF(2000);

        assert_true(buf_puts(&out, "x") && convert(pairs[i].in, &out));
        buf_drop(&out, 1);
        assert_true(slice_eq(buf_view(&out), pairs[i].out));
        buf_free(&out);
    }
}

static void none_convert(convert_f *convert, const struct slice *in, size_t n)
{
    struct buf out = BUF(2000);

    for (size_t i = 0; i < n; i++) {
        assert_false(convert(in[i], &out));
        assert_int_equal(out.n, 0);
    }
    buf_free(&out);
}

#define ALL(convert, list)  all_convert(convert, list, sizeof (list) / sizeof (list)[0])
#define NONE(convert, list) none_convert(convert, list, sizeof (list) / sizeof (list)[0])

static void labels_become_ascii(void **state)
{
    static const struct pair pairs[] = {
        { L("example.org"), L("example.org") },
        { L("Example.ORG"), L("example.org") },
        { L("b\xc3\xbc" "cher.example"), L("xn--bcher-kva.example") },
        { L("B\xc3\xbc" "CHER.example"), L("xn--bcher-kva.example") },
        { L("bu\xcc\x88" "cher.example"), L("xn--bcher-kva.example") },      /* decomposed */
        { L("fa\xc3\x9f.de"), L("xn--fa-hia.de") },                 /* no transition to fass */
        { L("\xe4\xbe\x8b\xe5\xad\x90.\xe6\xb5\x8b\xe8\xaf\x95"), L("xn--fsqu00a.xn--0zwm56d") },
        { L("xn--bcher-kva.example"), L("xn--bcher-kva.example") },
        { L("[192.0.2.1]"), L("[192.0.2.1]") },
    };
    static const struct slice refused[] = {
        L(""), L("."), L("a..b"), L("b\xc3\xbc" "cher."), L("\xff.example"), L("b\xc3\x9c" "cher.example"),
        L("\xe2\x80\xae" "a.example"), L("a\xe3\x80\x82" "b"), L("\xe2\x84\xa2.example"), L("a b.example"),
        L("b\xc3\xbc\0.example"), L("-\xc3\xbc.example"), L("\xe2\x80\x8d" "a.example"), L("[::1]"), L("[x]"),
    };

    (void)state;
    ALL(domain_to_ascii, pairs);
    NONE(domain_to_ascii, refused);
}

static void a_long_domain_is_refused(void **state)
{
    char text[1100];
    struct buf out = BUF(2000);

    (void)state;
    for (size_t i = 0; i < sizeof text; i += 2)
        memcpy(text + i, i % 60 == 58 ? "a." : "\xc3\xbc", 2);
    assert_true(domain_to_ascii(slice_of(text, 59), &out));
    assert_false(domain_to_ascii(slice_of(text, 599), &out));
    assert_false(domain_to_ascii(slice_of(text, sizeof text - 1), &out));
    buf_free(&out);
}

static void labels_are_shown_in_unicode(void **state)
{
    static const struct pair pairs[] = {
        { L("example.org"), L("example.org") },
        { L("xn--bcher-kva.example"), L("b\xc3\xbc" "cher.example") },
        { L("XN--BCHER-KVA.example"), L("b\xc3\xbc" "cher.example") },
        { L("xn--fsqu00a.xn--0zwm56d"), L("\xe4\xbe\x8b\xe5\xad\x90.\xe6\xb5\x8b\xe8\xaf\x95") },
        { L("xn--a.example"), L("xn--a.example") },                 /* none: stays */
        { L("xn--.example"), L("xn--.example") },
        { L("b\xc3\xbc" "cher.example"), L("b\xc3\xbc" "cher.example") },
        { L("[192.0.2.1]"), L("[192.0.2.1]") },
    };
    static const struct slice refused[] = { L("\xff.example") };

    (void)state;
    ALL(domain_to_unicode, pairs);
    NONE(domain_to_unicode, refused);
}

static void an_address_goes_in_ascii_if_its_local_part_is(void **state)
{
    static const struct pair pairs[] = {
        { L("bob@b\xc3\xbc" "cher.example"), L("bob@xn--bcher-kva.example") },
        { L("\"a@b\"@b\xc3\xbc" "cher.example"), L("\"a@b\"@xn--bcher-kva.example") },
        { L("Bob@example.org"), L("Bob@example.org") },
        { L("postmaster"), L("postmaster") }, { L(""), L("") },
    };
    static const struct slice refused[] = {
        L("b\xc3\xb6" "b@example.org"), L("bob@\xff"), L("b\xc3\xb6" "b"), L("bob@"),
    };

    (void)state;
    ALL(address_to_ascii, pairs);
    NONE(address_to_ascii, refused);
}

static void unitext_is_written_and_read(void **state)
{
    static const struct { struct slice address, ascii, utf8; } cases[] = {
        { L("bob@example.org"), L("bob@example.org"), L("bob@example.org") },
        { L("b\xc3\xb6" "b@x"), L("b\\x{F6}b@x"), L("b\xc3\xb6" "b@x") },
        { L("\"a b+c=d\\\\\"@x"), L("\"a\\x{20}b\\x{2B}c\\x{3D}d\\x{5C}\\x{5C}\"@x"),
          L("\"a\\x{20}b\\x{2B}c\\x{3D}d\\x{5C}\\x{5C}\"@x") },
        { L("\xf0\x9f\x98\x80@x"), L("\\x{1F600}@x"), L("\xf0\x9f\x98\x80@x") },
    };
    static const struct slice refused[] = {
        L("\\"), L("\\x"), L("\\x{}"), L("\\x{F}"), L("\\x{F6"), L("\\x{0F6}"), L("\\x{D800}"), L("\\x{110000}"),
        L("\\x{0A}"), L("\\x{2028}"), L("\xff"), L("\\y{F6}"), L("a\r\nb"), L("\\x{00000041}"),
    };
    struct buf out = BUF(2000);

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        buf_clear(&out);
        unitext_put(&out, cases[i].address, true);
        assert_true(slice_eq(buf_view(&out), cases[i].utf8));
        buf_clear(&out);
        unitext_put(&out, cases[i].address, false);
        assert_true(slice_eq(buf_view(&out), cases[i].ascii));
        buf_clear(&out);
        assert_true(unitext_get(&out, cases[i].ascii));
        assert_true(slice_eq(buf_view(&out), cases[i].address));
    }
    buf_clear(&out);
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++)
        assert_false(unitext_get(&out, refused[i]));
    assert_int_equal(out.n, 0);
    buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(labels_become_ascii),
        cmocka_unit_test(a_long_domain_is_refused),
        cmocka_unit_test(labels_are_shown_in_unicode),
        cmocka_unit_test(an_address_goes_in_ascii_if_its_local_part_is),
        cmocka_unit_test(unitext_is_written_and_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
