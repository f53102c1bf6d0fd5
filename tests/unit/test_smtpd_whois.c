/* test_smtpd_whois.c - VRFY and EXPN as a session hears and answers them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "smtpd/whois.h"
#include "smtpd_world.h"

static struct conf *conf;

static int setup(void **state)
{
    (void)state;
    conf = world_conf_parse();
    return conf == NULL;
}

static int teardown(void **state)
{
    (void)state;
    conf_free(conf);
    return 0;
}

static void said(struct script *w, const char *wanted)
{
    struct slice out = buf_view(&w->out);

    if (!slice_eq(out, slice_cstr(wanted)))
        fail_msg("wanted:\n%sgot:\n%.*s", wanted, SLICE(out));
    buf_clear(&w->out);
}

static void greet(struct script *w, const char *client)
{
    script_begin(w, conf, 0, client);
    session_greet(&w->s, false);
    script_feed(w, SLICE_LIT("EHLO c.example\r\n"));
    buf_clear(&w->out);
}

static void feed(struct script *w, const char *line)
{
    script_feed(w, slice_cstr(line));
    script_feed(w, SLICE_LIT("\r\n"));
}

/* answer - n entries of the form "name|address" */

static void answer(struct script *w, unsigned code, uint32_t n, const char *const *entries)
{
    struct buf bytes = BUF(1 << 20);
    struct wire out = wire_writer(&bytes);

    for (uint32_t i = 0; i < n; i++) {
        struct slice name, address;

        slice_cut(slice_cstr(entries[i]), '|', &name, &address);
        wire_put_bytes(&out, name);
        wire_put_bytes(&out, address);
    }
    session_whois(&w->s, w->whois.n, &(struct whois_answer){
        .code = code, .nentries = n, .entries = buf_view(&bytes) });
    script_go(w);
    buf_free(&bytes);
}

static void strangers_hear_the_same_about_everybody(void **state)
{
    struct script w;

    (void)state;
    greet(&w, "192.0.2.1");
    feed(&w, "VRFY user");
    said(&w, "252 2.5.2 Cannot VRFY user; try RCPT to attempt delivery\r\n");
    feed(&w, "EXPN list");
    said(&w, "502 5.5.1 Command not implemented\r\n");
    assert_int_equal(w.whois.n, 0);
    script_end(&w);
}

static void each_finding_has_its_reply(void **state)
{
    static const char *const one[] = { "Fred Smith|smith@ours.example" };
    static const char *const two[] = { "Joe|a@ours.example", "|b@two.example" };
    static const struct { const char *line; unsigned code; uint32_t n; const char *const *e;
                          const char *reply; } cases[] = {
        { "VRFY smith", 250, 1, one, "250 2.1.5 Fred Smith <smith@ours.example>\r\n" },
        { "VRFY smith", 250, 1, two + 1, "250 2.1.5 <b@two.example>\r\n" },
        { "VRFY smith", 251, 1, one,
          "251 2.1.5 User not local; will forward to Fred Smith <smith@ours.example>\r\n" },
        { "VRFY smith", 252, 0, NULL, "252 2.5.2 Cannot VRFY user; try RCPT to attempt delivery\r\n" },
        { "VRFY smith", 550, 0, NULL, "550 5.1.1 No such user here\r\n" },
        { "VRFY a@far.example", 551, 1, one,        /* who may relay is not sent away */
          "252 2.5.2 Cannot VRFY user; try RCPT to attempt delivery\r\n" },
        { "VRFY smith", 553, 2, two, "553-5.1.4 Ambiguous; possibilities are\r\n"
          "553-5.1.4 Joe <a@ours.example>\r\n553 5.1.4 <b@two.example>\r\n" },
        { "VRFY smith", 451, 0, NULL, "451 4.3.0 Local trouble, try again later\r\n" },
        { "VRFY smith", 200, 0, NULL, "451 4.3.0 Local trouble, try again later\r\n" },
        { "EXPN staff", 250, 2, two, "250-2.1.5 Joe <a@ours.example>\r\n250 2.1.5 <b@two.example>\r\n" },
        { "EXPN l@far.example", 551, 1, one, "550 5.1.1 No such user here\r\n" },
        { "EXPN staff", 251, 1, one, "250 2.1.5 Fred Smith <smith@ours.example>\r\n" },
        { "EXPN staff", 252, 0, NULL, "252 2.5.2 Cannot VRFY user; try RCPT to attempt delivery\r\n" },
        { "EXPN staff", 550, 0, NULL, "550 5.1.1 No such user here\r\n" },
        { "EXPN staff", 553, 1, one, "550-5.1.4 Ambiguous; possibilities are\r\n"
          "550 5.1.4 Fred Smith <smith@ours.example>\r\n" },
    };
    struct script w;

    (void)state;
    greet(&w, "10.0.0.1");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        feed(&w, cases[i].line);
        said(&w, "");
        answer(&w, cases[i].code, cases[i].n, cases[i].e);
        said(&w, cases[i].reply);
    }
    script_end(&w);
}

