/* test_queue_dsn.c - who is told what of a message: success, expansion, failure, delay. */
#include "queue_world.h"

static bool told(const char *text)
{
    return strstr(world.report, text) != NULL;
}

/* --- success ---------------------------------------------------------------------- */

static void success_is_reported_to_who_asked_and_to_nobody_else(void **state)
{
    static const struct { const char *notify; enum delivery_kind how; const char *action; } cases[] = {
        { "SUCCESS",         DELIVERY_RELAYED, "Action: relayed" },
        { "SUCCESS",         DELIVERY_FINAL,   "Action: delivered" },
        { "SUCCESS",         DELIVERY_PASSED,  NULL },      /* the next host tells */
        { "SUCCESS,FAILURE", DELIVERY_RELAYED, "Action: relayed" },
        { "FAILURE,DELAY",   DELIVERY_RELAYED, NULL },
        { "NEVER",           DELIVERY_FINAL,   NULL },
        { NULL,              DELIVERY_RELAYED, NULL },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        size_t before;

        world.report[0] = '\0';
        commit(&(struct mail){ .sender = "s@partner.test",
                               .rcpts = { { .address = "a@partner.test", .notify = cases[i].notify } } });
        work(0);
        before = world.nheard;
        answer(FATE_DONE, cases[i].how);
        if ((world.nheard > before) != (cases[i].action != NULL)
            || (cases[i].action != NULL && !told(cases[i].action)))
            fail_msg("case %zu: %s", i, world.report);
        if (cases[i].action != NULL)
            answer(FATE_DONE, DELIVERY_RELAYED);
        assert_int_equal(world.queue->letters.n, 0);
    }
}

static void a_report_has_what_the_sender_gave(void **state)
{
    (void)state;
    commit(&(struct mail){ .sender = "s@partner.test", .ret = "HDRS", .envid = "QQ+2B1",
        .rcpts = { { .address = "a@partner.test", .notify = "SUCCESS", .orcpt = "rfc822;Bob+2Bx@example.org" } } });
    work(0);
    answer(FATE_DONE, DELIVERY_RELAYED);
    assert_true(told("Original-Envelope-Id: QQ+1\r\n") || told("Original-Envelope-Id: QQ+1"));
    assert_true(told("Original-Recipient: rfc822;"));
    assert_true(told("Bob+x@example.org"));
    assert_true(told("a@partner.test"));
}

static void success_and_failure_of_one_letter_share_a_report(void **state)
{
    size_t before;

    (void)state;
    commit(&(struct mail){ .sender = "s@partner.test",
        .rcpts = { { .address = "a@partner.test", .notify = "SUCCESS" }, { .address = "b@ours.test" },
                   { .address = "c@ours.test", .notify = "NEVER" } } });
    work(0);
    assert_int_equal(world.nheard, 2);
    before = world.nheard;
    result(0, FATE_DONE, DELIVERY_RELAYED, TROUBLE_NONE);
    work(0);
    assert_int_equal(world.nheard, before);     /* the rest is about to be known */
    result(1, FATE_NEVER, DELIVERY_FINAL, TROUBLE_NONE);
    work(0);
    assert_int_equal(world.nheard, before + 1);
    assert_true(told("Action: relayed"));
    assert_true(told("Action: failed"));
    assert_true(told("b@ours.test"));
    assert_false(told("c@ours.test"));          /* whose sender wants to hear nothing */
    answer(FATE_DONE, DELIVERY_RELAYED);
    assert_int_equal(world.queue->letters.n, 0);
}

static void success_is_told_of_once_even_over_a_restart(void **state)
{
    (void)state;
    commit(&(struct mail){ .sender = "s@partner.test",
        .rcpts = { { .address = "a@partner.test", .notify = "SUCCESS" }, { .address = "b@ours.test" } } });
    work(0);
    result(0, FATE_DONE, DELIVERY_RELAYED, TROUBLE_NONE);
    work(0);                                    /* durable; the report waits for b */
    restart();
    assert_int_equal(world.nheard, 3);          /* b again, not a */
    assert_string_equal(last_heard()->destination, "maildir:/mail/%d/%u");
    answer(FATE_DONE, DELIVERY_FINAL);
    assert_int_equal(world.nheard, 4);
    assert_true(told("Action: relayed"));
    answer(FATE_DONE, DELIVERY_RELAYED);
    assert_int_equal(world.queue->letters.n, 0);
    restart();
    pass(MINUTE, 5 * SECOND);
    assert_int_equal(world.nheard, 4);
}

