/* test_links_table.c - the payload's grammar, merging, ageing, and paths through the table. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include "links/path.h"

#define WALL ((int64_t)1790000000000)

static const struct slice SELF = SLICE_INIT("a.test");

/* ------------------------------------------------------------- grammar -- */

#define A "TABLE;NODE 0 a.test 1 2 3 "

static void only_the_one_way_to_write_it_is_read(void **state)
{
    static const struct { const char *text; enum payload_verb verb; } cases[] = {
        { "DONE", PAYLOAD_DONE }, { "SEND", PAYLOAD_SEND }, { "MORE", PAYLOAD_MORE },
        { "TABLE", PAYLOAD_TABLE },
        { "DIGEST 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", PAYLOAD_DIGEST },
        { A "-", PAYLOAD_TABLE }, { A "*", PAYLOAD_TABLE }, { A "*,*.b.test,b.test", PAYLOAD_TABLE },
        { A "a.test;LINK x b.test 10 up -", PAYLOAD_TABLE },
        { A "a.test;LINK x b.test 100 down *;LINK y b.test 1 up c.test", PAYLOAD_TABLE },
        { A "-;NODE 2592000 b.test 999999999999999 0 0 -", PAYLOAD_TABLE },
        /* verbs */
        { "", PAYLOAD_BAD }, { "done", PAYLOAD_BAD }, { "DONE ", PAYLOAD_BAD }, { "TABLE;", PAYLOAD_BAD },
        { "TABLE ;", PAYLOAD_BAD }, { "HELLO", PAYLOAD_BAD }, { "DIGEST", PAYLOAD_BAD },
        { "DIGEST 0123", PAYLOAD_BAD },
        { "DIGEST 0123456789ABCDEF0123456789abcdef0123456789abcdef0123456789abcdef", PAYLOAD_BAD },
        { "DIGEST 0123456789abcdeg0123456789abcdef0123456789abcdef0123456789abcdef", PAYLOAD_BAD },
        { "DIGEST 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0", PAYLOAD_BAD },
        /* numbers */
        { "TABLE;NODE -1 a.test 1 2 3 -", PAYLOAD_BAD }, { "TABLE;NODE 2592001 a.test 1 2 3 -", PAYLOAD_BAD },
        { "TABLE;NODE 0 a.test 01 2 3 -", PAYLOAD_BAD }, { "TABLE;NODE 0 a.test +1 2 3 -", PAYLOAD_BAD },
        { "TABLE;NODE 0 a.test 1000000000000000 2 3 -", PAYLOAD_BAD },
        { "TABLE;NODE 0 a.test 1 2 -", PAYLOAD_BAD }, { "TABLE;NODE 0 a.test 1 2 3 4 -", PAYLOAD_BAD },
        { "TABLE;NODE 0 a.test 1 2 3", PAYLOAD_BAD }, { A "", PAYLOAD_BAD },
        /* names */
        { "TABLE;NODE 0 A.test 1 2 3 -", PAYLOAD_BAD }, { "TABLE;NODE 0 a..test 1 2 3 -", PAYLOAD_BAD },
        { "TABLE;NODE 0 a.test. 1 2 3 -", PAYLOAD_BAD }, { "TABLE;NODE 0  1 2 3 -", PAYLOAD_BAD },
        { "TABLE;NODE 0 [192.0.2.1] 1 2 3 -", PAYLOAD_BAD },
        /* lists: order, doubles, empty members, bad patterns */
        { A "b.test,a.test", PAYLOAD_BAD }, { A "b.test,b.test", PAYLOAD_BAD }, { A "b.test,", PAYLOAD_BAD },
        { A ",b.test", PAYLOAD_BAD }, { A "-,b.test", PAYLOAD_BAD }, { A "**", PAYLOAD_BAD },
        { A "*.", PAYLOAD_BAD }, { A "*b.test", PAYLOAD_BAD }, { A "b.*.test", PAYLOAD_BAD },
        { A "*.*.test", PAYLOAD_BAD }, { A "b.test c.test", PAYLOAD_BAD },
        /* connectors */
        { A "-;LINK x b.test 0 up -", PAYLOAD_BAD }, { A "-;LINK x b.test 101 up -", PAYLOAD_BAD },
        { A "-;LINK x b.test 10 UP -", PAYLOAD_BAD }, { A "-;LINK x b.test 10 sideways -", PAYLOAD_BAD },
        { A "-;LINK x b.test 10 up", PAYLOAD_BAD }, { A "-;LINK x b.test 10 up - ", PAYLOAD_BAD },
        { A "-;LINK x! b.test 10 up -", PAYLOAD_BAD }, { A "-;LINK  b.test 10 up -", PAYLOAD_BAD },
        { A "-;LINK y b.test 1 up -;LINK x b.test 1 up -", PAYLOAD_BAD },
        { A "-;LINK x b.test 1 up -;LINK x c.test 1 up -", PAYLOAD_BAD },
        { A "-;", PAYLOAD_BAD }, { A "-;;LINK x b.test 1 up -", PAYLOAD_BAD },
        { A "-;LINK x b.test 1 up -;", PAYLOAD_BAD }, { A "-;JUNK", PAYLOAD_BAD },
        { "TABLE;LINK x b.test 1 up -", PAYLOAD_BAD },
        /* nodes: order, doubles */
        { "TABLE;NODE 0 b.test 1 2 3 -;NODE 0 a.test 1 2 3 -", PAYLOAD_BAD },
        { "TABLE;NODE 0 a.test 1 2 3 -;NODE 0 a.test 1 2 4 -", PAYLOAD_BAD },
        { A "-;NODE", PAYLOAD_BAD }, { A "-;NODE ", PAYLOAD_BAD }, { A "-;NODE 0", PAYLOAD_BAD },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        if (payload_parse(slice_cstr(cases[i].text)).verb != cases[i].verb)
            fail_msg("%s", cases[i].text);
}

static void every_count_is_bounded(void **state)
{
    struct buf text = BUF(1 << 20);

    (void)state;
    buf_puts(&text, "TABLE");
    for (int i = 0; i < LINKS_NODES; i++)
        buf_printf(&text, ";NODE 0 n%04d.test 1 2 3 -", i);
    assert_int_equal(payload_parse(buf_view(&text)).nnodes, LINKS_NODES);
    buf_puts(&text, ";NODE 0 z.test 1 2 3 -");
    assert_int_equal(payload_parse(buf_view(&text)).verb, PAYLOAD_BAD);
    buf_clear(&text);
    buf_puts(&text, A "-");
    for (int i = 0; i < LINKS_CONNECTORS; i++)
        buf_printf(&text, ";LINK l%03d b.test 1 up -", i);
    assert_int_equal(payload_parse(buf_view(&text)).verb, PAYLOAD_TABLE);
    buf_puts(&text, ";LINK z b.test 1 up -");
    assert_int_equal(payload_parse(buf_view(&text)).verb, PAYLOAD_BAD);
    buf_clear(&text);
    buf_puts(&text, A "a000.test");
    for (int i = 1; i < LINKS_SPACES; i++)
        buf_printf(&text, ",a%03d.test", i);
    assert_int_equal(payload_parse(buf_view(&text)).verb, PAYLOAD_TABLE);
    buf_puts(&text, ",b.test");
    assert_int_equal(payload_parse(buf_view(&text)).verb, PAYLOAD_BAD);
    buf_free(&text);
}

static void an_entry_is_written_in_the_one_way(void **state)
{
    const struct slice spaces[] = { SLICE_LIT("b.test"), SLICE_LIT("*"), SLICE_LIT("b.test"),
                                    SLICE_LIT("*.b.test") };
    const struct link_spec links[] = {
        { .name = SLICE_LIT("x"), .to = SLICE_LIT("b.test"), .cost = 7, .up = true },
        { .name = SLICE_LIT("y"), .to = SLICE_LIT("c.test"), .cost = 100, .spaces = spaces,
          .nspaces = 1 } };
    struct buf text = BUF(LINKS_ENTRY);
    struct entry_view e;

    (void)state;
    assert_true(entry_write(&(struct entry_spec){ .name = SELF, .version = { 1, 2, 3 },
        .spaces = spaces, .nspaces = 4, .links = links, .nlinks = 2 }, &text));
    assert_true(slice_eq(buf_view(&text), SLICE_LIT("a.test 1 2 3 *,*.b.test,b.test;"
        "LINK x b.test 7 up -;LINK y c.test 100 down b.test")));
    assert_true(entry_parse(buf_view(&text), &e) && e.nlinks == 2);
    buf_free(&text);
}

static void the_most_specific_address_space_counts(void **state)
{
    static const struct { const char *space, *domain; unsigned match; } cases[] = {
        { "b.test", "b.test", 1000 }, { "b.test", "c.test", 0 }, { "b.test", "x.b.test", 0 },
        { "*.b.test", "x.b.test", 8 }, { "*.b.test", "y.x.b.test", 8 }, { "*.b.test", "b.test", 0 },
        { "*.b.test", "xb.test", 0 }, { "*.x.b.test", "y.x.b.test", 10 }, { "*", "b.test", 1 },
        { "*.b.test", "test", 0 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_int_equal(space_match(slice_cstr(cases[i].space), slice_cstr(cases[i].domain)),
                         cases[i].match);
}

/* ------------------------------------------------------------- merging -- */

static struct link_table_news merge(struct link_table *t, const char *text, int64_t now)
{
    struct payload p = payload_parse(slice_cstr(text));

    if (p.verb != PAYLOAD_TABLE)
        fail_msg("not a table: %s", text);
    return link_table_merge(t, p.nodes, now, WALL);
}

static void own(struct link_table *t, const char *entry)
{
    assert_true(link_table_own(t, slice_cstr(entry), 0));
}

static void newer_wins_and_major_comes_before_minor_before_user(void **state)
{
    static const struct { const char *version; unsigned taken; } cases[] = {
        { "5 5 5", 1 }, { "5 5 5", 0 }, { "5 5 4", 0 }, { "5 5 6", 1 }, { "5 4 9", 0 }, { "5 6 0", 1 },
        { "4 9 9", 0 }, { "6 0 0", 1 }, { "6 0 0", 0 },
    };
    struct link_table t;
    char text[100];

    (void)state;
    link_table_init(&t, SELF, 3600);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        snprintf(text, sizeof text, "TABLE;NODE 0 b.test %s -", cases[i].version);
        assert_int_equal(merge(&t, text, 0).taken, cases[i].taken);
    }
    link_table_free(&t);
}

static void of_two_texts_with_one_version_the_greater_wins_whatever_the_order(void **state)
{
    const char *low = "TABLE;NODE 0 b.test 5 5 5 a.test", *high = "TABLE;NODE 0 b.test 5 5 5 b.test";
    struct link_table t, u;
    char a[LINKS_DIGEST + 1], b[LINKS_DIGEST + 1];

    (void)state;
    link_table_init(&t, SELF, 3600);
    link_table_init(&u, SELF, 3600);
    assert_int_equal(merge(&t, low, 0).taken + merge(&t, high, 0).taken, 2);
    assert_int_equal(merge(&u, high, 0).taken + merge(&u, low, 0).taken, 1);
    link_table_digest(&t, a);
    link_table_digest(&u, b);
    assert_string_equal(a, b);
    link_table_free(&t);
    link_table_free(&u);
}

static void nobody_tells_us_about_ourselves(void **state)
{
    static const struct { const char *heard; bool impostor; } cases[] = {
        { "TABLE;NODE 0 a.test 5 5 5 a.test", false },      /* our own word come back */
        { "TABLE;NODE 0 a.test 5 5 4 -", false },           /* an old one */
        { "TABLE;NODE 0 a.test 5 5 5 -", true },            /* not what we said */
        { "TABLE;NODE 0 a.test 5 5 6 a.test", true },
        { "TABLE;NODE 0 a.test 6 0 0 -", true },
    };
    struct link_table t;

    (void)state;
    link_table_init(&t, SELF, 3600);
    own(&t, "a.test 5 5 5 a.test");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct link_table_news news = merge(&t, cases[i].heard, 0);

        assert_int_equal(news.impostor, cases[i].impostor);
        assert_int_equal(news.taken, 0);
        assert_true(slice_eq(link_table_find(&t, SELF)->text, SLICE_LIT("a.test 5 5 5 a.test")));
    }
    link_table_free(&t);
}

static void versions_from_the_future_are_refused(void **state)
{
    struct link_table t;
    char text[100];

    (void)state;
    link_table_init(&t, SELF, 3600);
    snprintf(text, sizeof text, "TABLE;NODE 0 b.test %lld 0 0 -", (long long)WALL + 86400001);
    assert_int_equal(merge(&t, text, 0).refused, 1);
    assert_int_equal(t.n, 0);
    snprintf(text, sizeof text, "TABLE;NODE 0 b.test %lld 0 0 -", (long long)WALL + 86400000);
    assert_int_equal(merge(&t, text, 0).taken, 1);
    link_table_free(&t);
}

static void a_table_is_bounded_and_then_refuses_strangers_only(void **state)
{
    struct buf big = BUF(1 << 20);
    struct link_table t;
    struct link_table_news news;
    char label[60];
    size_t n;

    (void)state;
    link_table_init(&t, SELF, 3600);
    own(&t, "a.test 5 5 5 -");
    memset(label, 'x', sizeof label);
    buf_puts(&big, "TABLE");
    for (int i = 0; i < 990; i++)
        buf_printf(&big, ";NODE 0 n%04d.test 1 2 3 %.60s.%.60s.%.60s.%.60s", i, label, label,
                   label, label);
    news = link_table_merge(&t, payload_parse(buf_view(&big)).nodes, 0, WALL);
    assert_int_equal(news.taken + news.refused, 990);
    assert_true(news.taken > 800 && news.refused > 0);
    buf_clear(&big);
    big.max = LINKS_TABLE + 8;
    assert_true(link_table_put(&t, (struct slice){ 0 }, 0, &big, &n));
    assert_int_equal(n, t.n);
    assert_int_equal(merge(&t, "TABLE;NODE 0 n0000.test 1 2 4 -", 0).taken, 1);
    buf_free(&big);
    link_table_free(&t);
}

static void what_the_reader_has_is_left_out(void **state)
{
    const char *has = "TABLE;NODE 0 b.test 5 5 5 -;NODE 0 c.test 5 5 4 -;NODE 9 d.test 5 5 6 -;"
                      "NODE 0 x.test 1 1 1 -";
    struct buf out = BUF(LINKS_TABLE);
    struct link_table t;
    size_t n;

    (void)state;
    link_table_init(&t, SELF, 3600);
    own(&t, "a.test 5 5 5 -");
    merge(&t, "TABLE;NODE 0 b.test 5 5 5 -;NODE 0 c.test 5 5 5 -;NODE 0 d.test 5 5 5 -;"
              "NODE 0 e.test 5 5 5 -", 0);
    assert_true(link_table_put(&t, payload_parse(slice_cstr(has)).nodes, 0, &out, &n));
    assert_true(slice_eq(buf_view(&out), SLICE_LIT("TABLE;NODE 1 a.test 5 5 5 -;"
        "NODE 1 c.test 5 5 5 -;NODE 1 e.test 5 5 5 -")));
    assert_int_equal(n, 3);
    buf_free(&out);
    link_table_free(&t);
}

/* -------------------------------------------------------------- ageing -- */

static void passing_an_entry_on_never_prolongs_its_life(void **state)
{
    struct link_table t[2];
    struct buf out = BUF(LINKS_TABLE);
    size_t n;
    int64_t now;

    (void)state;
    link_table_init(&t[0], SELF, 3600);
    link_table_init(&t[1], SLICE_LIT("b.test"), 3600);
    merge(&t[0], "TABLE;NODE 10 c.test 5 5 5 -", 1000);
    for (now = 1000; now < 10000 && t[0].n + t[1].n > 0; now++) {
        for (int i = 0; i < 2; i++) {
            buf_clear(&out);
            assert_true(link_table_put(&t[i], (struct slice){ 0 }, now, &out, &n));
            link_table_merge(&t[1 - i], payload_parse(buf_view(&out)).nodes, now, WALL);
            link_table_expire(&t[i], now);
        }
    }
    assert_in_range(now, 1000 + 3580, 1000 + 3591);
    buf_free(&out);
    link_table_free(&t[0]);
    link_table_free(&t[1]);
}

static void our_own_entry_never_expires(void **state)
{
    struct link_table t;

    (void)state;
    link_table_init(&t, SELF, 3600);
    own(&t, "a.test 5 5 5 -");
    merge(&t, "TABLE;NODE 3599 b.test 5 5 5 -;NODE 3600 c.test 5 5 5 -", 0);
    assert_int_equal(t.n, 2);
    assert_int_equal(link_table_expiry(&t), 1);
    assert_int_equal(link_table_expire(&t, 0), 0);
    assert_int_equal(link_table_expire(&t, 1000000), 1);
    assert_int_equal(t.n, 1);
    assert_int_equal(link_table_expiry(&t), INT64_MAX);
    link_table_free(&t);
}

/* --------------------------------------------------------------- paths -- */

/* a -1-> b -1-> c -1-> d and a -5-> c; d serves d.test and *.d.test, b serves *,
 * c's connector "out" leads to a foreign host that has far.test; e is down. */
static const char net[] = "TABLE;"
    "NODE 0 b.test 5 0 0 *;LINK x c.test 1 up -;"
    "NODE 0 c.test 5 0 0 -;LINK out gate.far.test 20 up far.test;LINK x d.test 1 up -;"
    "NODE 0 d.test 5 0 0 *.d.test,d.test;"
    "NODE 0 e.test 5 0 0 e.test";

static void mail_takes_the_cheapest_way(void **state)
{
    static const struct { const char *domain, *visited; enum links_way way; const char *link;
                          unsigned cost; } cases[] = {
        { "d.test", "", LINKS_VIA, "ab", 3 },
        { "x.d.test", "", LINKS_VIA, "ab", 3 },
        { "d.test", "b.test", LINKS_VIA, "ac", 6 },
        { "d.test", "B.TEST", LINKS_VIA, "ac", 6 },
        { "d.test", "c.test", LINKS_WAIT, NULL, 0 },
        { "d.test", "d.test", LINKS_WAIT, NULL, 0 },
        { "d.test", "a.test", LINKS_VIA, "ab", 3 },         /* we are where we are */
        { "d.test", "elsewhere.test", LINKS_VIA, "ab", 3 },
        { "far.test", "", LINKS_VIA, "ab", 22 },
        { "far.test", "gate.far.test", LINKS_WAIT, NULL, 0 },
        { "anything.test", "", LINKS_VIA, "ab", 1 },
        { "anything.test", "b.test", LINKS_WAIT, NULL, 0 },
        { "e.test", "", LINKS_WAIT, NULL, 0 },              /* the connector is down */
        { "a.test", "", LINKS_HERE, NULL, 0 },
        { "[192.0.2.1]", "", LINKS_NONE, NULL, 0 },
        { "", "", LINKS_NONE, NULL, 0 },
    };
    struct link_table t;

    (void)state;
    link_table_init(&t, SELF, 3600);
    assert_int_equal(links_next(&t, SLICE_LIT("d.test"), NULL, 0).way, LINKS_NONE);
    own(&t, "a.test 5 0 0 a.test;LINK ab b.test 1 up -;LINK ac c.test 5 up -;LINK ae e.test 1 down -");
    assert_int_equal(links_next(&t, SLICE_LIT("d.test"), NULL, 0).way, LINKS_NONE);
    merge(&t, net, 0);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct slice visited = slice_cstr(cases[i].visited);
        struct links_hop hop = links_next(&t, slice_cstr(cases[i].domain), &visited, visited.n > 0);

        if (hop.way != cases[i].way || hop.cost != cases[i].cost)
            fail_msg("%s past %s: way %d cost %u", cases[i].domain, cases[i].visited, hop.way, hop.cost);
        if (cases[i].link != NULL)
            assert_true(slice_eq(hop.link->name, slice_cstr(cases[i].link)));
    }
    link_table_free(&t);
}

