/* test_smtp_command.c - MAIL and RCPT with their parameters; rows A034, A035, A038. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>
#include "smtp/command.h"

enum { ALL = OFFER_SIZE | OFFER_8BITMIME, EVERYTHING = 0x1fff };

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
#define BADPAR  COMMAND_PARAM, PARAM_SYNTAX
#define UNKNOWN COMMAND_PARAM, PARAM_UNKNOWN
#define VALUE   COMMAND_PARAM, PARAM_VALUE
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
    { "FROM:<a@b> junk", UNKNOWN, 0 },
    /* A035 */
    { "FROM:<a@b> SIZE=", BADPAR, 0 }, { "FROM:<a@b> SIZE", BADPAR, 0 },
    { "FROM:<a@b> SIZE=-1", BADPAR, 0 }, { "FROM:<a@b> SIZE=+5", BADPAR, 0 },
    { "FROM:<a@b> SIZE=18446744073709551616", BADPAR, 0 },
    { "FROM:<a@b> SIZE=99999999999999999999", BADPAR, 0 },
    { "FROM:<a@b> SIZE=000000000000000000001", BADPAR, 0 },
    { "FROM:<a@b> SIZE=1 SIZE=2", BADPAR, 0 }, { "FROM:<a@b> SIZE=1=2", BADPAR, 0 },
    { "FROM:<a@b> BODY=XXX", VALUE, 0 }, { "FROM:<a@b> BODY=BINARYMIME", VALUE, 0 },
    { "FROM:<a@b> AUTH=", BADPAR, 0 }, { "FROM:<a@b> AUTH=<>", UNKNOWN, 0 },
    { "FROM:<a@b> SMTPUTF8=1", UNKNOWN, 0 }, { "FROM:<a@b> SMTPUTF8", UNKNOWN, 0 },
    { "FROM:<a@b> =x", BADPAR, 0 }, { "FROM:<a@b> ==", BADPAR, 0 }, { "FROM:<a@b> -x=1", BADPAR, 0 },
    { "FROM:<a@b> X=\x01", BADPAR, 0 }, { "FROM:<a@b> X=\x80", BADPAR, 0 }, { "FROM:<a@b> \xc3=1", BADPAR, 0 },
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

/* every parameter, with everything offered */

