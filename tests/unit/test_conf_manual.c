/* test_conf_manual.c - the manual page says of every setting what the code does.
 *
 * Its section SETTINGS is made from the rows of conf/settings.h; with the
 * argument "print" this program writes it. Started by the build from its
 * directory, so that the page is found beside the sources.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include "conf/settings.h"

static const char page_name[] = "docs/man/postrider.conf.5";

static void put_size(struct buf *out, int64_t n)
{
    static const char units[] = " KMGT";
    unsigned u = 0;

    while (n > 0 && n % 1024 == 0 && u < 4) {
        n /= 1024;
        u++;
    }
    buf_printf(out, "%lld%.*s", (long long)n, u > 0, &units[u]);
}

static void put_time(struct buf *out, int64_t ms)
{
    static const struct { int64_t ms; const char *unit; } units[] = {
        { DAY, "d" }, { HOUR, "h" }, { MIN, "m" }, { SEC, "s" }, { MS, "ms" },
    };

    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++)
        if (ms > 0 && ms % units[i].ms == 0) {
            buf_printf(out, "%lld%s", (long long)(ms / units[i].ms), units[i].unit);
            return;
        }
    buf_puts(out, "0");
}

static void put_bound(struct buf *out, const struct conf_setting *s, int64_t v)
{
    if (s->kind == KIND_SIZE)
        put_size(out, v);
    else if (s->kind == KIND_TIME || s->kind == KIND_TIMES)
        put_time(out, v);
    else
        buf_printf(out, "%lld", (long long)v);
}

static void put_limits(struct buf *out, const struct conf_setting *s)
{
    if (s->value[0] != '\0')
        buf_printf(out, conf_kind_is_list(s->kind) ? "Default: {%s}" : "Default: %s", s->value);
    if (s->kind == KIND_COUNT || s->kind == KIND_SIZE || s->kind == KIND_TIME
        || s->kind == KIND_TIMES) {
        buf_puts(out, "; from ");
        put_bound(out, s, s->least);
        buf_puts(out, " to ");
        put_bound(out, s, s->most);
    }
    if (s->value[0] != '\0')
        buf_puts(out, ".\n");
}

static void put_setting(struct buf *out, const struct conf_setting *s)
{
    static const char *const kinds[] = {
        [KIND_TEXT] = "TEXT", [KIND_PATH] = "PATH", [KIND_WORD] = "WORD", [KIND_BOOL] = "BOOL",
        [KIND_COUNT] = "NUMBER", [KIND_SIZE] = "SIZE", [KIND_TIME] = "TIME",
        [KIND_TIMES] = "{TIME, ...}", [KIND_NETS] = "{NETWORK, ...}",
        [KIND_SERVERS] = "{SERVER, ...}", [KIND_TEXTS] = "{TEXT, ...}",
    };

    buf_printf(out, ".TP\n.BI \"%s = \" \"%s\"\n%s.\n", s->name,
               s->kind == KIND_WORD ? s->words : kinds[s->kind], s->help);
    put_limits(out, s);
}

static void put_section(struct buf *out, enum conf_section section)
{
    const struct conf_section_row *row = &conf_sections[section];
    unsigned first, n;

    if (section == SECTION_TOP)
        buf_puts(out, ".SS \"Outside of any section\"\n");
    else
        buf_printf(out, ".SS \"%s %s{ }\"\n%s.\n", row->name, row->titled ? "\\(dqTITLE\\(dq " : "",
                   row->help);
    conf_section_span(section, &first, &n);
    for (unsigned i = 0; i < n; i++)
        put_setting(out, &conf_settings[first + i]);
}

static void put_all(struct buf *out)
{
    for (unsigned s = 0; s < SECTION_COUNT; s++)
        put_section(out, (enum conf_section)s);
}

static void read_page(struct buf *page)
{
    struct slice file = slice_cstr(__FILE__);
    char path[4096];
    FILE *f;

    file.n = slice_rchr(file, '/');             /* .../tests/unit */
    snprintf(path, sizeof path, "%.*s/../../%s", SLICE(file), page_name);
    f = fopen(path, "r");
    if (f == NULL)
        fail_msg("%s cannot be read; start this from the build directory", path);
    buf_added(page, fread(buf_room(page, 1 << 20), 1, 1 << 20, f));
    fclose(f);
}

static void the_page_has_every_setting_as_it_is(void **state)
{
    struct buf page = BUF(2 << 20), expected = BUF(1 << 20);

    (void)state;
    read_page(&page);
    for (unsigned i = 0; i < SETTING_COUNT; i++) {
        buf_clear(&expected);
        put_setting(&expected, &conf_settings[i]);
        if (memmem(page.p, page.n, buf_view(&expected).p, expected.n) == NULL)
            fail_msg("%s lacks:\n%.*s", page_name, SLICE(buf_view(&expected)));
    }
    buf_clear(&expected);
    put_all(&expected);
    assert_non_null(memmem(page.p, page.n, buf_view(&expected).p, expected.n));
    buf_free(&page);
    buf_free(&expected);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_page_has_every_setting_as_it_is),
    };
    struct buf all = BUF(1 << 20);

    if (argc > 1 && strcmp(argv[1], "print") == 0) {
        put_all(&all);
        fwrite(buf_view(&all).p, 1, all.n, stdout);
        buf_free(&all);
        return 0;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
