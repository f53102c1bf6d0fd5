/* test_smtpd_fetch.c - ETRN, TURN, ATRN: who may, what is said, and when the connection goes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "smtpd_play.h"

enum { MX = 0, ODMR = 3 };

static const struct { const char *name; unsigned at; const char *client, *text; } dialogues[] = {
    { "ETRN is not for strangers", MX, "192.0.2.9", HELLO "> ETRN branch.example\n< 502\n" },
    { "ETRN of trusted clients", MX, "10.0.0.1",
      HELLO "> ETRN branch.example\n@ done 14\n< 253 2.0.0 OK, 14 pending\n> ETRN branch.example\n@ done 0\n< 251 2.0.0\n"
      "> ETRN @branch.example\n@ done 3\n< 252 2.0.0\n> ETRN #uucp\n@ never\n< 459 4.5.4\n> ETRN branch.example\n@ later\n< 458 4.3.0\n" },
    { "ETRN of a peer", MX, "192.0.2.9",
      HELLO "A branch\n> ETRN branch.example\n@ done 1\n< 253\n> ETRN other.example\n< 459 4.7.1\n> ETRN @b2.example\n@ done 1\n< 252\n"
      "> ETRN #q\n< 459 4.7.1\n> ETRN @com.example\n< 459 4.7.1\n" },
    { "an account of another spelling is another", MX, "192.0.2.9", HELLO "A BRANCH\n> ETRN branch.example\n< 459\n> TURN\n< 502\n" },
    { "ETRN misused", MX, "10.0.0.1",
      "> ETRN branch.example\n< 503\n" HELLO "> ETRN\n< 500 5.5.2\n> ETRN x\n< 501\n> ETRN @\n< 501\n> ETRN #\n< 501\n> ETRN a..b\n< 501\n> ETRN a.b c.d\n< 501\n"
      "> ETRN [192.0.2.1]\n< 501\n" SENDER "> ETRN branch.example\n< 503\n" },
    { "ETRN is last in its group", MX, "10.0.0.1", HELLO "+ ETRN branch.example\n> NOOP\n< 554 5.5.0\n!\n" },
    { "TURN without a grant", MX, "192.0.2.9", HELLO "> TURN\n< 502\n> ATRN\n< 502\n" },
    { "TURN", MX, "192.0.2.9", HELLO "A branch\n> TURN x\n< 501\n> TURN\n@ done 2\n< 250 2.0.0 OK now reversing\n" },
    { "TURN without mail", MX, "192.0.2.9", HELLO "A branch\n> TURN\n@ done 0\n< 453 4.0.0\n> NOOP\n< 250\n" },
    { "TURN in a transaction", MX, "192.0.2.9", HELLO "A branch\n" SENDER "> TURN\n< 503\n> ATRN\n< 503\n" },
    { "ATRN before AUTH", ODMR, "192.0.2.9", "< 220\n> EHLO c.example\n< 250\n> ATRN\n< 530 5.7.0\n" },
    { "ATRN", ODMR, "192.0.2.9", "< 220\n> EHLO c.example\n< 250\nA branch\n> ATRN branch.example,B2.example\n@ done 1\n< 250 2.0.0\n" },
    { "ATRN for all", ODMR, "192.0.2.9", "< 220\n> EHLO c.example\n< 250\nA branch\n> ATRN\n@ done 1\n< 250 2.0.0\n" },
    { "ATRN for what is not his", ODMR, "192.0.2.9",
      "< 220\n> EHLO c.example\n< 250\nA branch\n> ATRN branch.example,other.example\n< 450 4.7.1\n> ATRN other.example\n< 450\n"
      "A somebody\n> ATRN\n< 450 4.7.1\n> ATRN branch.example\n< 450\n" },
    { "ATRN misused", ODMR, "192.0.2.9",
      "< 220\n> EHLO c.example\n< 250\nA branch\n> ATRN branch\n< 501\n> ATRN branch.example,\n< 501\n> ATRN ,branch.example\n< 501\n"
      "> ATRN branch.example, b2.example\n< 501\n> ATRN branch.example b2.example\n< 501\n" },
    { "ATRN: the queue's other answers", ODMR, "192.0.2.9",
      "< 220\n> EHLO c.example\n< 250\nA branch\n> ATRN\n@ done 0\n< 453\n> ATRN\n@ later\n< 451 4.3.0\n> ATRN\n@ never\n< 450\n> QUIT\n< 221\n!\n" },
    { "octets behind ATRN are an injection", ODMR, "192.0.2.9",
      "< 220\n> EHLO c.example\n< 250\nA branch\n+ ATRN\n> 220 me\n< 554 5.5.0\n!\n" },
    { "octets while ATRN is thought about", ODMR, "192.0.2.9",
      "< 220\n> EHLO c.example\n< 250\nA branch\n> ATRN\n@ early\n< 554 5.5.0\n!\n" },
    { "a port for ODMR takes no mail", ODMR, "192.0.2.9",
      "< 220\n> HELO c.example\n< 250\n> EHLO c.example\n< 250\n> MAIL FROM:<>\n< 502\n> RCPT TO:<a@b>\n< 502\n> DATA\n< 502\n> VRFY x\n< 502\n> ETRN a.b\n< 502\n"
      "> TURN\n< 502\n> BDAT 3\n< 502\n> NOOP\n< 250\n> RSET\n< 250\n> QUIT\n< 221\n!\n" },
};

static void dialogues_go_as_written(void **state)
{
    struct script w;

    (void)state;
    for (size_t i = 0; i < sizeof dialogues / sizeof dialogues[0]; i++) {
        begin_at(&w, dialogues[i].at, dialogues[i].client);
        if (dialogues[i].at == MX)
            expect(&w, "greeting", "220");
        play(&w, dialogues[i].name, dialogues[i].text);
        script_end(&w);
    }
}

static void the_queue_is_told_what_was_named(void **state)
{
    static const struct { const char *line, *wanted; } cases[] = {
        { "ETRN branch.example\r\n", "0 branch.example" }, { "ETRN @branch.example\r\n", "1 branch.example" },
        { "ATRN branch.example\r\n", "branch.example" }, { "ATRN b2.example,branch.example\r\n", "b2.example branch.example" },
        { "ATRN\r\n", "branch.example b2.example" }, { "TURN\r\n", "branch.example b2.example" },
    };
    struct script w;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        begin(&w, "192.0.2.9");
        play(&w, "start", HELLO "A branch\n");
        script_feed(&w, slice_cstr(cases[i].line));
        assert_string_equal(w.wanted, cases[i].wanted);
        assert_int_equal(w.s.wait, WAIT_ANSWER);
        script_end(&w);
    }
}

static void after_250_nothing_is_read_any_more(void **state)
{
    struct script w;

    (void)state;
    begin_at(&w, ODMR, "192.0.2.9");
    play(&w, "atrn", "< 220\n> EHLO c.example\n< 250\nA branch\n> ATRN\n");
    assert_true(session_turned(&w.s, w.ticket, FATE_DONE, 1, false));
    assert_int_equal(w.s.wait, WAIT_TURN);
    assert_true(w.s.turn == w.ticket);
    play(&w, "said", "< 250 2.0.0 OK now reversing\n");
    script_feed(&w, SLICE_LIT("220 me\r\n"));
    assert_int_equal(w.in.n, 8);
    assert_int_equal(w.out.n, 0);
    assert_false(session_turned(&w.s, w.ticket, FATE_DONE, 1, false));
    script_end(&w);
}

static void a_connection_that_turns_is_told_nothing_more_of_ours(void **state)
{
    struct script w;

    (void)state;
    begin(&w, "192.0.2.9");
    play(&w, "turn", HELLO "A branch\n> TURN\n@ done 1\n< 250 2.0.0\n");
    session_drain(&w.s);        /* "421" would go into the other side's message */
    assert_int_equal(w.out.n, 0);
    assert_int_equal(w.s.wait, WAIT_TURN);
    script_end(&w);
}