static void of_what_was_told_a_restart_tells_no_more(void **state)
{
    (void)state;
    commit(&(struct mail){ .sender = "s@partner.test",
        .rcpts = { { .address = "a@partner.test", .notify = "SUCCESS" }, { .address = "b@ours.test" } } });
    work(0);
    result(0, FATE_DONE, DELIVERY_RELAYED, TROUBLE_NONE);
    result(1, FATE_LATER, DELIVERY_FINAL, TROUBLE_NONE);
    work(0);
    assert_int_equal(world.nheard, 3);          /* b waits for long: the report goes */
    assert_true(told("Action: relayed"));
    restart();
    pass(2 * MINUTE, 5 * SECOND);
    assert_int_equal(world.nheard, 4);          /* the report again, and nothing new */
    assert_int_equal(world.queue->letters.n, 2);
}

static void nobody_is_told_of_success_without_a_sender(void **state)
{
    (void)state;
    commit(&(struct mail){ .sender = "", .rcpts = { { .address = "a@partner.test", .notify = "SUCCESS" } } });
    work(0);
    answer(FATE_DONE, DELIVERY_RELAYED);
    assert_int_equal(world.nheard, 1);
    assert_int_equal(world.queue->letters.n, 0);
}

/* --- expansion ----------------------------------------------------------------------- */

static void an_alias_is_reported_as_expanded_and_its_members_are_not(void **state)
{
    (void)state;
    commit(&(struct mail){ .sender = "s@partner.test",
        .rcpts = { { "a@partner.test", "all@ours.test", "SUCCESS,FAILURE", NULL, "alias", NULL },
                   { "b@partner.test", "all@ours.test", "SUCCESS,FAILURE", NULL, "alias", NULL } } });
    work(0);
    assert_string_equal(world.heard[0].notify[0], "FAILURE");
    result(0, FATE_DONE, DELIVERY_RELAYED, TROUBLE_NONE);
    work(0);
    assert_int_equal(world.nheard, 2);
    assert_true(told("Action: expanded"));
    assert_true(told("all@ours.test"));
    assert_false(told("Action: relayed"));
    answer(FATE_DONE, DELIVERY_RELAYED);
    assert_int_equal(world.queue->letters.n, 0);
}

static void a_list_counts_as_delivered_and_its_failures_go_to_its_owner(void **state)
{
    (void)state;
    commit(&(struct mail){ .sender = "s@partner.test",
        .rcpts = { { "a@partner.test", "list@ours.test", "SUCCESS", NULL, "list", "owner@partner.test" } } });
    work(0);
    assert_string_equal(world.heard[0].sender, "owner@partner.test");
    assert_string_equal(world.heard[0].notify[0], "");
    result(0, FATE_NEVER, DELIVERY_FINAL, TROUBLE_NONE);
    work(0);
    work(0);
    assert_int_equal(world.nheard, 3);
    assert_string_equal(world.heard[1].rcpts[0], "s@partner.test");
    assert_string_equal(world.heard[2].rcpts[0], "owner@partner.test");
    assert_true(told("Action: failed"));
}

/* --- failure and delay ------------------------------------------------------------------ */

static void failure_is_reported_unless_the_sender_said_never(void **state)
{
    static const struct { const char *notify; bool report; } cases[] = {
        { NULL, true }, { "FAILURE", true }, { "SUCCESS,FAILURE,DELAY", true }, { "NEVER", false },
        { "SUCCESS", false }, { "DELAY", false },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        size_t before;

        commit(&(struct mail){ .sender = "s@partner.test",
                               .rcpts = { { .address = "a@partner.test", .notify = cases[i].notify } } });
        work(0);
        before = world.nheard;
        answer(FATE_NEVER, DELIVERY_FINAL);
        if ((world.nheard > before) != cases[i].report)
            fail_msg("case %zu", i);
        if (cases[i].report)
            answer(FATE_DONE, DELIVERY_RELAYED);
        assert_int_equal(world.queue->letters.n, 0);
    }
}

