/* test_smtpd_flight.c - several messages of one session on their way to the disk: what the
 * client hears, and when. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "smtpd_play.h"

/* One message in one piece with what follows; its replies but the last. */
#define MESSAGE "+ MAIL FROM:<a@far.example>\n+ RCPT TO:<user@ours.example>\n+ BDAT 3 LAST\n> x"
#define BEFORE  "< 250 2.1.0\n< 250 2.1.5\n"
#define QUEUED  "< 250 2.0.0 Ok: queued as 00000000000"

static const struct { const char *name, *text; } dialogues[] = {
    { "replies in the order of the messages, whichever is durable first",
      HELLO MESSAGE "\n" MESSAGE "\n" MESSAGE "\n" BEFORE "C 3 done\nC 2 done\nC 1 done\n"
      QUEUED "\n" BEFORE QUEUED "\n" BEFORE QUEUED "\n=3\n" },
    { "what came behind a message is said with it",
      HELLO MESSAGE "\n" MESSAGE "\n> NOOP\n" BEFORE "C 1 done\n" QUEUED "\n" BEFORE "C 1 done\n" QUEUED "\n< 250 2.0.0 Ok\n" },
    { "one in the middle fails",
      HELLO MESSAGE "\n" MESSAGE "\n" MESSAGE "\n" BEFORE "C 1 done\n" QUEUED "\n" BEFORE "C 1 later\n< 451 4.3.0\n" BEFORE
      "C 1 done\n" QUEUED "\n=2\n" },
    { "the disk is full for the first",
      HELLO MESSAGE "\n" MESSAGE "\n" BEFORE "C 2 done\nC 1 full\n< 452 4.3.1\n" BEFORE QUEUED "\n=1\n" },
    { "a recipient is refused between two: all before it is answered first",
      HELLO MESSAGE "\n+ MAIL FROM:<a@far.example>\n+ RCPT TO:<nobody@ours.example>\n+ RCPT TO:<user@ours.example>\n"
      "+ BDAT 3 LAST\n> x\n" BEFORE "C 1 done\n" QUEUED "\n< 250 2.1.0\n< 550 5.1.1\n< 250 2.1.5\nC 1 done\n" QUEUED "\n=2\n" },
    { "chunks behind a message",
      HELLO MESSAGE "\n+ MAIL FROM:<a@far.example>\n+ RCPT TO:<user@ours.example>\n+ BDAT 3\n+ x\n> BDAT 0 LAST\n" BEFORE
      "C 2 done\nC 1 done\n" QUEUED "\n" BEFORE "< 250 2.0.0 3 octets\n" QUEUED "\n=2\n" },
    { "a refused chunk behind a message",
      HELLO MESSAGE "\n+ BDAT 3 LAST\n> x\n> NOOP\n" BEFORE "C 1 done\n" QUEUED "\n< 503 5.5.1\n< 250\n=1\n" },
    { "a bare LF behind a message",
      HELLO MESSAGE "\n+ MAIL FROM:<a@far.example>\n> RCPT TO:<user@ours.example>\n~ BDAT 3 LAST\\r\\na\\nb\n" MESSAGE "\n" BEFORE
      "C 1 done\n" QUEUED "\n" BEFORE "< 550 5.6.0\n" BEFORE "C 1 done\n" QUEUED "\n=2\n" },
    { "a chunk without a size behind a message: the last word, and the last",
      HELLO MESSAGE "\n> BDAT x\n" BEFORE "C 1 done\n" QUEUED "\n< 501 5.5.4\n!\n=1\n" },
    { "QUIT waits", HELLO MESSAGE "\n" MESSAGE "\n> QUIT\n" BEFORE "C 2 done\nC 1 done\n" QUEUED "\n" BEFORE QUEUED "\n< 221\n!\n=2\n" },
    { "EHLO waits", HELLO MESSAGE "\n> EHLO c.example\n" BEFORE "C 1 done\n" QUEUED "\n< 250 ENH\n" },
    { "EHLO may not be followed by anything, waiting or not",
      HELLO MESSAGE "\n+ EHLO c.example\n> NOOP\n" BEFORE "C 1 done\n" QUEUED "\n< 554 5.5.0\n!\n" },
    { "DATA waits for its turn",
      HELLO MESSAGE "\n+ MAIL FROM:<a@far.example>\n+ RCPT TO:<user@ours.example>\n> DATA\n" BEFORE "C 1 done\n" QUEUED "\n" BEFORE
      "< 354\n> .\nC 1 done\n" QUEUED "\n=2\n" },
    { "text before 354 is refused",
      HELLO MESSAGE "\n+ MAIL FROM:<a@far.example>\n+ RCPT TO:<user@ours.example>\n> DATA\n> x\n" BEFORE "C 1 done\n" QUEUED "\n" BEFORE
      "< 554 5.5.0\n!\n=1\n" },
    { "VRFY, HELP and what is no command wait",
      HELLO MESSAGE "\n+ VRFY user\n+ HELP NOOP\n> XYZZY\n" BEFORE "C 1 later\n< 451\n< 252\n< 214\n< 500\n=0\n" },
    { "RSET behind a message does not touch it",
      HELLO MESSAGE "\n+ MAIL FROM:<a@far.example>\n> RSET\n> DATA\n" BEFORE "C 1 done\n" QUEUED "\n< 250 2.1.0\n< 250 2.0.0\n< 503\n=1\n" },
    { "the envelope may come with the dot",
      START "> RCPT TO:<user@ours.example>\n< 250\n> DATA\n< 354\n+ .\n" MESSAGE "\nC 2 done\nC 1 done\n" QUEUED "\n" BEFORE QUEUED "\n=2\n" },
};