static void a_queue_that_is_silent_or_away(void **state)
{
    struct script w;

    (void)state;
    begin(&w, "192.0.2.9");
    play(&w, "start", HELLO "A branch\n> ETRN branch.example\n");
    w.server.mono += WORLD_PATIENCE + 1;
    session_tick(&w.s);
    play(&w, "silent", "< 458 4.3.0\n");
    assert_false(session_turned(&w.s, w.ticket, FATE_DONE, 1, false));
    play(&w, "start", "> ATRN\n");
    w.server.mono += WORLD_PATIENCE + 1;
    session_tick(&w.s);
    play(&w, "silent", "< 451 4.3.0\n");
    w.no_queue = true;
    play(&w, "away", "> ETRN branch.example\n< 458\n> ATRN\n< 451\n> TURN\n< 451\n");
    script_end(&w);
}

static void etrn_is_answered_so_often(void **state)
{
    uint64_t before = conf->limits.etrn;
    struct script w;

    (void)state;
    conf->limits.etrn = 1;
    begin(&w, "10.0.0.1");
    play(&w, "etrn", HELLO "> ETRN a.example\n@ done 1\n< 253\n> ETRN a.example\n< 458\n");
    script_end(&w);
    conf->limits.etrn = before;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dialogues_go_as_written),
        cmocka_unit_test(the_queue_is_told_what_was_named),
        cmocka_unit_test(after_250_nothing_is_read_any_more),
        cmocka_unit_test(a_connection_that_turns_is_told_nothing_more_of_ours),
        cmocka_unit_test(a_queue_that_is_silent_or_away),
        cmocka_unit_test(etrn_is_answered_so_often),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