static const struct { const char *args; enum command_error error; enum param_error param; } all_mails[] = {
    { "FROM:<a@b> BODY=BINARYMIME", COMMAND_OK, 0 },
    { "FROM:<a@b> SIZE=1 BODY=8BITMIME RET=HDRS ENVID=QQ+2B1 SMTPUTF8 AUTH=e+3Dmc2@example.com BY=120;R"
      " HOLDFOR=60 MT-PRIORITY=-9 REQUIRETLS SOLICIT=net.example:ADV", COMMAND_OK, 0 },
    /* where a message has been in the link-state routing */
    { "FROM:<a@b> XLINKPATH=a.test,b.test", COMMAND_OK, 0 }, { "FROM:<a@b> XLINKPATH=a.test", COMMAND_OK, 0 },
    { "FROM:<a@b> XLINKPATH=", BADPAR }, { "FROM:<a@b> XLINKPATH", BADPAR },
    { "FROM:<a@b> XLINKPATH=a.test,", BADPAR }, { "FROM:<a@b> XLINKPATH=,a.test", BADPAR },
    { "FROM:<a@b> XLINKPATH=a..test", BADPAR }, { "FROM:<a@b> XLINKPATH=a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,"
      "q,r,s,t,u,v,w,x,y,z,a,b,c,d,e,f", COMMAND_OK, 0 },
    { "FROM:<a@b> XLINKPATH=a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q,r,s,t,u,v,w,x,y,z,a,b,c,d,e,f,g", BADPAR },
    /* RFC 3461; A036 */
    { "FROM:<a@b> RET=full", COMMAND_OK, 0 }, { "FROM:<a@b> ret=Hdrs", COMMAND_OK, 0 },
    { "FROM:<a@b> RET=", BADPAR }, { "FROM:<a@b> RET", BADPAR }, { "FROM:<a@b> RET=HEADERS", BADPAR },
    { "FROM:<a@b> RET=FULL RET=HDRS", BADPAR }, { "FROM:<a@b> ENVID=1 ENVID=2", BADPAR },
    { "FROM:<a@b> ENVID=+41+2B", COMMAND_OK, 0 }, { "FROM:<a@b> ENVID=QQ+1", BADPAR },
    { "FROM:<a@b> ENVID=a+0D+0AX", BADPAR }, { "FROM:<a@b> ENVID=+00", BADPAR },
    { "FROM:<a@b> ENVID=+7F", BADPAR }, { "FROM:<a@b> ENVID=+C3+BC", BADPAR },
    { "FROM:<a@b> ENVID=+2b", BADPAR }, { "FROM:<a@b> ENVID=+", BADPAR }, { "FROM:<a@b> ENVID=+4", BADPAR },
    { "FROM:<a@b> ENVID=+20", COMMAND_OK, 0 },
    /* RFC 4954; CVE-2020-28021 */
    { "FROM:<a@b> AUTH=<>", COMMAND_OK, 0 }, { "FROM:<a@b> AUTH=a+0Ab", BADPAR },
    { "FROM:<a@b> AUTH=a+0D+0Ab", BADPAR }, { "FROM:<a@b> AUTH", BADPAR }, { "FROM:<a@b> AUTH=", BADPAR },
    { "FROM:<a@b> AUTH=a AUTH=b", BADPAR },
    /* RFC 6531 */
    { "FROM:<a@b> SMTPUTF8=1", BADPAR }, { "FROM:<a@b> SMTPUTF8 SMTPUTF8", BADPAR },
    { "FROM:<\303\274@b>", COMMAND_ADDRESS, 0 }, { "FROM:<\303\274@b> SMTPUTF8", COMMAND_OK, 0 },
    { "FROM:<a@\303\274.example> smtputf8", COMMAND_OK, 0 }, { "FROM:<a@\303\274.example>", COMMAND_ADDRESS, 0 },
    { "FROM:<\300\257@b> SMTPUTF8", COMMAND_ADDRESS, 0 }, { "FROM:<\355\240\200@b> SMTPUTF8", COMMAND_ADDRESS, 0 },
    { "FROM:<a\342\200\256b@b> SMTPUTF8", COMMAND_ADDRESS, 0 }, { "FROM:<\303@b> SMTPUTF8", COMMAND_ADDRESS, 0 },
    /* RFC 2852; A037 */
    { "FROM:<a@b> BY=1;R", COMMAND_OK, 0 }, { "FROM:<a@b> BY=+999999999;RT", COMMAND_OK, 0 },
    { "FROM:<a@b> by=-999999999;nt", COMMAND_OK, 0 }, { "FROM:<a@b> BY=0;N", COMMAND_OK, 0 },
    { "FROM:<a@b> BY=0;R", BADPAR }, { "FROM:<a@b> BY=-9;R", BADPAR }, { "FROM:<a@b> BY=9999999999;N", BADPAR },
    { "FROM:<a@b> BY=1", BADPAR }, { "FROM:<a@b> BY=;R", BADPAR }, { "FROM:<a@b> BY=1;", BADPAR },
    { "FROM:<a@b> BY=1;X", BADPAR }, { "FROM:<a@b> BY=1;RX", BADPAR }, { "FROM:<a@b> BY=1;RTT", BADPAR },
    { "FROM:<a@b> BY=+-1;N", BADPAR }, { "FROM:<a@b> BY", BADPAR },
    /* RFC 4865; A037 */
    { "FROM:<a@b> HOLDFOR=1", COMMAND_OK, 0 }, { "FROM:<a@b> HOLDUNTIL=2030-01-01T00:00:00Z", COMMAND_OK, 0 },
    { "FROM:<a@b> HOLDFOR=0", BADPAR }, { "FROM:<a@b> HOLDFOR=4294967295", BADPAR },
    { "FROM:<a@b> HOLDFOR=-1", BADPAR }, { "FROM:<a@b> HOLDUNTIL=2030-02-30T00:00:00Z", BADPAR },
    { "FROM:<a@b> HOLDUNTIL=soon", BADPAR }, { "FROM:<a@b> HOLDFOR=1 HOLDFOR=1", BADPAR },
    { "FROM:<a@b> HOLDFOR=1 HOLDUNTIL=2030-01-01T00:00:00Z", BADPAR },
    { "FROM:<a@b> HOLDUNTIL=2030-01-01T00:00:00Z HOLDFOR=1", BADPAR },
    /* RFC 6710; A037 */
    { "FROM:<a@b> MT-PRIORITY=9", COMMAND_OK, 0 }, { "FROM:<a@b> MT-PRIORITY=0", COMMAND_OK, 0 },
    { "FROM:<a@b> MT-PRIORITY=-99", BADPAR }, { "FROM:<a@b> MT-PRIORITY=10", BADPAR },
    { "FROM:<a@b> MT-PRIORITY=+1", BADPAR }, { "FROM:<a@b> MT-PRIORITY=-", BADPAR },
    { "FROM:<a@b> MT-PRIORITY=x", BADPAR }, { "FROM:<a@b> MT-PRIORITY", BADPAR },
    /* RFC 8689 */
    { "FROM:<a@b> REQUIRETLS", COMMAND_OK, 0 }, { "FROM:<a@b> REQUIRETLS=1", BADPAR },
    { "FROM:<a@b> REQUIRETLS REQUIRETLS", BADPAR },
    { "FROM:<a@b> SIZE=1 SIZE=1", BADPAR }, { "FROM:<a@b> BODY=7BIT BODY=7BIT", BADPAR },
    { "FROM:<a@b> NOTIFY=NEVER", UNKNOWN },
};

