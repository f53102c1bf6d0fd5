/* test_smtp_data.c - framing of a message, both ways; rows A001 to A019, A023. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include "smtp/data.h"
#include "smtp/scan.h"

enum { ROOM = 4096 };

/* What came of reading a text. */
struct outcome {
    char             text[ROOM];
    size_t           n;
    unsigned         faults;
    size_t           used;
    enum data_result result;
};

static void keep(void *user, struct slice piece)
{
    struct outcome *o = user;

    assert_true(piece.n > 0 && o->n + piece.n <= ROOM);
    memcpy(o->text + o->n, piece.p, piece.n);
    o->n += piece.n;
}

/* read_cut - read `in` in two pieces, cut at `cut`, the second octet by octet if `slow` */

static void read_cut(struct outcome *o, struct slice in, size_t cut, bool slow)
{
    struct data_reader d;
    size_t used;

    o->n = o->used = 0;
    o->result = DATA_MORE;
    data_begin(&d, 20);
    while (o->result == DATA_MORE && o->used < in.n) {
        size_t n = o->used < cut ? cut : slow ? 1 : in.n;

        o->result = data_read(&d, slice_first(slice_from(in, o->used), n), &used, keep, o);
        o->used += used;
    }
    o->faults = d.faults;
    assert_true(d.size == o->n);
}

/* The reference: one octet after another, written to be read, not to be fast. */

static void read_simply(struct outcome *o, struct slice in)
{
    bool bol = true;        /* at the beginning of a line */
    size_t line = 0;

    o->n = o->used = 0;
    o->faults = 0;
    o->result = DATA_MORE;
    for (size_t i = 0; i < in.n; ) {
        struct slice s = slice_from(in, i);
        bool crlf = s.n >= 2 && s.p[0] == '\r' && s.p[1] == '\n';

        if (bol && s.n >= 3 && memcmp(s.p, ".\r\n", 3) == 0) {
            o->used = i + 3;
            o->result = DATA_END;
            return;
        }
        if (bol && s.p[0] == '.') {
            i++;
            bol = false;
            continue;
        }
        for (size_t k = 0; k < (crlf ? 2u : 1u); k++)
            o->text[o->n++] = in.p[i++];
        bol = crlf;
        line = crlf ? 0 : line + 1;
        if (line > 20)
            o->faults |= DATA_LONG;
        if (!crlf && (s.p[0] == '\r' || s.p[0] == '\n' || s.p[0] == '\0'))
            o->faults |= DATA_BARE;
        if ((unsigned char)s.p[0] > 127)
            o->faults |= DATA_8BIT;
    }
    o->used = in.n;
}

static void assert_same(const struct outcome *a, const struct outcome *b)
{
    assert_int_equal(a->result, b->result);
    assert_int_equal(a->faults, b->faults);
    assert_int_equal(a->used, b->used);
    assert_int_equal(a->n, b->n);
    assert_memory_equal(a->text, b->text, a->n);
}

/* A016: every string of up to 7 of six octets, between two lines and a true end */

static void short_strings_of_every_kind_are_read_as_the_reference_does(void **state)
{
    static const char octets[6] = { '\r', '\n', '.', '\0', ' ', 'x' };
    struct outcome got, want;
    char text[64] = "line\r\n";

    (void)state;
    for (unsigned length = 0, count = 1; length <= 7; length++, count *= 6)
        for (unsigned number = 0; number < count; number++) {
            size_t n = 6;
            struct slice in;

            for (unsigned i = 0, v = number; i < length; i++, v /= 6)
                text[n++] = octets[v % 6];
            memcpy(text + n, "\r\nend\r\n.\r\nQUIT\r\n", 16);
            in = slice_of(text, n + 16);
            read_simply(&want, in);
            assert_int_equal(want.result, DATA_END);
            read_cut(&got, in, in.n, false);
            assert_same(&got, &want);
            read_cut(&got, in, 6 + number % (length + 3), false);
            assert_same(&got, &want);
        }
}

