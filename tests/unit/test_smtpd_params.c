/* test_smtpd_params.c - what MAIL and RCPT ask for is in the envelope, or refused; SEND,
 * SOML and SAML. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "smtpd_play.h"

#define TO "> RCPT TO:<user@ours.example>\n< 250 2.1.5\n"

static const struct { const char *name, *client, *text; } dialogues[] = {
    { "DSN", STRANGER,
      HELLO "> MAIL FROM:<a@b.example> RET=FULL RET=HDRS\n< 501 5.5.4\n> MAIL FROM:<a@b.example> ENVID=a+0D+0A\n< 501\n"
      "> MAIL FROM:<a@b.example> RET=HDRS ENVID=x\n< 250\n> RCPT TO:<user@ours.example> NOTIFY=NEVER,SUCCESS\n< 501\n"
      "> RCPT TO:<user@ours.example> NOTIFY=\n< 501\n> RCPT TO:<user@ours.example> NOTIFY=SUCCESS,SUCCESS\n< 501\n"
      "> RCPT TO:<user@ours.example> NOTIFY=success,DELAY ORCPT=rfc822;u@x\n< 250\n> RCPT TO:<nobody@ours.example> NOTIFY=NEVER\n< 550\n" },
    { "FUTURERELEASE is for those we know", STRANGER, HELLO "> MAIL FROM:<a@b.example> HOLDFOR=1\n< 555\n> MAIL FROM:<a@b.example> MT-PRIORITY=1\n< 555\n" },
    { "FUTURERELEASE within its bounds (RFC 4865)", "10.0.0.1",
      HELLO "> MAIL FROM:<a@b.example> HOLDFOR=2592001\n< 501 5.5.4\n> MAIL FROM:<a@b.example> HOLDUNTIL=2030-01-01T00:00:00Z\n< 501 5.5.4\n"
      "> MAIL FROM:<a@b.example> HOLDFOR=100 BY=99;R\n< 501 5.5.4\n> MAIL FROM:<a@b.example> HOLDFOR=100 BY=101;R\n< 250\n" },
    { "AUTH= is heard where AUTH is offered", STRANGER,
      HELLO "> MAIL FROM:<a@b.example> AUTH=a+0Ab\n< 555\n> MAIL FROM:<a@b.example> AUTH=<>\n< 555\n" },
    { "NO-SOLICITING (RFC 3865)", STRANGER,
      HELLO "> MAIL FROM:<a@b.example> SOLICIT=org.example:ADV:ADLT\n< 250\n> RSET\n< 250\n> MAIL FROM:<a@b.example> SOLICIT=-x\n< 501\n" },
    { "REQUIRETLS is for TLS", STRANGER, HELLO "> MAIL FROM:<a@b.example> REQUIRETLS\n< 555\n" },
    { "HELO has no parameters", STRANGER, "> HELO c.example\n< 250\n> MAIL FROM:<a@b.example> RET=FULL\n< 555\n" },
    { "SMTPUTF8 must be given with MAIL", STRANGER,
      HELLO "> MAIL FROM:<\303\274@b.example>\n< 553 5.6.7\n> MAIL FROM:<a@b.example>\n< 250\n> RCPT TO:<\303\274@ours.example>\n< 553 5.6.7\n"
      "> RSET\n< 250\n> MAIL FROM:<\303\274@\303\274.example> SMTPUTF8\n< 250\n> RCPT TO:<\303\274@ours.example>\n< 550 5.1.1\n"
      "> RCPT TO:<user@\342\230\272.example>\n< 501 5.1.3\n" TO },
    { "RRVS (RFC 7293)", STRANGER,
      START "> RCPT TO:<user@ours.example> RRVS=2020-09-13T12:26:40Z\n< 250 2.1.5\n> RCPT TO:<user@ours.example> RRVS=2020-09-13T12:26:39Z\n< 550 5.7.17\n"
      "> RCPT TO:<asked@ours.example> RRVS=1990-01-01T00:00:00Z;R\n< 250\n> RCPT TO:<postmaster@ours.example> RRVS=1990-01-01T00:00:00Z\n< 250\n"
      "> RCPT TO:<user@ours.example> RRVS=x\n< 501\n" },
    /* RFC 821 section 3.4 */
    { "SEND is not granted to strangers", STRANGER, HELLO "> SEND FROM:<a@b.example>\n< 502\n> SOML FROM:<a@b.example>\n< 502\n> SAML FROM:<a@b.example>\n< 502\n" },
    { "SEND to who is there, and who is not", "192.0.2.81",
      HELLO "> SEND FROM:<a@b.example>\n< 250 2.1.0\n> RCPT TO:<user@ours.example>\n< 450 4.2.1 User not active now\n"
      "> RCPT TO:<u2@ours.example>\n< 250 2.1.5\n> RCPT TO:<nobody@ours.example>\n< 550\n" ACCEPT "\n=1\n" },
    { "SEND to nobody who is there", "192.0.2.81",
      HELLO "> SEND FROM:<a@b.example>\n< 250\n> RCPT TO:<user@ours.example>\n< 450\n> DATA\n< 554\n> RSET\n< 250\n" },
    { "SOML falls back to mail", "192.0.2.81",
      HELLO "> SOML FROM:<a@b.example>\n< 250\n> RCPT TO:<user@ours.example>\n< 250 2.1.5 User not active now, so will do mail\n"
      "> RCPT TO:<u2@ours.example>\n< 250 2.1.5 Recipient\n" ACCEPT "\n=1\n" },
    { "SAML is mail in any case", "192.0.2.81",
      HELLO "> SAML FROM:<a@b.example>\n< 250\n> RCPT TO:<user@ours.example>\n< 250 2.1.5 Recipient\n" ACCEPT "\n=1\n" },
    { "SEND, pipelined, by BDAT", "192.0.2.81",
      HELLO "+ SEND FROM:<a@b.example>\n+ RCPT TO:<u2@ours.example>\n> BDAT 0 LAST\n< 250\n< 250\n< 250 2.0.0\n=1\n" },
    { "SEND takes no parameters but those of its text", "192.0.2.81",
      HELLO "> SEND FROM:<a@b.example> RET=FULL\n< 555\n> SEND FROM:<a@b.example> SIZE=1 BODY=8BITMIME\n< 250\n> SEND FROM:<a@b.example>\n< 503\n> MAIL FROM:<a@b.example>\n< 503\n" },
    { "SEND misused", "192.0.2.81", "> SEND FROM:<a@b.example>\n< 503\n" HELLO "> SEND a@b\n< 501\n> SEND FROM:<a@b.example> TO:<b@c>\n< 501\n> SEND\n< 501\n" },
};

