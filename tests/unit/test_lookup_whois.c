/* test_lookup_whois.c - VRFY and EXPN: who is this, who is behind it. */
#include "lookup_world.h"
#include "lookup/whois.h"

/* The users of this system, with their full names. */
static const struct { const char *name, *full; } people[] = {
    { "smith", "Fred Smith" }, { "both", "In Both" }, { "juergen", "J\303\274rgen M\303\274ller" },
    { "broken", "x\377y" }, { "evil", "E<v>i\"l\r\n250 x \033[31m\342\200\256y" }, { "bare", "" },
    { "alice", "Alice" },
};

static int find(const char *name, struct user_facts *facts)
{
    if (strcmp(name, "sick") == 0)
        return -1;
    for (size_t i = 0; i < sizeof people / sizeof people[0]; i++)
        if (strcmp(name, people[i].name) == 0) {
            snprintf(facts->name, sizeof facts->name, "%s", people[i].full);
            return 1;
        }
    return 0;
}

/* put_list - an alias of so many addresses */

static void put_list(struct buf *out, const char *name, int n)
{
    buf_printf(out, "%s:", name);
    for (int i = 0; i < n; i++)
        buf_printf(out, " u%d@else.test,\n", i);
}

static int begin(void **state)
{
    struct buf text = BUF(1 << 20);
    int failed;

    (void)state;
    buf_puts(&text, "team: bob, smith@sys.test, far@else.test\nboss: bob\naway: far@else.test\n"
             "fred: smith@sys.test\nill: sick@sys.test\ncircle: circle2\ncircle2: circle\n"
             "b\303\274ro: bob, j\303\274rgen@m\303\274ller.test\n");
    put_list(&text, "huge", WHOIS_ENTRIES + 1);
    put_list(&text, "most", WHOIS_ENTRIES);
    buf_put(&text, "", 1);
    failed = world_begin("bob\nboth\n", buf_view(&text).p, find);
    buf_free(&text);
    return failed;
}

/* --- asking ---------------------------------------------------------------- */

struct asked {
    struct whois w;
    bool         done;
    unsigned     code;
    uint32_t     n;
    char         text[4000];    /* "name <address>, ..." */
};

static void answered(struct whois *w)
{
    struct asked *a = LIST_OWNER(w, struct asked, w);
    struct wire in = wire_reader(buf_view(&w->found.bytes));
    struct buf got = BUF(1 << 20);

    assert_false(a->done);
    for (uint32_t i = 0; i < w->found.n; i++) {
        struct slice name = wire_get_bytes(&in), address = wire_get_bytes(&in);

        buf_printf(&got, "%s%.*s<%.*s>", i > 0 ? " " : "", SLICE(name), SLICE(address));
    }
    assert_true(wire_done(&in));
    snprintf(a->text, sizeof a->text, "%.*s", SLICE(buf_view(&got)));
    buf_free(&got);
    a->code = w->code;
    a->n = w->found.n;
    a->done = true;
    whois_end(w);
}

static struct asked ask(const char *text, bool expn, bool utf8)
{
    static struct asked a;

    a = (struct asked){ .w = { .answered = answered, .expn = expn, .utf8 = utf8 } };
    whois_ask(&a.w, &resolver, slice_cstr(text));
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_true(a.done);
    return a;
}

static void check(const char *text, bool expn, bool utf8, unsigned code, const char *wanted)
{
    struct asked a = ask(text, expn, utf8);

    if (a.code != code || strcmp(a.text, wanted) != 0)
        fail_msg("%s %s: %u %s", expn ? "EXPN" : "VRFY", text, a.code, a.text);
}

