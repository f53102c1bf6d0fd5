/* test_smtpd_bdat.c - messages in chunks: every case of RFC 3030, and attacks on it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "smtpd_play.h"

#define TO "> RCPT TO:<user@ours.example>\n< 250 2.1.5\n"
#define BINARY HELLO "> MAIL FROM:<a@far.example> BODY=BINARYMIME\n< 250 2.1.0\n" TO

static const struct { const char *name, *text; } dialogues[] = {
    { "one chunk", START TO "~ BDAT 6 LAST\\r\\nabcd\\r\\n\n< 250 2.0.0 Ok: queued\n=1\n> NOOP\n< 250\n" },
    { "chunks, pipelined (RFC 3030 section 4.2)",
      HELLO "~ MAIL FROM:<a@far.example> BODY=BINARYMIME\\r\\nRCPT TO:<user@ours.example>\\r\\nBDAT 4\\r\\nabcdBDAT 3\\r\\nefgBDAT 0 LAST\\r\\n"
      "QUIT\\r\\n\n< 250 2.1.0\n< 250 2.1.5\n< 250 2.0.0 4 octets\n< 250 2.0.0 3 octets\n< 250 2.0.0 Ok: queued\n< 221\n!\n=1\n" },
    { "BDAT 0 LAST alone is an empty message", START TO "> BDAT 0 LAST\n< 250 2.0.0 Ok\n=1\n" },
    { "BDAT 0 does nothing", START TO "> BDAT 0\n< 250 2.0.0 0 octets\n> BDAT 0 LAST\n< 250\n=1\n" },
    { "any case", START TO "~ bdat 2 last\\r\\n\\r\\n\n< 250\n=1\n" },
    { "CRLF cut by the end of a chunk", START TO "~ BDAT 2\\r\\na\\rBDAT 2 LAST\\r\\n\\nb\n< 250 2.0.0 2 octets\n< 250\n=1\n" },
    { "a CR at the very end is bare", START TO "~ BDAT 2 LAST\\r\\na\\r\n< 550 5.6.0\n=0\n> NOOP\n< 250\n" },
    { "a dot ends nothing (CVE-2017-16944)",
      START TO "~ BDAT 12\\r\\na\\r\\n.\\r\\nRSET\\r\\n\n< 250\n~ BDAT 3 LAST\\r\\n.\\r\\n\n< 250\n=1\n" },
    { "bare LF without BINARYMIME (A021)",
      START TO "~ BDAT 3\\r\\na\\nb\n< 250\n> BDAT 0 LAST\n< 550 5.6.0\n=0\n" START TO "> BDAT 0 LAST\n< 250\n=1\n" },
    { "NUL without BINARYMIME", START TO "~ BDAT 3 LAST\\r\\na\\0b\n< 550 5.6.0\n=0\n" },
    { "anything with BINARYMIME", BINARY "~ BDAT 7 LAST\\r\\na\\0b\\rc\\nd\n< 250\n=1\n" },
    { "commands in a chunk are octets",
      START TO "~ BDAT 20\\r\\nRSET\\r\\nQUIT\\r\\nDATA\\r\\nXY\n< 250\n> BDAT 0 LAST\n< 250\n=1\n" },
    { "no recipient: swallowed, 503 (A051)",
      START "~ BDAT 6\\r\\nQUIT\\r\\n\n< 503 5.5.1\n> DATA\n< 503\n" TO "> BDAT 0 LAST\n< 250\n=1\n" },
    { "all recipients refused: swallowed, 554",
      START "> RCPT TO:<nobody@ours.example>\n< 550\n~ BDAT 6 LAST\\r\\nQUIT\\r\\n\n< 554 5.5.1 No valid\n=0\n" },
    { "before EHLO, before MAIL: swallowed, 503",
      "~ BDAT 6 LAST\\r\\nQUIT\\r\\n\n< 503 Send EHLO\n" HELLO "~ BDAT 6 LAST\\r\\nQUIT\\r\\n\n< 503 5.5.1\n> NOOP\n< 250\n" },
    { "after LAST: 503", START TO "> BDAT 0 LAST\n< 250\n~ BDAT 6\\r\\nQUIT\\r\\n\n< 503\n> BDAT 0 LAST\n< 503\n=1\n" },
    { "DATA after BDAT: 503, then RSET (A057)",
      START TO "~ BDAT 1\\r\\nx\n< 250\n> DATA\n< 503 5.5.1\n> RCPT TO:<u2@ours.example>\n< 503\n> MAIL FROM:<>\n< 503\n"
      "> RSET\n< 250\n> BDAT 0 LAST\n< 503\n=0\n" },
    { "DATA after BODY=BINARYMIME: 503", BINARY "> DATA\n< 503 5.5.1\n> BDAT 0 LAST\n< 250\n=1\n" },
    { "RSET drops the chunks (A058)", START TO "~ BDAT 1\\r\\nx\n< 250\n> RSET\n< 250\n" SENDER TO "~ BDAT 1 LAST\\r\\ny\n< 250\n=1\n" },
    { "NOOP, VRFY, HELP between chunks (A058)",
      START TO "~ BDAT 1\\r\\nx\n< 250\n> NOOP\n< 250\n> VRFY user\n< 252\n> HELP\n< 214\n> BDAT 0 LAST\n< 250\n=1\n" },
    { "QUIT between chunks", START TO "~ BDAT 1\\r\\nx\n< 250\n> QUIT\n< 221\n!\n=0\n" },
    { "EHLO between chunks", START TO "~ BDAT 1\\r\\nx\n< 250\n" HELLO "> BDAT 0 LAST\n< 503\n=0\n" },
    /* nobody knows where the next command is (CVE-2002-0055) */
    { "no size", START TO "> BDAT\n< 501 5.5.4\n!\n" },
    { "a sign", START TO "~ BDAT -1 LAST\\r\\nRSET\\r\\n\n< 501\n!\n" },
    { "a plus", START TO "> BDAT +1\n< 501\n!\n" },
    { "hexadecimal", START TO "> BDAT 0x10\n< 501\n!\n" },
    { "more than 64 bits", START TO "> BDAT 18446744073709551616\n< 501\n!\n" },
    { "21 digits", START TO "> BDAT 000000000000000000001\n< 501\n!\n" },
    { "a word that is not LAST", START TO "> BDAT 1 FIRST\n< 501\n!\n" },
    { "two words", START TO "> BDAT 1 LAST LAST\n< 501\n!\n" },
    { "a NUL in the line", START TO "~ BDAT 1\\0\\r\\n\n< 501\n!\n" },
    { "a bare LF in the line", START TO "~ BDAT 6\\nRSET\\r\\n\n< 501\n!\n" },
    { "no size, no transaction", HELLO "> BDAT x\n< 501\n!\n" },
    { "the largest size there is", START TO "~ BDAT 18446744073709551615\\r\\nRSET\\r\\n\n< 552 5.3.4\n!\n" },
    { "over the limit at once", START TO "~ BDAT 52428801 LAST\\r\\nRSET\\r\\n\n" },
};