static void dialogues_go_as_written(void **state)
{
    struct script w;

    (void)state;
    for (size_t i = 0; i < sizeof dialogues / sizeof dialogues[0]; i++) {
        begin(&w, "192.0.2.9");
        w.slow_commit = true;
        play(&w, dialogues[i].name, dialogues[i].text);
        script_end(&w);
    }
}

static void a_session_that_ends_forgets_them(void **state)
{
    struct script w;

    (void)state;
    begin(&w, "192.0.2.9");
    w.slow_commit = true;
    play(&w, "two", HELLO MESSAGE "\n" MESSAGE "\n" BEFORE "C 2 done\n");
    script_end(&w);
}

static void recipients_that_are_looked_up_keep_their_place(void **state)
{
    struct script w;

    (void)state;
    begin(&w, "192.0.2.9");
    w.slow_commit = w.slow_lookup = true;
    play(&w, "asked", HELLO MESSAGE "\n+ MAIL FROM:<a@far.example>\n+ RCPT TO:<asked@ours.example>\n"
         "+ RCPT TO:<asked-no@ours.example>\n+ RCPT TO:<user@ours.example>\n+ BDAT 3 LAST\n> x\n" BEFORE "?\n"
         "C 1 done\n" QUEUED "\n< 250 2.1.0\n< 250 2.1.5\n< 550 5.1.1\n< 250 2.1.5\nC 1 done\n" QUEUED "\n=2\n");
    script_end(&w);
    begin(&w, "192.0.2.9");
    w.slow_commit = w.slow_lookup = true;
    play(&w, "landed first", HELLO MESSAGE "\n+ MAIL FROM:<a@far.example>\n> RCPT TO:<asked@ours.example>\n" BEFORE
         "C 1 done\n" QUEUED "\n< 250 2.1.0\n?\n< 250 2.1.5\n");
    script_end(&w);
}

