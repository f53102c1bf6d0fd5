/* test_cli_parameters.c - options of `postrider send` as parameters of MAIL and RCPT. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "cli/parameters.h"

static void says(const struct parameters *p, bool rcpt, size_t n, const char *wanted)
{
    struct buf out = BUF(10000);

    assert_null(parameters_check(p));
    if (rcpt)
        parameters_rcpt(p, n, &out);
    else
        parameters_mail(p, &out);
    if (!slice_eq(buf_view(&out), slice_cstr(wanted)))
        fail_msg("wanted \"%s\", got \"%.*s\"", wanted, SLICE(buf_view(&out)));
    buf_free(&out);
}

static void nothing_is_said_without_an_option(void **state)
{
    static const struct parameters none;

    (void)state;
    says(&none, false, 0, "");
    says(&none, true, 0, "");
}

static void each_option_has_its_parameter(void **state)
{
    static const struct { struct parameters p; const char *mail, *rcpt; } cases[] = {
        { { .ret = "HDRS", .notify = "SUCCESS,DELAY" }, " RET=HDRS", " NOTIFY=SUCCESS,DELAY" },
        { { .envid = "a b+c=d\303\274" }, " ENVID=a+20b+2Bc+3Dd+C3+BC", "" },
        { { .by = "120;R", .priority = "-3" }, " BY=120;R MT-PRIORITY=-3", "" },
        { { .hold = "2h" }, " HOLDFOR=7200", "" },
        { { .hold = "2026-11-22T12:00:00Z" }, " HOLDUNTIL=2026-11-22T12:00:00Z", "" },
        { { .rrvs = "2024-01-31" }, "", " RRVS=2024-01-31T00:00:00Z" },
        { { .utf8 = true, .requiretls = true }, " SMTPUTF8 REQUIRETLS", "" },
        { { .mail = { { "AUTH=<>", "X=y" }, 2 }, .rcpt = { { "Z=1" }, 1 } }, " AUTH=<> X=y", " Z=1" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        says(&cases[i].p, false, 0, cases[i].mail);
        says(&cases[i].p, true, 0, cases[i].rcpt);
    }
}

static void each_recipient_has_its_own_orcpt(void **state)
{
    static const struct parameters p = { .orcpt = { { "rfc822;a+b@x", "c@y", "utf-8;d" }, 3 } };

    (void)state;
    says(&p, true, 0, " ORCPT=rfc822;a+2Bb@x");
    says(&p, true, 1, " ORCPT=rfc822;c@y");
    says(&p, true, 2, " ORCPT=utf-8;d");
    says(&p, true, 3, "");
}

static void what_would_break_the_line_is_refused(void **state)
{
    static const struct parameters cases[] = {
        { .envid = "a\r\nRSET" }, { .ret = "\n" }, { .notify = "\033[2J" }, { .by = "\177" },
        { .mail = { { "a\rb" }, 1 } }, { .rcpt = { { "a\nb" }, 1 } }, { .orcpt = { { "\1" }, 1 } },
        { .hold = "tomorrow" }, { .rrvs = "2024-02-30" }, { .rrvs = "" }, { .hold = "" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        if (parameters_check(&cases[i]) == NULL)
            fail_msg("case %zu was not refused", i);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_said_without_an_option),
        cmocka_unit_test(each_option_has_its_parameter),
        cmocka_unit_test(each_recipient_has_its_own_orcpt),
        cmocka_unit_test(what_would_break_the_line_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