static void dialogues_go_as_written(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof dialogues / sizeof dialogues[0]; i++)
        play_dialogue(dialogues[i].name, STRANGER, dialogues[i].text);
}

static bool ends_with(const struct buf *b, struct slice tail)
{
    struct slice all = buf_view(b);

    return all.n >= tail.n && memcmp(all.p + all.n - tail.n, tail.p, tail.n) == 0;
}

static void every_octet_arrives_as_it_was_sent(void **state)
{
    static char octets[200000];
    char line[64];
    unsigned seed = 7;

    (void)state;
    for (size_t size = 1; size < sizeof octets; size = size * 3 + 1) {
        struct script w;
        struct envelope e;

        for (size_t i = 0; i < size; i++)
            octets[i] = (char)(rand_r(&seed) % 7 == 0 ? "\r\n.\0"[rand_r(&seed) % 4] : rand_r(&seed) % 256);
        begin(&w, STRANGER);
        play(&w, "start", BINARY);
        for (size_t at = 0; at < size;) {
            size_t n = size - at < 70000 ? size - at : 1 + (size_t)rand_r(&seed) % 70000;

            snprintf(line, sizeof line, "BDAT %zu%s\r\n", n, at + n == size ? " LAST" : "");
            script_feed(&w, slice_cstr(line));
            script_feed(&w, slice_of(octets + at, n / 2));
            script_feed(&w, slice_of(octets + at + n / 2, n - n / 2));
            at += n;
            expect(&w, "chunk", "250 2.0.0");
        }
        assert_int_equal(w.messages, 1);
        assert_true(ends_with(&w.text, slice_of(octets, size)));
        assert_true(envelope_get(buf_view(&w.envelope), &e));
        assert_true(e.flags & ENV_BINARY);
        script_end(&w);
    }
}

