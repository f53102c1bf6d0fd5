/* test_lookup_resolver.c - where mail for an address of ours goes. */
#include "lookup_world.h"

static unsigned asked;          /* questions to the system */

static int find(const char *name, struct user_facts *facts)
{
    (void)facts;
    __atomic_add_fetch(&asked, 1, __ATOMIC_SEQ_CST);
    if (strcmp(name, "sick") == 0)
        return -1;
    return strcmp(name, "root") == 0 || strcmp(name, "web-1") == 0;
}

static int begin(void **state)
{
    (void)state;
    return world_begin("alice\nbob@file.test 2024-01-31\n",
                       "team: alice, root@sys.test, far@else.test\nops: root@sys.test, web-1@sys.test\n"
                       "ill: sick@sys.test, alice\n", find);
}

struct asked {
    struct question q;
    bool            done;
    enum fate       fate;
    char            text[2000];
};

static void answered(struct question *q, enum fate fate, const struct expansion *out)
{
    struct asked *a = LIST_OWNER(q, struct asked, q);
    struct buf got = BUF(2000);

    assert_false(a->done);
    for (size_t i = 0; fate == FATE_DONE && i < out->n; i++)
        buf_printf(&got, "%s%.*s", i > 0 ? " " : "", SLICE(out->entries[i].address));
    snprintf(a->text, sizeof a->text, "%.*s", SLICE(buf_view(&got)));
    buf_free(&got);
    a->fate = fate;
    a->done = true;
}

static void check(const char *address, enum fate fate, const char *text)
{
    struct asked a = { .q = { .address = slice_cstr(address), .answered = answered } };

    resolver_ask(&resolver, &a.q);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_true(a.done);
    if (a.fate != fate || strcmp(a.text, text) != 0)
        fail_msg("%s: %d %s", address, a.fate, a.text);
}

