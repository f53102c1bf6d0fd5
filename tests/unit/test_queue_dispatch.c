/* test_queue_dispatch.c - which relay gets a job. */
#include "queue_world.h"

/* sent_by - the relay that gets a message for this address; it is delivered at once */

static const struct peer *sent_by(const char *address)
{
    commit(&(struct mail){ .sender = "s@x.test", .rcpts = { { .address = address } } });
    work(0);
    answer(FATE_DONE, DELIVERY_RELAYED);
    return last_heard()->by;
}

static void a_destination_keeps_its_relay_and_its_connections(void **state)
{
    static struct peer second;
    const struct peer *first;
    char address[40];
    unsigned shares[2] = { 0 };

    (void)state;
    queue_peer(world.queue, &second, ROLE_RELAY, 13, &ops, NULL);
    for (int i = 0; i < 20; i++) {
        snprintf(address, sizeof address, "u@far%d.test", i);
        first = sent_by(address);
        assert_ptr_equal(sent_by(address), first);
        shares[first == &second]++;
    }
    assert_true(shares[0] > 0 && shares[1] > 0);
}

static void another_relay_helps_one_that_is_much_busier(void **state)
{
    static struct peer second;
    unsigned shares[2] = { 0 };

    (void)state;
    queue_peer(world.queue, &second, ROLE_RELAY, 13, &ops, NULL);
    for (int i = 0; i < 20; i++)
        sent_by("u@partner.test");          /* so that many may go at once */
    world.nheard = 0;
    for (int i = 0; i < 20; i++)
        commit(&(struct mail){ .sender = "s@x.test", .rcpts = { { .address = "u@partner.test" } } });
    work(0);
    for (size_t i = 0; i < world.nheard; i++)
        shares[world.heard[i].by == &second]++;
    assert_int_equal(shares[0] + shares[1], 20);
    assert_true(shares[0] > 0 && shares[1] > 0);
}

static void a_destination_goes_on_by_the_others_when_its_relay_is_gone(void **state)
{
    static struct peer second;
    const struct peer *first;

    (void)state;
    queue_peer(world.queue, &second, ROLE_RELAY, 13, &ops, NULL);
    first = sent_by("u@partner.test");
    queue_peer_gone(world.queue, first == &second ? &second : &world.relay);
    assert_ptr_equal(sent_by("u@partner.test"), first == &second ? &world.relay : &second);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        T(a_destination_keeps_its_relay_and_its_connections),
        T(another_relay_helps_one_that_is_much_busier),
        T(a_destination_goes_on_by_the_others_when_its_relay_is_gone),
#undef T
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
