/* test_smtpd_xclient.c - XCLIENT and XFORWARD: of whom they are believed, and what they change. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "smtpd_play.h"

#define FRONT "192.0.2.80"

static const struct { const char *name, *client, *text; } dialogues[] = {
    { "strangers are not believed", STRANGER, HELLO "> XCLIENT ADDR=10.0.0.1\n< 502\n> XFORWARD ADDR=10.0.0.1\n< 502\n" },
    { "XCLIENT begins anew", FRONT,
      HELLO "> XCLIENT ADDR=192.0.2.9 NAME=c.example\n< 220 mx.ours.example ESMTP\n> MAIL FROM:<a@b.example>\n< 503\n"
      START "> RCPT TO:<a@far.example>\n< 550 5.7.1\n" },
    { "XCLIENT into a trusted network, and out of it", FRONT,
      "> XCLIENT ADDR=10.0.0.1\n< 220\n" START "> RCPT TO:<a@far.example>\n< 250\n> RSET\n< 250\n> XCLIENT ADDR=192.0.2.9\n< 220\n" START "> RCPT TO:<a@far.example>\n< 550\n" },
    { "who speaks for nobody has no say in it any more", FRONT,
      "> XCLIENT ADDR=[UNAVAILABLE] NAME=[UNAVAILABLE]\n< 220\n" START "> RCPT TO:<a@far.example>\n< 550 5.7.1\n> RSET\n< 250\n> XCLIENT ADDR=10.0.0.1\n< 502\n> XFORWARD ADDR=10.0.0.1\n< 502\n" },
    { "XCLIENT with a login", FRONT, "> XCLIENT LOGIN=sam\n< 220\n" START "> RCPT TO:<a@far.example>\n< 250\n> RSET\n< 250\n> XCLIENT LOGIN=[UNAVAILABLE]\n< 220\n" START "> RCPT TO:<a@far.example>\n< 550\n" },
    { "a login by oneself is nobody else's", FRONT, HELLO "A sam\n> XCLIENT ADDR=192.0.2.9\n< 220\n" START "> RCPT TO:<a@far.example>\n< 550\n" },
    { "a login by oneself after one that was claimed, and given back", FRONT,
      "> XCLIENT LOGIN=[UNAVAILABLE]\n< 220\n" HELLO "A sam\n> XCLIENT ADDR=192.0.2.9\n< 220\n" START "> RCPT TO:<a@far.example>\n< 550 5.7.1\n" },
    { "a login that was claimed stays", FRONT, "> XCLIENT LOGIN=sam\n< 220\n> XCLIENT ADDR=192.0.2.9\n< 220\n" START "> RCPT TO:<a@far.example>\n< 250\n" },
    { "every attribute", FRONT, "> XCLIENT NAME=[UNAVAILABLE] ADDR=IPV6:2001:db8::1 PORT=25 PROTO=ESMTP HELO=x LOGIN=[UNAVAILABLE] DESTADDR=192.0.2.1 DESTPORT=25\n< 220\n" },
    { "XCLIENT misused", FRONT,
      "> XCLIENT\n< 501\n> XCLIENT ADDR\n< 501\n> XCLIENT ADDR=\n< 501\n> XCLIENT ADDR=1.2.3\n< 501\n> XCLIENT ADDR=IPV6:1.2.3.4\n< 501\n> XCLIENT FOO=1\n< 501\n"
      "> XCLIENT PORT=0\n< 501\n> XCLIENT PORT=65536\n< 501\n> XCLIENT PROTO=X\n< 501\n> XCLIENT NAME=a+0Ab\n< 501\n> XCLIENT NAME=a..b\n< 501\n> XCLIENT LOGIN=a+00\n< 501\n"
      HELLO SENDER "> XCLIENT ADDR=192.0.2.9\n< 503\n> XFORWARD ADDR=192.0.2.9\n< 503\n" },
    { "XCLIENT is last in its group", FRONT, "+ XCLIENT ADDR=192.0.2.9\n> NOOP\n< 554\n!\n" },
    { "XFORWARD", FRONT,
      HELLO "> XFORWARD NAME=c.example ADDR=192.0.2.7 PORT=12345\n< 250\n> XFORWARD PROTO=ESMTP HELO=c+2Eexample IDENT=X SOURCE=REMOTE\n< 250\n"
      "> XFORWARD SOURCE=ELSEWHERE\n< 501\n> XFORWARD\n< 501\n> XFORWARD LOGIN=x\n< 501\n> XFORWARD NAME=a+0D+0Ab\n< 501\n" },
};

static void dialogues_go_as_written(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof dialogues / sizeof dialogues[0]; i++)
        play_dialogue(dialogues[i].name, dialogues[i].client, dialogues[i].text);
}

static void the_envelope_names_whom_xclient_named(void **state)
{
    struct script w;
    struct envelope e;

    (void)state;
    begin(&w, FRONT);
    play(&w, "xclient", "> XCLIENT ADDR=192.0.2.7 NAME=seven.example\n< 220\n" START "> RCPT TO:<user@ours.example>\n< 250\n" ACCEPT "\n=1\n");
    assert_true(envelope_get(buf_view(&w.envelope), &e));
    assert_true(slice_eq(e.client, SLICE_LIT("192.0.2.7")));
    assert_non_null(memmem(w.text.p, w.text.n, "seven.example", 13));
    script_end(&w);
}

static void xforward_goes_with_one_message(void **state)
{
    struct script w;
    struct envelope e;
    struct slice value;

    (void)state;
    begin(&w, FRONT);
    play(&w, "xforward", HELLO "> XFORWARD ADDR=192.0.2.7 NAME=[UNAVAILABLE]\n< 250\n> XFORWARD HELO=seven ADDR=192.0.2.8\n< 250\n"
         SENDER "> RCPT TO:<user@ours.example>\n< 250\n" ACCEPT "\n=1\n");
    assert_true(envelope_get(buf_view(&w.envelope), &e));
    assert_true(extra_get(e.extra, EXTRA_XFORWARD, &value));
    assert_true(slice_eq(value, SLICE_LIT("NAME=[UNAVAILABLE] ADDR=192.0.2.8 HELO=seven")));
    assert_true(slice_eq(e.client, SLICE_LIT(FRONT)));
    play(&w, "next", SENDER "> RCPT TO:<user@ours.example>\n< 250\n" ACCEPT "\n=2\n");
    assert_true(envelope_get(buf_view(&w.envelope), &e));
    assert_false(extra_get(e.extra, EXTRA_XFORWARD, &value));
    script_end(&w);
}

static void long_values_are_refused(void **state)
{
    struct script w;
    char line[400];

    (void)state;
    begin(&w, FRONT);
    for (size_t n = 255; n <= 256; n++) {
        size_t at = (size_t)snprintf(line, sizeof line, "XFORWARD HELO=");

        memset(line + at, 'x', n);
        memcpy(line + at + n, "\r\n", 2);
        script_feed(&w, slice_of(line, at + n + 2));
        expect(&w, "long", n == 255 ? "250" : "501");
    }
    script_end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dialogues_go_as_written),
        cmocka_unit_test(the_envelope_names_whom_xclient_named),
        cmocka_unit_test(xforward_goes_with_one_message),
        cmocka_unit_test(long_values_are_refused),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