static void dialogues_go_as_written(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof dialogues / sizeof dialogues[0]; i++)
        play_dialogue(dialogues[i].name, dialogues[i].client, dialogues[i].text);
}

static void assert_extra(struct slice extra, enum envelope_extra name, const char *wanted)
{
    struct slice value = { 0 };
    bool there = extra_get(extra, name, &value);

    if (wanted == NULL ? there : !there || !slice_eq(value, slice_cstr(wanted)))
        fail_msg("extra %d is \"%.*s\", not %s", (int)name, SLICE(value), wanted);
}

static void everything_asked_for_is_in_the_envelope(void **state)
{
    struct script w;
    struct envelope e;
    struct recipient r;
    struct wire in;

    (void)state;
    begin(&w, "10.0.0.1");
    w.s.secure = true;
    session_grants(&w.s);
    play(&w, "all", "A sam\n" HELLO
         "> MAIL FROM:<\303\274@\303\274.example> SIZE=100 BODY=BINARYMIME SMTPUTF8 RET=HDRS ENVID=a+2Bb AUTH=e+3Df@g BY=120;RT"
         " HOLDFOR=60 MT-PRIORITY=-3 REQUIRETLS SOLICIT=org.example:ADV\n< 250\n"
         "> RCPT TO:<user@ours.example> NOTIFY=delay,Success ORCPT=rfc822;Us+2Ber@X RRVS=2021-01-01T00:00:00Z;R\n< 250\n"
         "> RCPT TO:<b@\303\274.example>\n< 250\n"
         "~ BDAT 3 LAST\\r\\na\\0b\n< 250\n=1\n");
    assert_true(envelope_get(buf_view(&w.envelope), &e));
    assert_int_equal(e.flags, ENV_BINARY | ENV_UTF8 | ENV_REQUIRETLS | ENV_BARE | ENV_SECURE | ENV_AUTHENTICATED);
    assert_true(slice_eq(e.sender, SLICE_LIT("\303\274@xn--tda.example")));
    assert_true(slice_eq(e.protocol, SLICE_LIT("UTF8SMTPSA")));
    assert_extra(e.extra, EXTRA_RET, "HDRS");
    assert_extra(e.extra, EXTRA_ENVID, "a+2Bb");
    assert_extra(e.extra, EXTRA_AUTH, "e+3Df@g");
    assert_extra(e.extra, EXTRA_BY, "1700000120000 RT");
    assert_extra(e.extra, EXTRA_HOLD, "1700000060000");
    assert_extra(e.extra, EXTRA_PRIORITY, "-3");
    assert_extra(e.extra, EXTRA_SOLICIT, "org.example:ADV");
    assert_extra(e.extra, EXTRA_ACCOUNT, "sam");
    assert_extra(e.extra, EXTRA_VERB, NULL);
    in = wire_reader(e.rcpts);
    assert_true(recipient_next(&in, &r));
    assert_extra(r.extra, EXTRA_NOTIFY, "SUCCESS,DELAY");
    assert_extra(r.extra, EXTRA_ORCPT, "rfc822;Us+2Ber@X");
    assert_extra(r.extra, EXTRA_RRVS, "1609459200 R");
    assert_extra(r.extra, EXTRA_EXPANDED, NULL);
    assert_true(recipient_next(&in, &r));
    assert_true(slice_eq(r.address, SLICE_LIT("b@xn--tda.example")));
    assert_int_equal(r.extra.n, 0);
    assert_non_null(memmem(w.text.p, w.text.n, "with UTF8SMTPSA", 15));
    script_end(&w);
}

