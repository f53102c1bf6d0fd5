/* test_links_node.c - one node: detection, damping, healing, refreshing, whom it asks when. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include "links/node.h"

#define SECOND ((int64_t)1000)
#define MINUTE (60 * SECOND)
#define WALL   ((int64_t)1790000000000)

static const struct slice A = SLICE_INIT("a.test"), B = SLICE_INIT("b.test"), C = SLICE_INIT("c.test");

/* ----------------------------------------------------------------- watch -- */

static void three_failures_in_their_own_time_make_it_down(void **state)
{
    /* at: seconds; f failure, s success; what it is afterwards */
    static const struct { int64_t at; char what; enum watch_state state; } cases[] = {
        { 0, 'f', WATCH_GLITCH }, { 1, 'f', WATCH_GLITCH }, { 2, 'f', WATCH_GLITCH },
        { 3, 'f', WATCH_GLITCH }, { 60, 'f', WATCH_GLITCH }, { 61, 'f', WATCH_GLITCH },
        { 62, 's', WATCH_UP }, { 63, 'f', WATCH_GLITCH }, { 123, 'f', WATCH_GLITCH },
        { 183, 'f', WATCH_DOWN }, { 184, 'f', WATCH_DOWN }, { 243, 'f', WATCH_DOWN },
        { 303, 's', WATCH_UP }, { 304, 's', WATCH_UP },
    };
    struct watch_options o = WATCH_USUAL;
    struct watch w = { 0 };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        if (cases[i].what == 'f')
            watch_failed(&w, &o, cases[i].at * SECOND);
        else
            watch_worked(&w);
        if (w.state != cases[i].state)
            fail_msg("at %d", (int)cases[i].at);
        assert_int_equal(watch_up(&w), cases[i].state != WATCH_DOWN);
    }
    assert_int_equal(watch_due(&w), INT64_MAX);
}

static void a_down_connector_is_tried_every_minute(void **state)
{
    struct watch_options o = WATCH_USUAL;
    struct watch w = { 0 };

    (void)state;
    for (int64_t now = 0; now < 10 * MINUTE; now += MINUTE) {
        watch_failed(&w, &o, now);
        assert_int_equal(watch_due(&w), now + MINUTE);
    }
    assert_int_equal(w.state, WATCH_DOWN);
}

static void suppressed_connectors_are_never_down(void **state)
{
    struct watch_options o = { .retry = MINUTE, .failures = 3, .suppress = true };
    struct watch w = { 0 };

    (void)state;
    for (int64_t now = 0; now < 10 * MINUTE; now += MINUTE)
        assert_false(watch_failed(&w, &o, now));
    assert_true(watch_up(&w));
}

/* ------------------------------------------------------------------ node -- */

static const struct links_settings usual = LINKS_USUAL;

/* node_new - a.test with connectors to b.test (1) and c.test (5) */

static struct links_node *node_new(int64_t now)
{
    const struct slice spaces[] = { A };
    const struct links_connector connectors[] = {
        { .name = C, .to = C, .cost = 5 }, { .name = B, .to = B, .cost = 1 } };
    struct links_node *l = links_new(SLICE_LIT("A.Test"), &usual, now, WALL);

    assert_non_null(l);
    assert_true(links_configure(l, &usual, spaces, 1, connectors, 2, now, WALL));
    return l;
}

static struct slice own_text(const struct links_node *l)
{
    return link_table_find(links_table(l), A)->text;
}

static void own_is(const struct links_node *l, const char *text)
{
    if (!slice_eq(own_text(l), slice_cstr(text)))
        fail_msg("%.*s", SLICE(own_text(l)));
}

/* talk - the exchange over a connector that is due: answers as given, in turn */

static void talk(struct links_node *l, struct slice to, const char *first, const char *second,
                 int64_t now)
{
    struct slice due = links_due(l, now);
    struct buf next = BUF(LINKS_TABLE + 8);

    assert_true(slice_eq(due, to));
    if (links_asked(l, due, LINKS_EXCHANGED, slice_cstr(first), now, WALL, &next)) {
        assert_non_null(second);
        assert_int_equal(payload_parse(buf_view(&next)).verb, PAYLOAD_TABLE);
        assert_false(links_asked(l, due, LINKS_EXCHANGED, slice_cstr(second), now, WALL, &next));
    } else {
        assert_null(second);
    }
    buf_free(&next);
}

