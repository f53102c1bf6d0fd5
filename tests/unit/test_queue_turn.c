/* test_queue_turn.c - TURN and ATRN: whose mail goes over a reversed connection, and
 * what becomes of it when that breaks. */
#include "queue_world.h"

enum { MANY = 1001 };

static uint64_t asked;

static bool ask(const char *const *domains, uint32_t n)
{
    struct buf names = BUF(1 << 20);
    struct wire w = wire_writer(&names);
    bool ok;

    for (uint32_t i = 0; i < n; i++)
        wire_put_bytes(&w, slice_cstr(domains[i]));
    ok = say_turn_ask(&world.smtpd, &(struct msg_turn_ask){ .ticket = ++asked,
        .account = SLICE_LIT("branch"), .ndomains = n, .domains = buf_view(&names) });
    buf_free(&names);
    return ok;
}

/* waiting - how many messages the queue says there are; -1: somebody else is at it */

static int waiting(const char *domain)
{
    unsigned before = world.nanswers;

    assert_true(ask(&domain, 1));
    work(0);
    assert_int_equal(world.nanswers, before + 1);
    assert_true(world.answer.ticket == asked);
    return world.answer.fate == FATE_DONE ? (int)world.answer.count : -1;
}

static void go(void)
{
    assert_true(say_turn_go(&world.smtpd, &(struct msg_turn_go){ .ticket = asked,
        .host = SLICE_LIT("branch [192.0.2.5]") }));
    work(0);
}

static size_t unanswered(void)
{
    size_t n = 0;

    for (size_t i = 0; i < world.nheard; i++)
        n += !world.heard[i].answered;
    return n;
}

static void answer_all(enum fate fate, uint8_t trouble)
{
    for (size_t i = 0; i < world.nheard; i++)
        if (!world.heard[i].answered) {
            assert_true(result(i, fate, DELIVERY_RELAYED, trouble));
            work(0);
        }
}

static void some_mail(int n, const char *to)
{
    for (int i = 0; i < n; i++)
        commit(&(struct mail){ .sender = "s@e.test", .rcpts = { { .address = to } } });
    work(0);
}

static void is_held(uint64_t id)
{
    query(QUERY_LIST, id);
    assert_non_null(strstr(world.row, "\"state\":\"held\""));
}

static void a_domain_gets_its_mail_and_is_told_when_there_is_no_more(void **state)
{
    (void)state;
    some_mail(10, "a@wait.test");
    assert_int_equal(waiting("wait.test"), 10);
    assert_int_equal(world.nheard, 0);
    go();
    assert_int_equal(world.turns, 1);
    assert_int_equal(world.nheard, 4);          /* a few at a time */
    assert_int_equal(strncmp(world.heard[0].destination, "turn:", 5), 0);
    assert_true(strtoull(world.heard[0].destination + 5, NULL, 10) == world.turn_ticket);
    answer_all(FATE_DONE, TROUBLE_NONE);
    assert_int_equal(world.nheard, 10);
    for (size_t i = 1; i < 10; i++)
        assert_true(world.heard[i].id > world.heard[i - 1].id);     /* the oldest first */
    assert_int_equal(world.overs, 1);
    assert_int_equal(world.queue->letters.n, 0);
    assert_int_equal(waiting("wait.test"), 0);
}

static void only_its_recipients_go(void **state)
{
    (void)state;
    commit(&(struct mail){ .sender = "s@e.test", .rcpts = {
        { .address = "a@sub.wait.test" }, { .address = "b@two.wait.test" }, { .address = "c@sub.wait.test" }, { .address = "d@elsewhere.test" } } });
    work(0);
    assert_int_equal(world.nheard, 1);          /* d */
    assert_int_equal(waiting("sub.wait.test"), 1);
    go();
    assert_int_equal(world.nheard, 2);
    assert_int_equal(world.heard[1].nrcpts, 2);
    assert_string_equal(world.heard[1].rcpts[0], "a@sub.wait.test");
    assert_string_equal(world.heard[1].rcpts[1], "c@sub.wait.test");
    assert_true(result(1, FATE_DONE, DELIVERY_RELAYED, TROUBLE_NONE));
    work(0);
    assert_int_equal(world.overs, 1);
    assert_int_equal(waiting("sub.wait.test"), 0);
    assert_int_equal(waiting("two.wait.test"), 1);
}

