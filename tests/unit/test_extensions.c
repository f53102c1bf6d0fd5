/* test_extensions.c - docs/EXTENSIONS.md says what the code has, each cell with its test.
 *
 * Its rows stand in extensions.inc; what they must cover comes from the tables of the code:
 * every command of the server (verbs[]), every feature that can be granted
 * (FEATURES), every keyword that is read from other hosts (HOST_KEYWORDS). A
 * cell names the tests that show it; one that does not exist fails here, and
 * with it the page, which this program writes, started in the build directory with the
 * argument "print".
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "smtp/reader.h"
#include "smtpd/verbs.h"

static const char page_name[] = "docs/EXTENSIONS.md";

/* What is done, and the tests that show it: "dialog/NAME", "unit/FILE::TEST" or
 * "scenario/FILE::TEST", where TEST is the name of a test or its beginning, separated by
 * blanks. what is NULL: nothing to do. */
struct cell {
    const char *what, *tests;
};

struct row {
    const char *covers;         /* commands and keywords, separated by blanks */
    const char *source;         /* RFC */
    struct cell server, client, without;
};

static const struct row rows[] = {
#include "extensions.inc"
};

enum { ROWS = sizeof rows / sizeof rows[0] };

/* --- the rows cover the code ------------------------------------------------ */

static bool covered(const char *name)
{
    struct slice rest, word;

    for (size_t i = 0; i < ROWS; i++)
        for (rest = slice_cstr(rows[i].covers); rest.n > 0; ) {
            slice_cut(rest, ' ', &word, &rest);
            if (slice_ieq(word, slice_cstr(name)))
                return true;
        }
    return false;
}

/* missing - how many commands and keywords no row covers; each is told */

static unsigned lacks_row(const char *kind, const char *name)
{
    if (covered(name))
        return 0;
    fprintf(stderr, "no row covers the %s %s\n", kind, name);
    return 1;
}

static unsigned missing(void)
{
    static const char *const keywords[] = {
#define K(NAME, keyword) keyword,
        HOST_KEYWORDS(K)
#undef K
    };
    unsigned n = 0;

    for (unsigned i = 0; i < verbs_count; i++)
        n += lacks_row("command", verbs[i].name);
    for (unsigned i = 0; i < FEATURE_COUNT; i++)
        n += lacks_row("feature", feature_keyword((enum feature)i));
    for (size_t i = 0; i < sizeof keywords / sizeof keywords[0]; i++)
        n += lacks_row("keyword", keywords[i]);
    return n;
}

static void every_command_and_every_keyword_has_a_row(void **state)
{
    (void)state;
    assert_int_equal(missing(), 0);
}

/* --- the tests exist ---------------------------------------------------------- */

/* content - of a file of the source tree; false: there is none */

static bool content(const char *path, struct buf *out)
{
    struct slice file = slice_cstr(__FILE__);
    char whole[1000], chunk[4096];
    size_t n;
    FILE *f;

    file = slice_first(file, slice_rchr(file, '/'));
    snprintf(whole, sizeof whole, "%.*s/../../%s", SLICE(file), path);
    f = fopen(whole, "r");
    if (f == NULL)
        return false;
    while ((n = fread(chunk, 1, sizeof chunk, f)) > 0)
        buf_put(out, chunk, n);
    fclose(f);
    return !out->full;
}

/* has_text - is there such a file, and `text` (empty: whatever) in it? */

static bool has_text(const char *path, const char *text)
{
    struct buf all = BUF(4 << 20);
    bool found = content(path, &all)
              && (text[0] == '\0' || memmem(buf_view(&all).p, all.n, text, strlen(text)) != NULL);

    buf_free(&all);
    return found;
}

/* test_exists - a dialogue is a file; others are functions, whose names stand in one */

