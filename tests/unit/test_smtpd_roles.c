/* test_smtpd_roles.c - what each listener offers to whom: announced is accepted, and what
 * is not announced is not; LMTP and submission. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "smtpd_play.h"

enum { MX, SINK, SUBMISSION, ODMR, LMTP, TLS_PORT, LISTENERS };

static const struct { const char *name; unsigned at; const char *client, *text; } dialogues[] = {
    /* RFC 6409 */
    { "submission: first the login", SUBMISSION, "10.0.0.1",
      "> EHLO c.example\n< 250\n> MAIL FROM:<a@ours.example>\n< 530 5.7.0\n> ETRN a.example\n< 530\n> VRFY x\n< 530\n> NOOP\n< 250\n> RSET\n< 250\n> HELP\n< 214\n"
      "~ BDAT 6 LAST\\r\\nQUIT\\r\\n\n< 530\n" },
    { "submission: then anywhere", SUBMISSION, "192.0.2.9",
      "> EHLO c.example\n< 250\nA sam\n> MAIL FROM:<a@ours.example>\n< 250\n> RCPT TO:<b@far.example>\n< 250 2.1.5\n" ACCEPT "\n=1\n" },
    { "TLS first (RFC 3207)", TLS_PORT, "192.0.2.9",
      "> EHLO c.example\n< 250\n> MAIL FROM:<a@b.example>\n< 530 5.7.0 Must issue\n> RSET\n< 250\n> VRFY x\n< 530\n"
      "> AUTH PLAIN\n< 530 5.7.0 Must issue\n> X-EXPS LOGIN\n< 530\n> QUIT\n< 221\n!\n" },
    { "a login on an open port relays too", MX, "192.0.2.9",
      START "> RCPT TO:<b@far.example>\n< 550 5.7.1\nA sam\n> RCPT TO:<b@far.example>\n< 250\n" ACCEPT "\n=1\n" },
    /* RFC 2033 */
    { "LMTP: LHLO and nothing else", LMTP, "192.0.2.9",
      "> EHLO c.example\n< 500\n> HELO c.example\n< 500\n> MAIL FROM:<a@b.example>\n< 503\n> LHLO\n< 501\n> LHLO c.example\n< 250 ENHANCEDSTATUSCODES\n" },
    { "LHLO is LMTP's", MX, "192.0.2.9", "> LHLO c.example\n< 500\n" },
    { "LMTP: a reply for each recipient", LMTP, "192.0.2.9",
      "> LHLO c.example\n< 250\n" SENDER "> RCPT TO:<user@ours.example>\n< 250\n> RCPT TO:<nobody@ours.example>\n< 550\n> RCPT TO:<u2@ours.example>\n< 250\n"
      ACCEPT "\n< 250 2.0.0 Ok: queued as 000000000000\n=1\n> RSET\n< 250\n" },
    { "LMTP: a refusal for each recipient", LMTP, "192.0.2.9",
      "> LHLO c.example\n< 250\n" SENDER "> RCPT TO:<user@ours.example>\n< 250\n> RCPT TO:<u2@ours.example>\n< 250\n> DATA\n< 354\nL\n> .\n"
      "< 550 5.6.0\n< 550 5.6.0\n> NOOP\n< 250\n=0\n" },
    { "LMTP: BDAT LAST too", LMTP, "192.0.2.9",
      "> LHLO c.example\n< 250\n" SENDER "> RCPT TO:<user@ours.example>\n< 250\n> RCPT TO:<u2@ours.example>\n< 250\n~ BDAT 1\\r\\nx\n< 250 2.0.0 1 octets\n"
      "> BDAT 0 LAST\n< 250 2.0.0 Ok: queued\n< 250 2.0.0 Ok: queued\n=1\n" },
    { "LMTP: no recipient, no data", LMTP, "192.0.2.9",
      "> LHLO c.example\n< 250\n" SENDER "> DATA\n< 503\n> RCPT TO:<nobody@ours.example>\n< 550\n> DATA\n< 503\n~ BDAT 2 LAST\\r\\nxx\n< 503\n" },
    { "LMTP does not relay for strangers", LMTP, "192.0.2.9", "> LHLO c.example\n< 250\n" SENDER "> RCPT TO:<b@far.example>\n< 550 5.7.1\n" },
};