#define FAULT(in_)      { SLICE_LIT(in_), true, 0, false, { 0 } }
#define GOOD(in_, out_) { SLICE_LIT(in_), true, 0, true, SLICE_LIT(out_) }

static void the_rows_of_the_attack_list_end_where_they_must(void **state)
{
    const struct {
        struct slice in;
        bool         ends;
        size_t       left;          /* octets after the end */
        bool         good;
        struct slice out;
    } cases[] = {
        FAULT("a\n.\nMAIL\r\n.\r\n"),                   /* A001 */
        FAULT("a\n.\r\nMAIL\r\n.\r\n"),                 /* A002 */
        FAULT("a\r\n.\nMAIL\r\n.\r\n"),                 /* A003 */
        FAULT("a\r.\rMAIL\r\n.\r\n"),                   /* A004 */
        FAULT("a\r.\nMAIL\r\n.\r\n"),                   /* A005 */
        FAULT("a\n.\rMAIL\r\n.\r\n"),                   /* A006 */
        FAULT("a\r.\r\nMAIL\r\n.\r\n"),                 /* A007 */
        GOOD("a\r\n.\r\n", "a\r\n"),                    /* A008 */
        FAULT("a\r\n.\r\r\nMAIL\r\n.\r\n"),             /* A009 */
        FAULT("a\r\r\n.\r\r\nMAIL\r\n.\r\n"),
        FAULT("a\r\r\n.\r\n"),
        FAULT("a\r\n\0.\r\nMAIL\r\n.\r\n"),             /* A010 */
        FAULT("a\r\n.\0\r\nMAIL\r\n.\r\n"),             /* A011 */
        FAULT("a\0\r\n.\r\n"),                          /* A012 */
        FAULT("a\r\0\n.\r\nMAIL\r\n.\r\n"),             /* A013 */
        FAULT("a\r\n.\r\0\nMAIL\r\n.\r\n"),             /* A014 */
        { SLICE_LIT("a\r\n.\r\n\0MAIL"), true, 5, true, SLICE_LIT("a\r\n") },   /* A015 */
        GOOD(".\r\n", ""),                              /* A018 */
        GOOD("..\r\n.x\r\n...\r\n.\r\n", ".\r\nx\r\n..\r\n"),   /* A019 */
        { SLICE_LIT("a\r\n.\r\nQUIT\r\n"), true, 6, true, SLICE_LIT("a\r\n") }, /* A025 */
        { SLICE_LIT("a\r\n.\r"), false, 0, true, SLICE_LIT("a\r\n") },
    };
    struct outcome o;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        for (size_t cut = 0; cut <= cases[i].in.n; cut++) {
            read_cut(&o, cases[i].in, cut, true);
            assert_int_equal(o.result, cases[i].ends ? DATA_END : DATA_MORE);
            assert_int_equal(cases[i].in.n - o.used, cases[i].left);
            assert_int_equal((o.faults & DATA_BARE) == 0, cases[i].good);
            if (cases[i].good)
                assert_true(slice_eq(slice_of(o.text, o.n), cases[i].out));
        }
}

/* A017, and lines across the sixteen octets that are looked at together */

static void every_cut_gives_the_same(void **state)
{
    char text[400];
    struct outcome want, got;
    size_t n = 0;

    (void)state;
    for (size_t line = 0; line < 19; line++) {
        for (size_t i = 0; i < line; i++)
            text[n++] = (char)("ab.\xe9 "[i % 5]);
        text[n++] = '\r';
        text[n++] = '\n';
    }
    memcpy(text + n, "..\r\n.\r\n\xff", 8);
    read_simply(&want, slice_of(text, n + 8));
    assert_int_equal(want.result, DATA_END);
    for (size_t cut = 0; cut < n + 8; cut++) {
        read_cut(&got, slice_of(text, n + 8), cut, cut % 2);
        assert_same(&got, &want);
    }
}