static void the_window_is_bounded(void **state)
{
    struct script w;

    (void)state;
    begin(&w, "192.0.2.9");
    w.slow_commit = true;
    play(&w, "hello", HELLO);
    for (unsigned i = 0; i < FLIGHTS_MAX + 2; i++)
        play(&w, "more", i == 0 ? MESSAGE "\n" BEFORE : MESSAGE "\n");
    assert_int_equal(w.commits, FLIGHTS_MAX);
    assert_int_equal(w.s.wait, WAIT_COMMIT);
    play(&w, "the second", "C 2 done\n");
    assert_int_equal(w.commits, FLIGHTS_MAX);
    play(&w, "the first", "C 1 done\n" QUEUED "\n" BEFORE QUEUED "\n" BEFORE);
    assert_int_equal(w.commits, FLIGHTS_MAX + 2);
    script_end(&w);
}

/* send_large - n octets in one chunk, behind what is under way */

static void send_large(struct script *w, size_t n)
{
    static char text[FLIGHTS_OCTETS + 2];

    fill_line(text, n, 'x');
    for (size_t i = 100; i < n; i += 100)
        memcpy(text + i - 2, "\r\n", 2);
    play(w, "large", "> MAIL FROM:<a@far.example>\n> RCPT TO:<user@ours.example>\n");
    buf_printf(&w->in, "BDAT %zu LAST\r\n", n);
    script_feed(w, slice_of(text, n));
}

static void the_window_is_bounded_by_octets(void **state)
{
    static const size_t sizes[] = { 60000, FLIGHTS_OCTETS };
    struct script w;

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        begin(&w, "192.0.2.9");
        w.slow_commit = true;
        play(&w, "one", HELLO MESSAGE "\n" BEFORE);
        while (w.s.wait != WAIT_COMMIT)
            send_large(&w, sizes[i]);
        assert_true(w.s.flight_octets < 2 * FLIGHTS_OCTETS && w.commits <= 1 + FLIGHTS_OCTETS / sizes[i] + 1);
        script_end(&w);
    }
}

static void all_sessions_together_are_bounded(void **state)
{
    struct script w;

    (void)state;
    begin(&w, "192.0.2.9");
    w.slow_commit = true;
    w.server.flight_octets = FLIGHTS_TOGETHER;      /* others' */
    play(&w, "two", HELLO MESSAGE "\n" MESSAGE "\n" BEFORE);
    assert_int_equal(w.commits, 1);
    play(&w, "one by one", "C 1 done\n" QUEUED "\n" BEFORE "C 1 done\n" QUEUED "\n");
    w.server.flight_octets -= FLIGHTS_TOGETHER;
    script_end(&w);
}

static void lmtp_says_it_for_each_recipient(void **state)
{
    struct script w;

    (void)state;
    begin_at(&w, 4, "192.0.2.9");
    w.slow_commit = true;
    play(&w, "two", "< 220\n> LHLO c.example\n< 250 ENH\n+ MAIL FROM:<a@far.example>\n+ RCPT TO:<user@ours.example>\n"
         "+ RCPT TO:<u2@ours.example>\n+ BDAT 3 LAST\n+ x\n" MESSAGE "\n< 250 2.1.0\n< 250 2.1.5\n< 250 2.1.5\n"
         "C 2 done\nC 1 later\n< 451 4.3.0\n< 451 4.3.0\n" BEFORE QUEUED "\n");
    script_end(&w);
}

static void limits_count_as_if_each_had_been_waited_for(void **state)
{
    struct script w;
    unsigned junk;

    (void)state;
    begin(&w, "192.0.2.9");
    w.slow_commit = true;
    junk = (unsigned)w.s.server->conf->limits.junk;
    play(&w, "hello", HELLO);
    w.s.junk = junk - 2;
    play(&w, "three", MESSAGE "\n" MESSAGE "\n" BEFORE "C 1 done\n" QUEUED "\n" BEFORE "C 1 later\n< 451\n");
    assert_int_equal(w.s.junk, 1);
    w.s.junk = junk - 1;
    play(&w, "one too many", MESSAGE "\n" MESSAGE "\n" BEFORE "C 2 done\nC 1 later\n< 421 4.7.0\n!\n");
    script_end(&w);
    begin(&w, "192.0.2.9");
    w.slow_commit = true;
    play(&w, "hello", HELLO);
    w.s.errors = (unsigned)w.s.server->conf->limits.errors - 1;
    play(&w, "an error too many", MESSAGE "\n> RCPT TO:<>\n" MESSAGE "\n" BEFORE "C 1 done\n" QUEUED "\n< 421 4.7.0\n!\n=1\n");
    script_end(&w);
}