static void dialogues_go_as_written(void **state)
{
    struct script w;

    (void)state;
    for (size_t i = 0; i < sizeof dialogues / sizeof dialogues[0]; i++) {
        begin_at(&w, dialogues[i].at, dialogues[i].client);
        expect(&w, dialogues[i].name, dialogues[i].at == LMTP ? "220 mx.ours.example LMTP" : "220 mx.ours.example ESMTP");
        play(&w, dialogues[i].name, dialogues[i].text);
        script_end(&w);
    }
}

static bool has(const struct script *w, const char *text)
{
    return memmem(buf_view(&w->text).p, w->text.n, text, strlen(text)) != NULL;
}

static void what_is_submitted_is_complete(void **state)     /* RFC 6409 section 8 */
{
    static const struct { unsigned at; const char *header; bool date, id; } cases[] = {
        { SUBMISSION, "Subject: x\r\n", true, true },
        { SUBMISSION, "date: now\r\nSubject: x\r\n", false, true },
        { SUBMISSION, "Message-Id: <x@y>\r\n", true, false },
        { SUBMISSION, "Date: now\r\nMessage-ID: <x@y>\r\n", false, false },
        { MX, "Subject: x\r\n", false, false },
    };
    static char line[1000];
    struct script w;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        for (int large = 0; large < 2; large++) {
            begin_at(&w, cases[i].at, "192.0.2.9");
            play(&w, "start", "< 220\n> EHLO c.example\n< 250\nA sam\n> MAIL FROM:<a@b.example>\n< 250\n> RCPT TO:<user@ours.example>\n< 250\n> DATA\n< 354\n");
            script_feed(&w, slice_cstr(cases[i].header));
            script_feed(&w, SLICE_LIT("\r\nDate: not this one\r\n"));
            fill_line(line, sizeof line, 'y');
            for (int k = 0; large && k < 200; k++)
                script_feed(&w, slice_of(line, sizeof line));
            play(&w, "end", "> .\n< 250\n=1\n");
            assert_int_equal(has(&w, "Date: Tue, 14 Nov 2023 22:13:20 +0000\r\n"), cases[i].date);
            assert_int_equal(has(&w, "Message-ID: <000000000000"), cases[i].id);
            assert_true(has(&w, cases[i].header) && has(&w, "\r\nReceived: ") == (cases[i].date || cases[i].id));
            script_end(&w);
        }
}

static void codes_are_for_those_who_were_promised_them(void **state)       /* RFC 2034 */
{
    struct script w;

    (void)state;
    begin(&w, "192.0.2.9");
    w.s.granted &= ~FEATURE(ENHANCED);
    play(&w, "none", "> EHLO c.example\n< 250 HELP\n> NOOP\n< 250 Ok\n> XYZZY\n< 500 Command\n> VRFY x\n< 252 Cannot\n");
    script_end(&w);
}

/* ------------------------------------------------ announced and accepted -- */

