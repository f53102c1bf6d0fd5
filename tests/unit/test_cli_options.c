/* test_cli_options.c - what people type after `postrider`. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "cli/cli.h"
#include "cli/dialog.h"
#include "cli/options.h"

struct values {
    bool             flag;
    const char      *text;
    struct text_list list;
    uint64_t         count;
    int64_t          age;
};

static const struct option_row rows[] = {
    { "flag",  'f', OPTION_FLAG,  offsetof(struct values, flag),  NULL,  "" },
    { "text",  't', OPTION_TEXT,  offsetof(struct values, text),  "T",   "" },
    { "list",  'l', OPTION_LIST,  offsetof(struct values, list),  "L",   "" },
    { "count", 'n', OPTION_COUNT, offsetof(struct values, count), "N",   "" },
    { "age",   0,   OPTION_AGE,   offsetof(struct values, age),   "AGE", "" },
    { 0 },
};

/* read_line - words separated by spaces; '_' is an empty word */

static bool read_line(const char *line, struct values *v, struct text_list *words)
{
    static char copy[300];
    static char *argv[40];
    char why[100];
    int argc = 0;

    snprintf(copy, sizeof copy, "%s", line);
    for (char *w = strtok(copy, " "); w != NULL; w = strtok(NULL, " "))
        argv[argc++] = strcmp(w, "_") == 0 ? w + 1 : w;
    argv[argc] = NULL;
    *v = (struct values){ .flag = false };
    words->n = 0;
    return options_read(rows, v, argc, argv, words, why, sizeof why);
}

static void all_forms_of_an_option_are_understood(void **state)
{
    static struct text_list words;
    static struct values v;

    (void)state;
    assert_true(read_line("--text a one -tb --text=c=d -t - --list x -ly -f two - -- -f --zzz",
                          &v, &words));
    assert_string_equal(v.text, "-");
    assert_int_equal(v.list.n, 2);
    assert_true(v.flag);
    assert_int_equal(words.n, 5);
    assert_string_equal(words.items[2], "-");
    assert_string_equal(words.items[4], "--zzz");
    assert_true(read_line("--count 18446744073709551615 --age 2h --text _", &v, &words));
    assert_true(v.count == UINT64_MAX && v.age == 7200000 && v.text[0] == '\0');
}

static void mistakes_are_refused(void **state)
{
    static const char *const lines[] = {
        "--nothing", "-x", "--flag=1", "-fx", "--text", "-t", "--count x", "--count -1",
        "--count 18446744073709551616", "--age 5y", "--age _", "--age -1", "--age 99999999999999w",
        "--", "---",
    };
    static struct text_list words;
    static struct values v;

    (void)state;
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
        if (read_line(lines[i], &v, &words) != (strcmp(lines[i], "--") == 0))
            fail_msg("%s", lines[i]);
}

static void ages_have_units(void **state)
{
    static const struct { const char *text; int64_t ms; } ages[] = {
        { "0", 0 }, { "90", 90000 }, { "90s", 90000 }, { "15m", 900000 }, { "2h", 7200000 },
        { "5d", 432000000 }, { "1w", 604800000 },
    };
    int64_t ms;

    (void)state;
    for (size_t i = 0; i < sizeof ages / sizeof ages[0]; i++) {
        assert_true(age_parse(ages[i].text, &ms));
        assert_true(ms == ages[i].ms);
    }
    assert_false(age_parse("s", &ms));
    assert_false(age_parse("", &ms));
}

static void the_longest_name_of_a_verb_is_found(void **state)
{
    static const struct { const char *words[3]; int n; const char *name; int used; } cases[] = {
        { { "send", "x" }, 2, "send", 1 },
        { { "queue", "list", "id" }, 3, "queue list", 2 },
        { { "config", "check" }, 2, "config check", 2 },
        { { "queue" }, 1, NULL, 0 },
        { { "queue", "lis" }, 2, NULL, 0 },
        { { "sendx" }, 1, NULL, 0 },
    };
    int used;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct verb *v = verb_find((char **)(uintptr_t)cases[i].words, cases[i].n, &used);

        if (cases[i].name == NULL) {
            assert_null(v);
        } else {
            assert_string_equal(v->name, cases[i].name);
            assert_int_equal(used, cases[i].used);
        }
    }
}

static void servers_are_host_and_port(void **state)
{
    static const struct { const char *text, *host, *port; } cases[] = {
        { "mx.example.org", "mx.example.org", "25" }, { "127.0.0.1:2525", "127.0.0.1", "2525" },
        { "[::1]:26", "::1", "26" }, { "[::1]", "::1", "25" }, { "::1", "::1", "25" },
        { "", NULL, NULL }, { ":25", NULL, NULL }, { "host:", NULL, NULL }, { "host:0", NULL, NULL },
        { "host:65536", NULL, NULL }, { "host:smtp", NULL, NULL }, { "[::1", NULL, NULL },
        { "[::1]x", NULL, NULL },
    };
    static struct dialog d;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(dialog_server(&d, cases[i].text), cases[i].host != NULL);
        if (cases[i].host != NULL) {
            assert_string_equal(d.host, cases[i].host);
            assert_string_equal(d.port, cases[i].port);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_forms_of_an_option_are_understood),
        cmocka_unit_test(mistakes_are_refused),
        cmocka_unit_test(ages_have_units),
        cmocka_unit_test(the_longest_name_of_a_verb_is_found),
        cmocka_unit_test(servers_are_host_and_port),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
