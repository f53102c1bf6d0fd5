/* test_vault_throttle.c - who guesses is slowed down, the owner is not kept out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>
#include "vault/throttle.h"

static struct throttle t;

static const struct throttle_rate client_rate = { 10, 60000 }, account_rate = { 50, 3600000 };

#define HERE    SLICE_LIT("192.0.2.1")
#define THERE   SLICE_LIT("198.51.100.7")
#define ALICE   SLICE_LIT("alice")
#define BOB     SLICE_LIT("bob")

static int begin(void **state)
{
    (void)state;
    return throttle_begin(&t, client_rate, account_rate) ? 0 : -1;
}

static int end(void **state)
{
    (void)state;
    throttle_end(&t);
    return 0;
}

static void fails(struct slice client, struct slice account, int n, int64_t now)
{
    while (n-- > 0)
        throttle_failed(&t, client, account, now);
}

static void a_client_may_fail_ten_times_a_minute(void **state)
{
    (void)state;
    for (int i = 0; i < 10; i++) {
        assert_true(throttle_allows(&t, HERE, ALICE, 1000));
        throttle_failed(&t, HERE, ALICE, 1000);
    }
    assert_false(throttle_allows(&t, HERE, ALICE, 1000));
    assert_false(throttle_allows(&t, HERE, BOB, 1000));
    assert_true(throttle_allows(&t, THERE, ALICE, 1000));
    assert_false(throttle_allows(&t, HERE, BOB, 6999));
    assert_true(throttle_allows(&t, HERE, BOB, 7000));      /* one has leaked away */
    assert_true(throttle_allows(&t, HERE, ALICE, 61000));
}

static void the_wait_grows_to_eight_seconds_and_shrinks_again(void **state)
{
    static const int64_t waits[] = { 500, 1000, 2000, 4000, 8000, 8000, 8000 };

    (void)state;
    for (size_t i = 0; i < sizeof waits / sizeof waits[0]; i++)
        assert_int_equal(throttle_failed(&t, HERE, ALICE, 1000), waits[i]);
    assert_int_equal(throttle_failed(&t, HERE, ALICE, 1000 + 120000), 500);
}

static void many_clients_together_close_an_account_to_strangers_only(void **state)
{
    char client[32];

    (void)state;
    throttle_succeeded(&t, HERE, ALICE, 500);
    for (int i = 0; i < 50; i++) {
        snprintf(client, sizeof client, "203.0.113.%d", i);
        assert_true(throttle_allows(&t, slice_cstr(client), ALICE, 1000));
        throttle_failed(&t, slice_cstr(client), ALICE, 1000);
    }
    assert_false(throttle_allows(&t, THERE, ALICE, 1000));
    assert_true(throttle_allows(&t, THERE, BOB, 1000));
    assert_true(throttle_allows(&t, HERE, ALICE, 1000));    /* the owner */
    assert_true(throttle_allows(&t, THERE, ALICE, 3700000));
}

static void the_owner_is_not_kept_out_by_others_behind_his_address(void **state)
{
    (void)state;
    throttle_succeeded(&t, HERE, ALICE, 500);
    fails(HERE, BOB, 20, 1000);
    assert_false(throttle_allows(&t, HERE, BOB, 1000));
    assert_true(throttle_allows(&t, HERE, ALICE, 1000));
    fails(HERE, ALICE, 10, 1000);                            /* but nobody may guess for ever */
    assert_false(throttle_allows(&t, HERE, ALICE, 1000));
}

static void an_ipv6_network_of_64_bits_is_one_client(void **state)
{
    (void)state;
    fails(SLICE_LIT("2001:db8::1"), ALICE, 5, 1000);
    fails(SLICE_LIT("2001:db8::ffff:1"), ALICE, 5, 1000);
    assert_false(throttle_allows(&t, SLICE_LIT("2001:db8::2"), BOB, 1000));
    assert_true(throttle_allows(&t, SLICE_LIT("2001:db8:0:1::2"), BOB, 1000));
}

static void a_flood_of_names_takes_no_more_memory_and_forgets_no_heavy_guesser(void **state)
{
    char name[32];

    (void)state;
    fails(HERE, ALICE, 60, 1000);
    for (int i = 0; i < 200000; i++) {
        snprintf(name, sizeof name, "%d.%d", i, i);
        throttle_failed(&t, slice_cstr(name), slice_cstr(name), 1000);
    }
    assert_false(throttle_allows(&t, HERE, ALICE, 1000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_client_may_fail_ten_times_a_minute, begin, end),
        cmocka_unit_test_setup_teardown(the_wait_grows_to_eight_seconds_and_shrinks_again, begin, end),
        cmocka_unit_test_setup_teardown(many_clients_together_close_an_account_to_strangers_only, begin, end),
        cmocka_unit_test_setup_teardown(the_owner_is_not_kept_out_by_others_behind_his_address, begin, end),
        cmocka_unit_test_setup_teardown(an_ipv6_network_of_64_bits_is_one_client, begin, end),
        cmocka_unit_test_setup_teardown(a_flood_of_names_takes_no_more_memory_and_forgets_no_heavy_guesser,
                                        begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
