/* test_relay_job.c - whole jobs: a queue on one side, a scripted host on the other,
 * the relay between them, all on one loop. */
#include "relay_world.h"

/* --- tests */

static void a_message_reaches_the_host_and_its_result_the_queue(void **state)
{
    char expected[60];

    (void)state;
    delivers(2, "0:done 250 2.0.0, 1:done 250 2.0.0, ");
    assert_int_equal(trouble, TROUBLE_NONE);
    assert_string_equal(host.verbs, "EHLO MAIL RCPT RCPT DATA ");
    snprintf(expected, sizeof expected, "127.0.0.1 [127.0.0.1]:%u", host.port);
    assert_string_equal(result_host, expected);
}

static void one_connection_carries_many_messages(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++)
        deliver_and_wait(1);
    assert_int_equal(host.messages, 20);
    assert_int_equal(host.connections, 1);
}

static void a_connection_is_left_after_so_many_messages(void **state)
{
    (void)state;
    conf.relay.messages = 2;
    for (int i = 0; i < 6; i++)
        deliver_and_wait(1);
    assert_int_equal(host.connections, 3);
}

static void many_recipients_are_split_into_transactions(void **state)
{
    (void)state;
    conf.relay.recipients = 2;
    deliver_and_wait(5);
    assert_int_equal(host.messages, 3);
    assert_int_equal(host.connections, 1);
    assert_non_null(strstr(outcome_text, "4:done"));
}

static void jobs_beyond_the_limit_of_connections_wait_their_turn(void **state)
{
    (void)state;
    conf.relay.connections = 2;
    for (int i = 0; i < 20; i++)
        deliver(1);
    wait_for(20);
    assert_int_equal(host.messages, 20);
    assert_true(relay.pool.nlinks <= 2);
}

static void a_large_message_comes_from_its_descriptor(void **state)
{
    int fd = memfd_create("body", 0);
    char line[100];

    (void)state;
    memset(line, 'x', 98);
    memcpy(line + 98, "\r\n", 2);
    for (int i = 0; i < 50000; i++)
        assert_int_equal(write(fd, line, 100), 100);
    deliver_to(host_text("host"), 1, (struct slice){ NULL, 0 }, fd, 5000000);
    close(fd);
    wait_for(1);
    assert_int_equal(host.octets, 5000000);
    assert_string_equal(outcome_text, "0:done 250 2.0.0, ");
}

static void a_descriptor_that_ends_early_is_later_and_the_host_gets_no_message(void **state)
{
    int fd = memfd_create("body", 0);

    (void)state;
    assert_int_equal(write(fd, "a\r\n", 3), 3);
    deliver_to(host_text("host"), 1, (struct slice){ NULL, 0 }, fd, 5000);
    close(fd);
    wait_for(1);
    assert_int_equal(host.messages, 0);
    assert_string_equal(outcome_text, "0:later 0 4.3.0, ");
}

static void nobody_listening_is_host_trouble(void **state)
{
    (void)state;
    deliver_to("host:127.0.0.1:1", 1, SLICE_LIT("x\r\n"), -1, 0);
    wait_for(1);
    assert_string_equal(outcome_text, "0:later 0 4.4.1, ");
    assert_int_equal(trouble, TROUBLE_HOST);
}

static void no_socket_is_host_trouble(void **state)
{
    (void)state;
    deliver_to("lmtp:/nowhere/lmtp", 1, SLICE_LIT("x\r\n"), -1, 0);
    wait_for(1);
    assert_string_equal(outcome_text, "0:later 0 4.4.1, ");
}

static void a_strange_destination_is_later(void **state)
{
    (void)state;
    deliver_to("gopher:x", 1, SLICE_LIT("x\r\n"), -1, 0);
    wait_for(1);
    assert_string_equal(outcome_text, "0:later 0 4.3.5, ");
}

static void lmtp_speaks_lhlo_and_each_recipient_has_its_own_reply(void **state)
{
    static struct script script[] = {
        { ".", "250 first\r\n452 4.2.2 second is full", 1 }, { NULL, NULL, 0 } };

    (void)state;
    host.script = script;
    deliver_to(host_text("lmtp"), 2, SLICE_LIT("x\r\n"), -1, 0);
    wait_for(1);
    assert_string_equal(outcome_text, "0:done 250 2.0.0, 1:later 452 4.2.2, ");
    assert_string_equal(host.verbs, "LHLO MAIL RCPT RCPT DATA ");
}

