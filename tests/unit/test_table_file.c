/* test_table_file.c - recipients and aliases files: what is known, what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <fcntl.h>
#include <cmocka.h>
#include "table/table.h"
#include "conf_text.h"

static char path[] = "/tmp/postrider-table-XXXXXX";

static int make_file(void **state)
{
    int fd = mkstemp(path);

    (void)state;
    return fd < 0 || close(fd) < 0;
}

static int remove_file(void **state)
{
    (void)state;
    return unlink(path);
}

static int compile(enum table_kind kind, const char *text, struct buf *errors)
{
    write_file(path, text);
    return table_compile(kind, path, errors);
}

static struct table must_compile(enum table_kind kind, const char *text)
{
    struct buf errors = BUF(65536);
    int fd = compile(kind, text, &errors);
    struct table t;

    if (fd < 0)
        fail_msg("%.*s", SLICE(buf_view(&errors)));
    assert_int_equal(pwrite(fd, "x", 1, 0), -1);    /* sealed */
    assert_true(table_open(&t, fd));
    close(fd);
    buf_free(&errors);
    return t;
}

static void recipients_are_found_by_address_or_local_part(void **state)
{
    struct table t = must_compile(TABLE_RECIPIENTS,
        "# those who work here\n"
        "alice\n"
        "  Bob@Example.org   # the boss\n"
        "\"odd name\"\n"
        "\"dan\"\n"
        "x#y\n"
        "J\303\274rgen\n"
        "ren\303\251@M\303\274ller.test\n"
        "\n"
        "eve@other.test");
    static const struct { const char *address; bool known; } cases[] = {
        { "alice@example.org", true }, { "ALICE@example.org", true }, { "alice@x.test", true },
        { "bob@example.org", true }, { "bob@other.test", false },
        { "\"odd name\"@example.org", true }, { "dan@example.org", true },
        { "eve@other.test", true }, { "eve@example.org", false }, { "x#y@example.org", true },
        { "j\303\274rgen@example.org", true }, { "ren\303\251@xn--mller-kva.test", true },
        { "ren\303\251@example.org", false }, { "j\303\234rgen@example.org", false },
        { "carol@example.org", false }, { "@example.org", false }, { "", false },
        { "\"eve@other.test\"@example.org", false },
    };
    struct slice value;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        if (table_find(&t, slice_cstr(cases[i].address), &value) != cases[i].known)
            fail_msg("%s", cases[i].address);
    table_close(&t);
}

static void a_recipient_may_have_the_day_since_when_the_address_is_his(void **state)
{
    struct table t = must_compile(TABLE_RECIPIENTS,
        "alice 2024-01-31\n"
        "bob@example.org\tsince=2024-01-31T12:00:00Z  # back again\n"
        "\"odd name\" 1970-01-02\n"
        "carol\n");
    static const struct { const char *address; int64_t since; } cases[] = {
        { "alice@x.test", 1706659200 }, { "bob@example.org", 1706702400 },
        { "\"odd name\"@x.test", 86400 }, { "carol@x.test", 0 },
    };
    struct slice value;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_true(table_find(&t, slice_cstr(cases[i].address), &value));
        assert_int_equal(recipient_since(value), cases[i].since);
    }
    table_close(&t);
}

static void a_day_that_is_none_is_refused_with_its_line(void **state)
{
    static const char *const cases[] = {
        "alice 2024-02-30\n", "alice 2024-01-31 x\n", "alice since=\n", "alice yesterday\n",
        "alice 31.1.2024\n", "alice 2024-01-31T12:00:00\n",
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct buf errors = BUF(65536);

        assert_int_equal(compile(TABLE_RECIPIENTS, cases[i], &errors), -1);
        buf_put(&errors, "", 1);
        assert_non_null(strstr(buf_view(&errors).p, ":1: \""));
        assert_non_null(strstr(buf_view(&errors).p, "is not a date"));
        buf_free(&errors);
    }
}