static void each_domain_knows_its_people_in_its_way(void **state)
{
    static const struct { const char *address; enum fate fate; const char *text; } cases[] = {
        { "alice@file.test", FATE_DONE, "alice@file.test" },
        { "Alice+news@File.test", FATE_DONE, "alice@file.test" },
        { "bob@file.test", FATE_DONE, "bob@file.test" },
        { "carol@file.test", FATE_NEVER, "" },
        { "root@file.test", FATE_NEVER, "" },
        { "root@sys.test", FATE_DONE, "root@sys.test" },
        { "Root@sys.test", FATE_DONE, "root@sys.test" },
        { "root+x@sys.test", FATE_DONE, "root@sys.test" },
        { "nobody-here@sys.test", FATE_NEVER, "" },
        { "sick@sys.test", FATE_LATER, "" },
        { "whoever@any.test", FATE_DONE, "whoever@any.test" },
        { "who+ever@any.test", FATE_DONE, "who+ever@any.test" },
        { "team@file.test", FATE_DONE, "alice@file.test root@sys.test far@else.test" },
        { "ops+x@file.test", FATE_DONE, "root@sys.test web-1@sys.test" },
        { "ill@file.test", FATE_LATER, "" },
        { "postmaster@sys.test", FATE_DONE, "postmaster@sys.test" },
        { "postmaster", FATE_DONE, "postmaster@file.test" },
        { "alice@else.test", FATE_NEVER, "" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        check(cases[i].address, cases[i].fate, cases[i].text);
}

static void a092_addresses_of_attackers_are_plain_unknown_users(void **state)
{
    static const char *const cases[] = {
        "../../etc/passwd@", "\"../../etc/passwd\"@", "a/../b@", "-froot@", "|id@", "/etc/passwd@",
        "\":include:/etc/shadow\"@", "~root@", "\"$(id)\"@", "`id`@", "\"root\\ \"@", "ro*t@",
        "\"\"@", "\"root \"@", "${run{\\x2fbin\\x2fid}}@",
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char address[200];
        unsigned before = asked;

        snprintf(address, sizeof address, "%ssys.test", cases[i]);
        check(address, FATE_NEVER, "");
        snprintf(address, sizeof address, "%sfile.test", cases[i]);
        check(address, FATE_NEVER, "");
        assert_int_equal(asked, before);        /* the system never sees them */
    }
}

static void the_system_is_asked_once_a_minute(void **state)
{
    unsigned before;

    (void)state;
    check("web-1@sys.test", FATE_DONE, "web-1@sys.test");
    before = asked;
    for (int i = 0; i < 5; i++)
        check("web-1@sys.test", FATE_DONE, "web-1@sys.test");
    assert_int_equal(asked, before);
}

static void questions_asked_together_are_all_answered(void **state)
{
    enum { N = 100 };
    static struct asked a[N];
    char address[N][40];

    (void)state;
    for (int i = 0; i < N; i++) {
        snprintf(address[i], sizeof address[i], "u%d@sys.test", i / 3);
        a[i] = (struct asked){ .q = { .address = slice_cstr(address[i]), .answered = answered } };
        resolver_ask(&resolver, &a[i].q);
    }
    assert_int_equal(resolver.pending, N);
    uv_run(&loop, UV_RUN_DEFAULT);
    for (int i = 0; i < N; i++)
        assert_true(a[i].done && a[i].fate == FATE_NEVER);
    assert_int_equal(resolver.pending, 0);
}

static void too_many_questions_are_answered_later(void **state)
{
    enum { N = RESOLVER_PENDING + 10 };
    struct asked *a = calloc(N, sizeof *a);
    char (*address)[40] = calloc(N, sizeof *address);
    unsigned later = 0;

    (void)state;
    assert_true(a != NULL && address != NULL);
    for (int i = 0; i < N; i++) {
        snprintf(address[i], sizeof address[i], "v%d@sys.test", i % 50);
        a[i] = (struct asked){ .q = { .address = slice_cstr(address[i]), .answered = answered } };
        resolver_ask(&resolver, &a[i].q);
    }
    uv_run(&loop, UV_RUN_DEFAULT);
    for (int i = 0; i < N; i++) {
        assert_true(a[i].done);
        later += a[i].fate == FATE_LATER;
    }
    assert_int_equal(later, 10);
    free(a);
    free(address);
}

static void the_names_remembered_are_bounded(void **state)
{
    struct asked a;
    char address[40];

    (void)state;
    for (int i = 0; i < USERS_MAX + 500; i++) {
        snprintf(address, sizeof address, "w%d@sys.test", i);
        a = (struct asked){ .q = { .address = slice_cstr(address), .answered = answered } };
        resolver_ask(&resolver, &a.q);
        while (!a.done)
            uv_run(&loop, UV_RUN_ONCE);
        assert_int_equal(a.fate, FATE_NEVER);
        assert_true(resolver.users.map.n <= USERS_MAX);
    }
}

static void the_real_system_knows_root(void **state)
{
    struct user_facts facts = { .uid = 99 };

    (void)state;
    assert_int_equal(users_find_system("root", &facts), 1);
    assert_int_equal(facts.uid, 0);
    assert_int_equal(users_find_system("no-such-user-here", &facts), 0);
}

static void since_when_an_address_is_somebodys_is_what_its_file_says(void **state)
{
    static const struct { const char *address; int64_t since; } cases[] = {
        { "bob@file.test", 1706659200 }, { "bob+x@file.test", 1706659200 }, { "alice@file.test", 0 },
        { "carol@file.test", 0 }, { "root@sys.test", 0 }, { "bob@else.test", 0 }, { "postmaster", 0 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_int_equal(resolver_since(&resolver, slice_cstr(cases[i].address)), cases[i].since);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_domain_knows_its_people_in_its_way),
        cmocka_unit_test(a092_addresses_of_attackers_are_plain_unknown_users),
        cmocka_unit_test(the_system_is_asked_once_a_minute),
        cmocka_unit_test(questions_asked_together_are_all_answered),
        cmocka_unit_test(too_many_questions_are_answered_later),
        cmocka_unit_test(the_names_remembered_are_bounded),
        cmocka_unit_test(the_real_system_knows_root),
        cmocka_unit_test(since_when_an_address_is_somebodys_is_what_its_file_says),
    };

    return cmocka_run_group_tests(tests, begin, world_end);
}
