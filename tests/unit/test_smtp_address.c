/* test_smtp_address.c - mailboxes and paths of RFC 5321 §4.1.2; rows A031, A080 to A092. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>
#include "smtp/address.h"

#define LABEL63 "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz01234567890"
#define LOCAL64 LABEL63 "a"

struct row {
    const char        *in;
    enum address_error error;
    const char        *text;    /* canonical */
    const char        *rest;
};

static const struct row forward[] = {
    /* plain */
    { "<u@ours.example>", ADDRESS_OK, "u@ours.example", "" },
    { "<u@OURS.Example> SIZE=1", ADDRESS_OK, "u@ours.example", " SIZE=1" },
    { "<Fred.O'Neil+x_y@a>", ADDRESS_OK, "Fred.O'Neil+x_y@a", "" },
    { "<u@[192.0.2.1]>", ADDRESS_OK, "u@[192.0.2.1]", "" },
    { "<u@[ipv6:2001:DB8::1]>", ADDRESS_OK, "u@[IPv6:2001:db8::1]", "" },
    { "<u@xn--bcher-kva.example>", ADDRESS_OK, "u@xn--bcher-kva.example", "" },
    { "<u@127.0.0.1>", ADDRESS_OK, "u@127.0.0.1", "" },
    /* quoted: the meaning counts, quotes stay only where needed */
    { "<\"u\"@a>", ADDRESS_OK, "u@a", "" },
    { "<\"u v\"@a>", ADDRESS_OK, "\"u v\"@a", "" },
    { "<\"u\\ v\\x\"@a>", ADDRESS_OK, "\"u v" "x\"@a", "" },
    { "<\"a\\\"b\\\\c\"@a>", ADDRESS_OK, "\"a\\\"b\\\\c\"@a", "" },
    { "<\"\"@a>", ADDRESS_OK, "\"\"@a", "" },
    { "<\".a\"@a>", ADDRESS_OK, "\".a\"@a", "" },
    { "<\">\"@a>", ADDRESS_OK, "\">\"@a", "" },
    /* A081, A082, A085: a local part is never looked into */
    { "<u%third.example@ours.example>", ADDRESS_OK, "u%third.example@ours.example", "" },
    { "<\"u@third.example\"@ours.example>", ADDRESS_OK, "\"u@third.example\"@ours.example", "" },
    { "<third.example!u@ours.example>", ADDRESS_OK, "third.example!u@ours.example", "" },
    { "<u%third.example>", ADDRESS_SYNTAX, NULL, NULL },
    { "<\"u@third.example\">", ADDRESS_SYNTAX, NULL, NULL },
    { "<third.example!u>", ADDRESS_SYNTAX, NULL, NULL },
    /* A083 */
    { "<u@third.example@ours.example>", ADDRESS_SYNTAX, NULL, NULL },
    /* A084: a route is read and dropped */
    { "<@mx.ours.example:u@third.example>", ADDRESS_OK, "u@third.example", "" },
    { "<@[192.0.2.1]:u@third.example>", ADDRESS_OK, "u@third.example", "" },
    { "<@a,@b:u@third.example>", ADDRESS_OK, "u@third.example", "" },
    { "<@a,b:u@third.example>", ADDRESS_SYNTAX, NULL, NULL },
    { "<@a:>", ADDRESS_SYNTAX, NULL, NULL }, { "<@a,:u@b>", ADDRESS_SYNTAX, NULL, NULL },
    /* A086 */
    { "<u@ours.example.>", ADDRESS_SYNTAX, NULL, NULL },
    /* A087: literals, nothing looser */
    { "<u@[0]>", ADDRESS_SYNTAX, NULL, NULL }, { "<u@[0x7f.1]>", ADDRESS_SYNTAX, NULL, NULL },
    { "<u@[2130706433]>", ADDRESS_SYNTAX, NULL, NULL },
    { "<u@[IPv6:::ffff:127.0.0.1]>", ADDRESS_SYNTAX, NULL, NULL },
    { "<u@[IPv6:::1]>", ADDRESS_OK, "u@[IPv6:::1]", "" },
    { "<u@[IPv6:127.0.0.1]>", ADDRESS_SYNTAX, NULL, NULL },
    { "<u@[::1]>", ADDRESS_SYNTAX, NULL, NULL }, { "<u@[]>", ADDRESS_SYNTAX, NULL, NULL },
    { "<u@[127.0.0.1>", ADDRESS_SYNTAX, NULL, NULL },
    /* A088 */
    { "<postmaster>", ADDRESS_OK, "postmaster", "" },
    { "<PoStMaStEr>", ADDRESS_OK, "PoStMaStEr", "" },
    { "<postmaster@a>", ADDRESS_OK, "postmaster@a", "" },
    { "<postmasters>", ADDRESS_SYNTAX, NULL, NULL },
    /* A089 */
    { "<>", ADDRESS_SYNTAX, NULL, NULL }, { "<@>", ADDRESS_SYNTAX, NULL, NULL },
    { "<@ours>", ADDRESS_SYNTAX, NULL, NULL }, { "<a@>", ADDRESS_SYNTAX, NULL, NULL },
    { "<.a@ours>", ADDRESS_SYNTAX, NULL, NULL }, { "<a..b@ours>", ADDRESS_SYNTAX, NULL, NULL },
    { "<a.@ours>", ADDRESS_SYNTAX, NULL, NULL },
    { "<" LOCAL64 "@a>", ADDRESS_OK, LOCAL64 "@a", "" },
    { "<" LOCAL64 "a@a>", ADDRESS_TOO_LONG, NULL, NULL },
    { "<\"" LOCAL64 "\"@a>", ADDRESS_TOO_LONG, NULL, NULL },
    { "<u@" LABEL63 ".a>", ADDRESS_OK, "u@" LABEL63 ".a", "" },
    { "<u@" LABEL63 "a.a>", ADDRESS_SYNTAX, NULL, NULL },
    /* A091: labels that decode to nothing, octets above 127 */
    { "<u@xn--->", ADDRESS_SYNTAX, NULL, NULL }, { "<u@xn--zz>", ADDRESS_SYNTAX, NULL, NULL },
    { "<u@xn--99999999999>", ADDRESS_SYNTAX, NULL, NULL }, { "<u@xn--zz.b>", ADDRESS_SYNTAX, NULL, NULL },
    { "<\xc3\xa9@ours.example>", ADDRESS_UTF8, NULL, NULL },
    { "<\"\xc3\xa9\"@ours.example>", ADDRESS_UTF8, NULL, NULL },
    { "<u@ours\xe3\x80\x82" "example>", ADDRESS_UTF8, NULL, NULL },
    { "<u\xef\xbc\xa0ours.example>", ADDRESS_UTF8, NULL, NULL },
    { "<=?utf-8?q?u?=@ours.example>", ADDRESS_OK, "=?utf-8?q?u?=@ours.example", "" },
    /* A092: names, not paths or commands; those that are not atoms are refused */
    { "<../../etc/passwd@ours>", ADDRESS_SYNTAX, NULL, NULL },
    { "<a/../b@ours>", ADDRESS_SYNTAX, NULL, NULL },
    { "<-froot@ours>", ADDRESS_OK, "-froot@ours", "" },
    { "<|id@ours>", ADDRESS_OK, "|id@ours", "" },
    { "</etc/passwd@ours>", ADDRESS_OK, "/etc/passwd@ours", "" },
    { "<:include:/etc/shadow@ours>", ADDRESS_SYNTAX, NULL, NULL },
    { "<~root@ours>", ADDRESS_OK, "~root@ours", "" },
    { "<$(id)@ours>", ADDRESS_SYNTAX, NULL, NULL },
    { "<`id`@ours>", ADDRESS_OK, "`id`@ours", "" },
    /* A034: broken */
    { "", ADDRESS_SYNTAX, NULL, NULL }, { "<", ADDRESS_SYNTAX, NULL, NULL },
    { "<\"unterminated@x>", ADDRESS_SYNTAX, NULL, NULL }, { "<\"a\\\">", ADDRESS_SYNTAX, NULL, NULL },
    { "<\"\\", ADDRESS_SYNTAX, NULL, NULL }, { "<\"", ADDRESS_SYNTAX, NULL, NULL },
    { "<a@b", ADDRESS_SYNTAX, NULL, NULL }, { "a@b>", ADDRESS_SYNTAX, NULL, NULL },
    { "<<a@b>>", ADDRESS_SYNTAX, NULL, NULL }, { "<a@b>>", ADDRESS_OK, "a@b", ">" },
    { "<a b@c>", ADDRESS_SYNTAX, NULL, NULL }, { "<a@b_c>", ADDRESS_SYNTAX, NULL, NULL },
    { "<a@-b>", ADDRESS_SYNTAX, NULL, NULL }, { "<a@b-.c>", ADDRESS_SYNTAX, NULL, NULL },
    { "<a@b..c>", ADDRESS_SYNTAX, NULL, NULL }, { "<a(c)@b>", ADDRESS_SYNTAX, NULL, NULL },
    { "<\"a\tb\"@c>", ADDRESS_SYNTAX, NULL, NULL }, { "<\"a\"b@c>", ADDRESS_SYNTAX, NULL, NULL },
};

