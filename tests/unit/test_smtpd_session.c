/* test_smtpd_session.c - the server session in conversations and attacks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "smtpd/intake.h"
#include "smtpd_play.h"

static const struct { const char *name, *text; } dialogues[] = {
    { "a message", START "> RCPT TO:<user@ours.example>\n< 250 2.1.5\n" ACCEPT "\n=1\n> QUIT\n< 221 2.0.0\n!\n" },
    { "HELO speaks without enhanced codes",
      "> HELO c.example\n< 250 mx.ours.example\n> MAIL FROM:<a@far.example>\n< 250 Sender\n"
      "> RCPT TO:<user@ours.example>\n< 250 Rec\n> DATA\n< 354\n> .\n< 250 Ok: queued as\n=1\n" },
    { "one group for the envelope (RFC 2920)",
      HELLO "+ MAIL FROM:<a@far.example>\n+ RCPT TO:<user@ours.example>\n+ RCPT TO:<u2@ours.example>\n> DATA\n"
      "< 250 2.1.0\n< 250 2.1.5\n< 250 2.1.5\n< 354\n> x\n> .\n< 250 2.0.0\n=1\n" },
    { "the next transaction may follow the final dot in one piece (A025)",
      START "> RCPT TO:<user@ours.example>\n< 250\n> DATA\n< 354\n+ x\n+ .\n+ MAIL FROM:<b@far.example>\n"
      "+ RCPT TO:<u2@ours.example>\n> DATA\n< 250 2.0.0\n< 250 2.1.0\n< 250 2.1.5\n< 354\n> .\n< 250\n=2\n" },
    { "an empty message (A018)", START "> RCPT TO:<user@ours.example>\n< 250\n> DATA\n< 354\n> .\n< 250\n=1\n" },
    { "text before 354 is refused (A026)",
      START "> RCPT TO:<user@ours.example>\n< 250\n+ DATA\n+ Subject: x\n> .\n< 554 5.5.0\n!\n=0\n" },
    { "commands after EHLO in one piece (A026)", "+ EHLO c.example\n> MAIL FROM:<a@b.example>\n< 554\n!\n" },
    { "DATA refused with its text waiting (A059)",
      START "> RCPT TO:<nobody@ours.example>\n< 550 5.1.1\n+ DATA\n+ text\n> .\n< 554 5.5.0\n!\n=0\n" },
    { "DATA when all recipients were refused (A059)",
      START "+ RCPT TO:<nobody@ours.example>\n> DATA\n< 550 5.1.1\n< 554 5.5.1\n> RSET\n< 250\n" },
    { "some recipients refused (A060)",
      START "> RCPT TO:<nobody@ours.example>\n< 550\n> RCPT TO:<user@ours.example>\n< 250\n" ACCEPT "\n=1\n" },
    { "out of order (A050)",
      "> MAIL FROM:<a@b.example>\n< 503 Send EHLO\n> RCPT TO:<user@ours.example>\n< 503\n> DATA\n< 503\n"
      START "> MAIL FROM:<a@b.example>\n< 503 5.5.1\n> DATA\n< 503 5.5.1 Send RCPT\n"
      "> RCPT TO:<user@ours.example>\n< 250\n" ACCEPT "\n> RCPT TO:<user@ours.example>\n< 503\n> DATA\n< 503\n" },
    { "refused at the end, then RCPT and DATA without MAIL (A053)",
      START "> RCPT TO:<user@ours.example>\n< 250\n> DATA\n< 354\n"
      "L\n"
      "> .\n< 550 5.6.0 Line of text\n> RCPT TO:<user@ours.example>\n< 503\n> DATA\n< 503\n=0\n" },
    { "VRFY never touches the transaction (A054)",
      START "> RCPT TO:<user@ours.example>\n< 250\n> VRFY user\n< 252 2.5.2\n> VRFY \303\274\n< 553 5.6.7\n> VRFY\n< 501\n"
      ACCEPT "\n=1\n" },
    { "a second EHLO forgets the transaction (A055)",
      START "> RCPT TO:<user@ours.example>\n< 250\n" HELLO "> RCPT TO:<user@ours.example>\n< 503\n" },
    { "RSET, NOOP and QUIT in the middle of a group",
      START "+ RCPT TO:<user@ours.example>\n+ NOOP\n+ RSET\n> QUIT\n< 250 2.1.5\n< 250 2.0.0\n< 250 2.0.0\n< 221\n!\n" },
    { "HELP lists the table and explains a row",
      "> HELP\n< 214 HELP and a command\n> HELP rset\n< 214 RSET: forget\n> HELP xyzzy\n< 504\n" },
    { "commands that take no argument", HELLO "> RSET x\n< 501\n> DATA x\n< 503\n> QUIT now\n< 501\n> NOOP anything\n< 250\n" },
    { "verbs of others and garbage (A038, A225)",
      "> TURN\n< 502\n> STARTTLS\n< 454\n> EXPN x\n< 502\n> XEXCH50 -1 2\n< 502\n> DEBUG\n< 500\n"
      "> MAILFROM:<>\n< 500\n> %s%s%n\n< 500\n> \033[2J\n< 500\n> \n< 500\n" },
    { "any case of a verb", "> eHlO c.example\n< 250 ENH\n> mAiL fRoM:<a@b.example>\n< 250 2.1.0\n" },
    { "bad names in EHLO (A031)",
      "> EHLO\n< 501\n> EHLO [\n< 501\n> EHLO []\n< 501\n> EHLO [IPv6:\n< 501\n> EHLO [1.2.3.4.5]\n< 501\n"
      "> EHLO a\tb\n< 501\n> EHLO \303\274.example\n< 501\n> EHLO [192.0.2.7]\n< 250\n> EHLO [IPv6:2001:db8::1]\n< 250\n" },
    { "an HTTP request (A028)", "+ GET / HTTP/1.1\n+ Host: x\n> \n< 502\n!\n" },
    { "a POST (A028)", "> POST / HTTP/1.1\n< 502\n!\n" },
    { "a TLS hello (A028)", "> \026\003\001\n< 502\n!\n" },
    { "an SSH banner (A028)", "> SSH-2.0-x\n< 502\n!\n" },
    { "a remote desktop (A028)", "> \003a\n< 500\n" },
    { "MAIL's parameters (A035)",
      HELLO "> MAIL FROM:<a@b.example> SIZE=\n< 501\n> MAIL FROM:<a@b.example> SIZE=-1\n< 501\n"
      "> MAIL FROM:<a@b.example> SIZE=18446744073709551616\n< 501\n> MAIL FROM:<a@b.example> SIZE=1 SIZE=2\n< 501\n"
      "> MAIL FROM:<a@b.example> BODY=XXX\n< 501\n> MAIL FROM:<a@b.example> FOO=1\n< 555\n"
      "> MAIL FROM:<a@b.example> SIZE=99999999999\n< 552 5.3.4\n> MAIL FROM:<a@b.example> SIZE=5 BODY=8BITMIME\n< 250\n" },
    { "HELO has no parameters", "> HELO c.example\n< 250\n> MAIL FROM:<a@b.example> SIZE=1\n< 555\n" },
    { "bad senders (A034)",
      HELLO "> MAIL FROM:<\"unterminated@x>\n< 501\n> MAIL FROM:<a@b\n< 501\n> MAIL FROM:a@b>\n< 501\n"
      "> MAIL FROM:<<a@b>>\n< 501\n> MAIL FROM:<a@b> junk\n< 5\n> MAIL FROM:<\"a\\\">\n< 501\n> MAIL FROM:<;sleep 66;>\n< 501\n"
      "> MAIL FROM:<\303\274@b.example>\n< 553 5.6.7\n> MAIL FROM:<>\n< 250 2.1.0\n" },
    { "a sink behind lookup: aliases expand",
      START "> RCPT TO:<list@ours.example>\n< 250 2.1.5\n> RCPT TO:<asked-no@ours.example>\n< 550 5.1.1\n"
      "> RCPT TO:<asked-wait@ours.example>\n< 451 4.4.3\n> RCPT TO:<trouble@ours.example>\n< 451 4.4.3\n" ACCEPT "\n=1\n" },
};

static void dialogues_go_as_written(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof dialogues / sizeof dialogues[0]; i++)
        play_dialogue(dialogues[i].name, STRANGER, dialogues[i].text);
}

/* ------------------------------------------------------------- recipients -- */