static void quiet(struct links_node *l, int64_t now)
{
    links_advance(l, now, WALL);
    assert_true(links_due(l, now).n == 0);
    assert_true(links_wake(l) > now);
}

static void the_neighbours_are_asked_at_once_and_then_every_five_minutes(void **state)
{
    struct links_node *l = node_new(0);

    (void)state;
    talk(l, B, "DONE", NULL, 0);
    talk(l, C, "SEND", "DONE", 0);
    quiet(l, 0);
    assert_int_equal(links_wake(l), 5 * MINUTE);
    quiet(l, 5 * MINUTE - 1);
    links_advance(l, 5 * MINUTE, WALL);
    talk(l, B, "DONE", NULL, 5 * MINUTE);
    talk(l, C, "DONE", NULL, 5 * MINUTE);
    quiet(l, 5 * MINUTE);
    own_is(l, "a.test 1790000000001 0 1 a.test;LINK b.test b.test 1 up -;LINK c.test c.test 5 up -");
    links_free(l);
}

static void news_from_one_go_to_the_others_at_once(void **state)
{
    struct links_node *l = node_new(0);
    struct buf answer = BUF(LINKS_TABLE + 8);

    (void)state;
    talk(l, B, "SEND", "TABLE;NODE 0 b.test 5 0 0 b.test", 0);
    talk(l, C, "DONE", NULL, 0);
    quiet(l, 0);
    assert_true(links_heard(l, SLICE_LIT("TABLE;NODE 0 d.test 5 0 0 -"), 1000, WALL, &answer));
    assert_int_equal(payload_parse(buf_view(&answer)).nnodes, 2);
    talk(l, B, "DONE", NULL, 1000);
    talk(l, C, "DONE", NULL, 1000);
    buf_clear(&answer);
    /* a mere refreshment waits */
    assert_true(links_heard(l, SLICE_LIT("TABLE;NODE 0 d.test 5 0 1 -"), 2000, WALL, &answer));
    quiet(l, 2000);
    buf_free(&answer);
    links_free(l);
}

static void only_a_client_s_payloads_are_heard(void **state)
{
    static const char *const wrong[] = { "", "DONE", "SEND", "MORE", "DIGEST 1", "TABLE;", "x" };
    struct links_node *l = node_new(0);
    struct buf answer = BUF(LINKS_TABLE + 8), digest = BUF(100);

    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_false(links_heard(l, slice_cstr(wrong[i]), 0, WALL, &answer));
    assert_true(links_ask(l, &digest));
    assert_true(links_heard(l, buf_view(&digest), 0, WALL, &answer));
    assert_true(slice_eq(buf_view(&answer), SLICE_LIT("DONE")));
    buf_free(&answer);
    buf_free(&digest);
    links_free(l);
}

static void fail_until_down(struct links_node *l, struct slice connector, int64_t now)
{
    for (int i = 0; i < 3; i++)
        links_failed(l, connector, now + i * MINUTE);
}

static void our_own_mail_turns_at_once_and_the_news_are_damped(void **state)
{
    struct links_node *l = node_new(0);
    struct links_hop hop;
    struct buf answer = BUF(LINKS_TABLE + 8);
    uint64_t before;

    (void)state;
    links_heard(l, SLICE_LIT("TABLE;NODE 0 b.test 5 0 0 b.test;NODE 0 c.test 5 0 0 -;LINK x b.test 5 up -"),
                0, WALL, &answer);
    assert_true(slice_eq(links_route(l, B, NULL, 0).link->name, B));
    before = links_generation(l);
    fail_until_down(l, B, 0);
    assert_true(links_generation(l) > before);
    hop = links_route(l, B, NULL, 0);
    assert_true(hop.way == LINKS_VIA && slice_eq(hop.link->name, C) && hop.cost == 10);
    /* the first change is told at once, ... */
    links_advance(l, 2 * MINUTE, WALL);
    own_is(l, "a.test 1790000000001 1 0 a.test;LINK b.test b.test 1 down -;LINK c.test c.test 5 up -");
    /* ... the next one waits; being undone before that it is never told */
    links_worked(l, B, 3 * MINUTE);
    assert_int_equal(links_route(l, B, NULL, 0).cost, 1);
    links_advance(l, 3 * MINUTE, WALL);
    own_is(l, "a.test 1790000000001 1 0 a.test;LINK b.test b.test 1 down -;LINK c.test c.test 5 up -");
    fail_until_down(l, B, 4 * MINUTE);
    assert_true(links_route(l, B, NULL, 0).cost == 10);
    links_advance(l, 12 * MINUTE, WALL);
    own_is(l, "a.test 1790000000001 1 1 a.test;LINK b.test b.test 1 down -;LINK c.test c.test 5 up -");
    links_worked(l, B, 12 * MINUTE);
    links_advance(l, 12 * MINUTE, WALL);
    own_is(l, "a.test 1790000000001 2 1 a.test;LINK b.test b.test 1 up -;LINK c.test c.test 5 up -");
    buf_free(&answer);
    links_free(l);
}