static void a_server_that_stops_lets_them_land(void **state)
{
    struct script w;

    (void)state;
    begin(&w, "192.0.2.9");
    w.slow_commit = true;
    play(&w, "two", HELLO MESSAGE "\n" MESSAGE "\n" BEFORE);
    w.server.draining = true;
    session_drain(&w.s);
    play(&w, "drained", "C 1 done\n" QUEUED "\n" BEFORE "C 1 done\n" QUEUED "\n< 421 4.3.2\n!\n");
    script_end(&w);
    begin(&w, "192.0.2.9");
    w.slow_commit = true;
    play(&w, "two", HELLO MESSAGE "\n" MESSAGE "\n" BEFORE);
    session_refuse(&w.s, REPLY_SHUTTING_DOWN);
    play(&w, "at once", "< 421 4.3.2\n!\n");
    script_end(&w);
}

static void waiting_for_the_disk_is_not_held_against_the_client(void **state)
{
    struct script w;

    (void)state;
    begin(&w, "192.0.2.9");
    w.slow_commit = true;
    play(&w, "two", HELLO MESSAGE "\n" BEFORE);
    w.server.mono += w.server.conf->limits.command_timeout + w.server.conf->limits.session_timeout;
    session_tick(&w.s);
    assert_int_equal(session_idle(&w.s), 0);
    w.s.began = w.server.mono;
    play(&w, "landed", "C 1 done\n" QUEUED "\n");
    session_tick(&w.s);
    play(&w, "still there", "> NOOP\n< 250\n");
    play(&w, "a chunk", MESSAGE "\n+ MAIL FROM:<a@far.example>\n+ RCPT TO:<user@ours.example>\n> BDAT 100\n" BEFORE);
    w.server.mono += w.server.conf->limits.data_timeout + 1;
    session_tick(&w.s);
    session_tick(&w.s);
    play(&w, "too late", "C 1 done\n" QUEUED "\n" BEFORE "< 421 4.4.2\n!\n");
    script_end(&w);
}

static void one_after_the_other_needs_the_memory_of_one(void **state)
{
    struct script w;
    const char *body, *words;

    (void)state;
    begin(&w, "192.0.2.9");
    play(&w, "one", HELLO MESSAGE "\n" BEFORE QUEUED "\n");
    assert_int_equal(w.server.nspare, 1);
    body = w.server.spare->body.p;
    words = w.server.spare->words.p;
    play(&w, "more", MESSAGE "\n" BEFORE QUEUED "\n" MESSAGE "\n" BEFORE QUEUED "\n");
    assert_int_equal(w.server.nspare, 1);
    assert_ptr_equal(w.server.spare->body.p, body);     /* the session's, and its own: in turn */
    assert_ptr_equal(w.server.spare->words.p, words);
    script_end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dialogues_go_as_written),
        cmocka_unit_test(a_session_that_ends_forgets_them),
        cmocka_unit_test(recipients_that_are_looked_up_keep_their_place),
        cmocka_unit_test(the_window_is_bounded),
        cmocka_unit_test(the_window_is_bounded_by_octets),
        cmocka_unit_test(all_sessions_together_are_bounded),
        cmocka_unit_test(lmtp_says_it_for_each_recipient),
        cmocka_unit_test(limits_count_as_if_each_had_been_waited_for),
        cmocka_unit_test(a_server_that_stops_lets_them_land),
        cmocka_unit_test(waiting_for_the_disk_is_not_held_against_the_client),
        cmocka_unit_test(one_after_the_other_needs_the_memory_of_one),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