/* Each row: what goes wrong, and what the queue hears. */
static const struct {
    struct script script[3];
    const char   *outcome;
    unsigned      trouble;
    int           connections;
} misfortunes[] = {
    { { { "GREETING", "421 busy", 9 } }, "0:later 421 4.3.2, ", TROUBLE_HOST, 1 },
    { { { "GREETING", "554 no", 9 } }, "0:later 554 4.3.0, ", TROUBLE_HOST, 1 },
    { { { "GREETING", "", 9 } }, "0:later 0 4.4.2, ", TROUBLE_SESSION, 1 },
    { { { "EHLO", "500 what", 9 } }, "0:done 250 2.0.0, ", TROUBLE_NONE, 1 },
    { { { "EHLO", "", 9 } }, "0:done 250 2.0.0, ", TROUBLE_NONE, 2 },
    { { { "EHLO", "", 9 }, { "HELO", "", 9 } }, "0:later 0 4.4.2, ", TROUBLE_SESSION, 2 },
    { { { "MAIL", "421 bye", 9 } }, "0:later 421 4.3.2, ", TROUBLE_HOST, 1 },
    { { { "MAIL", "", 9 } }, "0:later 0 4.4.2, ", TROUBLE_SESSION, 1 },
    { { { "MAIL", "550 5.7.1 no", 9 } }, "0:never 550 5.7.1, ", TROUBLE_NONE, 1 },
    { { { "RCPT", "550 5.1.1 no", 9 } }, "0:never 550 5.1.1, ", TROUBLE_NONE, 1 },
    { { { "RCPT", "450 4.2.0 no", 9 } }, "0:later 450 4.2.0, ", TROUBLE_NONE, 1 },
    { { { "DATA", "451 4.3.0 no", 9 } }, "0:later 451 4.3.0, ", TROUBLE_NONE, 1 },
    { { { ".", "", 9 } }, "0:later 0 4.4.2, ", TROUBLE_SESSION, 1 },
    { { { ".", "554 5.6.0 no", 9 } }, "0:never 554 5.6.0, ", TROUBLE_NONE, 1 },
};

static void every_misfortune_has_its_outcome(void **state)
{
    for (size_t i = 0; i < sizeof misfortunes / sizeof *misfortunes; i++) {
        struct script script[4] = { { NULL, NULL, 0 } };

        memcpy(script, misfortunes[i].script, sizeof misfortunes[i].script);
        host.script = script;
        deliver_and_wait(1);
        if (strcmp(outcome_text, misfortunes[i].outcome) != 0
            || trouble != misfortunes[i].trouble
            || host.connections != misfortunes[i].connections)
            fail_msg("misfortune %zu: %s trouble %u, %d connections", i, outcome_text, trouble,
                     host.connections);
        teardown(state);
        setup(state);
    }
}

static void a_kept_connection_closed_meanwhile_costs_nothing(void **state)
{
    static struct script script[] = { { "MAIL", "250 ok", 1 }, { "MAIL", "", 1 }, { NULL, NULL, 0 } };

    (void)state;
    host.script = script;
    deliver_and_wait(1);
    delivers(1, "0:done 250 2.0.0, 0:done 250 2.0.0, ");
    assert_int_equal(host.connections, 2);
}

static void a_kept_connection_that_says_421_costs_nothing(void **state)
{
    static struct script script[] = {
        { "MAIL", "250 ok", 1 }, { "MAIL", "421 idle too long", 1 }, { NULL, NULL, 0 } };

    (void)state;
    host.script = script;
    deliver_and_wait(1);
    delivers(1, "0:done 250 2.0.0, 0:done 250 2.0.0, ");
}

static void a_kept_connection_lost_later_tries_the_host_afresh(void **state)
{
    static struct script script[] = {
        { "RCPT", "250 ok", 1 }, { "RCPT", "421 closing", 1 }, { NULL, NULL, 0 } };

    (void)state;
    host.script = script;
    deliver_and_wait(1);
    delivers(1, "0:done 250 2.0.0, 0:done 250 2.0.0, ");
}

static void a_silent_host_is_given_up_in_time(void **state)
{
    (void)state;
    host.silent = true;
    conf.relay.timeout_scale = 1;
    delivers(1, "0:later 0 4.4.2, ");
    assert_int_equal(trouble, TROUBLE_HOST);
}