static void a_flapping_connector_is_told_once_in_ten_minutes(void **state)
{
    struct links_node *l = node_new(0);
    int64_t now = 0;
    unsigned told = 0;

    (void)state;
    for (int round = 0; round < 100; round++) {
        uint64_t minor = link_table_find(links_table(l), A)->version.minor;

        fail_until_down(l, B, now);
        links_advance(l, now += 3 * MINUTE, WALL);
        links_worked(l, B, now);
        links_advance(l, now += 1 * MINUTE, WALL);
        told += (unsigned)(link_table_find(links_table(l), A)->version.minor - minor);
    }
    assert_in_range(told, 1, 40);       /* 400 minutes */
    links_free(l);
}

static void a_neighbour_that_cannot_be_reached_is_tried_each_minute_and_goes_down(void **state)
{
    struct links_node *l = node_new(0);
    struct buf next = BUF(100);
    int64_t now = 0;

    (void)state;
    links_due(l, 0);
    links_due(l, 0);
    links_asked(l, C, LINKS_EXCHANGED, SLICE_LIT("DONE"), now, WALL, &next);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(links_watch(l, B)->state, i == 0 ? WATCH_UP : i < 3 ? WATCH_GLITCH : WATCH_DOWN);
        links_asked(l, B, LINKS_UNREACHED, (struct slice){ 0 }, now, WALL, &next);
        assert_true(links_due(l, now + MINUTE - 1).n == 0);
        now += MINUTE;
        assert_true(slice_eq(links_due(l, now), B));
        assert_true(links_due(l, now).n == 0);      /* one at a time */
    }
    links_asked(l, B, LINKS_CUT, (struct slice){ 0 }, now, WALL, &next);
    assert_int_equal(links_watch(l, B)->state, WATCH_DOWN);
    links_worked(l, B, now);
    assert_true(links_due(l, now).n == 0);          /* not again at once */
    assert_true(slice_eq(links_due(l, now + MINUTE), B));
    buf_free(&next);
    links_free(l);
}

static void a_host_without_link_state_is_up_and_asked_rarely(void **state)
{
    struct links_node *l = node_new(0);
    struct buf next = BUF(100);

    (void)state;
    links_due(l, 0);
    links_due(l, 0);
    links_asked(l, B, LINKS_UNSPOKEN, (struct slice){ 0 }, 0, WALL, &next);
    links_asked(l, C, LINKS_EXCHANGED, SLICE_LIT("nonsense"), 0, WALL, &next);
    assert_int_equal(links_watch(l, B)->state, WATCH_UP);
    quiet(l, 5 * MINUTE - 1);
    assert_true(links_due(l, 5 * MINUTE).n > 0);
    buf_free(&next);
    links_free(l);
}

static void a_higher_version_of_ourselves_makes_us_rise_above_it(void **state)
{
    struct links_node *l = node_new(0);
    struct buf answer = BUF(LINKS_TABLE + 8);

    (void)state;
    assert_true(links_heard(l, SLICE_LIT("TABLE;NODE 0 a.test 1790000009999 7 7 *"), 0, WALL, &answer));
    own_is(l, "a.test 1790000010000 0 0 a.test;LINK b.test b.test 1 up -;LINK c.test c.test 5 up -");
    assert_true(slice_istarts(buf_view(&answer), SLICE_LIT("TABLE;NODE 1 a.test 1790000010000 ")));
    /* whoever goes on with that is answered, but not as fast as it can */
    links_heard(l, SLICE_LIT("TABLE;NODE 0 a.test 1790000019999 7 7 *"), 1000, WALL, &answer);
    own_is(l, "a.test 1790000010000 0 0 a.test;LINK b.test b.test 1 up -;LINK c.test c.test 5 up -");
    links_advance(l, 4999, WALL);
    assert_true(slice_istarts(own_text(l), SLICE_LIT("a.test 1790000010000 ")));
    links_advance(l, 5000, WALL);
    assert_true(slice_istarts(own_text(l), SLICE_LIT("a.test 1790000020000 ")));
    buf_free(&answer);
    links_free(l);
}