/* A080 to A092 from a stranger; the last column for a trusted client. */
static const struct { const char *rcpt, *stranger, *trusted; } rcpts[] = {
    { "<u@third.example>", "550 5.7.1", "250" },
    { "<u%third.example@ours.example>", "550 5.1.1", "550 5.1.1" },
    { "<u%third.example@[192.0.2.1]>", "550 5.7.1", "250" },
    { "<u%third.example>", "5", "5" },
    { "<\"u@third.example\">", "5", "5" },
    { "<\"u@third.example\"@[192.0.2.1]>", "550 5.7.1", "250" },
    { "<\"u@third.example\"@ours.example>", "550 5.1.1", "550" },
    { "<u@third.example@ours.example>", "501", "501" },
    { "<u@third.example@[192.0.2.1]>", "501", "501" },
    { "<@mx.ours.example:u@third.example>", "550 5.7.1", "250" },
    { "<@[192.0.2.1]:u@third.example>", "550 5.7.1", "250" },
    { "<@a,@b:u@third.example>", "550 5.7.1", "250" },
    { "<third.example!u>", "5", "5" },
    { "<third.example!u@ours.example>", "550 5.1.1", "550" },
    { "<u@third.example.ours.example>", "550 5.7.1", "250" },
    { "<user@OURS.EXAMPLE>", "250", "250" },
    { "<user@ours.example.>", "501", "501" },
    { "<u@[127.0.0.1]>", "550 5.7.1", "250" },
    { "<u@[IPv6:::1]>", "550 5.7.1", "250" },
    { "<u@[IPv6:::ffff:127.0.0.1]>", "5", "5" },
    { "<u@[0]>", "501", "501" }, { "<u@[0x7f.1]>", "501", "501" }, { "<u@[2130706433]>", "501", "501" },
    { "<u@localhost>", "550 5.7.1", "250" },
    { "<u@127.0.0.1>", "5", "" },
    { "<postmaster>", "250 2.1.5", "250" }, { "<PoStMaStEr>", "250", "250" },
    { "<postmaster@ours.example>", "250", "250" }, { "<postmaster@mx.ours.example>", "250", "250" },
    { "<user@[192.0.2.1]>", "550 5.7.1", "250" },
    { "<>", "501", "501" }, { "<@>", "501", "501" }, { "<@ours.example>", "501", "501" }, { "<a@>", "501", "501" },
    { "<.a@ours.example>", "501", "501" }, { "<a..b@ours.example>", "501", "501" },
    { "<../../etc/passwd@ours.example>", "5", "5" }, { "<-froot@ours.example>", "550 5.1.1", "550" },
    { "<|id@ours.example>", "550 5.1.1", "550" }, { "</etc/passwd@ours.example>", "550 5.1.1", "550" },
    { "<:include:/etc/shadow@ours.example>", "501", "501" }, { "<~root@ours.example>", "550 5.1.1", "550" },
    { "<`id`@ours.example>", "550 5.1.1", "550" },
    { "<\303\274ser@ours.example>", "553 5.6.7", "553 5.6.7" },
    { "<user@ours.example> FOO=1", "555", "555" },
    { "<${run{\\x2fbin\\x2fid}}@ours.example>", "5", "5" },
};

static void recipients_are_judged_by_their_final_address(void **state)
{
    char text[400];

    (void)state;
    for (size_t i = 0; i < sizeof rcpts / sizeof rcpts[0]; i++) {
        for (int trusted = 0; trusted < 2; trusted++) {
            snprintf(text, sizeof text, START "> RCPT TO:%s\n< %s\n", rcpts[i].rcpt,
                     trusted ? rcpts[i].trusted : rcpts[i].stranger);
            play_dialogue(rcpts[i].rcpt, trusted ? "10.1.2.3" : STRANGER, text);
        }
    }
}