static void an_idle_connection_says_goodbye(void **state)
{
    (void)state;
    conf.relay.idle = 1;
    deliver_and_wait(1);
    for (int i = 0; i < 300 && strstr(host.verbs, "QUIT") == NULL; i++) {
        uv_run(&loop, UV_RUN_NOWAIT);
        usleep(10000);
    }
    assert_non_null(strstr(host.verbs, "QUIT"));
    assert_int_equal(relay.pool.nlinks, 0);
}

static void jobs_of_a_queue_that_is_gone_are_forgotten(void **state)
{
    (void)state;
    host.silent = true;
    deliver(1);
    deliver(1);
    spin(20);
    assert_false(list_empty(&relay.jobs));
    channel_close(queue, "gone");
    queue = NULL;
    spin(20);
    assert_true(list_empty(&relay.jobs));
    assert_int_equal(relay.pool.nlinks, 0);
}

static void a_relay_that_leaves_gives_new_jobs_back_untried(void **state)
{
    (void)state;
    pool_drain(&relay.pool);
    deliver_and_wait(1);
    assert_int_equal(trouble, TROUBLE_LEAVING);
    assert_int_equal(host.connections, 0);
}

/* --- destinations */

static const struct { const char *text; bool ok; enum way way; const char *name; unsigned port; } texts[] = {
    { "mx:example.org", true, WAY_MX, "example.org", 0 },
    { "mx:[192.0.2.1]", true, WAY_MX, "[192.0.2.1]", 0 },
    { "mx:[IPv6:2001:db8::1]", true, WAY_MX, "[IPv6:2001:db8::1]", 0 },
    { "mx:", false, 0, "", 0 },
    { "mx:[0x7f.1]", false, 0, "", 0 },
    { "mx:a b", false, 0, "", 0 },
    { "host:127.0.0.1:2600", true, WAY_HOST, "127.0.0.1", 2600 },
    { "host:[::1]:25", true, WAY_HOST, "::1", 25 },
    { "host:mail.test:587", true, WAY_HOST, "mail.test", 587 },
    { "host:mail.test:0", false, 0, "", 0 },
    { "host:mail.test:65536", false, 0, "", 0 },
    { "host:mail.test", false, 0, "", 0 },
    { "lmtp:/run/lmtp", true, WAY_UNIX, "/run/lmtp", 0 },
    { "lmtp:127.0.0.1:24", true, WAY_HOST, "127.0.0.1", 24 },
    { "maildir:/x", false, 0, "", 0 },
    { "", false, 0, "", 0 },
};

static void destinations_are_read_as_the_queue_writes_them(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct destination d;

        if (destination_parse(slice_cstr(texts[i].text), &d) != texts[i].ok)
            fail_msg("%s", texts[i].text);
        if (!texts[i].ok)
            continue;
        assert_int_equal(d.way, texts[i].way);
        assert_int_equal(d.port, texts[i].port);
        assert_true(slice_eq(d.name, slice_cstr(texts[i].name)));
    }
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(destinations_are_read_as_the_queue_writes_them),
        T(a_message_reaches_the_host_and_its_result_the_queue),
        T(one_connection_carries_many_messages),
        T(a_connection_is_left_after_so_many_messages),
        T(many_recipients_are_split_into_transactions),
        T(jobs_beyond_the_limit_of_connections_wait_their_turn),
        T(a_large_message_comes_from_its_descriptor),
        T(a_descriptor_that_ends_early_is_later_and_the_host_gets_no_message),
        T(nobody_listening_is_host_trouble),
        T(no_socket_is_host_trouble),
        T(a_strange_destination_is_later),
        T(lmtp_speaks_lhlo_and_each_recipient_has_its_own_reply),
        T(every_misfortune_has_its_outcome),
        T(a_kept_connection_closed_meanwhile_costs_nothing),
        T(a_kept_connection_that_says_421_costs_nothing),
        T(a_kept_connection_lost_later_tries_the_host_afresh),
        T(a_silent_host_is_given_up_in_time),
        T(an_idle_connection_says_goodbye),
        T(jobs_of_a_queue_that_is_gone_are_forgotten),
        T(a_relay_that_leaves_gives_new_jobs_back_untried),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