static void eight_bit_octets_behind_the_end_do_not_count(void **state)
{
    struct outcome o;

    (void)state;
    read_cut(&o, SLICE_LIT("plain\r\n.\r\n\xe9\xe9\xe9\xe9\xe9\xe9\xe9\xe9\xe9\xe9\xe9"), 99, false);
    assert_int_equal(o.faults, 0);
    read_cut(&o, SLICE_LIT("pl\xe9in\r\n.\r\n"), 99, false);
    assert_int_equal(o.faults, DATA_8BIT);
}

static void a_line_is_measured_without_its_end_and_its_doubled_dot(void **state)
{
    struct outcome o;

    (void)state;
    for (size_t cut = 0; cut < 26; cut++) {
        read_cut(&o, SLICE_LIT("01234567890123456789\r\n.\r\n"), cut, true);
        assert_int_equal(o.faults, 0);
        read_cut(&o, SLICE_LIT("..1234567890123456789\r\n.\r\n"), cut, true);
        assert_int_equal(o.faults, 0);
        read_cut(&o, SLICE_LIT("012345678901234567890\r\n.\r\n"), cut, true);
        assert_int_equal(o.faults, DATA_LONG);
    }
}

static void what_is_written_is_read_back(void **state)
{
    const struct slice texts[] = {
        SLICE_LIT(""), SLICE_LIT("\r\n"), SLICE_LIT(".\r\n"), SLICE_LIT("..\r\n.\r\n.x\r\n"),
        SLICE_LIT("a.\r\n\r\n.\r\n\r\nb\r\n"), SLICE_LIT("a line that is longer than one look\r\n..\r\n"),
    };
    struct buf out = BUF(ROOM);
    struct outcome o;

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        for (size_t cut = 0; cut <= texts[i].n; cut++) {
            struct data_writer w = { 0 };
            struct slice wire;

            buf_clear(&out);
            assert_true(data_write(&w, &out, slice_first(texts[i], cut)));
            assert_true(data_write(&w, &out, slice_from(texts[i], cut)));
            assert_true(data_finish(&w, &out));
            wire = buf_view(&out);
            read_cut(&o, wire, wire.n, false);
            assert_int_equal(o.result, DATA_END);
            assert_int_equal(o.used, wire.n);       /* the end is at the end only */
            assert_true(slice_eq(slice_of(o.text, o.n), texts[i]));
        }
    buf_free(&out);
}

static void a_last_line_without_end_is_ended(void **state)
{
    struct buf out = BUF(ROOM);
    struct data_writer w = { 0 };

    (void)state;
    assert_true(data_write(&w, &out, SLICE_LIT("a")) && data_finish(&w, &out));
    assert_true(slice_eq(buf_view(&out), SLICE_LIT("a\r\n.\r\n")));
    buf_free(&out);
}

static void nothing_bare_is_ever_written(void **state)
{
    const struct slice texts[] = {
        SLICE_LIT("a\nb\r\n"), SLICE_LIT("a\rb\r\n"), SLICE_LIT("a\0b\r\n"), SLICE_LIT("a\r\r\n"),
        SLICE_LIT("\n"), SLICE_LIT("a\r\n\n"), SLICE_LIT("a\r"),
    };
    struct buf out = BUF(ROOM);

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        for (size_t cut = 0; cut <= texts[i].n; cut++) {
            struct data_writer w = { 0 };

            buf_clear(&out);
            assert_false(data_write(&w, &out, slice_first(texts[i], cut))
                         && data_write(&w, &out, slice_from(texts[i], cut))
                         && data_finish(&w, &out));
        }
    buf_free(&out);
}

/* is_lines - the same as scan_lines, of a whole text */

static bool is_lines(const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (text[i] == '\0' || (text[i] == '\n' && (i == 0 || text[i - 1] != '\r'))
            || (text[i] == '\r' && i + 1 < n && text[i + 1] != '\n'))
            return false;
    return true;
}