static void an_empty_file_knows_nobody(void **state)
{
    struct table t = must_compile(TABLE_RECIPIENTS, "");
    struct slice value;

    (void)state;
    assert_false(table_find(&t, SLICE_LIT("alice@example.org"), &value));
    table_close(&t);
}

static void check_targets(const struct table *t, const char *name, const char *expected)
{
    struct buf got = BUF(4096);
    struct slice value;
    struct target one;
    struct wire w;

    assert_true(table_find(t, slice_cstr(name), &value));
    w = wire_reader(value);
    while (target_next(&w, &one))
        buf_printf(&got, "%c%.*s ", "lf@"[one.kind], SLICE(one.text));
    assert_true(wire_done(&w));
    if (!slice_eq(buf_view(&got), slice_cstr(expected)))
        fail_msg("%s: %.*s", name, SLICE(buf_view(&got)));
    buf_free(&got);
}

static void aliases_have_targets_over_several_lines(void **state)
{
    struct table t = must_compile(TABLE_ALIASES,
        "# common names\n"
        "postmaster: alice\n"
        "Team: alice, bob,carol@Else.Test ,\n"
        "\t\"d e\"   # the newest\n"
        "# not the end of it\n"
        "\n"
        "      eve\n"
        "\"two words\": \\alice, x@y.test\n"
        "info@example.org: \"a, b\"\n");

    (void)state;
    check_targets(&t, "postmaster@example.org", "lalice ");
    check_targets(&t, "team@example.org", "lalice lbob @carol@else.test l\"d e\" leve ");
    check_targets(&t, "\"two words\"@x", "falice @x@y.test ");
    check_targets(&t, "info@example.org", "l\"a, b\" ");
    table_close(&t);
}

static void what_is_wrong_is_told_with_its_line(void **state)
{
    static const struct { enum table_kind kind; const char *text, *expected; } cases[] = {
        { TABLE_RECIPIENTS, "alice\n\nbob smith\n", ":3: \"smith\" is not a date" },
        { TABLE_RECIPIENTS, "alice@-bad-\n", ":1: " },
        { TABLE_RECIPIENTS, "@example.org\n", ":1: " },
        { TABLE_ALIASES, "a: |/bin/sh\n", ":1: \"|/bin/sh\": commands are not supported" },
        { TABLE_ALIASES, "a: \"|/bin/sh -c x, y\"\n", ":1: " },
        { TABLE_ALIASES, "a: b,\n /etc/passwd\n", ":2: \"/etc/passwd\": files" },
        { TABLE_ALIASES, "a: \"/etc/passwd\"\n", ":1: " },
        { TABLE_ALIASES, "a: :include:/etc/list\n", ":1: \":include:/etc/list\": :include:" },
        { TABLE_ALIASES, "a: \":include:/etc/list\"\n", ":1: " },
        { TABLE_ALIASES, "a: b\n\n\na: c\n", ":4: the alias \"a\" is there twice" },
        { TABLE_ALIASES, "A: b\na: c\n", ":2: the alias \"a\" is there twice" },
        { TABLE_ALIASES, "nothing here\n", ":1: no colon" },
        { TABLE_ALIASES, "a:\nb: c\n", ":1: the alias \"a\" has no target" },
        { TABLE_ALIASES, " a, b\n", ":1: a line that begins with a blank" },
        { TABLE_ALIASES, "a: b c\n", ":1: \"b c\" is not a target" },
        { TABLE_ALIASES, "a: \\b@c.test\n", ":1: " },
        { TABLE_ALIASES, "a: \xe4\n", ":1: " },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct buf errors = BUF(65536);
        char expected[300];
        int fd = compile(cases[i].kind, cases[i].text, &errors);

        snprintf(expected, sizeof expected, "%s%s", path, cases[i].expected);
        if (fd >= 0 || !slice_istarts(buf_view(&errors), slice_cstr(expected)))
            fail_msg("%s: %.*s", cases[i].text, SLICE(buf_view(&errors)));
        buf_free(&errors);
    }
}