static void a_sink_takes_every_recipient(void **state)
{
    struct script w;
    struct envelope e;
    struct recipient r;
    struct wire rd;

    (void)state;
    script_begin(&w, conf, 1, STRANGER);
    session_greet(&w.s, false);
    buf_clear(&w.out);
    play(&w, "sink", START "> RCPT TO:<u@third.example>\n< 250\n> RCPT TO:<postmaster>\n< 250\n" ACCEPT "\n=1\n");
    assert_true(envelope_get(buf_view(&w.envelope), &e));
    assert_true(e.flags & ENV_SINK);
    assert_int_equal(e.nrcpts, 2);
    rd = wire_reader(e.rcpts);
    assert_true(recipient_next(&rd, &r));
    assert_true(slice_eq(r.address, SLICE_LIT("u@third.example")));
    assert_true(recipient_next(&rd, &r));
    assert_true(slice_eq(r.address, SLICE_LIT("postmaster@mx.ours.example")));
    script_end(&w);
}

static void the_envelope_says_how_the_message_came(void **state)
{
    struct script w;
    struct envelope e;
    struct recipient r;
    struct wire rd;

    (void)state;
    begin(&w, STRANGER);
    play(&w, "envelope", HELLO "> MAIL FROM:<\"a b\"@Far.Example> BODY=8BITMIME\n< 250\n"
         "> RCPT TO:<list@ours.example>\n< 250\n> RCPT TO:<user@ours.example>\n< 250\n"
         "> DATA\n< 354\n> Received: by x\n> rEceived : by y\n> Subject: \303\274\n> \n> Received: no\n> ..x\n> .\n< 250\n=1\n");
    assert_true(envelope_get(buf_view(&w.envelope), &e));
    assert_true(slice_eq(e.sender, SLICE_LIT("\"a b\"@far.example")));
    assert_true(slice_eq(e.client, SLICE_LIT(STRANGER)));
    assert_true(slice_eq(e.helo, SLICE_LIT("c.example")));
    assert_true(slice_eq(e.protocol, SLICE_LIT("ESMTP")));
    assert_true(slice_eq(e.listener, SLICE_LIT("127.0.0.1:25")));
    assert_int_equal(e.flags, ENV_8BIT | ENV_BODY8);
    assert_int_equal(e.hops, 2);
    assert_int_equal(e.nrcpts, 3);
    rd = wire_reader(e.rcpts);
    assert_true(recipient_next(&rd, &r) && recipient_next(&rd, &r));
    assert_true(slice_eq(r.address, SLICE_LIT("b@far.example")));
    assert_true(slice_eq(r.original, SLICE_LIT("list@ours.example")));
    assert_true(slice_eq(r.return_path, SLICE_LIT("owner-list@ours.example")));
    assert_true(slice_istarts(buf_view(&w.text), SLICE_LIT("Received: from c.example")));
    assert_non_null(memmem(w.text.p, w.text.n, "\r\n\r\nReceived: no\r\n.x\r\n", 22));
    script_end(&w);
}

static void nobody_is_in_the_envelope_twice(void **state)
{
    struct script w;
    struct envelope e;
    char line[100];

    (void)state;
    begin(&w, "10.0.0.1");
    play(&w, "twice", START "> RCPT TO:<user@ours.example>\n< 250\n> RCPT TO:<user@OURS.example>\n< 250\n"
         "> RCPT TO:<list@ours.example>\n< 250\n> RCPT TO:<list@ours.example>\n< 250\n");
    for (int i = 0; i < 600; i++) {
        snprintf(line, sizeof line, "> RCPT TO:<u%d@third.example>\n< 250\n", i / 2);
        play(&w, "many", line);
    }
    play(&w, "twice", ACCEPT "\n=1\n");
    assert_true(envelope_get(buf_view(&w.envelope), &e));
    assert_int_equal(e.nrcpts, 3 + 300);
    script_end(&w);
}

/* --------------------------------------------------------------- framing -- */

#define BYTES(s) { s, sizeof(s) - 1 }

/* What was used to smuggle, between the text and a second transaction. */
static const struct slice smuggled[] = {
    BYTES("\n.\n"), BYTES("\n.\r\n"), BYTES("\r\n.\n"), BYTES("\r.\r"), BYTES("\r.\n"), BYTES("\n.\r"),
    BYTES("\r.\r\n"), BYTES("\r\n.\r"), BYTES("\r\n.\r\r\n"), BYTES("\r\r\n.\r\r\n"),
    BYTES("\r\n\0.\r\n"), BYTES("\r\n.\0\r\n"), BYTES("\r\0\n.\r\n"), BYTES("\r\n.\r\0\n"),
};

static const char envelope[] =
    "EHLO c.example\r\n" "\1" "MAIL FROM:<a@far.example>\r\nRCPT TO:<user@ours.example>\r\nDATA\r\n" "\1";
static const char second[] =
    "MAIL FROM:<evil@far.example>\r\nRCPT TO:<user@ours.example>\r\nDATA\r\nsmuggled\r\n.\r\n";

/* feed_parts - pieces separated by \1, as a client that waits for each reply */

static void feed_parts(struct script *w, const char *text)
{
    struct slice rest = slice_cstr(text), part;

    while (rest.n > 0) {
        slice_cut(rest, '\1', &part, &rest);
        script_feed(w, part);
    }
}

/* begin_text_with - a session after DATA, where smtpd has so much shared memory */

static void begin_text_with(struct script *w, char *slot, size_t room)
{
    begin(w, STRANGER);
    w->slot = slot;
    w->slot_room = room;
    feed_parts(w, envelope);
    buf_clear(&w->out);
}

static void begin_text(struct script *w)
{
    begin_text_with(w, NULL, 0);
}

/* feed_lines - so many lines of 1000 octets */

