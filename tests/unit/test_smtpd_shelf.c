/* test_smtpd_shelf.c - bodies one behind the other, and when their room is free again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include "ipc/messages.h"
#include "smtpd/shelf.h"

enum { PLACE = 3 << 20, KIB = 1 << 10 };

static char text[SHELF_BYTES / 4 + 1];

static int shelf_of(struct shelf *f)
{
    *f = (struct shelf){ .p = malloc(SHELF_BYTES), .place = PLACE };
    memset(text, 'x', sizeof text);
    return f->p == NULL;
}

static uint64_t lay(struct shelf *f, size_t n)
{
    uint64_t place = 0, mark = shelf_lay(f, slice_of(text, n), &place);

    if (mark != 0) {
        assert_true(place >= PLACE && place + n <= PLACE + SHELF_BYTES);
        assert_memory_equal(f->p + (place - PLACE), text, n);
    }
    return mark;
}

static void without_memory_nothing_is_laid(void **state)
{
    struct shelf f = { 0 };

    (void)state;
    assert_int_equal(lay(&f, 100), 0);
}

static void what_is_empty_or_large_goes_another_way(void **state)
{
    struct shelf f;

    (void)state;
    assert_int_equal(shelf_of(&f), 0);
    assert_int_equal(lay(&f, 0), 0);
    assert_int_equal(lay(&f, SHELF_BYTES / 4 + 1), 0);
    assert_true(lay(&f, SHELF_BYTES / 4) > 0);
    free(f.p);
}

static void room_comes_back_with_the_answer_to_a_later_body(void **state)
{
    struct shelf f;
    uint64_t mark, last = 0;
    unsigned n = 0;

    (void)state;
    assert_int_equal(shelf_of(&f), 0);
    while ((mark = lay(&f, 4 * KIB)) != 0) {
        last = mark;
        n++;
    }
    assert_int_equal(n, SHELF_BYTES / (4 * KIB));
    shelf_read(&f, last);
    shelf_read(&f, 4 * KIB);            /* an earlier one, late: nothing becomes unread */
    for (unsigned i = 0; i < n; i++)
        assert_true(lay(&f, 4 * KIB) != 0);
    assert_int_equal(lay(&f, 4 * KIB), 0);
    free(f.p);
}

static void no_body_goes_round_the_end_and_none_covers_an_unread_one(void **state)
{
    struct { uint64_t mark, at; char c; } told[64];
    struct shelf f;
    unsigned first = 0, end = 0;

    (void)state;
    srand(1);
    assert_int_equal(shelf_of(&f), 0);
    for (unsigned i = 0; i < 20000; i++) {
        size_t n = 1 + (size_t)rand() % (SHELF_BYTES / 8);
        uint64_t place;

        memset(text, (char)('a' + i % 26), n);
        if (end - first < 64 && (told[end % 64].mark = shelf_lay(&f, slice_of(text, n), &place))) {
            assert_true(place >= PLACE && place + n <= PLACE + SHELF_BYTES);
            told[end % 64].at = place - PLACE;
            told[end++ % 64].c = text[0];
            continue;
        }
        assert_true(end > first);
        assert_int_equal(f.p[told[first % 64].at], told[first % 64].c);
        shelf_read(&f, told[first++ % 64].mark);
    }
    free(f.p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_memory_nothing_is_laid),
        cmocka_unit_test(what_is_empty_or_large_goes_another_way),
        cmocka_unit_test(room_comes_back_with_the_answer_to_a_later_body),
        cmocka_unit_test(no_body_goes_round_the_end_and_none_covers_an_unread_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
