/* test_mail_mime.c - the fields that say how a body is made, and the two encodings. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>
#include "base/buf.h"
#include "base/cfws.h"
#include "mail/encode.h"
#include "mail/mime.h"

static void encodings_are_known_by_their_one_word(void **state)
{
    static const struct { struct slice body; enum mime_encoding encoding; } cases[] = {
        { SLICE_INIT(" 7bit"), MIME_7BIT }, { SLICE_INIT("8BIT"), MIME_8BIT }, { SLICE_INIT("\r\n\tbinary\r\n"), MIME_BINARY },
        { SLICE_INIT("(a)quoted-printable(b (c))"), MIME_QP }, { SLICE_INIT(" Base64 "), MIME_BASE64 },
        { SLICE_INIT(""), MIME_OTHER }, { SLICE_INIT("8-bit"), MIME_OTHER }, { SLICE_INIT("8bit;"), MIME_OTHER },
        { SLICE_INIT("\"8bit\""), MIME_OTHER }, { SLICE_INIT("8bit binary"), MIME_OTHER }, { SLICE_INIT("8bit (open"), MIME_OTHER },
        { SLICE_INIT("x-uuencode"), MIME_OTHER }, { SLICE_INIT("8bit\0"), MIME_OTHER },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_int_equal(mime_encoding_parse(cases[i].body), cases[i].encoding);
    for (unsigned e = MIME_7BIT; e < MIME_OTHER; e++)
        assert_int_equal(mime_encoding_parse(slice_cstr(mime_encoding_text((enum mime_encoding)e))), e);
}

static void types_are_read_as_far_as_they_matter(void **state)
{
    static const struct { struct slice body; enum mime_error error; const char *type, *subtype, *boundary; } cases[] = {
        { SLICE_INIT(" text/plain"), MIME_OK, "text", "plain", "" },
        { SLICE_INIT("Text / (c) Plain ; charset=\"utf-8"), MIME_OK, "text", "plain", "" },     /* a leaf's business */
        { SLICE_INIT("multipart/mixed; boundary=b"), MIME_OK, "multipart", "mixed", "b" },
        { SLICE_INIT("multipart/mixed;boundary=\"b c\";"), MIME_OK, "multipart", "mixed", "b c" },
        { SLICE_INIT("multipart/x; ; a=\"\\\"; boundary=n\"; BOUNDARY = =_a/b:c=?"), MIME_OK, "multipart", "x", "=_a/b:c=?" },
        { SLICE_INIT("multipart/x; boundary=b (c)"), MIME_OK, "multipart", "x", "b" },
        { SLICE_INIT("message/rfc822"), MIME_OK, "message", "rfc822", "" },
        { SLICE_INIT("text"), MIME_PLAIN, "", "", "" }, { SLICE_INIT(""), MIME_PLAIN, "", "", "" },
        { SLICE_INIT("text/"), MIME_PLAIN, "", "", "" }, { SLICE_INIT("te\xc3\xbcxt/plain"), MIME_PLAIN, "", "", "" },
        { SLICE_INIT("multipart"), MIME_DOUBT, "", "", "" }, { SLICE_INIT("(open text/plain"), MIME_DOUBT, "", "", "" },
        { SLICE_INIT("message; x"), MIME_DOUBT, "", "", "" },
        { SLICE_INIT("multipart/x"), MIME_DOUBT, "multipart", "x", NULL },
        { SLICE_INIT("multipart/x; boundary="), MIME_DOUBT, "multipart", "x", NULL },
        { SLICE_INIT("multipart/x; boundary=\"\""), MIME_DOUBT, "multipart", "x", NULL },
        { SLICE_INIT("multipart/x; boundary=\"b "), MIME_DOUBT, "multipart", "x", NULL },
        { SLICE_INIT("multipart/x; boundary=\"b \""), MIME_DOUBT, "multipart", "x", NULL },
        { SLICE_INIT("multipart/x; boundary=\"a\\b\""), MIME_DOUBT, "multipart", "x", NULL },
        { SLICE_INIT("multipart/x; boundary=\"a\r\n b\""), MIME_DOUBT, "multipart", "x", NULL },
        { SLICE_INIT("multipart/x; boundary=a; boundary=a"), MIME_DOUBT, "multipart", "x", NULL },
        { SLICE_INIT("multipart/x; boundary*=us-ascii''a"), MIME_DOUBT, "multipart", "x", NULL },
        { SLICE_INIT("multipart/x; boundary*0=a"), MIME_DOUBT, "multipart", "x", NULL },
        { SLICE_INIT("multipart/x; boundary=a b"), MIME_DOUBT, "multipart", "x", NULL },
        { SLICE_INIT("multipart/x; boundary=a\"b\""), MIME_DOUBT, "multipart", "x", NULL },
        { SLICE_INIT("multipart/x boundary=a"), MIME_DOUBT, "multipart", "x", NULL },
        { SLICE_INIT("multipart/x; x=\"; boundary=a"), MIME_DOUBT, "multipart", "x", NULL },
    };
    struct mime_type t;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(mime_type_parse(cases[i].body, &t), cases[i].error);
        assert_true(slice_ieq(t.type, slice_cstr(cases[i].type)) && slice_ieq(t.subtype, slice_cstr(cases[i].subtype)));
        if (cases[i].boundary != NULL)
            assert_true(slice_eq(t.boundary, slice_cstr(cases[i].boundary)));
    }
}

