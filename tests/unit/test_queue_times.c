/* test_queue_times.c - letters with a time of their own, with a priority, and for terminals. */
#include "queue_world.h"

static bool told(const char *text)
{
    return strstr(world.report, text) != NULL;
}

/* --- FUTURERELEASE -------------------------------------------------------------------- */

static void mail_is_held_until_its_sender_wants_it_to_go(void **state)
{
    uint64_t id;

    (void)state;
    id = commit(&(struct mail){ .sender = "s@e.test", .hold = 3LL * HOUR,
                                .rcpts = { { .address = "a@partner.test" }, { .address = "b@ours.test" } } });
    pass(2LL * HOUR, 10 * MINUTE);
    assert_int_equal(world.nheard, 0);
    query(QUERY_LIST, id);
    assert_non_null(strstr(world.row, "\"state\":\"deferred\""));
    assert_non_null(strstr(world.row, "on the sender's request"));
    query(QUERY_RETRY, id);
    assert_int_equal(world.nheard, 0);          /* trying again does not open it */
    restart();
    assert_int_equal(world.nheard, 0);
    pass(HOUR + SECOND, 10 * MINUTE);
    assert_int_equal(world.nheard, 2);
}

static void a_person_may_release_it_before_and_that_stays(void **state)
{
    uint64_t id;

    (void)state;
    id = commit(&(struct mail){ .sender = "s@e.test", .hold = 3LL * HOUR,
                                .rcpts = { { .address = "a@partner.test" } } });
    work(0);
    query(QUERY_RELEASE, id);
    assert_int_equal(world.done_count, 1);
    assert_int_equal(world.nheard, 1);
    restart();
    assert_int_equal(world.nheard, 2);
}

static void its_lifetime_begins_when_it_may_go(void **state)
{
    (void)state;
    commit(&(struct mail){ .sender = "s@e.test", .hold = 6LL * 24 * HOUR,
                           .rcpts = { { .address = "a@ours.test" } } });
    pass(6LL * 24 * HOUR + MINUTE, HOUR);
    assert_int_equal(world.nheard, 1);
    answer(FATE_LATER, DELIVERY_FINAL);
    pass(6 * MINUTE, MINUTE);
    assert_int_equal(world.nheard, 2);          /* neither late nor of age */
    assert_string_equal(last_heard()->sender, "s@e.test");
}

/* --- DELIVERBY ----------------------------------------------------------------------------- */

static void what_is_late_returns_at_its_deadline(void **state)
{
    (void)state;
    commit(&(struct mail){ .sender = "s@partner.test", .by = HOUR, .by_mode = "R",
                           .rcpts = { { .address = "a@ours.test" }, { .address = "b@wait.test" } } });
    work(0);
    answer(FATE_LATER, DELIVERY_FINAL);
    while (world_mono < HOUR - 3 * MINUTE) {
        pass(MINUTE, 20 * SECOND);
        if (!last_heard()->answered)
            answer(FATE_LATER, DELIVERY_FINAL);
        assert_false(told("Action: failed"));
    }
    pass(4 * MINUTE, SECOND);
    assert_true(told("Action: failed"));
    assert_true(told("Status: 5.4.7"));
    assert_true(told("a@ours.test"));
    assert_true(told("b@wait.test"));           /* a route that holds is no excuse */
    assert_int_equal(world.queue->letters.n, 1);
}

static void what_a_dead_agent_had_at_its_deadline_does_not_go_again(void **state)
{
    (void)state;
    commit(&(struct mail){ .sender = "s@partner.test", .by = MINUTE, .by_mode = "R",
                           .rcpts = { { .address = "a@other.test" } } });
    work(0);
    assert_int_equal(world.nheard, 1);
    pass(2 * MINUTE, SECOND);
    queue_peer_gone(world.queue, &world.relay);
    queue_peer(world.queue, &world.relay, ROLE_RELAY, 9, &ops, NULL);
    work(0);
    assert_int_equal(world.nheard, 2);          /* its report */
    assert_string_equal(last_heard()->sender, "");
}

