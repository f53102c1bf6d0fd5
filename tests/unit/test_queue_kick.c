/* test_queue_kick.c - ETRN: what waits for whom is let go, and what is not. */
#include "queue_world.h"

static bool kick(enum kick_kind kind, const char *name)
{
    static uint64_t ticket;
    bool ok = say_kick(&world.smtpd, &(struct msg_kick){ .ticket = ++ticket,
        .kind = (uint8_t)kind, .name = slice_cstr(name) });

    return ok;
}

/* kicked - the answer, after the work */

static uint64_t kicked(enum kick_kind kind, const char *name)
{
    unsigned before = world.nkicked;

    assert_true(kick(kind, name));
    work(0);
    assert_int_equal(world.nkicked, before + 1);
    assert_int_equal(world.kicked.fate, FATE_DONE);
    return world.kicked.count;
}

static void what_a_route_holds_goes_to_its_domains_host(void **state)
{
    (void)state;
    commit(&(struct mail){ .sender = "s@e.test", .rcpts = { { .address = "a@wait.test" } } });
    commit(&(struct mail){ .sender = "s@e.test", .rcpts = { { .address = "a@sub.wait.test" }, { .address = "b@two.wait.test" },
                                                            { .address = "c@sub.wait.test" } } });
    work(0);
    assert_int_equal(world.nheard, 0);
    assert_int_equal(kicked(KICK_NODE, "Wait.Test"), 1);
    assert_int_equal(world.nheard, 1);
    assert_string_equal(world.heard[0].destination, "mx:wait.test");
    assert_int_equal(kicked(KICK_NODE, "sub.wait.test"), 1);
    assert_int_equal(world.nheard, 2);
    assert_string_equal(world.heard[1].destination, "mx:sub.wait.test");
    assert_int_equal(world.heard[1].nrcpts, 2);         /* not those of two.wait.test */
    assert_int_equal(kicked(KICK_DOMAIN, "wait.test"), 1);
    assert_int_equal(world.nheard, 3);
    assert_string_equal(world.heard[2].destination, "mx:two.wait.test");
}

static void it_is_held_again_when_it_could_not_be_delivered(void **state)
{
    uint64_t id;

    (void)state;
    id = commit(&(struct mail){ .sender = "s@e.test", .rcpts = { { .address = "a@wait.test" } } });
    work(0);
    pass(6LL * 24 * HOUR, HOUR);                /* what is held does not grow old */
    kicked(KICK_NODE, "wait.test");
    answer(FATE_LATER, DELIVERY_FINAL);
    query(QUERY_LIST, id);
    assert_non_null(strstr(world.row, "\"state\":\"held\""));
    assert_non_null(strstr(world.row, "hold:wait.test"));
    pass(10 * MINUTE, MINUTE);
    assert_int_equal(world.nheard, 1);
    kicked(KICK_NODE, "wait.test");
    assert_int_equal(world.nheard, 2);
    answer(FATE_DONE, DELIVERY_RELAYED);
    assert_int_equal(world.queue->letters.n, 0);
}

static void deferred_mail_goes_now_and_back_off_is_forgotten(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++)
        commit(&(struct mail){ .sender = "s@e.test", .rcpts = { { .address = "a@there.test" } } });
    commit(&(struct mail){ .sender = "s@e.test", .rcpts = { { .address = "a@elsewhere.test" } } });
    work(0);
    assert_int_equal(world.nheard, 4);
    for (size_t i = 0; i < 4; i++)
        result(i, FATE_LATER, DELIVERY_FINAL, TROUBLE_HOST);
    work(SECOND);
    assert_int_equal(world.nheard, 4);
    assert_int_equal(kicked(KICK_NODE, "there.test"), 3);
    assert_true(world.nheard > 4);              /* the window is small after trouble */
    for (size_t i = 4; i < world.nheard; i++) {
        assert_string_equal(world.heard[i].destination, "mx:there.test");
        result(i, FATE_DONE, DELIVERY_RELAYED, TROUBLE_NONE);
        work(0);
    }
    assert_int_equal(world.nheard, 7);
    assert_int_equal(world.queue->letters.n, 1);
}

static void of_a_shared_host_only_the_wanted_go(void **state)
{
    (void)state;
    commit(&(struct mail){ .sender = "s@e.test", .rcpts = { { .address = "a@partner.test" } } });
    commit(&(struct mail){ .sender = "s@e.test", .rcpts = { { .address = "a@other.test" } } });
    work(0);
    for (size_t i = 0; i < 2; i++)
        result(i, FATE_LATER, DELIVERY_FINAL, TROUBLE_NONE);
    work(SECOND);
    assert_int_equal(kicked(KICK_NODE, "other.test"), 1);
    assert_int_equal(world.nheard, 3);
    assert_string_equal(world.heard[2].rcpts[0], "a@other.test");
    assert_int_equal(kicked(KICK_NODE, "elsewhere.test"), 0);
}