/* deferred_mail_goes - one message that was deferred goes to who asks for its domain */

static uint64_t deferred_mail_goes(void)
{
    uint64_t id = commit(&(struct mail){ .sender = "s@e.test", .rcpts = { { .address = "a@there.test" } } });

    work(0);
    answer(FATE_LATER, DELIVERY_FINAL);
    assert_int_equal(waiting("there.test"), 1);
    go();
    return id;
}

static void deferred_mail_of_the_domain_goes_too(void **state)
{
    uint64_t id = deferred_mail_goes();

    (void)state;
    assert_int_equal(world.nheard, 2);
    answer_all(FATE_LATER, TROUBLE_NONE);       /* he did not want it now */
    assert_int_equal(world.overs, 1);
    query(QUERY_LIST, id);
    assert_non_null(strstr(world.row, "\"state\":\"deferred\""));
    assert_non_null(strstr(world.row, "\"attempts\":1"));
    pass(5 * MINUTE + SECOND, SECOND);          /* at its old time */
    assert_int_equal(world.nheard, 3);
    assert_string_equal(last_heard()->destination, "mx:there.test");
}

static void two_do_not_fetch_the_same_domain_at_once(void **state)
{
    (void)state;
    some_mail(2, "a@wait.test");
    some_mail(2, "a@sub.wait.test");
    assert_int_equal(waiting("wait.test"), 2);
    assert_int_equal(waiting("Wait.Test"), -1);
    assert_int_equal(world.answer.fate, FATE_NEVER);
    assert_int_equal(waiting("sub.wait.test"), 2);
}

static void the_domain_is_free_again_when_it_is_over(void **state)
{
    (void)state;
    some_mail(2, "a@wait.test");
    assert_int_equal(waiting("wait.test"), 2);
    assert_true(say_turn_over(&world.smtpd, &(struct msg_turn_over){ asked }));
    assert_int_equal(waiting("wait.test"), 2);
    pass(61 * SECOND, SECOND);                  /* no connection came */
    assert_int_equal(waiting("wait.test"), 2);
    queue_peer_gone(world.queue, &world.smtpd);
    queue_peer(world.queue, &world.smtpd, ROLE_SMTPD, 7, &ops, NULL);
    assert_int_equal(waiting("wait.test"), 2);
    world.taken = false;
    go();                                       /* no relay takes it */
    world.taken = true;
    assert_int_equal(world.nheard, 0);
    assert_int_equal(waiting("wait.test"), 2);
}

static void a_lost_connection_leaves_the_mail_as_it_was(void **state)
{
    uint64_t id;

    (void)state;
    id = commit(&(struct mail){ .sender = "s@e.test", .rcpts = { { .address = "a@wait.test" } } });
    some_mail(5, "a@wait.test");
    assert_int_equal(waiting("wait.test"), 6);
    go();
    assert_int_equal(unanswered(), 4);
    assert_true(say_turn_over(&world.relay, &(struct msg_turn_over){ world.turn_ticket }));
    work(0);
    assert_int_equal(world.overs, 0);
    assert_int_equal(world.queue->leases.n, 0);
    is_held(id);
    for (size_t i = 0; i < world.nheard; i++)   /* answers that come too late */
        assert_true(result(i, FATE_DONE, DELIVERY_RELAYED, TROUBLE_NONE));
    assert_int_equal(world.queue->letters.n, 6);
    assert_int_equal(waiting("wait.test"), 6);
    go();
    answer_all(FATE_LATER, TROUBLE_HOST);       /* the last words of a relay whose peer has gone */
    is_held(id);
    assert_non_null(strstr(world.row, "\"attempts\":0"));
}