static void feed_lines(struct script *w, int lines)
{
    static char line[1000];

    fill_line(line, sizeof line, 'x');
    for (int i = 0; i < lines; i++)
        script_feed(w, slice_of(line, sizeof line));
}

static void nothing_but_crlf_dot_crlf_ends_a_message(void **state)     /* A001 to A014 */
{
    struct script w;

    (void)state;
    for (size_t i = 0; i < sizeof smuggled / sizeof smuggled[0]; i++) {
        begin_text(&w);
        script_feed(&w, SLICE_LIT("Subject: x\r\n\r\ntext"));
        script_feed(&w, smuggled[i]);
        script_feed(&w, slice_cstr(second));
        expect(&w, "smuggled", "550 5.6.0");
        assert_true(session_ended(&w.s));
        assert_int_equal(w.out.n, 0);
        assert_int_equal(w.messages, 0);
        script_end(&w);
    }
}

static void a_nul_before_the_true_end_refuses_the_message(void **state)    /* A012 */
{
    struct script w;

    (void)state;
    begin_text(&w);
    script_feed(&w, SLICE_LIT("text\0\r\n.\r\n"));
    expect(&w, "NUL", "550 5.6.0");
    assert_true(session_ended(&w.s));
    script_end(&w);
}

static void a_nul_after_the_end_spoils_the_next_line_only(void **state)    /* A015 */
{
    struct script w;

    (void)state;
    begin_text(&w);
    script_feed(&w, SLICE_LIT("text\r\n.\r\n\0MAIL FROM:<a@b.example>\r\n"));
    expect(&w, "end", "250 2.0.0");
    expect(&w, "NUL", "500");
    assert_int_equal(w.messages, 1);
    script_end(&w);
}

static void bare_ends_in_commands_make_one_bad_line(void **state)  /* A020, A032 */
{
    static const struct slice lines[] = {
        BYTES("MAIL FROM:<a@b.example>\nRCPT TO:<user@ours.example>\r\n"),
        BYTES("MAIL FROM:<a@b.example>\rRCPT TO:<user@ours.example>\r\n"),
        BYTES("MAIL FROM:<a\0@b.example>\r\n"), BYTES("NOOP\0\r\n"),
    };
    struct script w;

    (void)state;
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        begin(&w, STRANGER);
        play(&w, "hello", HELLO);
        script_feed(&w, lines[i]);
        expect(&w, "bare", "500");
        assert_int_equal(w.out.n, 0);
        assert_int_equal(w.s.stage, S_READY);
        script_end(&w);
    }
}

static const char whole[] =
    "EHLO c.example\r\n\1MAIL FROM:<a@far.example>\r\nRCPT TO:<user@ours.example>\r\n"
    "RCPT TO:<nobody@ours.example>\r\nRCPT TO:<list@ours.example>\r\nDATA\r\n\1"
    "Subject: x\r\n\r\n..a\r\n.\r\nNOOP\r\nXYZ\r\nMAIL FROM:<>\r\nRCPT TO:<u2@ours.example>\r\nDATA\r\n\1"
    "b\r\n.\r\nQUIT\r\n";

static void the_pieces_of_the_network_change_nothing(void **state)     /* A017, A039 */
{
    struct script a, b;
    struct slice rest, part;

    (void)state;
    begin(&a, STRANGER);
    feed_parts(&a, whole);
    assert_int_equal(a.messages, 2);
    for (size_t size = 1; size < 12; size++) {
        begin(&b, STRANGER);
        rest = slice_cstr(whole);
        while (rest.n > 0) {
            slice_cut(rest, '\1', &part, &rest);
            for (; part.n > 0; part = slice_from(part, size))
                script_feed(&b, slice_first(part, size));
        }
        assert_true(slice_eq(buf_view(&a.out), buf_view(&b.out)));
        assert_true(slice_eq(buf_view(&a.text), buf_view(&b.text)));
        assert_int_equal(b.messages, 2);
        script_end(&b);
    }
    script_end(&a);
}

static void a_session_may_break_at_every_octet(void **state)       /* A040 */
{
    size_t end = (size_t)(strstr(whole, "\r\n.\r\n") - whole) + 5;
    struct script w;

    (void)state;
    for (size_t n = 0; n < sizeof whole; n++) {
        struct slice rest = slice_first(slice_cstr(whole), n), part;

        begin(&w, STRANGER);
        while (rest.n > 0) {
            slice_cut(rest, '\1', &part, &rest);
            script_feed(&w, part);
        }
        assert_true(w.messages <= 2);
        assert_true(w.messages == 0 || n >= end);
        script_end(&w);
    }
}

/* ----------------------------------------------------------------- limits -- */

static void who_speaks_before_the_greeting_is_refused(void **state)    /* A027 */
{
    struct script w;

    (void)state;
    script_begin(&w, conf, 0, STRANGER);
    script_feed(&w, SLICE_LIT("EHLO c.example\r\n"));
    play(&w, "early", "< 554\n!\n");
    script_end(&w);
}

static void long_lines_cost_one_refusal(void **state)      /* A030 */
{
    static const struct { size_t n; const char *reply; } cases[] = {
        { 512, "250" }, { 2048, "250" }, { 2049, "500" }, { 60000, "500" },
    };
    static char line[70000];
    struct script w;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        begin(&w, STRANGER);
        memset(line, 'x', sizeof line);
        memcpy(line, "NOOP ", 5);
        memcpy(line + cases[i].n - 2, "\r\n", 2);
        script_feed(&w, slice_of(line, cases[i].n));
        expect(&w, "line", cases[i].reply);
        assert_int_equal(w.out.n, 0);
        script_end(&w);
    }
    begin(&w, STRANGER);
    memset(line, 'x', sizeof line);
    script_feed(&w, slice_of(line, 40000));
    script_feed(&w, slice_of(line, 40000));
    play(&w, "endless", "< 421\n!\n");
    script_end(&w);
}

