/* test_smtp_command.c - MAIL and RCPT with their parameters; rows A034, A035, A038. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>
#include "smtp/command.h"

enum { ALL = OFFER_SIZE | OFFER_8BITMIME };

static void a_line_is_a_verb_and_the_rest(void **state)
{
    static const struct { const char *line, *verb, *args; } cases[] = {
        { "QUIT", "QUIT", "" }, { "NOOP  x y  ", "NOOP", "x y" }, { "", "", "" },
        { " MAIL", "", "MAIL" }, { "MAIL\tFROM:<>", "MAIL\tFROM:<>", "" },
        { "MAILFROM:<>", "MAILFROM:<>", "" }, { "RSET   ", "RSET", "" },
    };
    struct slice verb, args;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        command_split(slice_cstr(cases[i].line), &verb, &args);
        assert_true(slice_eq(verb, slice_cstr(cases[i].verb)));
        assert_true(slice_eq(args, slice_cstr(cases[i].args)));
    }
}

#define SYNTAX  COMMAND_SYNTAX, 0, 0
#define ADDRESS COMMAND_ADDRESS, 0, 0
#define BADPAR  COMMAND_PARAM, PARAM_SYNTAX, 0
#define UNKNOWN COMMAND_PARAM, PARAM_UNKNOWN, 0
#define VALUE   COMMAND_PARAM, PARAM_VALUE, 0
#define OK(n)   COMMAND_OK, PARAM_OK, (n)

static const struct {
    const char        *args;
    enum command_error error;
    enum param_error   param;
    uint64_t           size;
} mails[] = {
    { "FROM:<a@b>", OK(0) }, { "from:<a@b>", OK(0) }, { "FROM:<>", OK(0) },
    { "FROM:<a@b> SIZE=5", OK(5) }, { "FROM:<a@b> size=0 body=7bit", OK(0) },
    { "FROM:<a@b> SIZE=18446744073709551615", OK(UINT64_MAX) },
    { "FROM:<a@b>   BODY=8bitMime", OK(0) },
    /* A034 */
    { "", SYNTAX }, { "FROM", SYNTAX }, { "FROM:", SYNTAX }, { "FROM: <a@b>", SYNTAX },
    { "FROM:a@b", SYNTAX }, { "TO:<a@b>", SYNTAX }, { "FROM:<a@b>SIZE=5", SYNTAX },
    { "FROM:<a@b>>", SYNTAX }, { "FROM:<a@b>x", SYNTAX }, { "FROM:<<a@b>>", ADDRESS },
    { "FROM:<>>", SYNTAX }, { "FROM:<x>", ADDRESS }, { "FROM:<a@b", ADDRESS },
    { "FROM:<a@b> junk", UNKNOWN },
    /* A035 */
    { "FROM:<a@b> SIZE=", BADPAR }, { "FROM:<a@b> SIZE", BADPAR },
    { "FROM:<a@b> SIZE=-1", BADPAR }, { "FROM:<a@b> SIZE=+5", BADPAR },
    { "FROM:<a@b> SIZE=18446744073709551616", BADPAR },
    { "FROM:<a@b> SIZE=99999999999999999999", BADPAR },
    { "FROM:<a@b> SIZE=000000000000000000001", BADPAR },
    { "FROM:<a@b> SIZE=1 SIZE=2", BADPAR }, { "FROM:<a@b> SIZE=1=2", BADPAR },
    { "FROM:<a@b> BODY=XXX", VALUE }, { "FROM:<a@b> BODY=BINARYMIME", VALUE },
    { "FROM:<a@b> AUTH=", BADPAR }, { "FROM:<a@b> AUTH=<>", UNKNOWN },
    { "FROM:<a@b> SMTPUTF8=1", UNKNOWN }, { "FROM:<a@b> SMTPUTF8", UNKNOWN },
    { "FROM:<a@b> =x", BADPAR }, { "FROM:<a@b> ==", BADPAR }, { "FROM:<a@b> -x=1", BADPAR },
    { "FROM:<a@b> X=\x01", BADPAR }, { "FROM:<a@b> X=\x80", BADPAR }, { "FROM:<a@b> \xc3=1", BADPAR },
};

static void mail_is_read_with_its_parameters(void **state)
{
    struct command_problem why;
    struct mail_command m;

    (void)state;
    for (size_t i = 0; i < sizeof mails / sizeof mails[0]; i++) {
        struct arena a = ARENA(65536);
        enum command_error error = mail_parse(slice_cstr(mails[i].args), ALL, &a, &m, &why);

        if (error != mails[i].error || why.param != mails[i].param)
            print_error("%s gave %d %d\n", mails[i].args, (int)error, (int)why.param);
        assert_int_equal(error, mails[i].error);
        assert_int_equal(why.param, mails[i].param);
        if (error == COMMAND_OK)
            assert_true(m.size == mails[i].size);
        arena_free(&a);
    }
}

static void the_body_kind_is_known(void **state)
{
    struct arena a = ARENA(65536);
    struct command_problem why;
    struct mail_command m;

    (void)state;
    assert_int_equal(mail_parse(SLICE_LIT("FROM:<a@b> BODY=8BITMIME"), ALL, &a, &m, &why), COMMAND_OK);
    assert_true(m.has_body && m.body == BODY_8BITMIME);
    assert_int_equal(mail_parse(SLICE_LIT("FROM:<a@b>"), ALL, &a, &m, &why), COMMAND_OK);
    assert_true(!m.has_body && m.body == BODY_7BIT);
    arena_free(&a);
}

static void what_is_not_offered_is_unknown(void **state)
{
    struct arena a = ARENA(65536);
    struct command_problem why;
    struct mail_command m;
    struct rcpt_command r;

    (void)state;
    assert_int_equal(mail_parse(SLICE_LIT("FROM:<a@b> SIZE=1"), 0, &a, &m, &why), COMMAND_PARAM);
    assert_int_equal(why.param, PARAM_UNKNOWN);
    assert_true(slice_eq(why.where, SLICE_LIT("SIZE=1")));
    assert_int_equal(rcpt_parse(SLICE_LIT("TO:<a@b> NOTIFY=NEVER"), ALL, &a, &r, &why), COMMAND_PARAM);
    assert_int_equal(why.param, PARAM_UNKNOWN);
    assert_int_equal(rcpt_parse(SLICE_LIT("TO:<a@b>"), ALL, &a, &r, &why), COMMAND_OK);
    assert_int_equal(rcpt_parse(SLICE_LIT("TO:<>"), ALL, &a, &r, &why), COMMAND_ADDRESS);
    assert_int_equal(rcpt_parse(SLICE_LIT("FROM:<a@b>"), ALL, &a, &r, &why), COMMAND_SYNTAX);
    arena_free(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_is_a_verb_and_the_rest),
        cmocka_unit_test(mail_is_read_with_its_parameters),
        cmocka_unit_test(the_body_kind_is_known),
        cmocka_unit_test(what_is_not_offered_is_unknown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