static void what_was_not_asked_for_is_not_in_the_envelope(void **state)
{
    struct script w;
    struct envelope e;

    (void)state;
    begin(&w, STRANGER);
    play(&w, "plain", START TO ACCEPT "\n=1\n");
    assert_true(envelope_get(buf_view(&w.envelope), &e));
    assert_int_equal(e.flags, 0);
    assert_int_equal(e.extra.n, 0);
    assert_true(slice_eq(e.protocol, SLICE_LIT("ESMTP")));
    play(&w, "header", SENDER TO "> DATA\n< 354\n~ TLS-Required: No\\r\\n\\r\\nx\\r\\n.\\r\\n\n< 250\n=2\n");
    assert_true(envelope_get(buf_view(&w.envelope), &e));
    assert_int_equal(e.flags, ENV_TLS_OPTIONAL);
    script_end(&w);
}

static void who_is_not_trusted_speaks_for_nobody(void **state)      /* RFC 4954 section 5 */
{
    struct script w;
    struct envelope e;

    (void)state;
    script_begin(&w, conf, 5, STRANGER);
    w.s.secure = true;
    session_grants(&w.s);
    session_greet(&w.s, false);
    play(&w, "stranger", "< 220\n" HELLO "> MAIL FROM:<a@b.example> AUTH=a+0Ab\n< 501\n> MAIL FROM:<a@b.example> AUTH=boss@ours.example\n< 250\n" TO ACCEPT "\n=1\n");
    assert_true(envelope_get(buf_view(&w.envelope), &e));
    assert_extra(e.extra, EXTRA_AUTH, "<>");
    script_end(&w);
}

/* an alias for several: each carries what was asked, and where it came from */

