/* test_smtpd_exchange.c - XEXCH50: framing, order, limits, authorisation. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "smtpd_play.h"

#define PEER "192.0.2.81"
#define TO "> RCPT TO:<user@ours.example>\n< 250 2.1.5\n"

static const struct { const char *name, *client, *text; } dialogues[] = {
    { "before DATA", PEER, START TO "> XEXCH50 6 2\n< 354 Send binary data\n~ QUIT\\r\\n\n< 250 XEXCH50 OK\n" ACCEPT "\n=1\n" },
    { "before BDAT, under its other name", PEER, START TO "> X-EXCH50 3 3\n< 354\n~ \\0\\r\\n\n< 250\n~ BDAT 1 LAST\\r\\nx\n< 250 2.0.0\n=1\n" },
    { "out of order", PEER, "> XEXCH50 1 2\n< 503\n" HELLO "> XEXCH50 1 2\n< 503 5.5.1\n" SENDER "> XEXCH50 1 2\n< 503\n" TO
      "> XEXCH50 1 2\n< 354\n~ x\n< 250\n> XEXCH50 1 2\n< 503\n" ACCEPT "\n> XEXCH50 1 2\n< 503\n=1\n" },
    { "not a number", PEER, START TO "> XEXCH50\n< 501 5.5.4\n> XEXCH50 1\n< 501\n> XEXCH50 -1 2\n< 501\n> XEXCH50 1 -2\n< 501\n> XEXCH50 +1 2\n< 501\n> XEXCH50 0 2\n< 501\n"
      "> XEXCH50 1 2 3\n< 501\n> XEXCH50 99999999999 2\n< 501\n> XEXCH50 1 4294967296\n< 501\n" ACCEPT "\n=1\n" },
    { "RSET forgets it", PEER, START TO "> XEXCH50 1 2\n< 354\n~ x\n< 250\n> RSET\n< 250\n" SENDER TO "> XEXCH50 1 2\n< 354\n~ y\n< 250\n" ACCEPT "\n=1\n" },
    { "octets that do not wait", PEER, START TO "+ XEXCH50 6 2\n> QUIT\n< 554 5.5.0\n!\n" },
    /* CVE-2003-0714 */
    { "strangers", STRANGER, START TO "> XEXCH50 2 2\n< 502\n> XEXCH50 33554432 2\n< 502\n> XEXCH50 -1 2\n< 502\n" ACCEPT "\n=1\n" },
    { "CVE-2003-0714: sizes", PEER, START TO "> XEXCH50 33554432 2\n< 552 5.3.4\n> XEXCH50 -1 2\n< 501\n> XEXCH50 4294967295 2\n< 552\n> XEXCH50 4294967297 2\n< 552\n" ACCEPT "\n=1\n" },
};

static void dialogues_go_as_written(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof dialogues / sizeof dialogues[0]; i++)
        play_dialogue(dialogues[i].name, dialogues[i].client, dialogues[i].text);
}

static void the_blob_goes_with_its_message_alone(void **state)
{
    struct script w;
    struct envelope e;
    struct slice value;

    (void)state;
    begin(&w, PEER);
    play(&w, "blob", START TO "> XEXCH50 5 2\n< 354\n~ a\\0\n~ \\r\\nb\n< 250\n" ACCEPT "\n=1\n");
    assert_true(envelope_get(buf_view(&w.envelope), &e));
    assert_true(extra_get(e.extra, EXTRA_XEXCH50, &value));
    assert_int_equal(value.n, 9);
    assert_memory_equal(value.p, "\2\0\0\0a\0\r\nb", 9);
    play(&w, "next", SENDER TO ACCEPT "\n=2\n");
    assert_true(envelope_get(buf_view(&w.envelope), &e));
    assert_false(extra_get(e.extra, EXTRA_XEXCH50, &value));
    script_end(&w);
}

static void a_blob_that_does_not_come_ends_the_session(void **state)
{
    struct script w;

    (void)state;
    begin(&w, PEER);
    play(&w, "blob", START TO "> XEXCH50 5 2\n< 354\n~ ab\n");
    w.server.mono += conf->limits.data_timeout + 1;
    session_tick(&w.s);
    play(&w, "late", "< 421\n!\n");
    script_end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dialogues_go_as_written),
        cmocka_unit_test(the_blob_goes_with_its_message_alone),
        cmocka_unit_test(a_blob_that_does_not_come_ends_the_session),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
