/* test_table_expand.c - aliases followed to the mailboxes behind them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>
#include "table/expand.h"

/* The town of these tests: aliases of ours.test, and who lives there. */
static const struct { const char *name, *targets; } aliases[] = {
    { "one", "alice" },
    { "team", "alice bob far@else.test" },
    { "twice", "team alice team" },
    { "alias-of-alias", "one" },
    { "alice2", "alice2 bob" },
    { "final", "\\loop1" },
    { "loop1", "loop2" }, { "loop2", "loop3" }, { "loop3", "loop1" },
    { "half", "alice loop1" },
    { "ghost", "nobody" },
    { "partly", "nobody bob" },
    { "list", "far@else.test list2" }, { "owner-list", "carol" },
    { "list2", "far2@else.test inner" },
    { "inner", "far3@else.test" }, { "owner-inner", "bob" },
    { "deep1", "deep2" }, { "deep2", "deep3" }, { "deep3", "deep4" }, { "deep4", "deep5" },
    { "deep5", "alice" },
    { "other", "x@second.test" },
    { "slow", "wait alice" },
    { "sick", "trouble alice" },
    { "capital", "Alice@OURS.test" },
    { "remote-case", "Bob@else.test bob@else.test" },
};

static struct buf encoded;

static bool alias(const void *user, struct slice address, struct slice *targets)
{
    struct slice local, domain, rest, one;
    struct wire w = wire_writer(&encoded);
    size_t start;

    (void)user;
    address_split(address, &local, &domain);
    for (size_t i = 0; i < sizeof aliases / sizeof aliases[0]; i++) {
        if (!slice_eq(local, slice_cstr(aliases[i].name)) || !slice_eq(domain, SLICE_LIT("ours.test")))
            continue;
        start = encoded.n;
        rest = slice_cstr(aliases[i].targets);
        while (rest.n > 0) {
            bool final;

            slice_cut(rest, ' ', &one, &rest);
            final = one.p[0] == '\\';
            wire_put_u8(&w, final ? TARGET_FINAL
                          : slice_chr(one, '@') < one.n ? TARGET_ADDRESS : TARGET_LOCAL);
            wire_put_bytes(&w, slice_from(one, final));
        }
        *targets = slice_from(buf_view(&encoded), start);
        return true;
    }
    return false;
}

static enum known mailbox(const void *user, struct slice address)
{
    static const char *const known[] = { "alice@ours.test", "bob@ours.test", "carol@ours.test",
                                         "loop1@ours.test", "x@second.test" };

    (void)user;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (slice_eq(address, slice_cstr(known[i])))
            return KNOWN_YES;
    if (slice_istarts(address, SLICE_LIT("alice+")))
        return KNOWN_BASE;
    if (slice_istarts(address, SLICE_LIT("wait@")))
        return KNOWN_WAIT;
    return slice_istarts(address, SLICE_LIT("trouble@")) ? KNOWN_TROUBLE : KNOWN_NO;
}

static bool ours(const void *user, struct slice domain)
{
    (void)user;
    return slice_ieq(domain, SLICE_LIT("ours.test")) || slice_ieq(domain, SLICE_LIT("second.test"));
}

static bool keeps_detail(const void *user, struct slice domain)
{
    (void)domain;
    return *(const bool *)user;
}

static enum expand_result expand(const char *address, bool keeps, size_t most, struct buf *got)
{
    struct expand_source from = {
        .user = &keeps, .alias = alias, .mailbox = mailbox, .ours = ours,
        .keeps_detail = keeps_detail, .depth = 4, .results_max = most,
    };
    struct arena a = ARENA(1 << 20);
    struct expansion out;
    enum expand_result r;

    encoded = BUF(1 << 20);
    assert_non_null(buf_room(&encoded, 1 << 20));   /* so that slices into it stay */
    r = alias_expand(&from, slice_cstr(address), &a, &out);
    for (size_t i = 0; r == EXPAND_OK && i < out.n; i++)
        buf_printf(got, "%s%.*s%s%.*s", i > 0 ? " " : "", SLICE(out.entries[i].address),
                   out.entries[i].return_path.n > 0 ? "/" : "", SLICE(out.entries[i].return_path));
    if (r != EXPAND_OK)
        buf_put_slice(got, out.text);
    arena_free(&a);
    buf_free(&encoded);
    return r;
}

static void check(const char *address, bool keeps, enum expand_result result, const char *text)
{
    struct buf got = BUF(65536);

    if (expand(address, keeps, 100, &got) != result
        || !slice_eq(buf_view(&got), slice_cstr(text)))
        fail_msg("%s: %.*s", address, SLICE(buf_view(&got)));
    buf_free(&got);
}