static void a_configuration_read_again_is_news_only_if_it_changed(void **state)
{
    struct links_node *l = node_new(0);
    const struct slice spaces[] = { A };
    struct links_connector connectors[] = {
        { .name = B, .to = B, .cost = 1 }, { .name = C, .to = C, .cost = 5 } };

    (void)state;
    fail_until_down(l, B, 0);
    links_advance(l, 2 * MINUTE, WALL);
    assert_true(links_configure(l, &usual, spaces, 1, connectors, 2, 3 * MINUTE, WALL + 5000));
    own_is(l, "a.test 1790000000001 1 0 a.test;LINK b.test b.test 1 down -;LINK c.test c.test 5 up -");
    connectors[0].cost = 2;
    assert_true(links_configure(l, &usual, spaces, 1, connectors, 2, 3 * MINUTE, WALL + 5000));
    own_is(l, "a.test 1790000005000 0 0 a.test;LINK b.test b.test 2 down -;LINK c.test c.test 5 up -");
    assert_false(links_watch(l, B)->state == WATCH_UP);
    connectors[0].to = SLICE_LIT("d.test");
    assert_true(links_configure(l, &usual, spaces, 1, connectors, 2, 3 * MINUTE, WALL));
    own_is(l, "a.test 1790000005001 0 0 a.test;LINK b.test d.test 2 up -;LINK c.test c.test 5 up -");
    connectors[1].name = B;
    assert_false(links_configure(l, &usual, spaces, 1, connectors, 2, 3 * MINUTE, WALL));
    own_is(l, "a.test 1790000005001 0 0 a.test;LINK b.test d.test 2 up -;LINK c.test c.test 5 up -");
    assert_true(links_configure(l, &usual, NULL, 0, NULL, 0, 4 * MINUTE, WALL));
    own_is(l, "a.test 1790000005002 0 0 -");
    links_free(l);
}

static void whoever_falls_silent_is_forgotten(void **state)
{
    struct links_node *l = node_new(0);
    struct buf answer = BUF(LINKS_TABLE + 8);
    uint64_t before;

    (void)state;
    links_heard(l, SLICE_LIT("TABLE;NODE 600 d.test 5 0 0 d.test"), 0, WALL, &answer);
    assert_int_equal(links_route(l, SLICE_LIT("d.test"), NULL, 0).way, LINKS_WAIT);
    before = links_generation(l);
    links_advance(l, 50 * MINUTE - 1, WALL);
    assert_non_null(link_table_find(links_table(l), SLICE_LIT("d.test")));
    links_advance(l, 50 * MINUTE, WALL);
    assert_null(link_table_find(links_table(l), SLICE_LIT("d.test")));
    assert_true(links_generation(l) > before);
    assert_int_equal(links_route(l, SLICE_LIT("d.test"), NULL, 0).way, LINKS_NONE);
    buf_free(&answer);
    links_free(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(three_failures_in_their_own_time_make_it_down),
        cmocka_unit_test(a_down_connector_is_tried_every_minute),
        cmocka_unit_test(suppressed_connectors_are_never_down),
        cmocka_unit_test(the_neighbours_are_asked_at_once_and_then_every_five_minutes),
        cmocka_unit_test(news_from_one_go_to_the_others_at_once),
        cmocka_unit_test(only_a_client_s_payloads_are_heard),
        cmocka_unit_test(our_own_mail_turns_at_once_and_the_news_are_damped),
        cmocka_unit_test(a_flapping_connector_is_told_once_in_ten_minutes),
        cmocka_unit_test(a_neighbour_that_cannot_be_reached_is_tried_each_minute_and_goes_down),
        cmocka_unit_test(a_host_without_link_state_is_up_and_asked_rarely),
        cmocka_unit_test(a_higher_version_of_ourselves_makes_us_rise_above_it),
        cmocka_unit_test(a_configuration_read_again_is_news_only_if_it_changed),
        cmocka_unit_test(whoever_falls_silent_is_forgotten),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