static void what_is_late_waits_while_the_clock_is_doubted(void **state)
{
    (void)state;
    commit(&(struct mail){ .sender = "s@partner.test", .by = HOUR, .by_mode = "R",
                           .rcpts = { { .address = "a@other.test" } } });
    work(0);
    answer(FATE_LATER, DELIVERY_RELAYED);
    assert_int_equal(world.nheard, 1);
    world_mono += 3LL * HOUR;
    world_wall += 3LL * HOUR;
    restart();                                  /* a long silence: perhaps the clock is wrong */
    pass(8 * MINUTE, SECOND);
    assert_int_equal(world.nheard, 1);          /* neither sent nor given up */
    pass(4 * MINUTE, SECOND);
    assert_int_equal(world.nheard, 2);
    assert_string_equal(last_heard()->sender, "");
    assert_true(told("Status: 5.4.7"));
}

static void what_an_agent_has_at_its_deadline_returns_when_it_is_back(void **state)
{
    (void)state;
    commit(&(struct mail){ .sender = "s@partner.test", .by = MINUTE, .by_mode = "R",
                           .rcpts = { { .address = "a@ours.test" } } });
    pass(2 * MINUTE, SECOND);
    assert_int_equal(world.nheard, 1);
    answer(FATE_LATER, DELIVERY_FINAL);
    assert_true(told("Status: 5.4.7"));
}

static void what_is_late_and_goes_on_is_told_of_once(void **state)
{
    unsigned reports = 0;

    (void)state;
    commit(&(struct mail){ .sender = "s@partner.test", .by = HOUR, .by_mode = "N",
                           .rcpts = { { .address = "a@ours.test" }, { .address = "b@ours.test", .notify = "NEVER" } } });
    work(0);
    answer(FATE_LATER, DELIVERY_FINAL);
    for (int i = 0; i < 6 * 60; i++) {
        pass(MINUTE, 20 * SECOND);
        if (i == 100)
            restart();
        for (size_t j = 0; j < world.nheard; j++)
            if (!world.heard[j].answered) {
                bool report = world.heard[j].sender[0] == '\0';

                reports += report;
                result(j, report ? FATE_DONE : FATE_LATER, DELIVERY_FINAL, TROUBLE_NONE);
                work(0);
                assert_true(!report || i >= 59);
            }
    }
    assert_int_equal(reports, 1);
    assert_true(told("Action: delayed"));
    assert_true(told("a@ours.test"));
    assert_false(told("b@ours.test"));
    assert_int_equal(world.queue->letters.n, 1);
}

static void a_trace_is_told_of_each_relay(void **state)
{
    static const struct { const char *mode; enum delivery_kind how; const char *notify; bool report; }
    cases[] = {
        { "RT", DELIVERY_PASSED, NULL, true }, { "NT", DELIVERY_RELAYED, NULL, true },
        { "RT", DELIVERY_PASSED, "NEVER", false }, { "R", DELIVERY_RELAYED, NULL, false },
        { "N", DELIVERY_RELAYED, NULL, false }, { "N", DELIVERY_PASSED, NULL, false },
        { "N", DELIVERY_RELAYED_LATE, NULL, true }, { "N", DELIVERY_PASSED_LATE, NULL, true },
        { "N", DELIVERY_RELAYED_LATE, "NEVER", false }, { "N", DELIVERY_PASSED_LATE, "NEVER", false },
        { "R", DELIVERY_PASSED_LATE, NULL, false },
        { "NT", DELIVERY_FINAL, NULL, false },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        size_t before;

        world.report[0] = '\0';
        commit(&(struct mail){ .sender = "s@partner.test", .by = HOUR, .by_mode = cases[i].mode,
                               .rcpts = { { .address = "a@partner.test", .notify = cases[i].notify } } });
        work(0);
        before = world.nheard;
        answer(FATE_DONE, cases[i].how);
        if ((world.nheard > before) != cases[i].report)
            fail_msg("case %zu", i);
        if (cases[i].report) {
            assert_true(told("Action: relayed"));
            answer(FATE_DONE, DELIVERY_RELAYED);
        }
        assert_int_equal(world.queue->letters.n, 0);
        assert_int_equal(world.queue->times.n, 0);
    }
}

/* --- MT-PRIORITY ---------------------------------------------------------------------------- */