static void no_argument_is_ever_echoed(void **state)       /* A042 */
{
    static const char *const commands[] = { "HELP ", "NOOP ", "VRFY ", "EHLO ", "MAIL FROM:<", "XYZ " };
    char line[2001];
    struct script w;

    (void)state;
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        begin(&w, STRANGER);
        memset(line, 'q', sizeof line);
        memcpy(line, commands[i], strlen(commands[i]));
        memcpy(line + sizeof line - 2, "\r\n", 2);
        script_feed(&w, slice_of(line, sizeof line));
        assert_true(w.out.n > 0 && w.out.n < 600);
        assert_null(memmem(buf_view(&w.out).p, w.out.n, "qq", 2));
        script_end(&w);
    }
}

static void errors_and_junk_end_a_session(void **state)    /* A041 */
{
    struct script w;
    char line[600];
    unsigned n = 0;

    (void)state;
    begin(&w, STRANGER);
    while (!session_ended(&w.s) && n++ < 100)
        script_feed(&w, SLICE_LIT("XYZ\r\n"));
    assert_int_equal(n, conf->limits.errors);
    while (take_reply(&w, line, sizeof line))
        n--;
    assert_int_equal(n, 0);
    assert_int_equal(strncmp(line, "421", 3), 0);
    script_end(&w);
    begin(&w, STRANGER);
    for (n = 0; !session_ended(&w.s) && n < 1000; n++)
        script_feed(&w, SLICE_LIT("NOOP\r\n"));
    assert_int_equal(n, conf->limits.junk + 1);
    script_end(&w);
}

static void who_takes_no_replies_is_not_listened_to(void **state)      /* A161 */
{
    uint64_t junk = conf->limits.junk;
    struct script w;

    (void)state;
    conf->limits.junk = 1000000;
    begin(&w, STRANGER);
    for (int i = 0; i < 20000; i++)
        buf_puts(&w.in, "HELP\r\n");
    script_go(&w);
    assert_true(w.out.n < REPLY_OUT_HIGH + REPLY_TEXT);
    assert_true(w.in.n > 0);
    buf_clear(&w.out);
    script_go(&w);
    assert_true(w.out.n > 0);
    conf->limits.junk = junk;
    script_end(&w);
}

static void too_many_recipients_are_put_off_one_by_one(void **state)
{
    struct script w;

    (void)state;
    conf->limits.recipients = 100;
    begin(&w, STRANGER);
    play(&w, "start", START);
    for (int i = 0; i < 100; i++)
        play(&w, "rcpt", "> RCPT TO:<user@ours.example>\n< 250\n");
    for (int i = 0; i < 200; i++)
        play(&w, "rcpt", "> RCPT TO:<user@ours.example>\n< 452 4.5.3\n");
    play(&w, "data", ACCEPT "\n=1\n");
    conf->limits.recipients = 1000;
    script_end(&w);
}

static void a_message_too_big_is_read_to_its_true_end(void **state)    /* A022 */
{
    static const char chunk[] = "0123456789012345678901234567890123456789012345678901234567890\r\n";
    uint64_t before = conf->limits.message_size;
    struct script w;

    (void)state;
    conf->limits.message_size = 200000;
    begin_text(&w);
    for (int i = 0; i < 10000; i++)
        script_feed(&w, slice_cstr(chunk));
    script_feed(&w, SLICE_LIT(".x\r\nMAIL FROM:<e@far.example>\r\nRCPT TO:<user@ours.example>\r\nDATA\r\n"));
    assert_int_equal(w.out.n, 0);
    script_feed(&w, SLICE_LIT(".\r\nNOOP\r\n"));
    play(&w, "too big", "< 552 5.3.4\n< 250\n=0\n");
    assert_int_equal(w.lent, w.given_back);
    assert_true(w.s.body.cap <= 65536);
    conf->limits.message_size = before;
    script_end(&w);
}

static void a_large_message_goes_through_a_file(void **state)
{
    struct script w;
    static char text[300000];

    (void)state;
    for (size_t i = 0; i < sizeof text; i += 100)
        fill_line(text + i, 100, (char)('a' + i / 100 % 26));
    begin_text(&w);
    w.no_files = true;
    for (size_t i = 0; i < sizeof text; i += 5000)
        script_feed(&w, slice_of(text + i, 5000));
    assert_int_equal(w.s.wait, WAIT_FILE);
    w.no_files = false;
    session_wake(&w.s);
    script_go(&w);
    script_feed(&w, SLICE_LIT(".\r\n"));
    play(&w, "large", "< 250 2.0.0\n=1\n");
    assert_true(w.text.n > sizeof text);
    assert_memory_equal(w.text.p + w.text.n - sizeof text, text, sizeof text);
    script_end(&w);
}

/* feed_placed - as a stream does that reads to where the session wants it */

static void feed_placed(struct script *w, struct slice bytes)
{
    size_t room, n;
    char *p;

    while (bytes.n > 0) {
        p = w->in.n == 0 ? intake_place(&w->s, &room) : NULL;
        n = p == NULL || room > bytes.n ? bytes.n : room;
        if (p == NULL) {
            script_feed(w, slice_first(bytes, n));
        } else {
            struct slice at = slice_of(memcpy(p, bytes.p, n), n);

            buf_put_slice(&w->in, slice_from(at, session_input(&w->s, at)));
        }
        bytes = slice_from(bytes, n);
    }
}

/* dotted - a text with lines of all lengths, some with dots in front; what is sent of it */

static struct slice dotted(char *text, size_t n, struct buf *sent)
{
    struct data_writer writer = { 0 };
    struct slice made;
    size_t at = 0;

    for (size_t line = 0; at + 200 < n; line++) {
        size_t length = line * 7 % 150;

        memset(text + at, line % 5 == 0 ? '.' : 'a' + (int)(line % 26), length);
        memcpy(text + at + length, "\r\n", 2);
        at += length + 2;
    }
    made = slice_of(text, at);
    assert_true(data_write(&writer, sent, made) && data_finish(&writer, sent));
    return made;
}