static void a_chunk_too_big_is_swallowed_to_its_octet(void **state)
{
    uint64_t before = conf->limits.message_size;
    struct script w;

    (void)state;
    conf->limits.message_size = 10;
    begin(&w, STRANGER);
    play(&w, "whole", START TO "~ BDAT 11 LAST\\r\\nQUIT\\r\\nRSET\\r\n< 552 5.3.4\n> NOOP\n< 250\n");
    play(&w, "sum", SENDER TO "~ BDAT 6\\r\\n123456\n< 250\n~ BDAT 5\\r\\nQUIT\\r\n< 552\n~ BDAT 6 LAST\\r\\nQUIT\\r\\n\n< 503\n");
    play(&w, "just", SENDER TO "~ BDAT 6\\r\\n123456\n< 250\n~ BDAT 4 LAST\\r\\n1234\n< 250\n=1\n");
    play(&w, "overflow", SENDER TO "~ BDAT 6\\r\\n123456\n< 250\n~ BDAT 18446744073709551615 LAST\\r\\nQUIT\\r\\n\n< 552 5.3.4\n!\n");
    script_end(&w);
    conf->limits.message_size = before;
}

static void null_chunks_are_counted(void **state)
{
    struct script w;

    (void)state;
    begin(&w, STRANGER);
    play(&w, "start", START TO);
    for (unsigned i = 0; i < 300 && !session_ended(&w.s); i++)
        script_feed(&w, SLICE_LIT("BDAT 0\r\n"));
    assert_true(session_ended(&w.s));
    script_end(&w);
}

static void a_lost_file_makes_the_message_later(void **state)
{
    static char octets[100000];
    struct script w;

    (void)state;
    begin(&w, STRANGER);
    play(&w, "start", START TO);
    script_feed(&w, SLICE_LIT("BDAT 100000\r\n"));
    memset(octets, 'x', sizeof octets);
    for (size_t i = 98; i + 1 < sizeof octets; i += 100)
        memcpy(octets + i, "\r\n", 2);
    script_feed(&w, slice_of(octets, sizeof octets));
    expect(&w, "chunk", "250");
    session_queue_lost(&w.s);
    play(&w, "later", "> BDAT 0 LAST\n< 451 4.3.0\n" SENDER TO "> BDAT 0 LAST\n< 250\n=1\n");
    script_end(&w);
}

static void the_pieces_of_the_network_change_nothing(void **state)
{
    static const char all[] = "EHLO c.example\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<user@ours.example>\r\nBDAT 5\r\nRSET\r"
                              "BDAT 3\r\n\n.\rBDAT 1 LAST\r\n\nMAIL FROM:<a@b.example>\r\nBDAT 6 LAST\r\nQUIT\r\nNOOP\r\n";
    struct buf first = BUF(65536);

    (void)state;
    for (size_t piece = 1; piece < sizeof all; piece++) {
        struct script w;

        begin(&w, STRANGER);
        w.s.server->conf = conf;
        /* EHLO waits for its answer */
        script_feed(&w, slice_of(all, 16));
        for (size_t at = 16; at < sizeof all - 1; at += piece)
            script_feed(&w, slice_first(slice_of(all + at, sizeof all - 1 - at), piece));
        assert_int_equal(w.messages, 1);
        if (piece == 1)
            buf_put_slice(&first, buf_view(&w.out));
        assert_true(slice_eq(buf_view(&first), buf_view(&w.out)));
        script_end(&w);
    }
    buf_free(&first);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dialogues_go_as_written),
        cmocka_unit_test(every_octet_arrives_as_it_was_sent),
        cmocka_unit_test(a_chunk_too_big_is_swallowed_to_its_octet),
        cmocka_unit_test(null_chunks_are_counted),
        cmocka_unit_test(a_lost_file_makes_the_message_later),
        cmocka_unit_test(the_pieces_of_the_network_change_nothing),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