static void at_most_twenty_errors_are_told(void **state)
{
    struct buf text = BUF(65536), errors = BUF(65536);

    (void)state;
    for (int i = 0; i < 50; i++)
        buf_puts(&text, "a b\n");
    buf_put(&text, "", 1);
    assert_int_equal(compile(TABLE_RECIPIENTS, buf_view(&text).p, &errors), -1);
    assert_int_equal(lines_in(buf_view(&errors)), 21);
    buf_free(&text);
    buf_free(&errors);
}

static void a_missing_file_is_named(void **state)
{
    struct buf errors = BUF(65536);

    (void)state;
    assert_int_equal(table_compile(TABLE_ALIASES, "/nonexistent/aliases", &errors), -1);
    assert_true(slice_istarts(buf_view(&errors), SLICE_LIT("/nonexistent/aliases: No such file")));
    buf_clear(&errors);
    assert_int_equal(table_compile(TABLE_ALIASES, "/dev/zero", &errors), -1);
    assert_int_equal(table_compile(TABLE_ALIASES, "/tmp", &errors), -1);
    buf_free(&errors);
}

static void add_table(struct table_set *set, enum table_kind kind, const char *domain,
                      const char *text)
{
    char name[TABLE_NAME];
    int fd = compile(kind, text, NULL);

    assert_true(fd >= 0);
    assert_true(table_set_add(set, table_name(kind, slice_cstr(domain), name), fd));
    close(fd);
}

static void tables_answer_what_they_can_alone(void **state)
{
    struct conf_domain file = { .name = SLICE_LIT("file.test"), .recipients = RECIPIENTS_FILE };
    struct conf_domain any = { .name = SLICE_LIT("any.test"), .recipients = RECIPIENTS_ANY };
    struct conf_domain sys = { .name = SLICE_LIT("sys.test"), .recipients = RECIPIENTS_SYSTEM };
    struct table_set set = { 0 };
    const struct { const struct conf_domain *d; const char *address; enum recipient_answer answer; } cases[] = {
        { &file, "alice@file.test", RECIPIENT_DELIVER },
        { &file, "Alice@file.test", RECIPIENT_ASK },
        { &file, "alice+x@file.test", RECIPIENT_ASK },
        { &file, "list+x@file.test", RECIPIENT_ASK },
        { &file, "list@file.test", RECIPIENT_ASK },
        { &file, "both@file.test", RECIPIENT_ASK },
        { &file, "nobody@file.test", RECIPIENT_UNKNOWN },
        { &file, "nobody+alice@file.test", RECIPIENT_UNKNOWN },
        { &file, "+alice@file.test", RECIPIENT_UNKNOWN },
        { &file, "postmaster@file.test", RECIPIENT_ASK },
        { &file, "POSTMASTER@file.test", RECIPIENT_ASK },
        { &any, "whoever@any.test", RECIPIENT_DELIVER },
        { &any, "list@any.test", RECIPIENT_DELIVER },
        { &sys, "root@sys.test", RECIPIENT_ASK },
    };

    (void)state;
    add_table(&set, TABLE_RECIPIENTS, "file.test", "alice\nboth\n");
    add_table(&set, TABLE_ALIASES, "FILE.test", "list: alice\nboth: x@y.test\n");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        if (recipient_check(&set, cases[i].d, slice_cstr(cases[i].address)) != cases[i].answer)
            fail_msg("%s", cases[i].address);
    assert_null(table_set_find(&set, TABLE_ALIASES, SLICE_LIT("any.test")));
    table_set_close(&set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(recipients_are_found_by_address_or_local_part),
        cmocka_unit_test(a_recipient_may_have_the_day_since_when_the_address_is_his),
        cmocka_unit_test(a_day_that_is_none_is_refused_with_its_line),
        cmocka_unit_test(an_empty_file_knows_nobody),
        cmocka_unit_test(aliases_have_targets_over_several_lines),
        cmocka_unit_test(what_is_wrong_is_told_with_its_line),
        cmocka_unit_test(at_most_twenty_errors_are_told),
        cmocka_unit_test(a_missing_file_is_named),
        cmocka_unit_test(tables_answer_what_they_can_alone),
    };

    return cmocka_run_group_tests(tests, make_file, remove_file);
}
