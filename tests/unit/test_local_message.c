/* test_local_message.c - what stands in a mailbox. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>
#include <cmocka.h>
#include "local/message.h"

struct text_case { const char *wire, *mailbox; };

static const struct text_case cases[] = {
    /* lines end with LF */
    { "A: b\r\n\r\nc\r\n", "A: b\n\nc\n" },
    { "", "" },
    { "\r\n", "\n" },
    { "\r\nbody\r\n", "\nbody\n" },
    /* Return-Path of others is gone, wherever it stands, folded or not, in any case */
    { "Return-Path: <x@y>\r\nA: b\r\n\r\n", "A: b\n\n" },
    { "A: b\r\nreturn-PATH:<x>\r\n\t folded\r\n more\r\nC: d\r\n\r\n", "A: b\nC: d\n\n" },
    { "Return-Path: a\r\nReturn-Path: b\r\n\r\nReturn-Path: in the body\r\n",
      "\nReturn-Path: in the body\n" },
    { "Return-Path: at the end", "" },
    /* what only begins like it stays */
    { "Return-Pat: x\r\nReturn-Path-X: y\r\nReturn: z\r\nR\r\n\r\n",
      "Return-Pat: x\nReturn-Path-X: y\nReturn: z\nR\n\n" },
    { "Return-P", "Return-P" },
    { "A: b\r\n Return-Path: folded text stays\r\n\r\n", "A: b\n Return-Path: folded text stays\n\n" },
    /* octets are octets; a CR that ends no line stays */
    { "A: \xff\xc3\xa4\r\n\r\n\x80\x01\r\n", "A: \xff\xc3\xa4\n\n\x80\x01\n" },
    { "\r\na\rb\r\r\nc\r", "\na\rb\r\nc\r" },
    { "\r\n.\r\n..\r\n", "\n.\n..\n" },
};

/* in pieces of every size the result is the same */

static void the_mailbox_form_does_not_depend_on_how_the_text_arrives(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct slice wire = slice_cstr(cases[i].wire);

        for (size_t step = 1; step <= wire.n + 1; step++) {
            struct message_filter f = { 0 };
            struct buf out = BUF(4096);

            for (struct slice rest = wire; rest.n > 0; rest = slice_from(rest, step))
                message_filter(&f, &out, slice_first(rest, step));
            message_filter_end(&f, &out);
            if (!slice_eq(buf_view(&out), slice_cstr(cases[i].mailbox)))
                fail_msg("case %zu in steps of %zu gives \"%.*s\"", i, step, SLICE(buf_view(&out)));
            buf_free(&out);
        }
    }
}

static void the_front_names_sender_and_recipient_and_no_more_lines(void **state)
{
    const struct { struct message_front front; const char *text; } fronts[] = {
        { { SLICE_LIT("a@b.c"), SLICE_LIT("u@x.y"), SLICE_LIT("") },
          "Return-Path: <a@b.c>\nDelivered-To: u@x.y\n" },
        { { SLICE_LIT(""), SLICE_LIT("u@x.y"), SLICE_LIT("u@x.y") },
          "Return-Path: <>\nDelivered-To: u@x.y\n" },
        { { SLICE_LIT("a@b.c"), SLICE_LIT("u@x.y"), SLICE_LIT("list@x.y") },
          "Return-Path: <a@b.c>\nDelivered-To: u@x.y\nX-Original-To: list@x.y\n" },
        { { SLICE_LIT("a\nEvil: 1"), SLICE_LIT("u\r@x\0"), SLICE_LIT("") },
          "Return-Path: <a?Evil: 1>\nDelivered-To: u?@x?\n" },
    };
    struct buf out = BUF(4096);

    (void)state;
    for (size_t i = 0; i < sizeof fronts / sizeof fronts[0]; i++) {
        buf_clear(&out);
        message_front(&fronts[i].front, &out);
        assert_true(slice_eq(buf_view(&out), slice_cstr(fronts[i].text)));
    }
    buf_free(&out);
}

/* write_both - the same body from memory and from a descriptor at an offset */

static void read_back(FILE *file, char *to, size_t size)
{
    size_t n;

    rewind(file);
    n = fread(to, 1, size - 1, file);
    to[n] = '\0';
}