static void every_parameter_of_mail_is_read(void **state)
{
    struct command_problem why;
    struct mail_command m;

    (void)state;
    for (size_t i = 0; i < sizeof all_mails / sizeof all_mails[0]; i++) {
        struct arena a = ARENA(65536);
        enum command_error error = mail_parse(slice_cstr(all_mails[i].args), EVERYTHING, &a, &m, &why);

        if (error != all_mails[i].error || (error == COMMAND_PARAM && why.param != all_mails[i].param))
            fail_msg("%s gave %d %d\n", all_mails[i].args, (int)error, (int)why.param);
        arena_free(&a);
    }
}

static const struct { const char *args; enum command_error error; enum param_error param; } all_rcpts[] = {
    { "TO:<a@b> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;a+2Bb@c RRVS=2014-04-03T23:01:00Z;R", COMMAND_OK, 0 },
    { "TO:<a@b> ORCPT=X400;/C+3DDE", COMMAND_OK, 0 }, { "TO:<a@b> ORCPT=;", BADPAR },
    { "TO:<a@b> ORCPT=rfc822;", BADPAR }, { "TO:<a@b> ORCPT=rfc822", BADPAR }, { "TO:<a@b> ORCPT=;a", BADPAR },
    /* CVE-2020-28026 */
    { "TO:<a@b> ORCPT=rfc822;a+0D+0AInjected:+20x", BADPAR }, { "TO:<a@b> ORCPT=rfc822;a+0d+0aInjected:+20x", BADPAR },
    { "TO:<a@b> ORCPT=rfc822;a+00", BADPAR }, { "TO:<a@b> ORCPT=rfc822;a ORCPT=rfc822;a", BADPAR },
    { "TO:<a@b> NOTIFY=", BADPAR }, { "TO:<a@b> NOTIFY=NEVER NOTIFY=NEVER", BADPAR },
    { "TO:<a@b> ORCPT=utf-8;\303\274@b.example", COMMAND_OK, 0 },
    { "TO:<a@b> ORCPT=utf-8;\\x{FC}@b.example", COMMAND_OK, 0 },
    { "TO:<a@b> ORCPT=rfc822;\303\274@b.example", BADPAR },
    /* RFC 7293 */
    { "TO:<a@b> RRVS=2014-04-03T23:01:00Z", COMMAND_OK, 0 }, { "TO:<a@b> RRVS=2014-04-03T23:01:00Z;C", COMMAND_OK, 0 },
    { "TO:<a@b> RRVS=2014-04-03T23:01:00Z;X", BADPAR }, { "TO:<a@b> RRVS=2014-04-03T23:01:00Z;", BADPAR },
    { "TO:<a@b> RRVS=yesterday", BADPAR }, { "TO:<a@b> RRVS", BADPAR },
    { "TO:<a@b> SIZE=1", UNKNOWN }, { "TO:<\303\274@b>", COMMAND_OK, 0 },
};