static void a_medium_body_is_laid_down_in_shared_memory(void **state)
{
    static char text[400000], slot[500000];
    static const struct { size_t room, step; unsigned files; } cases[] = {
        { sizeof slot, 64 << 10, 0 }, { sizeof slot, 5000, 0 }, { sizeof slot, 1, 0 },
        { sizeof slot, 3, 0 }, { 250000, 64 << 10, 1 }, { 250000, 777, 1 },
    };

    (void)state;
    for (size_t i = 0; i < 2 * sizeof cases / sizeof cases[0]; i++) {
        struct buf sent = BUF(1 << 20);
        struct slice made = dotted(text, sizeof text, &sent), rest;
        size_t step = cases[i / 2].step;
        struct script w;

        begin_text_with(&w, slot, cases[i / 2].room);
        buf_puts(&sent, "NOOP\r\n");
        for (rest = buf_view(&sent); rest.n > 0; rest = slice_from(rest, step))
            (i % 2 ? feed_placed : script_feed)(&w, slice_first(rest, step));
        play(&w, "medium", "< 250 2.0.0\n< 250\n=1\n");
        assert_int_equal(w.slots, 1);
        assert_int_equal(w.taken, cases[i / 2].files);
        assert_false(w.slot_taken);
        assert_true(w.text.n > made.n);
        assert_memory_equal(w.text.p + w.text.n - made.n, made.p, made.n);
        script_end(&w);
        buf_free(&sent);
    }
}

static void a_slot_is_given_back_with_what_is_refused_or_lost(void **state)
{
    static char slot[500000], line[1000];
    struct script w;

    (void)state;
    fill_line(line, sizeof line, 'x');
    for (int how = 0; how < 4; how++) {
        begin_text_with(&w, slot, sizeof slot);
        for (int i = 0; i < 200; i++)
            feed_placed(&w, slice_of(line, sizeof line));
        assert_true(w.slot_taken);
        if (how == 1)
            session_queue_lost(&w.s);
        if (how < 2) {
            feed_placed(&w, how == 0 ? SLICE_LIT("bare\nline\r\n.\r\n") : SLICE_LIT("y\r\n.\r\n"));
            play(&w, "refused", how == 0 ? "< 550 5.6.0\n=0\n!\n" : "< 451 4.3.0\n=0\n");
        }
        if (how == 2) {
            w.fate = COMMITTED_LATER;
            feed_placed(&w, SLICE_LIT(".\r\n"));
            play(&w, "later", "< 451 4.3.0\n=0\n");
        }
        script_end(&w);
        assert_false(w.slot_taken);
    }
}

static void a_message_known_to_be_large_takes_no_slot(void **state)
{
    static char slot[300000];
    struct script w;

    (void)state;
    begin(&w, STRANGER);
    w.slot = slot;
    w.slot_room = sizeof slot;
    feed_parts(&w, "EHLO c.example\r\n\1MAIL FROM:<a@far.example> SIZE=290000\r\n\1"
                   "RCPT TO:<user@ours.example>\r\n\1DATA\r\n");
    feed_lines(&w, 290);
    assert_int_equal(w.slots, 1);       /* looked at, and given back */
    assert_false(w.slot_taken);
    assert_int_equal(w.lent, 1);
    script_end(&w);
}

static void a_lost_file_makes_the_message_later(void **state)
{
    struct script w;

    (void)state;
    begin_text(&w);
    feed_lines(&w, 200);
    assert_true(w.s.tx->lent.number != 0);
    session_queue_lost(&w.s);
    script_feed(&w, SLICE_LIT("y\r\n.\r\n"));
    play(&w, "lost", "< 451 4.3.0\n=0\n");
    script_end(&w);
}

static void no_file_in_time_makes_the_message_later(void **state)
{
    struct script w;

    (void)state;
    begin_text(&w);
    w.no_files = true;
    feed_lines(&w, 200);
    script_feed(&w, SLICE_LIT(".\r\n"));
    assert_int_equal(w.out.n, 0);
    w.server.mono += WORLD_PATIENCE + 1;
    session_tick(&w.s);
    script_go(&w);
    play(&w, "no file", "< 451 4.3.0\n=0\n");
    script_end(&w);
}

static void a_message_that_loops_is_refused(void **state)      /* A152 */
{
    struct script w;

    (void)state;
    begin_text(&w);
    for (unsigned i = 0; i <= conf->limits.hops; i++)
        script_feed(&w, SLICE_LIT("Received: by x; date\r\n"));
    script_feed(&w, SLICE_LIT("\r\nx\r\n.\r\n"));
    play(&w, "loop", "< 554 5.4.6\n=0\n");
    script_end(&w);
}

static void a_session_takes_so_many_messages(void **state)
{
    struct script w;

    (void)state;
    conf->limits.messages = 2;
    begin(&w, STRANGER);
    play(&w, "messages", HELLO
         SENDER "> RCPT TO:<user@ours.example>\n< 250\n" ACCEPT "\n"
         SENDER "> RCPT TO:<user@ours.example>\n< 250\n" ACCEPT "\n"
         "> MAIL FROM:<a@b.example>\n< 421 4.7.0\n!\n=2\n");
    conf->limits.messages = 10000;
    script_end(&w);
}

static void slow_clients_are_told_and_left(void **state)       /* A161 */
{
    struct script w;

    (void)state;
    begin(&w, STRANGER);
    play(&w, "hello", HELLO);
    for (int i = 0; i < 4; i++) {       /* octets alone do not buy time */
        script_feed(&w, SLICE_LIT("N"));
        w.server.mono += conf->limits.command_timeout / 4 + 1;
        session_tick(&w.s);
    }
    play(&w, "command", "< 421 4.4.2\n!\n");
    script_end(&w);
    begin_text(&w);
    for (int i = 0; i < 40 && !session_ended(&w.s); i++) {
        script_feed(&w, SLICE_LIT("x"));
        w.server.mono += 1000;
        session_tick(&w.s);
    }
    play(&w, "data", "< 421 4.4.2 Too slow\n!\n=0\n");
    script_end(&w);
}

/* ---------------------------------------------------------------- waiting -- */