static void a_dead_relay_leaves_the_mail_as_it_was(void **state)
{
    (void)state;
    some_mail(3, "a@wait.test");
    some_mail(3, "b@there.test");
    for (size_t i = 0; i < 3; i++)
        result(i, FATE_LATER, DELIVERY_FINAL, TROUBLE_NONE);
    work(0);
    {
        static const char *const both[] = { "wait.test", "there.test" };

        assert_true(ask(both, 2));
        work(0);
    }
    assert_int_equal(world.answer.count, 6);
    go();
    assert_int_equal(world.nheard, 7);
    queue_peer_gone(world.queue, &world.relay);
    queue_peer(world.queue, &world.relay, ROLE_RELAY, 9, &ops, NULL);
    work(0);
    assert_int_equal(world.nheard, 7);          /* nothing goes anywhere by itself */
    assert_int_equal(waiting("there.test"), 3);
    assert_int_equal(waiting("wait.test"), 3);
}

static void what_a_person_holds_meanwhile_stays_held(void **state)
{
    uint64_t id = deferred_mail_goes();

    (void)state;
    query(QUERY_HOLD, id);
    answer_all(FATE_LATER, TROUBLE_NONE);
    is_held(id);
    assert_non_null(strstr(world.row, "held by a person"));
    assert_int_equal(waiting("there.test"), 0);
}

static void a_refused_recipient_is_reported(void **state)
{
    (void)state;
    commit(&(struct mail){ .sender = "s@partner.test", .rcpts = { { .address = "a@wait.test" } } });
    work(0);
    assert_int_equal(waiting("wait.test"), 1);
    go();
    answer_all(FATE_NEVER, TROUBLE_NONE);
    assert_true(strstr(world.report, "Action: failed") != NULL);
    assert_string_equal(world.heard[1].rcpts[0], "s@partner.test");
}

static void a_thousand_go_over_one_connection_in_slices(void **state)
{
    (void)state;
    some_mail(1000, "a@wait.test");
    assert_int_equal(waiting("wait.test"), 1000);
    go();
    for (size_t i = 0; i < world.nheard; i++) {
        assert_true(world.queue->leases.n <= 4);
        assert_true(result(i, i % 10 == 9 ? FATE_LATER : FATE_DONE, DELIVERY_RELAYED, TROUBLE_NONE));
        work(0);
    }
    assert_int_equal(world.nheard, 1000);       /* each once */
    assert_int_equal(world.overs, 1);
    assert_int_equal(world.queue->letters.n, 100);
}

static void a_malformed_ask_costs_the_channel(void **state)
{
    static const char *const empty[] = { "" };
    static const char *many[MANY];

    (void)state;
    assert_false(ask(empty, 1));
    for (size_t i = 0; i < MANY; i++)
        many[i] = "a.test";
    assert_false(ask(many, MANY));
    assert_false(ask(many, 0));     /* an answer about nothing has no name for the log */
    assert_false(say_turn_ask(&world.smtpd, &(struct msg_turn_ask){ .ndomains = 3 }));
    assert_true(say_turn_go(&world.smtpd, &(struct msg_turn_go){ .ticket = 99 }));
    assert_true(say_turn_over(&world.relay, &(struct msg_turn_over){ .ticket = 99 }));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        T(a_domain_gets_its_mail_and_is_told_when_there_is_no_more),
        T(only_its_recipients_go),
        T(deferred_mail_of_the_domain_goes_too),
        T(two_do_not_fetch_the_same_domain_at_once),
        T(the_domain_is_free_again_when_it_is_over),
        T(a_lost_connection_leaves_the_mail_as_it_was),
        T(a_dead_relay_leaves_the_mail_as_it_was),
        T(what_a_person_holds_meanwhile_stays_held),
        T(a_refused_recipient_is_reported),
        T(a_thousand_go_over_one_connection_in_slices),
        T(a_malformed_ask_costs_the_channel),
#undef T
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