static void forward_paths_are_taken_or_refused_as_the_grammar_says(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof forward / sizeof forward[0]; i++) {
        const struct row *r = &forward[i];
        struct arena a = ARENA(65536);
        struct slice rest;
        struct mailbox m;
        enum address_error error = path_parse(slice_cstr(r->in), false, &a, &m, &rest);

        if (error != r->error)
            print_error("%s gave %d\n", r->in, (int)error);
        assert_int_equal(error, r->error);
        if (error == ADDRESS_OK) {
            assert_string_equal(m.text.p, r->text);
            assert_true(slice_eq(rest, slice_cstr(r->rest)));
        }
        arena_free(&a);
    }
}

/* Every cut of every row lies in memory of its own, so that a sanitizer sees one
 * octet too far; the canonical text parses to itself. */
static void no_cut_of_a_path_reads_beyond_it(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof forward / sizeof forward[0]; i++) {
        struct slice all = slice_cstr(forward[i].in), rest;

        for (size_t n = 0; n <= all.n; n++) {
            struct arena a = ARENA(65536), copy = ARENA(65536);
            char *exact = test_malloc(n > 0 ? n : 1);
            struct mailbox m, again;

            memcpy(exact, all.p, n);
            if (path_parse(slice_of(exact, n), false, &a, &m, &rest) == ADDRESS_OK
                && m.domain.n > 0) {
                assert_int_equal(mailbox_parse(m.text, &copy, &again), ADDRESS_OK);
                assert_true(slice_eq(again.text, m.text) && slice_eq(again.local, m.local));
            }
            test_free(exact);
            arena_free(&a);
            arena_free(&copy);
        }
    }
}