static void every_parameter_of_rcpt_is_read(void **state)
{
    struct command_problem why;
    struct rcpt_command r;

    (void)state;
    for (size_t i = 0; i < sizeof all_rcpts / sizeof all_rcpts[0]; i++) {
        struct arena a = ARENA(65536);
        enum command_error error = rcpt_parse(slice_cstr(all_rcpts[i].args), EVERYTHING, &a, &r, &why);

        if (error != all_rcpts[i].error || (error == COMMAND_PARAM && why.param != all_rcpts[i].param))
            fail_msg("%s gave %d %d\n", all_rcpts[i].args, (int)error, (int)why.param);
        arena_free(&a);
    }
}

static void lengths_of_parameters_are_bounded(void **state)
{
    static const struct { const char *before; size_t most; bool mail; } cases[] = {
        { "FROM:<a@b> ENVID=", 100, true }, { "FROM:<a@b> AUTH=", 500, true }, { "TO:<a@b> ORCPT=rfc822;", 493, false },
    };
    struct command_problem why;
    struct mail_command m;
    struct rcpt_command r;
    char line[1000];

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        for (size_t more = 0; more < 2; more++) {
            struct arena a = ARENA(65536);
            size_t n = strlen(cases[i].before) + cases[i].most + more;
            struct slice args = slice_of(line, n);

            memset(line, 'x', sizeof line);
            memcpy(line, cases[i].before, strlen(cases[i].before));
            assert_int_equal(cases[i].mail ? mail_parse(args, EVERYTHING, &a, &m, &why)
                                           : rcpt_parse(args, EVERYTHING, &a, &r, &why),
                             more ? COMMAND_PARAM : COMMAND_OK);
            arena_free(&a);
        }
}

static void values_of_parameters_are_typed(void **state)
{
    struct arena a = ARENA(65536);
    struct command_problem why;
    struct mail_command m;
    struct rcpt_command r;

    (void)state;
    assert_int_equal(mail_parse(SLICE_LIT("FROM:<\303\274@b> SMTPUTF8 BY=-5;NT HOLDUNTIL=1970-01-01T00:00:02Z MT-PRIORITY=-3"
                                          " ENVID=a+2B AUTH=<> RET=HDRS REQUIRETLS SOLICIT=a:b"), EVERYTHING, &a, &m, &why), COMMAND_OK);
    assert_true(m.utf8 && m.requiretls && m.has_by && m.by == -5 && m.by_mode == 'N' && m.by_trace);
    assert_true(m.hold_until == 2000 && m.has_priority && m.priority == -3 && m.ret == RET_HDRS);
    assert_true(slice_eq(m.envid, SLICE_LIT("a+2B")) && slice_eq(m.auth, SLICE_LIT("<>")));
    assert_true(slice_eq(m.solicit, SLICE_LIT("a:b")) && slice_eq(m.sender.text, SLICE_LIT("\303\274@b")));
    assert_int_equal(rcpt_parse(SLICE_LIT("TO:<a@b> NOTIFY=never ORCPT=rfc822;A+2B RRVS=1970-01-01T00:00:01Z;R"),
                                EVERYTHING, &a, &r, &why), COMMAND_OK);
    assert_true(r.has_rrvs && r.rrvs == 1000 && r.rrvs_reject && slice_eq(r.notify, SLICE_LIT("never")));
    assert_true(slice_eq(r.orcpt, SLICE_LIT("rfc822;A+2B")));
    arena_free(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_is_a_verb_and_the_rest),
        cmocka_unit_test(mail_is_read_with_its_parameters),
        cmocka_unit_test(the_body_kind_is_known),
        cmocka_unit_test(what_is_not_offered_is_unknown),
        cmocka_unit_test(every_parameter_of_mail_is_read),
        cmocka_unit_test(every_parameter_of_rcpt_is_read),
        cmocka_unit_test(lengths_of_parameters_are_bounded),
        cmocka_unit_test(values_of_parameters_are_typed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