static void replies_stay_in_order_while_lookup_thinks(void **state)
{
    struct script w;

    (void)state;
    begin(&w, STRANGER);
    w.slow_lookup = true;
    play(&w, "order", START
         "+ RCPT TO:<asked@ours.example>\n+ RCPT TO:<user@ours.example>\n+ RCPT TO:<asked-no@ours.example>\n"
         "+ RCPT TO:<bad\n+ RCPT TO:<list@ours.example>\n+ RCPT TO:<u@third.example>\n> DATA\n");
    assert_int_equal(w.nasked, 3);
    assert_int_equal(w.s.wait, WAIT_RCPTS);
    world_answer(&w, 1);
    world_answer(&w, 2);
    script_go(&w);
    assert_int_equal(w.out.n, 0);
    play(&w, "answers", "?\n< 250\n< 250\n< 550 5.1.1\n< 501\n< 250\n< 550 5.7.1\n< 354\n> .\n< 250\n=1\n");
    script_end(&w);
}

static void lookup_that_never_answers_means_later(void **state)
{
    struct script w;

    (void)state;
    begin(&w, STRANGER);
    w.slow_lookup = true;
    play(&w, "ask", START "+ RCPT TO:<asked@ours.example>\n> RCPT TO:<user@ours.example>\n");
    w.server.mono += WORLD_PATIENCE + 1;
    session_tick(&w.s);
    play(&w, "late", "< 451 4.4.3\n< 250\n?\n" ACCEPT "\n=1\n");
    script_end(&w);
}

static void an_answer_for_an_earlier_transaction_is_nobodys(void **state)
{
    struct script w;

    (void)state;
    begin(&w, STRANGER);
    w.slow_lookup = true;
    play(&w, "ask", START "> RCPT TO:<asked@ours.example>\n");
    w.server.mono += WORLD_PATIENCE + 1;
    session_tick(&w.s);
    play(&w, "again", "< 451\n> RSET\n< 250\n" SENDER "> RCPT TO:<asked-no@ours.example>\n");
    world_answer(&w, 0);
    assert_int_equal(w.out.n, 0);
    play(&w, "mine", "?\n< 550 5.1.1\n");
    script_end(&w);
}

static void many_questions_at_once_are_bounded(void **state)
{
    struct script w;

    (void)state;
    begin(&w, STRANGER);
    play(&w, "start", START);
    w.slow_lookup = true;
    for (int i = 0; i < 300; i++)
        script_feed(&w, SLICE_LIT("RCPT TO:<asked@ours.example>\r\n"));
    assert_int_equal(w.nasked, RCPTS_WAITING);
    for (unsigned i = 0; i < w.nasked && i < 300; i++) {
        world_answer(&w, i);
        script_go(&w);
    }
    for (int i = 0; i < 300; i++)
        expect(&w, "rcpt", "250");
    script_end(&w);
}

static void mail_waits_a_moment_for_the_queue(void **state)
{
    struct script w;

    (void)state;
    begin(&w, STRANGER);
    w.room = ROOM_UNKNOWN;
    play(&w, "wait", HELLO "+ MAIL FROM:<a@b.example>\n> RCPT TO:<user@ours.example>\n");
    assert_int_equal(w.s.wait, WAIT_QUEUE);
    w.room = ROOM_YES;
    session_wake(&w.s);
    script_go(&w);
    play(&w, "go", "< 250\n< 250\n> RSET\n< 250\n");
    w.room = ROOM_UNKNOWN;
    play(&w, "wait", "> MAIL FROM:<a@b.example>\n");
    w.server.mono += WORLD_PATIENCE + 1;
    session_tick(&w.s);
    script_go(&w);
    play(&w, "late", "< 451 4.3.0\n");
    w.room = ROOM_FULL;
    play(&w, "full", "> MAIL FROM:<a@b.example>\n< 452 4.3.1\n");
    script_end(&w);
}

static void nobody_hears_250_before_the_queue_says_so(void **state)
{
    static const struct { enum committed how; const char *reply; } cases[] = {
        { COMMITTED_DONE, "< 250 2.0.0\n< 250 2.0.0\n" }, { COMMITTED_LATER, "< 451 4.3.0\n< 250\n" },
        { COMMITTED_FULL, "< 452 4.3.1\n< 250\n" },
    };
    struct script w;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        begin_text(&w);
        w.slow_commit = true;
        script_feed(&w, SLICE_LIT("x\r\n.\r\nNOOP\r\n"));
        assert_int_equal(w.out.n, 0);
        assert_int_equal(w.commits, 1);
        world_commit_now(&w, world_flight(&w, 0), cases[i].how);
        script_go(&w);
        play(&w, "committed", cases[i].reply);
        script_end(&w);
    }
}

static void draining_lets_a_message_finish(void **state)
{
    struct script w;

    (void)state;
    begin(&w, STRANGER);
    play(&w, "start", START);
    w.server.draining = true;
    session_drain(&w.s);
    play(&w, "finish", "> RCPT TO:<user@ours.example>\n< 250\n" ACCEPT "\n< 421 4.3.2\n!\n=1\n");
    script_end(&w);
    begin(&w, STRANGER);
    w.server.draining = true;
    session_drain(&w.s);
    play(&w, "idle", "< 421\n!\n");
    script_end(&w);
}

/* ------------------------------------------------- the reference automaton -- */

/* The server as a page of rules: stage and command in, reply code out. */
struct model { int stage; bool accepted, refused; };    /* 0 start, 1 ready, 2 tx */

static unsigned model_step(struct model *m, unsigned command)
{
    switch (command) {
    case 0:     /* EHLO */
        *m = (struct model){ .stage = 1 };
        return 250;
    case 1:     /* MAIL */
        if (m->stage != 1)
            return 503;
        m->stage = 2;
        return 250;
    case 2:     /* RCPT, good */
        if (m->stage != 2)
            return 503;
        m->accepted = true;
        return 250;
    case 3:     /* RCPT, unknown */
        if (m->stage != 2)
            return 503;
        m->refused = true;
        return 550;
    case 4:     /* DATA and a text */
        if (m->stage != 2 || !m->accepted)
            return m->stage == 2 && m->refused ? 554 : 503;
        *m = (struct model){ .stage = 1 };
        return 354;
    case 5:     /* RSET */
        *m = (struct model){ .stage = m->stage > 0 };
        return 250;
    case 6:     /* VRFY */
        return 252;
    default:    /* NOOP */
        return 250;
    }
}