/* How each keyword is tried. `before`: what must have been said. */
static const struct probe { const char *keyword, *before, *line; } probes[] = {
    { "SIZE",         "", "MAIL FROM:<a@b.example> SIZE=1" },
    { "8BITMIME",     "", "MAIL FROM:<a@b.example> BODY=8BITMIME" },
    { "BINARYMIME",   "", "MAIL FROM:<a@b.example> BODY=BINARYMIME" },
    { "SMTPUTF8",     "", "MAIL FROM:<\303\274@b.example> SMTPUTF8" },
    { "DSN",          "", "MAIL FROM:<a@b.example> RET=FULL ENVID=x" },
    { "DSN",          "MAIL FROM:<a@b.example>\r\n", "RCPT TO:<user@ours.example> NOTIFY=NEVER ORCPT=rfc822;x" },
    { "DELIVERBY",    "", "MAIL FROM:<a@b.example> BY=100;R" },
    { "FUTURERELEASE", "", "MAIL FROM:<a@b.example> HOLDFOR=100" },
    { "FUTURERELEASE", "", "MAIL FROM:<a@b.example> HOLDUNTIL=2023-11-14T23:00:00Z" },
    { "MT-PRIORITY",  "", "MAIL FROM:<a@b.example> MT-PRIORITY=1" },
    { "REQUIRETLS",   "", "MAIL FROM:<a@b.example> REQUIRETLS" },
    { "RRVS",         "MAIL FROM:<a@b.example>\r\n", "RCPT TO:<asked@ours.example> RRVS=2020-01-01T00:00:00Z" },
    { "NO-SOLICITING", "", "MAIL FROM:<a@b.example> SOLICIT=org.example:ADV" },
    { "CHUNKING",     "MAIL FROM:<a@b.example>\r\nRCPT TO:<user@ours.example>\r\n", "BDAT 0 LAST" },
    { "HELP",         "", "HELP" },
    { "VRFY",         "", "VRFY user" },
    { "EXPN",         "", "EXPN list" },
    { "ETRN",         "", "ETRN branch.example" },
    { "TURN",         "", "TURN" },
    { "ATRN",         "", "ATRN" },
    { "SEND",         "", "SEND FROM:<a@b.example>" },
    { "SOML",         "", "SOML FROM:<a@b.example>" },
    { "SAML",         "", "SAML FROM:<a@b.example>" },
    { "STARTTLS",     "", "STARTTLS" },
    { "AUTH",         "", "AUTH XYZZY" },
    { "X-EXPS",       "", "X-EXPS XYZZY" },
    { "XCLIENT",      "", "XCLIENT ADDR=192.0.2.1" },
    { "XFORWARD",     "", "XFORWARD ADDR=192.0.2.1" },
    { "X-LINK2STATE", "", "X-LINK2STATE x" },
    { "XEXCH50",      "", "XEXCH50 x x" },
};

static const struct { const char *client, *account; bool secure; } visitors[] = {
    { "192.0.2.9", "", false }, { "192.0.2.9", "", true }, { "10.0.0.1", "", false }, { "10.0.0.1", "", true },
    { "192.0.2.9", "sam", false }, { "192.0.2.9", "branch", true }, { "192.0.2.80", "", false }, { "192.0.2.81", "", false },
};

enum { VISITORS = sizeof visitors / sizeof visitors[0] };

/* visit - a session of this visitor, after EHLO; *ehlo: what was announced */

static void visit(struct script *w, unsigned at, unsigned who, struct buf *ehlo)
{
    begin_at(w, at, visitors[who].client);
    w->s.secure = visitors[who].secure;
    w->certificate = true;
    if (visitors[who].account[0] != '\0')
        w->s.account = slice_cstr(strdup(visitors[who].account));
    session_grants(&w->s);
    buf_clear(&w->out);
    script_feed(w, slice_cstr(at == LMTP ? "LHLO c.example\r\n" : "EHLO c.example\r\n"));
    buf_clear(ehlo);
    buf_put_slice(ehlo, buf_view(&w->out));
    buf_clear(&w->out);
}

static bool announced(const struct buf *ehlo, const char *keyword)
{
    struct slice rest = buf_view(ehlo), line, word;

    while (rest.n > 0) {
        slice_cut(rest, '\n', &line, &rest);
        line = slice_trim(slice_from(line, 4));
        slice_cut(line, ' ', &word, &line);
        if (slice_ieq(word, slice_cstr(keyword)))
            return true;
    }
    return false;
}

/* answer - the code of the reply to a line; 0: it comes later */