static void a_queue_is_known_by_destination_or_pattern(void **state)
{
    static const struct { const char *name; enum fate fate; uint64_t count; } cases[] = {
        { "nothing", FATE_NEVER, 0 }, { "mx:unknown.test", FATE_NEVER, 0 },
        { "*.wait.test", FATE_DONE, 1 }, { "mx:there.test", FATE_DONE, 1 },
        { "wait.test", FATE_DONE, 0 }, { "partner.test", FATE_DONE, 1 },
    };

    (void)state;
    commit(&(struct mail){ .sender = "s@e.test", .rcpts = { { .address = "a@sub.wait.test" } } });
    commit(&(struct mail){ .sender = "s@e.test", .rcpts = { { .address = "a@there.test" } } });
    commit(&(struct mail){ .sender = "s@e.test", .rcpts = { { .address = "a@partner.test" } } });
    work(0);
    for (size_t i = 0; i < 2; i++)
        result(i, FATE_LATER, DELIVERY_FINAL, TROUBLE_NONE);
    work(SECOND);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_true(kick(KICK_QUEUE, cases[i].name));
        work(0);
        if (world.kicked.fate != cases[i].fate || world.kicked.count != cases[i].count)
            fail_msg("%s: fate %d, count %d", cases[i].name, world.kicked.fate,
                     (int)world.kicked.count);
    }
}

static void a_second_one_while_the_first_is_at_work_starts_nothing(void **state)
{
    (void)state;
    for (int i = 0; i < 2500; i++)
        commit(&(struct mail){ .sender = "s@e.test", .rcpts = { { .address = "a@wait.test" } } });
    work(0);
    assert_true(kick(KICK_NODE, "wait.test"));
    queue_work(world.queue);
    assert_int_equal(world.nkicked, 0);         /* a slice at a time */
    assert_true(kick(KICK_NODE, "wait.test"));
    assert_int_equal(world.nkicked, 1);
    assert_int_equal(world.kicked.fate, FATE_DONE);
    assert_int_equal(world.kicked.count, 0);
    work(0);
    assert_int_equal(world.nkicked, 2);
    assert_int_equal(world.kicked.count, 2500);
}

static void what_a_person_or_the_sender_holds_stays(void **state)
{
    uint64_t id;

    (void)state;
    id = commit(&(struct mail){ .sender = "s@e.test", .rcpts = { { .address = "a@wait.test" } } });
    commit(&(struct mail){ .sender = "s@e.test", .hold = HOUR, .rcpts = { { .address = "b@there.test" } } });
    work(0);
    query(QUERY_HOLD, id);
    assert_int_equal(kicked(KICK_NODE, "wait.test"), 0);
    assert_int_equal(kicked(KICK_NODE, "there.test"), 0);
    assert_int_equal(world.nheard, 0);
}

static void a_malformed_kick_costs_the_channel(void **state)
{
    static char longest[600];

    (void)state;
    memset(longest, 'x', sizeof longest - 1);
    assert_false(kick(KICK_KINDS, "a.test"));
    assert_false(kick(KICK_NODE, ""));
    assert_false(kick(KICK_NODE, longest));
    assert_false(say_kick(&world.relay, &(struct msg_kick){ .name = SLICE_LIT("a.test") }));
}

static void fetches_are_asked_for_one_at_a_time(void **state)
{
    (void)state;
    pass(5 * SECOND, SECOND);
    assert_int_equal(world.fetches, 1);
    assert_string_equal(world.fetch_name, "provider");
    pass(25 * MINUTE, MINUTE);
    assert_int_equal(world.fetches, 1);         /* it has not answered */
    assert_true(say_fetched(&world.relay, &(struct msg_fetched){ .ticket = world.fetch_ticket,
        .fate = FATE_DONE, .text = SLICE_LIT("250 ok") }));
    pass(2 * SECOND, SECOND);
    assert_int_equal(world.fetches, 2);
    queue_peer_gone(world.queue, &world.relay);
    queue_peer(world.queue, &world.relay, ROLE_RELAY, 9, &ops, NULL);
    pass(12 * SECOND, SECOND);
    assert_int_equal(world.fetches, 3);
    assert_false(say_fetched(&world.relay, &(struct msg_fetched){ .fate = 7 }));
}

static void a_reversed_connection_is_given_to_the_smtpd_with_fewest(void **state)
{
    static struct peer second;

    (void)state;
    queue_peer(world.queue, &second, ROLE_SMTPD, 8, &ops, NULL);
    for (int i = 0; i < 4; i++)
        assert_true(say_adopt(&world.relay, &(struct msg_adopt){ .host = SLICE_LIT("provider") }));
    assert_int_equal(world.adopts, 4);
    assert_int_equal(second.adopted, 2);
    assert_int_equal(world.smtpd.adopted, 2);
    queue_peer_gone(world.queue, &second);
    queue_peer_gone(world.queue, &world.smtpd);
    assert_true(say_adopt(&world.relay, &(struct msg_adopt){ .host = SLICE_LIT("provider") }));
    assert_int_equal(world.adopts, 4);
    queue_peer(world.queue, &world.smtpd, ROLE_SMTPD, 7, &ops, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        T(what_a_route_holds_goes_to_its_domains_host),
        T(it_is_held_again_when_it_could_not_be_delivered),
        T(deferred_mail_goes_now_and_back_off_is_forgotten),
        T(of_a_shared_host_only_the_wanted_go),
        T(a_queue_is_known_by_destination_or_pattern),
        T(a_second_one_while_the_first_is_at_work_starts_nothing),
        T(what_a_person_or_the_sender_holds_stays),
        T(a_malformed_kick_costs_the_channel),
        T(fetches_are_asked_for_one_at_a_time),
        T(a_reversed_connection_is_given_to_the_smtpd_with_fewest),
#undef T
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