static bool test_exists(struct slice test)
{
    struct slice kind, name, part;
    char path[300], text[200];

    slice_cut(test, '/', &kind, &name);
    slice_cut(name, ':', &name, &part);
    part = slice_from(part, 1);
    if (slice_eq(kind, SLICE_LIT("dialog"))) {
        snprintf(path, sizeof path, "tests/dialog/%.*s.dialog", SLICE(name));
        return part.n == 0 && has_text(path, "");
    }
    if (slice_eq(kind, SLICE_LIT("unit"))) {
        snprintf(path, sizeof path, "tests/unit/test_%.*s.c", SLICE(name));
        snprintf(text, sizeof text, "void %.*s", SLICE(part));
    } else {
        snprintf(path, sizeof path, "tests/scenario/test_%.*s.py", SLICE(name));
        snprintf(text, sizeof text, "def test_%.*s", SLICE(part));
    }
    return part.n > 0 && has_text(path, text);
}

/* untested - how many of the cell's tests do not exist; a cell without any counts too */

static unsigned untested(const struct row *row, const char *column, const struct cell *cell)
{
    struct slice rest = slice_cstr(cell->tests != NULL ? cell->tests : ""), test;
    unsigned n = 0;

    if (cell->what == NULL)
        return 0;
    if (rest.n == 0) {
        fprintf(stderr, "%s, %s: no test covers it\n", row->covers, column);
        return 1;
    }
    while (rest.n > 0) {
        slice_cut(rest, ' ', &test, &rest);
        if (test_exists(test))
            continue;
        fprintf(stderr, "%s, %s: there is no test %.*s\n", row->covers, column, SLICE(test));
        n++;
    }
    return n;
}

static unsigned all_untested(void)
{
    unsigned n = 0;

    for (size_t i = 0; i < ROWS; i++)
        n += untested(&rows[i], "server", &rows[i].server)
           + untested(&rows[i], "client", &rows[i].client)
           + untested(&rows[i], "without", &rows[i].without);
    return n;
}

static void every_cell_has_a_test(void **state)
{
    (void)state;
    assert_int_equal(all_untested(), 0);
}

/* --- the page ------------------------------------------------------------------- */

static void put_cell(struct buf *out, const struct cell *cell)
{
    struct slice rest = slice_cstr(cell->tests != NULL ? cell->tests : ""), test;

    buf_printf(out, " %s", cell->what != NULL ? cell->what : "–");
    for (const char *before = " ("; rest.n > 0; before = ", ") {
        slice_cut(rest, ' ', &test, &rest);
        buf_printf(out, "%s`%.*s`", before, SLICE(test));
    }
    buf_puts(out, cell->tests != NULL ? ") |" : " |");
}

static void put_page(struct buf *out)
{
    buf_puts(out,
        "# Commands and extensions\n\n"
        "Made from the tables in the code by `tests/unit/test_extensions.c`, and compared with\n"
        "them at every test. In brackets: the tests that show it, in `tests/`. What is offered\n"
        "to whom is a matter of the configuration: see `offer` and `peer` in postrider.conf(5).\n\n"
        "| command, extension | source | as server | as client, towards a host that has it |"
        " towards one that has not |\n|---|---|---|---|---|\n");
    for (size_t i = 0; i < ROWS; i++) {
        buf_printf(out, "| %s | %s |", rows[i].covers, rows[i].source);
        put_cell(out, &rows[i].server);
        put_cell(out, &rows[i].client);
        put_cell(out, &rows[i].without);
        buf_puts(out, "\n");
    }
}

static void the_page_is_what_the_tables_say(void **state)
{
    struct buf expected = BUF(1 << 20), page = BUF(1 << 20);

    (void)state;
    put_page(&expected);
    if (!content(page_name, &page) || !slice_eq(buf_view(&page), buf_view(&expected)))
        fail_msg("%s is not what `test_extensions print` writes", page_name);
    buf_free(&expected);
    buf_free(&page);
}

/* print - the page, or nothing and a failure when something of it is not covered */

static int print(void)
{
    struct buf page = BUF(1 << 20);
    unsigned wrong = missing() + all_untested();

    put_page(&page);
    if (wrong == 0)
        fwrite(buf_view(&page).p, 1, page.n, stdout);
    buf_free(&page);
    return wrong == 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_command_and_every_keyword_has_a_row),
        cmocka_unit_test(every_cell_has_a_test),
        cmocka_unit_test(the_page_is_what_the_tables_say),
    };

    if (argc > 1 && strcmp(argv[1], "print") == 0)
        return print();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