static void ties_are_decided_by_names(void **state)
{
    struct link_table t;
    struct links_hop hop;

    (void)state;
    link_table_init(&t, SELF, 3600);
    own(&t, "a.test 5 0 0 -;LINK one c.test 2 up -;LINK two b.test 2 up -");
    merge(&t, "TABLE;NODE 0 b.test 5 0 0 -;LINK x d.test 3 up -;"
              "NODE 0 c.test 5 0 0 -;LINK x d.test 3 up -;NODE 0 d.test 5 0 0 d.test", 0);
    hop = links_next(&t, SLICE_LIT("d.test"), NULL, 0);
    assert_true(slice_eq(hop.link->to, SLICE_LIT("b.test")));
    merge(&t, "TABLE;NODE 0 b.test 6 0 0 s.test;NODE 0 c.test 6 0 0 s.test", 0);
    hop = links_next(&t, SLICE_LIT("s.test"), NULL, 0);
    assert_true(slice_eq(hop.target, SLICE_LIT("b.test")));
    link_table_free(&t);
}

static void where_a_connector_serves_its_far_end_is_the_end(void **state)
{
    struct link_table t;

    (void)state;
    link_table_init(&t, SELF, 3600);
    own(&t, "a.test 5 0 0 -;LINK x b.test 2 up -");
    merge(&t, "TABLE;NODE 0 b.test 5 0 0 -;LINK y a.test 3 up z.test", 0);
    assert_int_equal(links_next(&t, SLICE_LIT("z.test"), NULL, 0).way, LINKS_HERE);
    link_table_free(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_the_one_way_to_write_it_is_read),
        cmocka_unit_test(every_count_is_bounded),
        cmocka_unit_test(an_entry_is_written_in_the_one_way),
        cmocka_unit_test(the_most_specific_address_space_counts),
        cmocka_unit_test(newer_wins_and_major_comes_before_minor_before_user),
        cmocka_unit_test(of_two_texts_with_one_version_the_greater_wins_whatever_the_order),
        cmocka_unit_test(nobody_tells_us_about_ourselves),
        cmocka_unit_test(versions_from_the_future_are_refused),
        cmocka_unit_test(a_table_is_bounded_and_then_refuses_strangers_only),
        cmocka_unit_test(what_the_reader_has_is_left_out),
        cmocka_unit_test(passing_an_entry_on_never_prolongs_its_life),
        cmocka_unit_test(our_own_entry_never_expires),
        cmocka_unit_test(mail_takes_the_cheapest_way),
        cmocka_unit_test(ties_are_decided_by_names),
        cmocka_unit_test(where_a_connector_serves_its_far_end_is_the_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
