/* test_queue_links.c - the queue and the link-state routing: who is asked, which way mail goes. */
#include "queue_world.h"
#include "links/payload.h"

static const char net[] =
    "hostname = \"mx.ours.test\"\nspool = \"/nowhere\"\n"
    "domain \"ours.test\" { recipients = any\n deliver = \"maildir:/mail/%d/%u\" }\n"
    "route \"partner.test\" { via = \"127.0.0.1:2600\" }\n"
    "connector \"b.test\" { via = \"127.0.0.1:2601\"  cost = 10 }\n"
    "connector \"c.test\" { via = \"127.0.0.1:2602\"  cost = 20 }\n"
    "links { serves = {\"*.ours.test\"}  damping = 10m }\n"
    "queue { lifetime = 5d  warn = 4h  retry = {5m, 15m, 1h, 4h}  jitter = 0 }\n";

/* b and c serve what they are called, and b everything else; they know each other. */
static const char neighbours[] =
    "TABLE;NODE 0 b.test 5 0 0 *,b.test,far.test;LINK c.test c.test 5 up -;"
    "NODE 0 c.test 5 0 0 c.test;LINK b.test b.test 5 up -";

static struct {
    struct peer_ops ops;
    struct msg_exchange exchanges[64];
    char     names[64][32], payloads[64][2000];
    size_t   n;
    uint8_t  fate;
    char     answer[2000];      /* of the last LINKSTATE_DONE */
    char     path[200];         /* LINKPATH of the last DELIVER */
    uint64_t ticket;
} links;

static bool on_exchange(struct peer *p, const struct msg_exchange *m)
{
    (void)p;
    assert_true(links.n < 64);
    links.exchanges[links.n] = *m;
    put(links.names[links.n], sizeof links.names[0], m->connector);
    put(links.payloads[links.n++], sizeof links.payloads[0], m->payload);
    return world.taken;
}

static void on_linkstate_done(struct peer *p, const struct msg_linkstate_done *m)
{
    (void)p;
    links.fate = m->fate;
    put(links.answer, sizeof links.answer, m->payload);
}

static bool on_delivered(struct peer *p, const struct msg_deliver *m, int fd)
{
    struct slice path = { 0 };

    extra_get(m->extra, EXTRA_LINKPATH, &path);
    put(links.path, sizeof links.path, path);
    return on_deliver(p, m, fd);
}

SAYS(LINKSTATE, linkstate)
SAYS(EXCHANGED, exchanged)

static void reopen(void)
{
    open_queue();
    world.smtpd.ops = world.relay.ops = &links.ops;
    work(0);
}

static int begin(void **state)
{
    setup(state);
    queue_close(world.queue);
    conf_free(world.conf);
    disk_mem_unlock(world.disk);
    memset(&links, 0, sizeof links);
    links.ops = ops;
    links.ops.exchange = on_exchange;
    links.ops.linkstate_done = on_linkstate_done;
    links.ops.deliver = on_delivered;
    world.conf = conf_of(net);
    reopen();
    return 0;
}

static void asked(size_t n, enum fate fate, const char *payload)
{
    assert_true(n < links.n);
    assert_true(say_exchanged(&world.relay, &(struct msg_exchanged){
        .ticket = links.exchanges[n].ticket, .fate = (uint8_t)fate,
        .payload = slice_cstr(payload) }));
    work(0);
}

/* settled - both neighbours were asked, and know nothing new */

static void settled(void)
{
    asked(0, FATE_DONE, "DONE");
    asked(1, FATE_DONE, "DONE");
}

static void heard(const char *payload)
{
    assert_true(say_linkstate(&world.smtpd, &(struct msg_linkstate){
        .ticket = ++links.ticket, .peer = SLICE_LIT("127.0.0.1"), .payload = slice_cstr(payload) }));
    work(0);
}