static void mail_reaches_who_is_behind_an_alias(void **state)
{
    static const struct { const char *address, *result; } cases[] = {
        { "alice@ours.test", "alice@ours.test" },
        { "ALICE@Ours.test", "alice@ours.test" },
        { "one@ours.test", "alice@ours.test" },
        { "One@ours.test", "alice@ours.test" },
        { "alias-of-alias@ours.test", "alice@ours.test" },
        { "team@ours.test", "alice@ours.test bob@ours.test far@else.test" },
        { "other@ours.test", "x@second.test" },
        { "capital@ours.test", "alice@ours.test" },
        { "remote-case@ours.test", "Bob@else.test bob@else.test" },
        /* each once */
        { "twice@ours.test", "alice@ours.test bob@ours.test far@else.test" },
        /* who names itself is delivered here too */
        { "alice2@ours.test", "alice2@ours.test bob@ours.test" },
        { "final@ours.test", "loop1@ours.test" },
        /* user+detail */
        { "team+x@ours.test", "alice@ours.test bob@ours.test far@else.test" },
        { "alice+x@ours.test", "alice@ours.test" },
        /* a target that nobody knows is left out */
        { "partly@ours.test", "bob@ours.test" },
        /* the innermost owner gets what comes back */
        { "list@ours.test", "far@else.test/owner-list@ours.test far2@else.test/owner-list@ours.test "
                            "far3@else.test/owner-inner@ours.test" },
        { "owner-list@ours.test", "carol@ours.test" },
        /* postmaster is always there */
        { "postmaster@ours.test", "postmaster@ours.test" },
        { "PostMaster@second.test", "postmaster@second.test" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        check(cases[i].address, false, EXPAND_OK, cases[i].result);
}

static void lmtp_keeps_the_detail(void **state)
{
    (void)state;
    check("alice+x@ours.test", true, EXPAND_OK, "alice+x@ours.test");
}

static void nobody_is_refused_and_trouble_waits(void **state)
{
    (void)state;
    check("nobody@ours.test", false, EXPAND_UNKNOWN, "no such user: nobody@ours.test");
    check("ghost@ours.test", false, EXPAND_UNKNOWN, "no such user: nobody@ours.test");
    check("\"alice+x\"@ours.test", false, EXPAND_UNKNOWN, "no such user: \"alice+x\"@ours.test");
    check("slow@ours.test", false, EXPAND_WAIT, "");
    check("sick@ours.test", false, EXPAND_TROUBLE,
          "cannot find out whether this user exists: trouble@ours.test");
}

static void circles_and_depth_end(void **state)
{
    (void)state;
    check("loop1@ours.test", false, EXPAND_TROUBLE, "aliases lead in a circle: loop1@ours.test");
    check("half@ours.test", false, EXPAND_TROUBLE, "aliases lead in a circle: loop1@ours.test");
    check("deep2@ours.test", false, EXPAND_OK, "alice@ours.test");
    check("deep1@ours.test", false, EXPAND_TROUBLE,
          "aliases lead to aliases too often: deep5@ours.test");
}

static void the_number_of_results_is_bounded(void **state)
{
    struct buf got = BUF(65536);

    (void)state;
    assert_int_equal(expand("team@ours.test", false, 3, &got), EXPAND_OK);
    buf_clear(&got);
    assert_int_equal(expand("team@ours.test", false, 2, &got), EXPAND_TROUBLE);
    buf_free(&got);
}

static void running_out_of_memory_is_trouble(void **state)
{
    bool keeps = false;
    struct expand_source from = {
        .user = &keeps, .alias = alias, .mailbox = mailbox, .ours = ours,
        .keeps_detail = keeps_detail, .depth = 4, .results_max = 10,
    };
    struct expansion out;

    (void)state;
    for (size_t max = 0; max < 600; max += 16) {
        struct arena a = ARENA(max);

        encoded = BUF(1 << 20);
        assert_non_null(buf_room(&encoded, 1 << 20));
        assert_int_equal(alias_expand(&from, SLICE_LIT("twice@ours.test"), &a, &out),
                         EXPAND_TROUBLE);
        arena_free(&a);
        buf_free(&encoded);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mail_reaches_who_is_behind_an_alias),
        cmocka_unit_test(lmtp_keeps_the_detail),
        cmocka_unit_test(nobody_is_refused_and_trouble_waits),
        cmocka_unit_test(circles_and_depth_end),
        cmocka_unit_test(the_number_of_results_is_bounded),
        cmocka_unit_test(running_out_of_memory_is_trouble),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