static void recipients_of_lists_are_marked(void **state)
{
    struct script w;
    struct envelope e;
    struct recipient r;
    struct wire in;

    (void)state;
    begin(&w, STRANGER);
    play(&w, "list", START "> RCPT TO:<list@ours.example> NOTIFY=SUCCESS\n< 250\n> RCPT TO:<asked@ours.example> NOTIFY=NEVER\n< 250\n" ACCEPT "\n=1\n");
    assert_true(envelope_get(buf_view(&w.envelope), &e));
    in = wire_reader(e.rcpts);
    for (int i = 0; i < 2; i++) {
        assert_true(recipient_next(&in, &r));
        assert_extra(r.extra, EXTRA_EXPANDED, "list");
        assert_extra(r.extra, EXTRA_NOTIFY, "SUCCESS");
        assert_true(slice_eq(r.original, SLICE_LIT("list@ours.example")));
    }
    assert_true(recipient_next(&in, &r));
    assert_extra(r.extra, EXTRA_EXPANDED, NULL);
    assert_extra(r.extra, EXTRA_NOTIFY, "NEVER");
    script_end(&w);
}

static void the_verb_of_rfc_821_is_in_the_envelope(void **state)
{
    static const char *const verbs_of_821[] = { "SEND", "SOML", "SAML" };
    struct script w;
    struct envelope e;
    char text[200];

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        begin(&w, "192.0.2.81");
        snprintf(text, sizeof text, HELLO "> %s FROM:<a@b.example>\n< 250\n> RCPT TO:<u2@ours.example>\n< 250\n", verbs_of_821[i]);
        play(&w, verbs_of_821[i], text);
        play(&w, verbs_of_821[i], ACCEPT "\n=1\n");
        assert_true(envelope_get(buf_view(&w.envelope), &e));
        assert_extra(e.extra, EXTRA_VERB, verbs_of_821[i]);
        script_end(&w);
    }
}

static void a_disk_that_filled_up_puts_off_single_recipients(void **state)
{
    struct script w;

    (void)state;
    begin(&w, STRANGER);
    play(&w, "start", START TO);
    w.room = ROOM_FULL;
    play(&w, "full", "> RCPT TO:<u2@ours.example>\n< 452 4.3.1\n");
    w.room = ROOM_YES;
    play(&w, "again", ACCEPT "\n=1\n");
    script_end(&w);
}

static void time_that_cannot_be_met_is_refused(void **state)       /* RFC 2852 section 4 */
{
    int64_t before = conf->limits.deliver_by;
    struct script w;

    (void)state;
    conf->limits.deliver_by = 60000;
    begin(&w, STRANGER);
    play(&w, "by", "> EHLO c.example\n< 250\n> MAIL FROM:<a@b.example> BY=59;R\n< 555 5.5.4 Cannot promise\n"
         "> MAIL FROM:<a@b.example> BY=59;N\n< 250\n> RSET\n< 250\n> MAIL FROM:<a@b.example> BY=60;R\n< 250\n");
    script_end(&w);
    conf->limits.deliver_by = before;
}

static void long_lines_have_the_room_that_their_parameters_need(void **state)
{
    struct script w;
    char line[8000];
    size_t n;

    (void)state;
    begin(&w, STRANGER);
    play(&w, "start", HELLO);
    for (size_t more = 0; more < 2; more++) {
        memset(line, 'x', sizeof line);
        n = (size_t)snprintf(line, sizeof line, "MAIL FROM:<a@b.example> SOLICIT=") ;
        line[n] = 'x';
        n = verb_line_max(&w.s, SLICE_LIT("MAIL ")) - 2 + more;
        memcpy(line + n, "\r\n", 2);
        script_feed(&w, slice_of(line, n + 2));
        expect(&w, "line", more ? "500 5.5.2 Line too long" : "501");
    }
    script_end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dialogues_go_as_written),
        cmocka_unit_test(everything_asked_for_is_in_the_envelope),
        cmocka_unit_test(what_was_not_asked_for_is_not_in_the_envelope),
        cmocka_unit_test(who_is_not_trusted_speaks_for_nobody),
        cmocka_unit_test(recipients_of_lists_are_marked),
        cmocka_unit_test(the_verb_of_rfc_821_is_in_the_envelope),
        cmocka_unit_test(a_disk_that_filled_up_puts_off_single_recipients),
        cmocka_unit_test(time_that_cannot_be_met_is_refused),
        cmocka_unit_test(long_lines_have_the_room_that_their_parameters_need),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