static void the_reply_comes_before_those_of_later_commands(void **state)
{
    static const char *const one[] = { "|a@ours.example" };
    struct script w;

    (void)state;
    greet(&w, "10.0.0.1");
    script_feed(&w, SLICE_LIT("VRFY a\r\nNOOP\r\n"));
    said(&w, "");
    answer(&w, 250, 1, one);
    said(&w, "250 2.1.5 <a@ours.example>\r\n250 2.0.0 Ok\r\n");
    script_end(&w);
}

static void a_transaction_goes_on_as_if_nothing_had_been_asked(void **state)
{
    static const char *const one[] = { "|a@ours.example" };
    struct script w;

    (void)state;
    greet(&w, "10.0.0.1");
    feed(&w, "MAIL FROM:<s@there.example>");
    feed(&w, "RCPT TO:<user@ours.example>");
    buf_clear(&w.out);
    feed(&w, "VRFY a");
    answer(&w, 250, 1, one);
    feed(&w, "EXPN nobody");
    answer(&w, 550, 0, NULL);
    said(&w, "250 2.1.5 <a@ours.example>\r\n550 5.1.1 No such user here\r\n");
    feed(&w, "DATA");
    feed(&w, "Subject: x\r\n\r\nx\r\n.");
    assert_int_equal(w.messages, 1);
    script_end(&w);
}

static void names_are_told_so_often_and_no_more(void **state)
{
    struct script w;
    uint64_t most = conf->limits.vrfy;

    (void)state;
    conf->limits.vrfy = 2;
    greet(&w, "10.0.0.1");
    for (int i = 0; i < 2; i++) {
        feed(&w, "VRFY a");
        answer(&w, 550, 0, NULL);
    }
    buf_clear(&w.out);
    feed(&w, "VRFY a");
    feed(&w, "EXPN a");
    said(&w, "252 2.5.2 Cannot VRFY user; try RCPT to attempt delivery\r\n"
             "550 5.7.1 Access denied: enough names were asked for\r\n");
    assert_int_equal(w.whois.n, 2);
    script_end(&w);
    conf->limits.vrfy = most;
}

static void what_is_asked_reaches_lookup_without_brackets_and_parameters(void **state)
{
    static const struct { const char *line, *text; bool utf8; } cases[] = {
        { "VRFY <smith@ours.example>", "smith@ours.example", false },
        { "VRFY Fred Smith", "Fred Smith", false },
        { "VRFY \"fred smith\"@ours.example", "\"fred smith\"@ours.example", false },
        { "VRFY smith SMTPUTF8", "smith", true },
        { "EXPN smith smtputf8", "smith", true },
        { "VRFY sm\303\257th SMTPUTF8", "sm\303\257th", true },
    };
    struct script w;

    (void)state;
    greet(&w, "10.0.0.1");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        feed(&w, cases[i].line);
        assert_string_equal(w.whois.text, cases[i].text);
        assert_int_equal(w.whois.utf8, cases[i].utf8);
        answer(&w, 550, 0, NULL);
    }
    script_end(&w);
}

static void malformed_questions_reach_nobody(void **state)
{
    static const struct { const char *line, *reply; } cases[] = {
        { "VRFY", "501 5.5.4" }, { "VRFY <>", "501 5.5.4" }, { "EXPN", "501 5.5.4" },
        { "VRFY a\033[31m", "501 5.5.4" }, { "VRFY sm\303\257th", "553 5.6.7" },
        { "VRFY sm\303 SMTPUTF8", "553 5.6.7" }, { "VRFY a\302\205 SMTPUTF8", "553 5.6.7" },
        { "EXPN \342\200\256x SMTPUTF8", "553 5.6.7" },
    };
    struct script w;

    (void)state;
    greet(&w, "10.0.0.1");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        feed(&w, cases[i].line);
        if (strncmp(buf_view(&w.out).p, cases[i].reply, strlen(cases[i].reply)) != 0)
            fail_msg("%s: %.*s", cases[i].line, SLICE(buf_view(&w.out)));
        buf_clear(&w.out);
    }
    assert_int_equal(w.whois.n, 0);
    script_end(&w);
}

