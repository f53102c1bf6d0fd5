/* test_spool_lives.c - what records tell of an id, in whatever order they are read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>
#include "spool/lives.h"

enum { RECORDS = 8, ID = 77 };

/* One message's records, by their places: its MESSAGE stands at 1. */
static const struct { uint8_t type, flags; } records[RECORDS] = {
    { RECORD_MESSAGE, 0 }, { RECORD_OUTCOME, 0 }, { RECORD_HELD, 0 }, { RECORD_RELEASED, 0 },
    { RECORD_MESSAGE, RECORD_COPY }, { RECORD_HELD, 0 }, { RECORD_OUTCOME, 0 },
    { RECORD_MESSAGE, RECORD_COPY },
};

static void learn(struct lives *l, uint64_t id, unsigned at)
{
    assert_true(lives_learn(l, &(struct index_entry){ .id = id, .type = records[at].type,
                                                      .flags = records[at].flags }, at + 1));
}

static void the_newest_counts_in_any_order(void **state)
{
    static const unsigned steps[] = { 1, 3, 5, 7 };     /* odd: all places come, each once */

    (void)state;
    for (unsigned i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        struct lives l = { 0 };
        const struct life *life;

        for (unsigned k = 0; k < RECORDS; k++)
            learn(&l, ID, k * steps[i] % RECORDS);
        life = lives_find(&l, ID);
        assert_non_null(life);
        assert_int_equal(life->outcome, 7);     /* HELD and RELEASED are of the chain, too */
        assert_int_equal(life->hold, 6);
        assert_int_equal(life->copy, 8);
        assert_true(life->held);
        assert_false(life->removed);
        lives_free(&l);
    }
}

static void what_was_removed_stays_removed(void **state)
{
    const struct index_entry removed = { .id = ID, .type = RECORD_REMOVED };
    struct lives l = { 0 };

    (void)state;
    assert_true(lives_learn(&l, &removed, 3));
    for (unsigned k = 0; k < RECORDS; k++)
        learn(&l, ID, k);
    assert_true(lives_find(&l, ID)->removed);
    lives_free(&l);
}

static void many_are_told_apart_and_a_message_alone_takes_no_room(void **state)
{
    struct lives l = { 0 };

    (void)state;
    assert_null(lives_find(&l, ID));
    for (uint64_t id = 0; id < 10000; id++)
        learn(&l, id, id % 2 == 0 ? 0 : 1);
    assert_int_equal(l.n, 5000);
    for (uint64_t id = 0; id < 10000; id++)
        assert_int_equal(lives_find(&l, id) != NULL, id % 2);
    lives_free(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_newest_counts_in_any_order),
        cmocka_unit_test(what_was_removed_stays_removed),
        cmocka_unit_test(many_are_told_apart_and_a_message_alone_takes_no_room),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