static void a_boundary_has_a_length(void **state)
{
    char text[300];
    struct mime_type t;

    (void)state;
    for (size_t n = 199; n <= 202; n++) {
        int used = snprintf(text, sizeof text, "multipart/x; boundary=%0*d", (int)n, 0);

        assert_int_equal(mime_type_parse(slice_of(text, (size_t)used), &t), n <= 200 ? MIME_OK : MIME_DOUBT);
    }
}

static void comments_nest_and_must_end(void **state)
{
    static const struct { struct slice in; bool ends; size_t left; } cases[] = {
        { SLICE_INIT(""), true, 0 }, { SLICE_INIT("x"), true, 1 }, { SLICE_INIT(" \t\r\n x "), true, 2 },
        { SLICE_INIT("(a(b)c)x"), true, 1 }, { SLICE_INIT("(\\))x"), true, 1 }, { SLICE_INIT("(a)(b) (c)"), true, 0 },
        { SLICE_INIT("(a"), false, 2 }, { SLICE_INIT("(a\\)"), false, 4 }, { SLICE_INIT("(a\\"), false, 3 }, { SLICE_INIT(")"), true, 1 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct slice s = cases[i].in;

        assert_int_equal(cfws_skip(&s), cases[i].ends);
        assert_int_equal(s.n, cases[i].left);
    }
}

static bool collect(void *user, struct slice piece)
{
    return buf_put_slice(user, piece);
}

static void quoted_printable_comes_out_as_it_should(void **state)
{
    static const struct { struct slice in; bool ends; struct slice out; } cases[] = {
        { SLICE_INIT(""), true, SLICE_INIT("") },
        { SLICE_INIT("a=b"), false, SLICE_INIT("a=3Db") }, { SLICE_INIT("a"), true, SLICE_INIT("a=\r\n") },
        { SLICE_INIT("a\r\n"), true, SLICE_INIT("a\r\n") }, { SLICE_INIT("a \r\n\tb\t"), false, SLICE_INIT("a=20\r\n\tb=09") },
        { SLICE_INIT("-a\r\n--b"), false, SLICE_INIT("=2Da\r\n=2D-b") },
        { SLICE_INIT("a\rb\nc\r"), false, SLICE_INIT("a=0Db=0Ac=0D") }, { SLICE_INIT("\0\x7f\xff~!"), false, SLICE_INIT("=00=7F=FF~!") },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct buf out = BUF(1000);

        assert_true(encode_qp(cases[i].in, cases[i].ends, collect, &out));
        assert_true(slice_eq(buf_view(&out), cases[i].out));
        buf_free(&out);
    }
}

static void no_line_of_quoted_printable_is_longer_than_76(void **state)
{
    char in[200];

    (void)state;
    for (size_t n = 60; n < sizeof in; n++)
        for (size_t at = 60; at < 80 && at < n; at++) {
            struct buf out = BUF(1000);
            struct slice line, rest;

            memset(in, 'x', sizeof in);
            in[at] = '=';
            assert_true(encode_qp(slice_of(in, n), n % 2 == 0, collect, &out));
            for (rest = buf_view(&out); rest.n > 0;) {
                slice_cut(rest, '\n', &line, &rest);
                assert_in_range(slice_trim(line).n, 1, 76);
            }
            buf_free(&out);
        }
}

static void base64_comes_out_as_it_should(void **state)
{
    static const struct { struct slice in; bool ends; struct slice out; } cases[] = {
        { SLICE_INIT(""), true, SLICE_INIT("") }, { SLICE_INIT("f"), false, SLICE_INIT("Zg==") },
        { SLICE_INIT("fo"), true, SLICE_INIT("Zm8=\r\n") }, { SLICE_INIT("foo"), false, SLICE_INIT("Zm9v") },
        { SLICE_INIT("foobar"), true, SLICE_INIT("Zm9vYmFy\r\n") }, { SLICE_INIT("\xff\xff\xfe\0"), false, SLICE_INIT("///+AA==") },
        { SLICE_INIT("012345678901234567890123456789012345678901234567890123456"), true,
          SLICE_INIT("MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2\r\n") },
        { SLICE_INIT("0123456789012345678901234567890123456789012345678901234567"), false,
          SLICE_INIT("MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2\r\nNw==") },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct buf out = BUF(1000);

        assert_true(encode_base64(cases[i].in, cases[i].ends, collect, &out));
        assert_true(slice_eq(buf_view(&out), cases[i].out));
        buf_free(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(encodings_are_known_by_their_one_word),
        cmocka_unit_test(types_are_read_as_far_as_they_matter),
        cmocka_unit_test(a_boundary_has_a_length),
        cmocka_unit_test(comments_nest_and_must_end),
        cmocka_unit_test(quoted_printable_comes_out_as_it_should),
        cmocka_unit_test(no_line_of_quoted_printable_is_longer_than_76),
        cmocka_unit_test(base64_comes_out_as_it_should),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