static void a_failure_that_nobody_hears_of_is_remembered_all_the_same(void **state)
{
    (void)state;
    commit(&(struct mail){ .sender = "s@partner.test",
        .rcpts = { { .address = "a@partner.test", .notify = "NEVER" }, { .address = "b@ours.test" } } });
    work(0);
    result(0, FATE_NEVER, DELIVERY_FINAL, TROUBLE_NONE);
    result(1, FATE_LATER, DELIVERY_FINAL, TROUBLE_NONE);
    work(0);
    restart();
    pass(6LL * MINUTE, 10 * SECOND);
    assert_int_equal(world.nheard, 3);          /* b again, not a */
    assert_string_equal(last_heard()->rcpts[0], "b@ours.test");
}

static void a_delay_is_told_of_once(void **state)
{
    (void)state;
    commit(&(struct mail){ .sender = "s@partner.test",
        .rcpts = { { .address = "a@ours.test" }, { .address = "b@ours.test", .notify = "NEVER" } } });
    work(0);
    answer(FATE_LATER, DELIVERY_FINAL);
    for (int i = 0; i < 5 * 60; i++) {
        pass(MINUTE, 20 * SECOND);
        if (!last_heard()->answered)
            answer(last_heard()->sender[0] == '\0' ? FATE_DONE : FATE_LATER, DELIVERY_RELAYED);
    }
    assert_true(told("Action: delayed"));
    assert_true(told("a@ours.test"));
    assert_false(told("b@ours.test"));
    {
        unsigned reports = 0;

        for (size_t i = 0; i < world.nheard; i++)
            reports += world.heard[i].sender[0] == '\0';
        assert_int_equal(reports, 1);
    }
}

static void nobody_is_warned_who_does_not_want_it(void **state)
{
    (void)state;
    commit(&(struct mail){ .sender = "s@partner.test",
        .rcpts = { { .address = "a@ours.test", .notify = "FAILURE" } } });
    work(0);
    answer(FATE_LATER, DELIVERY_FINAL);
    for (int i = 0; i < 5 * 60; i++) {
        pass(MINUTE, 20 * SECOND);
        if (!last_heard()->answered)
            answer(FATE_LATER, DELIVERY_FINAL);
    }
    for (size_t i = 0; i < world.nheard; i++)
        assert_string_equal(world.heard[i].sender, "s@partner.test");
    assert_int_equal(world.queue->reports.n, 0);
}

/* --- the report itself --------------------------------------------------------------------- */

static void a_report_is_as_secret_and_as_urgent_as_its_message(void **state)
{
    (void)state;
    commit(&(struct mail){ .sender = "s@partner.test", .flags = ENV_REQUIRETLS, .priority = "-4",
        .rcpts = { { .address = "a@partner.test" } } });
    work(0);
    answer(FATE_NEVER, DELIVERY_FINAL);
    assert_string_equal(last_heard()->sender, "");
    assert_true(last_heard()->flags & ENV_REQUIRETLS);
    assert_true(last_heard()->flags & ENV_BOUNCE);
    answer(FATE_NEVER, DELIVERY_FINAL);         /* and there it ends */
    assert_int_equal(world.nheard, 2);
    assert_int_equal(world.queue->letters.n, 0);
}

static void a_report_to_a_reader_beyond_ascii_says_so(void **state)
{
    (void)state;
    commit(&(struct mail){ .sender = "s\xc3\xa9@partner.test", .flags = ENV_UTF8,
        .rcpts = { { .address = "a@partner.test" } } });
    work(0);
    answer(FATE_NEVER, DELIVERY_FINAL);
    assert_true(last_heard()->flags & ENV_UTF8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        T(success_is_reported_to_who_asked_and_to_nobody_else),
        T(a_report_has_what_the_sender_gave),
        T(success_and_failure_of_one_letter_share_a_report),
        T(success_is_told_of_once_even_over_a_restart),
        T(of_what_was_told_a_restart_tells_no_more),
        T(nobody_is_told_of_success_without_a_sender),
        T(an_alias_is_reported_as_expanded_and_its_members_are_not),
        T(a_list_counts_as_delivered_and_its_failures_go_to_its_owner),
        T(failure_is_reported_unless_the_sender_said_never),
        T(a_failure_that_nobody_hears_of_is_remembered_all_the_same),
        T(a_delay_is_told_of_once),
        T(nobody_is_warned_who_does_not_want_it),
        T(a_report_is_as_secret_and_as_urgent_as_its_message),
        T(a_report_to_a_reader_beyond_ascii_says_so),
#undef T
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