static void a_reverse_path_may_be_null_but_not_a_bare_postmaster(void **state)
{
    struct arena a = ARENA(4096);
    struct mailbox m;
    struct slice rest;

    (void)state;
    assert_int_equal(path_parse(SLICE_LIT("<> BODY=7BIT"), true, &a, &m, &rest), ADDRESS_OK);
    assert_true(m.null && m.text.n == 0 && rest.n == 10);
    assert_int_equal(path_parse(SLICE_LIT("<postmaster>"), true, &a, &m, &rest), ADDRESS_SYNTAX);
    arena_free(&a);
}

static void a_path_has_at_most_256_octets(void **state)
{
    (void)state;
    for (size_t n = 254; n <= 257; n++) {
        struct arena a = ARENA(65536);
        char path[300];
        struct mailbox m;
        struct slice rest;

        snprintf(path, sizeof path, "<%s@%s.%s.%s>", LOCAL64, LABEL63, LABEL63, LABEL63);
        snprintf(path + n - 1, 2, ">");
        assert_int_equal(path_parse(slice_of(path, n), false, &a, &m, &rest),
                         n <= 256 ? ADDRESS_OK : ADDRESS_TOO_LONG);
        arena_free(&a);
    }
}

static void a_spent_arena_is_said_so(void **state)
{
    struct arena a = ARENA(16);
    struct mailbox m;

    (void)state;
    assert_int_equal(mailbox_parse(SLICE_LIT("somebody@example.org"), &a, &m), ADDRESS_NO_MEMORY);
    arena_free(&a);
}

static void names_of_hosts_are_domains_or_literals(void **state)
{
    static const struct { const char *text; bool ok; } cases[] = {
        { "mx.example.org", true }, { "localhost", true }, { "a_b.example", true },
        { "[192.0.2.1]", true }, { "[IPv6:2001:db8::1]", true }, { "127.0.0.1", true },
        { "", false }, { "[", false }, { "[]", false }, { "[IPv6:", false }, { "[IPv6:]", false },
        { "[1.2.3.4.5]", false }, { "[IPv6:::ffff:1.2.3.4]", false }, { "[1.2.3.4", false },
        { "[01.2.3.4]", false }, { "[1.2.3.256]", false }, { "[ 1.2.3.4]", false },
        { "[IPv6:1:2:3:4:5:6:7:8:9]", false }, { "[IPv6:fe80::1%eth0]", false },
        { "[IPv6:::::::::::::::::::::::::::::::::::::::::::::::::::::::::::::::::]", false },
        { "a\tb", false }, { "\xc3\xa9.example", false }, { "a b", false }, { ".a", false },
        { "a.", false }, { "-a", false }, { "a-", false }, { LABEL63, true }, { LABEL63 "a", false },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        if (helo_valid(slice_cstr(cases[i].text)) != cases[i].ok)
            fail_msg("case %zu: %s", i, cases[i].text);
    }
}

static void a_domain_has_at_most_255_octets(void **state)
{
    char name[256];

    (void)state;
    for (size_t i = 0; i < sizeof name; i++)
        name[i] = i % 2 ? '.' : 'a';
    assert_true(domain_valid(slice_of(name, 255)));
    name[255] = 'b';
    name[254] = 'a';
    assert_false(domain_valid(slice_of(name, 256)));
    assert_false(domain_valid(SLICE_LIT("a_b")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forward_paths_are_taken_or_refused_as_the_grammar_says),
        cmocka_unit_test(no_cut_of_a_path_reads_beyond_it),
        cmocka_unit_test(a_reverse_path_may_be_null_but_not_a_bare_postmaster),
        cmocka_unit_test(a_path_has_at_most_256_octets),
        cmocka_unit_test(a_spent_arena_is_said_so),
        cmocka_unit_test(names_of_hosts_are_domains_or_literals),
        cmocka_unit_test(a_domain_has_at_most_255_octets),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