static void lines_are_told_from_bare_octets_wherever_the_text_is_cut(void **state)
{
    static const char kinds[] = { '\0', '\r', '\n', 'x' };
    char text[80];
    unsigned good = 0;

    (void)state;
    srand(1);
    for (int round = 0; round < 200000; round++) {
        size_t n = (size_t)rand() % (sizeof text + 1), cut = n > 0 ? (size_t)rand() % n : 0;
        bool cr = false, expected;

        for (size_t i = 0; i < n; i++)
            text[i] = i > 0 && text[i - 1] == '\r' && rand() % 64 ? '\n' : rand() % 8 ? 'x' : '\r';
        if (n > 0 && rand() % 2)
            text[rand() % (int)n] = kinds[rand() % 4];
        expected = is_lines(text, n);
        good += expected;
        assert_int_equal(scan_lines(text, text + cut, &cr) && scan_lines(text + cut, text + n, &cr),
                         expected);
        assert_true(!expected || n == 0 || cr == (text[n - 1] == '\r'));
    }
    assert_in_range(good, 20000, 180000);
}

/* text_of - lines of all lengths, now and then with something that needs a look */

static size_t text_of(char *text, size_t size)
{
    static const char *const odd[] = { ".", "..", "\r", "\n", "\xc3\xbc", ".\r\n", "\r\r\n", "\n.\r\n" };
    size_t n = 0;

    while (n + 300 < size) {
        size_t length = (size_t)rand() % (rand() % 4 == 0 ? 220 : 90);

        for (size_t i = 0; i < length; i++)
            text[n++] = rand() % 30 == 0 ? '.' : 'x';
        if (rand() % 40 == 0)
            n += (size_t)sprintf(text + n, "%s", odd[rand() % 8]);
        else if (rand() % 200 == 0)
            text[n++] = '\0';
        n += (size_t)sprintf(text + n, "\r\n");
    }
    return n;
}

static void read_by(struct outcome *o, struct slice in, size_t step)
{
    struct data_reader d;
    size_t used;

    *o = (struct outcome){ .result = DATA_MORE };
    data_begin(&d, 120);
    while (o->result == DATA_MORE && o->used < in.n) {
        o->result = data_read(&d, slice_first(slice_from(in, o->used), step), &used, keep, o);
        o->used += used;
    }
    o->faults = d.faults;
}

static void many_lines_at_once_are_read_as_octet_by_octet(void **state)
{
    static char text[ROOM];
    static struct outcome whole, slow;

    (void)state;
    srand(4);
    for (int i = 0; i < 3000; i++) {
        struct slice in = { text, text_of(text, 400 + (size_t)rand() % (ROOM - 400)) };

        read_by(&whole, in, i % 2 ? in.n : 64 + (size_t)rand() % 500);
        read_by(&slow, in, 1);
        assert_true(whole.result == slow.result && whole.used == slow.used);
        assert_int_equal(whole.faults, slow.faults);
        assert_true(whole.n == slow.n && memcmp(whole.text, slow.text, slow.n) == 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_are_told_from_bare_octets_wherever_the_text_is_cut),
        cmocka_unit_test(short_strings_of_every_kind_are_read_as_the_reference_does),
        cmocka_unit_test(the_rows_of_the_attack_list_end_where_they_must),
        cmocka_unit_test(every_cut_gives_the_same),
        cmocka_unit_test(eight_bit_octets_behind_the_end_do_not_count),
        cmocka_unit_test(a_line_is_measured_without_its_end_and_its_doubled_dot),
        cmocka_unit_test(many_lines_at_once_are_read_as_octet_by_octet),
        cmocka_unit_test(what_is_written_is_read_back),
        cmocka_unit_test(a_last_line_without_end_is_ended),
        cmocka_unit_test(nothing_bare_is_ever_written),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