static void a_name_shows_in_utf8_only_to_who_asked_for_it(void **state)
{
    static const char *const one[] = { "J\303\274rgen|j@ours.example" };
    struct script w;

    (void)state;
    greet(&w, "10.0.0.1");
    feed(&w, "VRFY j SMTPUTF8");
    answer(&w, 250, 1, one);
    said(&w, "250 2.1.5 J\303\274rgen <j@ours.example>\r\n");
    feed(&w, "VRFY j");
    answer(&w, 250, 1, one);
    said(&w, "250 2.1.5 J??rgen <j@ours.example>\r\n");
    script_end(&w);
}

static void an_address_in_utf8_is_told_only_to_who_can_take_it(void **state)
{
    static const char *const one[] = { "|j\303\274rgen@ours.example" };
    struct script w;

    (void)state;
    greet(&w, "10.0.0.1");
    feed(&w, "VRFY j SMTPUTF8");
    answer(&w, 250, 1, one);
    said(&w, "250 2.1.5 <j\303\274rgen@ours.example>\r\n");
    feed(&w, "EXPN j");
    answer(&w, 250, 1, one);
    said(&w, "553 5.6.8 Say SMTPUTF8 to be told: the answer is in UTF-8\r\n");
    script_end(&w);
}

static void a_name_cannot_end_a_line_of_the_reply(void **state)
{
    static const char *const one[] = { "x\r\n250 y\033[2J|j@ours.example" };
    struct script w;

    (void)state;
    greet(&w, "10.0.0.1");
    feed(&w, "VRFY j SMTPUTF8");
    answer(&w, 250, 1, one);
    said(&w, "250 2.1.5 x??250 y?[2J <j@ours.example>\r\n");
    script_end(&w);
}

/* long_list - every line of a list of 1,000 is there, and only the last one ends it */

static void a_list_of_a_thousand_comes_whole(void **state)
{
    static char texts[1000][32];
    static const char *entries[1000];
    struct slice out, line;
    struct script w;
    unsigned n = 0;

    (void)state;
    for (unsigned i = 0; i < 1000; i++) {
        snprintf(texts[i], sizeof texts[i], "|u%u@ours.example", i);
        entries[i] = texts[i];
    }
    greet(&w, "10.0.0.1");
    feed(&w, "EXPN all");
    answer(&w, 250, 1000, entries);
    for (out = buf_view(&w.out); slice_cut(out, '\n', &line, &out); n++) {
        char wanted[64];

        snprintf(wanted, sizeof wanted, "250%c2.1.5 <u%u@ours.example>\r", n < 999 ? '-' : ' ', n);
        assert_true(slice_eq(line, slice_cstr(wanted)));
    }
    assert_int_equal(n, 1000);
    script_end(&w);
}

static void without_an_answer_the_client_hears_later(void **state)
{
    struct script w;

    (void)state;
    greet(&w, "10.0.0.1");
    feed(&w, "VRFY a");
    w.server.mono += WORLD_PATIENCE + 1;
    session_tick(&w.s);
    said(&w, "451 4.3.0 Local trouble, try again later\r\n");
    answer(&w, 550, 0, NULL);       /* too late: nobody asks any more */
    said(&w, "");
    script_end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strangers_hear_the_same_about_everybody),
        cmocka_unit_test(each_finding_has_its_reply),
        cmocka_unit_test(the_reply_comes_before_those_of_later_commands),
        cmocka_unit_test(a_transaction_goes_on_as_if_nothing_had_been_asked),
        cmocka_unit_test(names_are_told_so_often_and_no_more),
        cmocka_unit_test(what_is_asked_reaches_lookup_without_brackets_and_parameters),
        cmocka_unit_test(malformed_questions_reach_nobody),
        cmocka_unit_test(a_name_shows_in_utf8_only_to_who_asked_for_it),
        cmocka_unit_test(an_address_in_utf8_is_told_only_to_who_can_take_it),
        cmocka_unit_test(a_name_cannot_end_a_line_of_the_reply),
        cmocka_unit_test(a_list_of_a_thousand_comes_whole),
        cmocka_unit_test(without_an_answer_the_client_hears_later),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