static void what_is_urgent_goes_first(void **state)
{
    static const char *const levels[] = { "-9", NULL, "4", "9", "1" };
    static const size_t turn[] = { 3, 2, 4, 1, 0 };
    uint64_t ids[5];

    (void)state;
    queue_peer_gone(world.queue, &world.relay);
    for (size_t i = 0; i < 5; i++) {
        char to[40];

        snprintf(to, sizeof to, "a@d%zu.test", i);
        ids[i] = commit(&(struct mail){ .sender = "s@e.test", .priority = levels[i], .rcpts = { { .address = to } } });
    }
    work(0);
    queue_peer(world.queue, &world.relay, ROLE_RELAY, 9, &ops, NULL);
    work(0);
    assert_int_equal(world.nheard, 5);
    for (size_t i = 0; i < 5; i++)
        assert_true(world.heard[i].id == ids[turn[i]]);
}

/* --- SEND, SOML, SAML ------------------------------------------------------------------------- */

static void terminals_come_first_and_then_as_the_verb_says(void **state)
{
    static const struct { const char *verb; enum fate fate; bool mailbox, report; } cases[] = {
        { "SOML", FATE_DONE,  false, false }, { "SOML", FATE_LATER, true, false },
        { "SOML", FATE_NEVER, true,  false }, { "SAML", FATE_DONE,  true, false },
        { "SAML", FATE_LATER, true,  false }, { "SAML", FATE_NEVER, true, false },
        { "SEND", FATE_DONE,  false, false }, { "SEND", FATE_NEVER, false, true },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        size_t before;

        commit(&(struct mail){ .sender = "s@partner.test", .verb = cases[i].verb,
                               .rcpts = { { .address = "a@ours.test" } } });
        work(0);
        assert_string_equal(last_heard()->destination, "terminal:");
        before = world.nheard;
        answer(cases[i].fate, DELIVERY_FINAL);
        if (world.nheard != before + (cases[i].mailbox || cases[i].report))
            fail_msg("case %zu", i);
        if (cases[i].mailbox)
            assert_string_equal(last_heard()->destination, "maildir:/mail/%d/%u");
        if (cases[i].report)
            assert_true(told("Action: failed"));
        if (cases[i].mailbox || cases[i].report)
            answer(FATE_DONE, DELIVERY_FINAL);
        assert_int_equal(world.queue->letters.n, 0);
    }
}

static void after_a_restart_only_the_mailbox_is_left(void **state)
{
    (void)state;
    commit(&(struct mail){ .sender = "s@partner.test", .verb = "SAML", .rcpts = { { .address = "a@ours.test" } } });
    work(0);
    answer(FATE_DONE, DELIVERY_FINAL);
    restart();
    assert_int_equal(world.nheard, 3);
    assert_string_equal(last_heard()->destination, "maildir:/mail/%d/%u");
}

static void other_domains_get_it_as_mail(void **state)
{
    (void)state;
    commit(&(struct mail){ .sender = "s@partner.test", .verb = "SEND", .rcpts = { { .address = "a@partner.test" } } });
    work(0);
    assert_string_equal(last_heard()->destination, "host:127.0.0.1:2600");
}

static void a_send_that_nobody_sees_in_an_hour_fails(void **state)
{
    (void)state;
    commit(&(struct mail){ .sender = "s@partner.test", .verb = "SEND", .rcpts = { { .address = "a@ours.test" } } });
    work(0);
    for (int i = 0; i < 62 && !told("Action: failed"); i++) {
        if (!last_heard()->answered)
            answer(FATE_LATER, DELIVERY_FINAL);
        pass(MINUTE, 20 * SECOND);
    }
    assert_true(told("Action: failed"));
    assert_true(world_mono > HOUR);
}

/* --- people --------------------------------------------------------------------------------------- */