static void send_mail(const char *path, const char *original, const char *address)
{
    struct buf all = BUF(1 << 16), extra = BUF(4096), out = BUF(1 << 16);
    struct wire w = wire_writer(&all), we = wire_writer(&extra), wo = wire_writer(&out);
    uint64_t id = (uint64_t)world_wall << 20 | (uint64_t)7 << 12 | (++commits & 0xfff);

    recipient_put(&w, &(struct recipient){ .address = slice_cstr(address),
                                           .original = slice_cstr(original) });
    put_extra(&we, EXTRA_LINKPATH, path);
    envelope_put(&wo, &(struct envelope){ .arrived = world_wall, .sender = SLICE_LIT("s@e.test"),
        .extra = buf_view(&extra), .nrcpts = 1, .rcpts = buf_view(&all) });
    assert_true(say_commit(&world.smtpd, &(struct msg_commit){
        .id = id, .nonce = 5, .envelope = buf_view(&out), .body = SLICE_LIT("Subject: a\r\n\r\n") }));
    buf_free(&all);
    buf_free(&extra);
    buf_free(&out);
    work(0);
}

/* went - mail for this address goes there now */

static void went(const char *path, const char *original, const char *address, const char *there)
{
    size_t before = world.nheard;

    send_mail(path, original, address);
    assert_int_equal(world.nheard, before + 1);
    assert_string_equal(world.heard[before].destination, there);
    result(before, FATE_DONE, DELIVERY_PASSED, TROUBLE_NONE);
    work(0);
}

static void the_neighbours_are_asked_as_soon_as_there_is_a_relay(void **state)
{
    (void)state;
    assert_int_equal(links.n, 2);
    assert_string_equal(links.names[0], "b.test");
    assert_string_equal(links.names[1], "c.test");
    assert_int_equal(strlen(links.payloads[0]), 7 + LINKS_DIGEST);
    asked(0, FATE_DONE, "SEND");
    assert_int_equal(links.n, 3);
    assert_true(links.exchanges[2].ticket == links.exchanges[0].ticket);
    assert_string_equal(links.payloads[2], "TABLE;NODE 1 mx.ours.test 1000000000001 0 0 *.ours.test,ours.test;"
        "LINK b.test b.test 10 up -;LINK c.test c.test 20 up -");
    asked(2, FATE_DONE, neighbours);
    assert_string_equal(links.payloads[3], "");         /* over */
    asked(1, FATE_NEVER, "");
    went(NULL, NULL, "u@far.test", "link:b.test");
    assert_string_equal(links.path, "mx.ours.test");
}

static void what_neighbours_say_is_answered(void **state)
{
    (void)state;
    heard(neighbours);
    assert_int_equal(links.fate, FATE_DONE);
    assert_non_null(strstr(links.answer, "NODE 1 mx.ours.test "));
    assert_null(strstr(links.answer, "far.test"));
    heard("TABLE;");
    assert_int_equal(links.fate, FATE_NEVER);
}

static void mail_goes_where_it_is_served_best(void **state)
{
    (void)state;
    settled();
    heard(neighbours);
    went(NULL, NULL, "u@far.test", "link:b.test");
    went(NULL, NULL, "u@c.test", "link:b.test");        /* 15 beats 20 */
    went(NULL, NULL, "u@anything.test", "link:b.test");
    went(NULL, NULL, "u@ours.test", "maildir:/mail/%d/%u");
    went(NULL, NULL, "u@partner.test", "host:127.0.0.1:2600");      /* better than * */
    went(NULL, NULL, "u@[192.0.2.1]", "mx:[192.0.2.1]");
}

static void mail_never_goes_where_it_has_been(void **state)
{
    (void)state;
    settled();
    heard(neighbours);
    went("b.test", NULL, "u@c.test", "link:c.test");
    assert_string_equal(links.path, "b.test,mx.ours.test");
    went("b.test,x.test", NULL, "u@far.test", "link:");
    went("c.test", NULL, "u@c.test", "link:");
    /* an alias here led there: its way begins here */
    went("b.test", "list@ours.test", "u@far.test", "link:b.test");
    assert_string_equal(links.path, "mx.ours.test");
}