/* assert_only_user - nothing of an earlier transaction is in this message */

static void assert_only_user(const struct script *w)
{
    struct envelope e;
    struct recipient r;
    struct wire in;

    assert_true(envelope_get(buf_view(&w->envelope), &e));
    assert_int_equal(e.nrcpts, 1);
    in = wire_reader(e.rcpts);
    assert_true(recipient_next(&in, &r));
    assert_true(slice_eq(r.address, SLICE_LIT("user@ours.example")));
    assert_false(recipient_next(&in, &r));
    assert_null(memmem(w->text.p + w->text.start + 1, w->text.n - 1, "Received:", 9));
    assert_true(w->text.n > 3 && memcmp(w->text.p + w->text.n - 5, "\r\nx\r\n", 5) == 0);
}

static void a_transaction_leaves_nothing_behind(void **state)
{
    struct script w;

    (void)state;
    begin(&w, STRANGER);
    play(&w, "first", START "> RCPT TO:<u2@ours.example>\n< 250\n> RCPT TO:<list@ours.example>\n< 250\n> RSET\n< 250\n");
    play(&w, "second", SENDER "> RCPT TO:<u2@ours.example>\n< 250\n> DATA\n< 354\n");
    feed_lines(&w, 200);
    play(&w, "third", "> .\n< 250\n" SENDER "> RCPT TO:<user@ours.example>\n< 250\n> DATA\n< 354\n> x\n> .\n< 250\n=2\n");
    assert_only_user(&w);
    script_end(&w);
}

static void random_sequences_agree_with_the_automaton(void **state)    /* A050 to A060 */
{
    static const char *const lines[] = {
        "EHLO c.example\r\n", "MAIL FROM:<a@b.example>\r\n", "RCPT TO:<user@ours.example>\r\n",
        "RCPT TO:<nobody@ours.example>\r\n", "DATA\r\n", "RSET\r\n", "VRFY user\r\n", "NOOP\r\n",
    };
    uint64_t errors = conf->limits.errors, junk = conf->limits.junk;
    unsigned accepted = 0, seed = 1;
    struct script w;
    char line[600];

    (void)state;
    conf->limits.errors = conf->limits.junk = 100000;
    for (int round = 0; round < 300; round++) {
        struct model model = { 0 };

        begin(&w, STRANGER);
        for (int i = 0; i < 60; i++) {
            unsigned command = (unsigned)rand_r(&seed) % 8, code = model_step(&model, command);

            script_feed(&w, slice_cstr(lines[command]));
            assert_true(take_reply(&w, line, sizeof line));
            if ((unsigned)atoi(line) != code)
                fail_msg("%s: %u wanted, %s", lines[command], code, line);
            if (code == 354) {
                script_feed(&w, SLICE_LIT("x\r\n.\r\n"));
                expect(&w, "text", "250");
                assert_only_user(&w);
            }
            assert_int_equal(w.out.n, 0);
        }
        accepted += w.messages;
        script_end(&w);
    }
    conf->limits.errors = errors;
    conf->limits.junk = junk;
    assert_true(accepted > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dialogues_go_as_written),
        cmocka_unit_test(recipients_are_judged_by_their_final_address),
        cmocka_unit_test(a_sink_takes_every_recipient),
        cmocka_unit_test(the_envelope_says_how_the_message_came),
        cmocka_unit_test(nobody_is_in_the_envelope_twice),
        cmocka_unit_test(nothing_but_crlf_dot_crlf_ends_a_message),
        cmocka_unit_test(a_nul_before_the_true_end_refuses_the_message),
        cmocka_unit_test(a_nul_after_the_end_spoils_the_next_line_only),
        cmocka_unit_test(bare_ends_in_commands_make_one_bad_line),
        cmocka_unit_test(the_pieces_of_the_network_change_nothing),
        cmocka_unit_test(a_session_may_break_at_every_octet),
        cmocka_unit_test(who_speaks_before_the_greeting_is_refused),
        cmocka_unit_test(long_lines_cost_one_refusal),
        cmocka_unit_test(no_argument_is_ever_echoed),
        cmocka_unit_test(errors_and_junk_end_a_session),
        cmocka_unit_test(who_takes_no_replies_is_not_listened_to),
        cmocka_unit_test(too_many_recipients_are_put_off_one_by_one),
        cmocka_unit_test(a_message_too_big_is_read_to_its_true_end),
        cmocka_unit_test(a_large_message_goes_through_a_file),
        cmocka_unit_test(a_medium_body_is_laid_down_in_shared_memory),
        cmocka_unit_test(a_slot_is_given_back_with_what_is_refused_or_lost),
        cmocka_unit_test(a_message_known_to_be_large_takes_no_slot),
        cmocka_unit_test(a_lost_file_makes_the_message_later),
        cmocka_unit_test(no_file_in_time_makes_the_message_later),
        cmocka_unit_test(a_message_that_loops_is_refused),
        cmocka_unit_test(a_session_takes_so_many_messages),
        cmocka_unit_test(slow_clients_are_told_and_left),
        cmocka_unit_test(replies_stay_in_order_while_lookup_thinks),
        cmocka_unit_test(lookup_that_never_answers_means_later),
        cmocka_unit_test(an_answer_for_an_earlier_transaction_is_nobodys),
        cmocka_unit_test(many_questions_at_once_are_bounded),
        cmocka_unit_test(mail_waits_a_moment_for_the_queue),
        cmocka_unit_test(nobody_hears_250_before_the_queue_says_so),
        cmocka_unit_test(draining_lets_a_message_finish),
        cmocka_unit_test(a_transaction_leaves_nothing_behind),
        cmocka_unit_test(random_sequences_agree_with_the_automaton),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
