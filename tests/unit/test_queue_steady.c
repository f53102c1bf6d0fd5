/* test_queue_steady.c - the age of mail when somebody sets the clock (F15). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include "queue/steady.h"

#define MINUTE ((int64_t)60 * 1000)
#define HOUR   (60 * MINUTE)
#define DAY    (24 * HOUR)
#define NOW    (20000 * DAY)

static void age_survives_every_setting_of_the_clock(void **state)
{
    static const struct { int64_t jump, before, after, age_old, age_new; } cases[] = {
        /* old mail came `before` the jump, new mail with it; `after` more has passed */
        { 0,            HOUR, HOUR, 2 * HOUR, HOUR },
        { MINUTE,       HOUR, HOUR, 2 * HOUR + MINUTE, HOUR },
        { DAY,          HOUR, HOUR, 2 * HOUR, HOUR },
        { 3650 * DAY,   HOUR, HOUR, 2 * HOUR, HOUR },
        { -DAY,         HOUR, HOUR, 2 * HOUR, HOUR },
        { -3650 * DAY,  HOUR, HOUR, 2 * HOUR, HOUR },
    };
    struct steady s;
    int64_t wall;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        steady_start(&s, 5000, NOW, NOW - HOUR);
        wall = NOW + cases[i].before + cases[i].jump;
        steady_see(&s, 5000 + cases[i].before, NOW + cases[i].before);
        steady_see(&s, 5000 + cases[i].before, wall);
        steady_see(&s, 5000 + cases[i].before + cases[i].after, wall + cases[i].after);
        assert_true(steady_age(&s, NOW) == cases[i].age_old);
        assert_true(steady_age(&s, wall) == cases[i].age_new);
    }
}

static void after_a_jump_nothing_expires_for_ten_minutes(void **state)
{
    struct steady s;

    (void)state;
    steady_start(&s, 0, NOW, NOW);
    assert_true(steady_sure(&s));
    steady_see(&s, MINUTE, NOW + MINUTE + DAY);
    assert_false(steady_sure(&s));
    steady_see(&s, 10 * MINUTE, NOW + 10 * MINUTE + DAY);
    assert_false(steady_sure(&s));
    steady_see(&s, 12 * MINUTE, NOW + 12 * MINUTE + DAY);
    assert_true(steady_sure(&s));
}

static void mail_stamped_by_a_wrong_clock_is_recognised(void **state)
{
    struct steady s;

    (void)state;
    steady_start(&s, 0, NOW, NOW);
    assert_true(steady_future(&s, NOW + DAY));
    assert_false(steady_future(&s, NOW + MINUTE));
    steady_see(&s, MINUTE, NOW - 10 * DAY);     /* the wall clock is what is wrong */
    assert_false(steady_future(&s, NOW));
}

static void a_spool_from_the_future_makes_the_clock_doubtful(void **state)
{
    struct steady s;

    (void)state;
    steady_start(&s, 0, NOW, NOW + DAY);
    assert_false(steady_sure(&s));
    steady_see(&s, 11 * MINUTE, NOW + 11 * MINUTE);
    assert_true(steady_sure(&s));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(age_survives_every_setting_of_the_clock),
        cmocka_unit_test(after_a_jump_nothing_expires_for_ten_minutes),
        cmocka_unit_test(mail_stamped_by_a_wrong_clock_is_recognised),
        cmocka_unit_test(a_spool_from_the_future_makes_the_clock_doubtful),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