static unsigned answer(struct script *w, const char *line)
{
    buf_clear(&w->out);
    script_feed(w, slice_cstr(line));
    script_feed(w, SLICE_LIT("\r\n"));
    return w->out.n > 0 ? (unsigned)atoi(buf_view(&w->out).p) : 0;
}

static bool unheard_of(unsigned code)
{
    return code == 500 || code == 502 || code == 555;
}

/* locked - this listener wants something else first, so nothing can be tried */

static bool locked(unsigned code)
{
    return code == 530;
}

static void what_is_announced_is_accepted_and_nothing_else(void **state)
{
    struct buf ehlo = BUF(65536);
    struct script w;
    unsigned tried = 0;

    (void)state;
    for (unsigned at = 0; at < LISTENERS; at++)
        for (unsigned who = 0; who < VISITORS; who++)
            for (size_t i = 0; i < sizeof probes / sizeof probes[0]; i++) {
                unsigned code;
                bool is;

                visit(&w, at, who, &ehlo);
                is = announced(&ehlo, probes[i].keyword);
                script_feed(&w, slice_cstr(probes[i].before));
                code = answer(&w, probes[i].line);
                if (is && unheard_of(code))
                    fail_msg("listener %u, visitor %u: %s is announced, and %s is answered %u", at, who, probes[i].keyword, probes[i].line, code);
                if (!is && !unheard_of(code) && !locked(code) && code != 503 && code != 501 && code != 553)
                    fail_msg("listener %u, visitor %u: %s is not announced, and %s is answered %u", at, who, probes[i].keyword, probes[i].line, code);
                tried += is;
                script_end(&w);
            }
    assert_true(tried > 400);
    buf_free(&ehlo);
}

static bool listed(struct script *w, const char *verb)
{
    struct slice rest = buf_view(&w->out), line;

    while (rest.n > 0) {
        slice_cut(rest, '\n', &line, &rest);
        line = slice_trim(slice_from(line, 4));
        if (slice_istarts(line, SLICE_LIT("2.0.0 ")))
            line = slice_from(line, 6);
        if (slice_eq(line, slice_cstr(verb)))
            return true;
    }
    return false;
}

/* fits - what was offered until it was used is out of order (STARTTLS, AUTH); what will be
 * offered over TLS is told so */

static bool fits(bool is, unsigned code)
{
    return is ? !unheard_of(code) : unheard_of(code) || code == 503 || locked(code);
}

static void help_lists_exactly_what_is_accepted(void **state)
{
    struct buf ehlo = BUF(65536);
    struct script w;

    (void)state;
    for (unsigned at = 0; at < LISTENERS; at++)
        for (unsigned who = 0; who < VISITORS; who++)
            for (unsigned i = 0; i < verbs_count; i++) {
                char line[100];
                bool is;

                visit(&w, at, who, &ehlo);
                if (answer(&w, "HELP") != 214) {
                    assert_false(announced(&ehlo, "HELP"));
                    script_end(&w);
                    continue;
                }
                is = listed(&w, verbs[i].name);
                assert_int_equal(is, verb_offered(&w.s, &verbs[i]));
                snprintf(line, sizeof line, "HELP %s", verbs[i].name);
                assert_int_equal(answer(&w, line), is ? 214 : 504);
                if (strcmp(verbs[i].name, "ETRN") != 0      /* says 500 when it has no argument (RFC 1985) */
                    && !fits(is, answer(&w, verbs[i].name)))
                    fail_msg("listener %u, visitor %u: %s", at, who, verbs[i].name);
                script_end(&w);
            }
    buf_free(&ehlo);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dialogues_go_as_written),
        cmocka_unit_test(what_is_submitted_is_complete),
        cmocka_unit_test(codes_are_for_those_who_were_promised_them),
        cmocka_unit_test(what_is_announced_is_accepted_and_nothing_else),
        cmocka_unit_test(help_lists_exactly_what_is_accepted),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