static void people_see_what_was_asked(void **state)
{
    uint64_t id;

    (void)state;
    id = commit(&(struct mail){ .sender = "s@e.test", .flags = ENV_UTF8 | ENV_REQUIRETLS, .ret = "FULL",
        .envid = "QQ1", .verb = "SAML", .priority = "3", .hold = HOUR, .by = 5LL * HOUR, .by_mode = "NT",
        .rcpts = { { .address = "a@ours.test", .notify = "SUCCESS,DELAY", .orcpt = "rfc822;b+40x" } } });
    work(0);
    query(QUERY_SHOW, id);
    assert_non_null(strstr(world.row, "\"flags\":[\"SMTPUTF8\",\"REQUIRETLS\"]"));
    assert_non_null(strstr(world.row, "\"priority\":3"));
    assert_non_null(strstr(world.row, "\"hold_until\":\"2001-09-09T02:46:40.000Z\""));
    assert_non_null(strstr(world.row, "\"deliver_by\":\"2001-09-09T06:46:40.000Z\""));
    assert_non_null(strstr(world.row, "\"deliver_by_mode\":\"NT\""));
    assert_non_null(strstr(world.row, "\"verb\":\"SAML\""));
    assert_non_null(strstr(world.row, "\"envid\":\"QQ1\""));
    assert_non_null(strstr(world.row, "\"ret\":\"FULL\""));
    assert_non_null(strstr(world.row, "\"notify\":\"SUCCESS,DELAY\""));
    assert_non_null(strstr(world.row, "\"orcpt\":\"rfc822;b@x\""));
}

static void the_agents_note_stands_in_the_log_and_costs_nothing(void **state)
{
    static char longest[9000];

    (void)state;
    commit(&(struct mail){ .sender = "s@e.test", .rcpts = { { .address = "a@partner.test" } } });
    work(0);
    assert_false(say_result(&world.relay, &(struct msg_result){ .job = last_heard()->job,
        .note = slice_of(longest, sizeof longest) }));
    answer(FATE_DONE, DELIVERY_RELAYED);
    assert_int_equal(world.queue->letters.n, 0);
}

/* break_journal - turn octets over in the last record of the first segment */

static void break_journal(void)
{
    const struct disk *d = world.disk;
    struct slice junk = SLICE_LIT("#####");
    int handle = d->open(d->ctx, "journal/00000001", DISK_WRITE);
    char text[2048];
    ssize_t n;
    char *at;

    assert_true(handle >= 0);
    n = d->read(d->ctx, handle, text, sizeof text, 0);
    assert_true(n > 0);
    at = memmem(text, (size_t)n, "Subject", 7);
    assert_non_null(at);
    assert_true(d->write(d->ctx, handle, junk, (uint64_t)(at - text)) == (ssize_t)junk.n);
    d->close(d->ctx, handle);
}

static void a_broken_record_is_held_for_a_person(void **state)
{
    uint64_t id;

    (void)state;
    id = commit(&(struct mail){ .sender = "s@e.test", .rcpts = { { .address = "a@partner.test" } } });
    work(0);
    queue_close(world.queue);
    disk_mem_unlock(world.disk);
    open_queue();
    break_journal();
    queue_work(world.queue);
    assert_int_equal(world.nheard, 1);
    assert_true(letter_get(world.queue, id)->flags & LETTER_HELD);
    for (int i = 0; i < 300; i++) {
        world_mono += SECOND;
        queue_at(world.queue, world_mono, world_wall += SECOND);
        queue_work(world.queue);
    }
    assert_int_equal(world.nheard, 1);
    assert_true(letter_get(world.queue, id)->flags & LETTER_HELD);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        T(mail_is_held_until_its_sender_wants_it_to_go),
        T(a_person_may_release_it_before_and_that_stays),
        T(its_lifetime_begins_when_it_may_go),
        T(what_is_late_returns_at_its_deadline),
        T(what_a_dead_agent_had_at_its_deadline_does_not_go_again),
        T(what_is_late_waits_while_the_clock_is_doubted),
        T(what_an_agent_has_at_its_deadline_returns_when_it_is_back),
        T(what_is_late_and_goes_on_is_told_of_once),
        T(a_trace_is_told_of_each_relay),
        T(what_is_urgent_goes_first),
        T(terminals_come_first_and_then_as_the_verb_says),
        T(after_a_restart_only_the_mailbox_is_left),
        T(other_domains_get_it_as_mail),
        T(a_send_that_nobody_sees_in_an_hour_fails),
        T(people_see_what_was_asked),
        T(the_agents_note_stands_in_the_log_and_costs_nothing),
        T(a_broken_record_is_held_for_a_person),
#undef T
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