static void a_body_in_a_file_is_written_like_one_in_memory(void **state)
{
    static const char wire[] = "Return-Path: <z>\r\nA: b\r\n\r\nbody\r\n";
    struct message_front front = { .sender = SLICE_LIT("s@t"), .address = SLICE_LIT("u@v") };
    struct message_body inline_body = { .text = slice_cstr(wire), .fd = -1 };
    FILE *source = tmpfile(), *one = tmpfile(), *two = tmpfile();
    char a[400], b[400];
    struct why why = { 0 };

    (void)state;
    fprintf(source, "seven.\n%sand more behind", wire);
    fflush(source);
    struct message_body file_body = { .fd = fileno(source), .offset = 7, .length = sizeof wire - 1 };

    assert_true(message_write(fileno(one), &front, &inline_body, &why));
    assert_true(message_write(fileno(two), &front, &file_body, &why));
    read_back(one, a, sizeof a);
    read_back(two, b, sizeof b);
    assert_string_equal(a, "Return-Path: <s@t>\nDelivered-To: u@v\nA: b\n\nbody\n");
    assert_string_equal(a, b);
    file_body.length = 4000;
    assert_false(message_write(fileno(two), &front, &file_body, &why));
    assert_int_equal(why.fate, FATE_LATER);
    fclose(source);
    fclose(one);
    fclose(two);
}

/* file_text - all that is in a temporary file */

static size_t file_text(FILE *f, char *text, size_t size)
{
    ssize_t n = pread(fileno(f), text, size - 1, 0);

    assert_true(n >= 0);
    text[n] = '\0';
    return (size_t)n;
}

static void a_binary_message_loses_no_octet_of_its_content(void **state)
{
    static const char wire[] = "MIME-Version: 1.0\r\nContent-Type: application/octet-stream\r\n"
                               "Content-Transfer-Encoding: binary\r\n\r\na\r\nb\nc\rd\0e";
    struct message_front front = { .address = SLICE_INIT("a@b") };
    struct message_body memory = { .text = slice_of(wire, sizeof wire - 1), .fd = -1, .binary = true };
    struct message_body file = { .length = sizeof wire - 1, .binary = true };
    FILE *one = tmpfile(), *two = tmpfile(), *source = tmpfile();
    char text[2][1000];
    struct why why;

    (void)state;
    assert_true(one != NULL && two != NULL && source != NULL);
    file.fd = fileno(source);
    assert_int_equal(write(file.fd, wire, sizeof wire - 1), sizeof wire - 1);
    assert_true(message_write(fileno(one), &front, &memory, &why));
    assert_true(message_write(fileno(two), &front, &file, &why));
    assert_true(file_text(one, text[0], sizeof text[0]) > 0);
    file_text(two, text[1], sizeof text[1]);
    assert_string_equal(text[0], text[1]);
    assert_non_null(strstr(text[0], "Content-Transfer-Encoding: base64\n"));
    assert_non_null(strstr(text[0], "\n\nYQ0KYgpjDWQAZQ=="));
    fclose(one);
    fclose(two);
    fclose(source);
}

static void a_binary_message_that_cannot_be_encoded_is_never_delivered(void **state)
{
    static const char wire[] = "MIME-Version: 1.0\r\nContent-Type: multipart/signed; boundary=b\r\n\r\n"
                               "--b\r\nContent-Transfer-Encoding: binary\r\n\r\na\0b\r\n--b--\r\n";
    struct message_front front = { .address = SLICE_INIT("a@b") };
    struct message_body body = { .text = slice_of(wire, sizeof wire - 1), .fd = -1, .binary = true };
    FILE *f = tmpfile();
    struct why why = { .error = 0 };

    (void)state;
    assert_non_null(f);
    assert_false(message_write(fileno(f), &front, &body, &why));
    assert_true(why.fate == FATE_NEVER && why.error == EILSEQ);
    fclose(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_mailbox_form_does_not_depend_on_how_the_text_arrives),
        cmocka_unit_test(the_front_names_sender_and_recipient_and_no_more_lines),
        cmocka_unit_test(a_body_in_a_file_is_written_like_one_in_memory),
        cmocka_unit_test(a_binary_message_loses_no_octet_of_its_content),
        cmocka_unit_test(a_binary_message_that_cannot_be_encoded_is_never_delivered),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