static void vrfy_says_who_is_a_user_and_who_is_not(void **state)
{
    static const struct { const char *text; unsigned code; const char *wanted; } cases[] = {
        { "smith@sys.test", 250, "Fred Smith<smith@sys.test>" },
        { "SMITH@Sys.Test", 250, "Fred Smith<smith@sys.test>" },
        { "smith", 250, "Fred Smith<smith@sys.test>" },
        { "\"smith\"", 250, "Fred Smith<smith@sys.test>" },
        { "smith+detail@sys.test", 250, "Fred Smith<smith@sys.test>" },
        { "bare", 250, "<bare@sys.test>" },
        { "bob@file.test", 250, "<bob@file.test>" },
        { "bob", 250, "<bob@file.test>" },
        { "boss", 250, "<bob@file.test>" },
        { "fred", 250, "Fred Smith<smith@sys.test>" },
        { "away", 251, "<far@else.test>" },
        { "team@file.test", 250, "<team@file.test>" },
        { "nobody@sys.test", 550, "" },
        { "nobody@file.test", 550, "" },
        { "nobody", 252, "" },              /* any.test takes everybody */
        { "whoever@any.test", 252, "" },
        { "someone@else.test", 551, "<someone@else.test>" },
        { "both", 553, "<both@file.test> In Both<both@sys.test>" },
        { "both@sys.test", 250, "In Both<both@sys.test>" },
        { "sick@sys.test", 451, "" }, { "ill@file.test", 451, "" }, { "sick", 451, "" },
        { "circle@file.test", 451, "" },
        { "postmaster", 250, "<postmaster@file.test>" },
        { "Postmaster@sys.test", 250, "<postmaster@sys.test>" },
        { "Fred Smith", 550, "" }, { "a@b@c", 550, "" }, { "@", 550, "" }, { "|id", 252, "" },
        { "../etc", 550, "" }, { "smith@", 550, "" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        check(cases[i].text, false, false, cases[i].code, cases[i].wanted);
}

static void expn_says_who_is_behind_a_list(void **state)
{
    static const struct { const char *text; unsigned code; const char *wanted; } cases[] = {
        { "team@file.test", 250, "<bob@file.test> Fred Smith<smith@sys.test> <far@else.test>" },
        { "team", 250, "<bob@file.test> Fred Smith<smith@sys.test> <far@else.test>" },
        { "away", 250, "<far@else.test>" },
        { "smith", 250, "Fred Smith<smith@sys.test>" },
        { "nobody@file.test", 550, "" },
        { "list@else.test", 551, "<list@else.test>" },
        { "both", 553, "<both@file.test> In Both<both@sys.test>" },
        { "ill", 451, "" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        check(cases[i].text, true, false, cases[i].code, cases[i].wanted);
}

static void a_list_is_told_up_to_its_bound_and_not_beyond(void **state)
{
    struct asked a = ask("most", true, false);

    (void)state;
    assert_true(a.code == 250 && a.n == WHOIS_ENTRIES);
    check("huge", true, false, 252, "");
    check("huge", false, false, 250, "<huge@file.test>");
}

static void full_names_are_made_fit_for_a_reply(void **state)
{
    static const struct { const char *text; bool utf8; const char *wanted; } cases[] = {
        { "juergen", true, "J\303\274rgen M\303\274ller<juergen@sys.test>" },
        { "juergen", false, "<juergen@sys.test>" },
        { "broken", true, "<broken@sys.test>" },
        { "evil", true, "Evil250 x [31my<evil@sys.test>" },
        { "evil", false, "<evil@sys.test>" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        check(cases[i].text, false, cases[i].utf8, 250, cases[i].wanted);
}

static void a_domain_may_be_asked_for_in_unicode(void **state)
{
    (void)state;
    check("x@m\303\274ller.test", false, true, 252, "");
    check("m\303\274ller@sys.test", false, true, 550, "");
    check("m\303\274ller", false, true, 252, "");
    check("b\303\274ro", false, true, 250, "<b\303\274ro@file.test>");
    check("b\303\274ro@file.test", true, true, 250, "<bob@file.test> <j\303\274rgen@xn--mller-kva.test>");
}

static void a_long_name_is_cut_between_letters(void **state)
{
    struct buf out = BUF(1000);
    char name[300] = "";

    (void)state;
    for (int i = 0; i < 100; i++)
        strcat(name, "\303\274");
    whois_name(&out, slice_cstr(name), true);
    assert_int_equal(out.n, 100);
    buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vrfy_says_who_is_a_user_and_who_is_not),
        cmocka_unit_test(expn_says_who_is_behind_a_list),
        cmocka_unit_test(a_list_is_told_up_to_its_bound_and_not_beyond),
        cmocka_unit_test(full_names_are_made_fit_for_a_reply),
        cmocka_unit_test(a_domain_may_be_asked_for_in_unicode),
        cmocka_unit_test(a_long_name_is_cut_between_letters),
    };

    return cmocka_run_group_tests(tests, begin, world_end);
}