static void mail_goes_round_a_connector_that_is_down(void **state)
{
    size_t last;

    (void)state;
    settled();
    heard(neighbours);
    asked(4, FATE_DONE, "DONE");        /* 2 and 3 were the ends of the first; these are the news */
    asked(5, FATE_DONE, "DONE");
    send_mail(NULL, NULL, "u@b.test");
    last = world.nheard - 1;
    assert_string_equal(world.heard[last].destination, "link:b.test");
    result(last, FATE_LATER, DELIVERY_FINAL, TROUBLE_HOST);
    for (int i = 0; i < 2; i++) {       /* asked again before the mail is */
        size_t before = links.n;

        pass(MINUTE + SECOND, SECOND);
        assert_int_equal(links.n, before + 1);
        assert_string_equal(links.names[before], "b.test");
        asked(before, FATE_LATER, "");
    }
    work(0);
    assert_int_equal(world.nheard, last + 2);           /* at once */
    assert_string_equal(world.heard[last + 1].destination, "link:c.test");
    result(last + 1, FATE_DONE, DELIVERY_PASSED, TROUBLE_NONE);
    work(0);
    query(QUERY_ROUTES, 0);
    assert_non_null(strstr(world.rows, "\"to\":\"b.test\",\"cost\":10,\"state\":\"down\""));
    /* it is asked each minute, and up again when it answers */
    last = links.n;
    pass(2 * MINUTE, SECOND);
    assert_true(links.n > last);
    assert_string_equal(links.names[links.n - 1], "b.test");
    asked(links.n - 1, FATE_DONE, "DONE");
    went(NULL, NULL, "u@b.test", "link:b.test");
}

static void while_nobody_was_asked_nothing_is_known_to_be_elsewhere(void **state)
{
    (void)state;
    send_mail(NULL, NULL, "u@stranger.test");
    assert_string_equal(world.heard[0].destination, "link:");
    result(0, FATE_LATER, DELIVERY_FINAL, TROUBLE_NONE);
    commit(&(struct mail){ .sender = "s@e.test", .rcpts = { { .address = "u@partner.test" } } });
    work(0);
    assert_string_equal(world.heard[1].destination, "host:127.0.0.1:2600");
    settled();
    assert_int_equal(world.nheard, 3);
    assert_string_equal(world.heard[2].destination, "mx:stranger.test");
}

static void a_neighbour_that_does_not_answer_holds_up_nothing_for_long(void **state)
{
    (void)state;
    asked(0, FATE_DONE, "DONE");
    send_mail(NULL, NULL, "u@stranger.test");
    assert_string_equal(world.heard[0].destination, "link:");
    result(0, FATE_LATER, DELIVERY_FINAL, TROUBLE_NONE);
    pass(MINUTE + SECOND, SECOND);
    assert_int_equal(world.nheard, 2);
    assert_string_equal(world.heard[1].destination, "mx:stranger.test");
}

static void an_exchange_whose_relay_dies_is_begun_again(void **state)
{
    (void)state;
    queue_peer_gone(world.queue, &world.relay);
    queue_peer(world.queue, &world.relay, ROLE_RELAY, 9, &links.ops, NULL);
    pass(MINUTE + SECOND, SECOND);
    assert_int_equal(links.n, 4);
    asked(2, FATE_DONE, "DONE");
    asked(3, FATE_DONE, "DONE");
    went(NULL, NULL, "u@stranger.test", "mx:stranger.test");
    /* answers to what nobody asks any more */
    asked(0, FATE_DONE, neighbours);
    went(NULL, NULL, "u@far.test", "mx:far.test");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_neighbours_are_asked_as_soon_as_there_is_a_relay, begin, teardown),
        cmocka_unit_test_setup_teardown(what_neighbours_say_is_answered, begin, teardown),
        cmocka_unit_test_setup_teardown(mail_goes_where_it_is_served_best, begin, teardown),
        cmocka_unit_test_setup_teardown(mail_never_goes_where_it_has_been, begin, teardown),
        cmocka_unit_test_setup_teardown(mail_goes_round_a_connector_that_is_down, begin, teardown),
        cmocka_unit_test_setup_teardown(while_nobody_was_asked_nothing_is_known_to_be_elsewhere, begin, teardown),
        cmocka_unit_test_setup_teardown(a_neighbour_that_does_not_answer_holds_up_nothing_for_long, begin, teardown),
        cmocka_unit_test_setup_teardown(an_exchange_whose_relay_dies_is_begun_again, begin, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
