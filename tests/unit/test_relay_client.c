/* test_relay_client.c - conversations with next hosts of every temper, without a network. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include "relay/client.h"

#define LIT(text) { "" text, sizeof(text) - 1 }

/* A scripted conversation. Lines beginning "S:" are what the host sends (a
 * trailing "\" joins the next line into the same piece), "C:" what we must
 * have written since (pieces of one write are joined by "|"). */

struct talk {
    const char        *what;
    struct client      c;
    struct buf         in, out;
    struct arena       arena;
    struct client_rcpt rcpts[4];
    struct client_mail mail;
};

static void talk_begin(struct talk *t, const char *flags, struct slice body)
{
    *t = (struct talk){ .what = "", .in = BUF(1 << 20), .out = BUF(CLIENT_OUT_MAX),
                        .arena = ARENA(1 << 20) };
    t->mail = (struct client_mail){
        .arena = &t->arena, .sender = SLICE_LIT("s@a.test"), .rcpts = t->rcpts, .nrcpts = 3,
        .text = { .body = body, .size = body.n }, .flags = strchr(flags, '8') != NULL ? ENV_8BIT : 0,
    };
    for (int i = 0; i < 4; i++)
        t->rcpts[i].address = slice_cstr(&"1@b.test\0002@b.test\0003@b.test\0004@b.test"[i * 9]);
    client_begin(&t->c, &(struct client_options){
        .lmtp = strchr(flags, 'l') != NULL, .plain = strchr(flags, 'h') != NULL, .loops = true,
        .hostname = SLICE_LIT("us.test"), .session = SLICE_LIT("t"), .out = &t->out }, 1000);
}

static void talk_end(struct talk *t)
{
    buf_free(&t->in);
    buf_free(&t->out);
    arena_free(&t->arena);
}

/* "\r\n" as "|", for comparing */
static char *flat(struct buf *out)
{
    static char text[4000];
    size_t n = 0;

    for (size_t i = 0; i < out->n && n < sizeof text - 1; i++) {
        char b = out->p[out->start + i];

        if (b == '\r')
            continue;
        text[n++] = b == '\n' ? '|' : b;
    }
    text[n] = '\0';
    buf_clear(out);
    return text;
}

static void feed(struct talk *t, const char *line)
{
    for (const char *s = line; *s; s++) {
        if (*s == '|')
            buf_put(&t->in, "\r", 1);
        buf_put(&t->in, *s == '|' ? "\n" : s, 1);
    }
    for (size_t used = 1; used > 0 && t->in.n > 0; buf_drop(&t->in, used)) {
        struct slice in = buf_view(&t->in);
        char *copy = malloc(in.n);      /* exact, so that a sanitizer sees a read too far */

        memcpy(copy, in.p, in.n);
        client_input(&t->c, slice_of(copy, in.n), &used, 2000);
        free(copy);
    }
}

/* play - steps alternate: the host's bytes, then ours; NULL ends. "SEND"
 * instead of the host's bytes begins the transaction. */
static void play(struct talk *t, const char *const *steps)
{
    for (; *steps != NULL; steps += 2) {
        char *said;

        if (strcmp(steps[0], "SEND") == 0)
            client_send(&t->c, &t->mail, 1500);
        else if (strcmp(steps[0], "LOST") == 0)
            client_fail(&t->c, CAUSE_LOST, "");
        else if (strcmp(steps[0], "TIMEOUT") == 0)
            client_fail(&t->c, CAUSE_TIMEOUT, "");
        else
            feed(t, steps[0]);
        said = flat(&t->out);
        if (strcmp(said, steps[1]) != 0)
            fail_msg("%s: after \"%s\" we said \"%s\", not \"%s\" (%s)", t->what, steps[0],
                     said, steps[1], t->c.problem.text);
    }
}

/* how the recipients ended, e.g. "done 250 2.0.0, never 550 5.1.1, open" */
static char *ends(struct talk *t)
{
    static const char *const fates[] = { "later", "done", "never" };
    static char text[400];
    size_t n = 0;

    text[0] = '\0';
    for (size_t i = 0; i < t->mail.nrcpts; i++) {
        const struct client_rcpt *r = &t->rcpts[i];

        n += (size_t)snprintf(text + n, sizeof text - n, "%s", i > 0 ? ", " : "");
        if (r->decided)
            n += (size_t)snprintf(text + n, sizeof text - n, "%s %u %s", fates[r->fate],
                                  r->code, r->status);
        else if (r->unfit != NULL)
            n += (size_t)snprintf(text + n, sizeof text - n, "unfit %s", r->unfit->status);
        else
            n += (size_t)snprintf(text + n, sizeof text - n, "open");
    }
    return text;
}

#define PIPE    "220 mx.test ESMTP|", "EHLO us.test|", "250-mx.test|250-PIPELINING|250-SIZE 1000|" \
                "250-8BITMIME|250 ENHANCEDSTATUSCODES|", ""
#define BARE    "220 mx.test ESMTP|", "EHLO us.test|", "250 mx.test|", ""
#define GROUP   "SEND", "MAIL FROM:<s@a.test> SIZE=4|RCPT TO:<1@b.test>|RCPT TO:<2@b.test>|" \
                "RCPT TO:<3@b.test>|DATA|"
#define LPIPE   "220 mx.test LMTP|", "LHLO us.test|", "250-mx.test|250-PIPELINING|" \
                "250 ENHANCEDSTATUSCODES|", ""
#define LGROUP  "SEND", "MAIL FROM:<s@a.test>|RCPT TO:<1@b.test>|RCPT TO:<2@b.test>|" \
                "RCPT TO:<3@b.test>|DATA|"

static const struct {
    const char *what;
    const char *flags;          /* l LMTP, 8 8-bit text, h HELO only */
    const char *ends;
    enum stage  stage;          /* at the end */
    enum victim victim;         /* of the session's problem */
    const char *steps[20];
} talks[] = {
    /* the usual way */
    { "one group, one text, three done", "", "done 250 2.0.0, done 250 2.0.0, done 250 2.0.0",
      STAGE_IDLE, VICTIM_NONE,
      { PIPE, GROUP, "250 ok|250 ok|250 ok|250 ok|354 go|", "Hi|.|", "250 2.0.0 kept|", "" } },
    { "replies in any pieces", "", "done 250 2.0.0, done 250 2.0.0, done 250 2.0.0",
      STAGE_IDLE, VICTIM_NONE,
      { PIPE, GROUP, "250 ok|25", "", "0 ok|250 ok|250 o", "", "k|", "", "354 go|", "Hi|.|",
        "250 kept|", "" } },
    { "without PIPELINING one at a time", "", "done 250 2.0.0, done 250 2.0.0, done 250 2.0.0",
      STAGE_IDLE, VICTIM_NONE,
      { BARE, "SEND", "MAIL FROM:<s@a.test>|", "250 ok|", "RCPT TO:<1@b.test>|", "250 ok|",
        "RCPT TO:<2@b.test>|", "251 ok|", "RCPT TO:<3@b.test>|", "250 ok|", "DATA|", "354 go|",
        "Hi|.|", "250 kept|", "" } },
    { "HELO when EHLO is unknown", "", "open, open, open", STAGE_IDLE, VICTIM_NONE,
      { "220 old.test|", "EHLO us.test|", "500 what?|", "HELO us.test|", "250 hi|", "" } },
    { "HELO at once when EHLO made the host close", "h", "open, open, open", STAGE_IDLE,
      VICTIM_NONE, { "220 old.test|", "HELO us.test|", "250 hi|", "" } },
    { "a greeting of many lines", "", "open, open, open", STAGE_IDLE, VICTIM_NONE,
      { "220-mx.test|220-welcome|220 ESMTP|", "EHLO us.test|", "250 mx.test|", "" } },
    { "8-bit text says so", "8", "done 250 2.0.0, done 250 2.0.0, done 250 2.0.0",
      STAGE_IDLE, VICTIM_NONE,
      { PIPE, "SEND", "MAIL FROM:<s@a.test> SIZE=4 BODY=8BITMIME|RCPT TO:<1@b.test>|"
        "RCPT TO:<2@b.test>|RCPT TO:<3@b.test>|DATA|",
        "250 ok|250 ok|250 ok|250 ok|354 go|", "Hi|.|", "250 2.0.0 kept|", "" } },

    /* each recipient's own fate */
    { "one never, one later, one done", "", "never 550 5.1.1, later 450 4.2.1, done 250 2.0.0",
      STAGE_IDLE, VICTIM_NONE,
      { PIPE, GROUP, "250 ok|550 5.1.1 no|450 4.2.1 busy|250 ok|354 go|", "Hi|.|", "250 ok|", "" } },
    { "all refused, DATA refused", "", "never 550 5.1.1, never 550 5.1.1, never 550 5.1.1",
      STAGE_IDLE, VICTIM_NONE,
      { PIPE, GROUP, "250 ok|550 5.1.1 no|550 5.1.1 no|550 5.1.1 no|554 no valid|", "" } },
    { "all refused, DATA accepted: an empty text", "",
      "never 550 5.1.1, never 550 5.1.1, never 550 5.1.1", STAGE_IDLE, VICTIM_NONE,
      { PIPE, GROUP, "250 ok|550 5.1.1 no|550 5.1.1 no|550 5.1.1 no|354 go|", ".|",
        "250 thanks for nothing|", "" } },
    { "all refused without PIPELINING: no DATA", "",
      "never 550 5.0.0, never 550 5.0.0, never 550 5.0.0", STAGE_IDLE, VICTIM_NONE,
      { BARE, "SEND", "MAIL FROM:<s@a.test>|", "250 ok|", "RCPT TO:<1@b.test>|", "550 no|",
        "RCPT TO:<2@b.test>|", "550 no|", "RCPT TO:<3@b.test>|", "550 no|", "" } },
    { "552 to RCPT means too many, so later", "", "done 250 2.0.0, done 250 2.0.0, later 552 4.5.3",
      STAGE_IDLE, VICTIM_NONE,
      { PIPE, GROUP, "250 ok|250 ok|250 ok|552 too many|354 go|", "Hi|.|", "250 ok|", "" } },
    { "an enhanced code of another class is not believed", "",
      "never 550 5.0.0, never 550 5.7.1, done 250 2.0.0", STAGE_IDLE, VICTIM_NONE,
      { PIPE, GROUP, "250 ok|550 2.1.1 no|550 5.7.1 no|250 ok|354 go|", "Hi|.|", "250 ok|", "" } },

    /* the message suffers */
    { "MAIL refused for ever", "", "never 550 5.7.1, never 550 5.7.1, never 550 5.7.1",
      STAGE_IDLE, VICTIM_NONE,
      { PIPE, GROUP, "550 5.7.1 no|503 what|503 what|503 what|503 what|", "" } },
    { "MAIL refused for ever, the rest accepted all the same", "",
      "never 550 5.7.1, never 550 5.7.1, never 550 5.7.1", STAGE_IDLE, VICTIM_NONE,
      { PIPE, GROUP, "550 5.7.1 no|250 ok|250 ok|250 ok|354 go|", ".|", "250 ok|", "" } },
    { "MAIL refused for now", "", "later 451 4.0.0, later 451 4.0.0, later 451 4.0.0",
      STAGE_IDLE, VICTIM_NONE,
      { BARE, "SEND", "MAIL FROM:<s@a.test>|", "451 not now|", "" } },
    { "DATA refused", "", "later 451 4.3.0, later 451 4.3.0, never 550 5.0.0", STAGE_IDLE,
      VICTIM_NONE, { PIPE, GROUP, "250 ok|250 ok|250 ok|550 no|451 4.3.0 no|", "" } },
    { "the text is refused", "", "never 554 5.6.0, never 554 5.6.0, never 554 5.6.0",
      STAGE_IDLE, VICTIM_NONE,
      { PIPE, GROUP, "250 ok|250 ok|250 ok|250 ok|354 go|", "Hi|.|", "554 5.6.0 spam|", "" } },
    { "the text is refused for now", "", "later 452 4.3.1, later 452 4.3.1, later 452 4.3.1",
      STAGE_IDLE, VICTIM_NONE,
      { PIPE, GROUP, "250 ok|250 ok|250 ok|250 ok|354 go|", "Hi|.|", "452 4.3.1 full|", "" } },
    { "8-bit text to a host that has only seven", "8", "unfit 5.6.3, unfit 5.6.3, unfit 5.6.3",
      STAGE_IDLE, VICTIM_NONE, { BARE, "SEND", "" } },

    /* the session or the host suffers: recipients stay open for the next host */
    { "421 as greeting", "", "open, open, open", STAGE_DEAD, VICTIM_HOST,
      { "421 busy|", "" } },
    { "554 as greeting is not for ever", "", "open, open, open", STAGE_DEAD, VICTIM_HOST,
      { "554 no service|", "QUIT|" } },
    { "a greeting that is none", "", "open, open, open", STAGE_DEAD, VICTIM_SESSION,
      { "HTTP/1.1 400 Bad|", "" } },
    { "EHLO and HELO refused", "", "open, open, open", STAGE_DEAD, VICTIM_HOST,
      { "220 x|", "EHLO us.test|", "502 no|", "HELO us.test|", "550 no|", "QUIT|" } },
    { "EHLO refused for now", "", "open, open, open", STAGE_DEAD, VICTIM_HOST,
      { "220 x|", "EHLO us.test|", "451 no|", "QUIT|" } },
    { "421 to EHLO", "", "open, open, open", STAGE_DEAD, VICTIM_HOST,
      { "220 x|", "EHLO us.test|", "421 no|", "" } },
    { "421 to MAIL", "", "open, open, open", STAGE_DEAD, VICTIM_HOST,
      { PIPE, GROUP, "421 4.3.2 closing|", "" } },
    { "421 to the second RCPT: the first keeps its fate", "", "never 550 5.1.1, open, open",
      STAGE_DEAD, VICTIM_HOST, { PIPE, GROUP, "250 ok|550 5.1.1 no|421 closing|", "" } },
    { "421 to DATA", "", "open, open, open", STAGE_DEAD, VICTIM_HOST,
      { PIPE, GROUP, "250 ok|250 ok|250 ok|250 ok|421 closing|", "" } },
    { "503 to MAIL: the session is confused", "", "open, open, open", STAGE_DEAD, VICTIM_SESSION,
      { PIPE, GROUP, "503 say hello|", "QUIT|" } },
    { "lost while waiting for RCPT", "", "open, open, open", STAGE_DEAD, VICTIM_SESSION,
      { PIPE, GROUP, "250 ok|", "", "LOST", "" } },
    { "timeout while waiting for MAIL", "", "open, open, open", STAGE_DEAD, VICTIM_HOST,
      { PIPE, GROUP, "TIMEOUT", "" } },
    { "250 to DATA is no sense", "", "open, open, open", STAGE_DEAD, VICTIM_SESSION,
      { PIPE, GROUP, "250 ok|250 ok|250 ok|250 ok|250 ok|", "QUIT|" } },
    { "354 to MAIL is no sense", "", "open, open, open", STAGE_DEAD, VICTIM_SESSION,
      { BARE, "SEND", "MAIL FROM:<s@a.test>|", "354 go|", "QUIT|" } },
    { "a changing code inside a reply", "", "open, open, open", STAGE_DEAD, VICTIM_SESSION,
      { PIPE, GROUP, "250-ok|550 no|", "" } },
    { "our own name in the greeting", "", "open, open, open", STAGE_DEAD, VICTIM_HOST,
      { "220 US.test ESMTP|", "" } },

    /* replies out of step (A154) */
    { "the answer to the text before the text", "", "open, open, open", STAGE_DEAD, VICTIM_SESSION,
      { PIPE, GROUP, "250 ok|250 ok|250 ok|250 ok|354 go|250 kept|", "" } },
    { "greeting and EHLO reply at once", "", "open, open, open", STAGE_DEAD, VICTIM_SESSION,
      { "220 mx.test|250 mx.test|", "" } },
    { "a reply too many after one command", "", "open, open, open", STAGE_DEAD, VICTIM_SESSION,
      { BARE, "SEND", "MAIL FROM:<s@a.test>|", "250 ok|250 ok|", "" } },
    { "a farewell right after the good reply keeps the good reply", "",
      "done 250 2.0.0, done 250 2.0.0, done 250 2.0.0", STAGE_DEAD, VICTIM_HOST,
      { PIPE, GROUP, "250 ok|250 ok|250 ok|250 ok|354 go|", "Hi|.|", "250 ok|421 bye|", "" } },
    { "a kept connection says goodbye", "", "open, open, open", STAGE_DEAD, VICTIM_HOST,
      { PIPE, "421 idle too long|", "" } },

    /* after the dot: later, nowhere else now */
    { "lost after the dot", "", "later 0 4.4.2, later 0 4.4.2, later 0 4.4.2", STAGE_DEAD,
      VICTIM_SESSION,
      { PIPE, GROUP, "250 ok|250 ok|250 ok|250 ok|354 go|", "Hi|.|", "LOST", "" } },
    { "421 after the dot", "", "never 550 5.1.1, later 421 4.3.2, later 421 4.3.2", STAGE_DEAD,
      VICTIM_HOST,
      { PIPE, GROUP, "250 ok|550 5.1.1 no|250 ok|250 ok|354 go|", "Hi|.|", "421 4.3.2 oh|", "" } },
    { "nonsense after the dot", "", "later 0 4.5.0, later 0 4.5.0, later 0 4.5.0", STAGE_DEAD,
      VICTIM_SESSION,
      { PIPE, GROUP, "250 ok|250 ok|250 ok|250 ok|354 go|", "Hi|.|", "2500 ok|", "" } },

    /* LMTP: one reply for each accepted recipient (RFC 2033) */
    { "LMTP: each its own", "l", "done 250 2.1.5, never 550 5.1.1, later 452 4.2.2",
      STAGE_IDLE, VICTIM_NONE,
      { LPIPE, LGROUP, "250 ok|250 ok|550 5.1.1 no|250 ok|354 go|", "Hi|.|",
        "250 2.1.5 kept|452 4.2.2 full|", "" } },
    { "LMTP: lost between the replies", "l", "done 250 2.0.0, later 0 4.4.2, later 0 4.4.2",
      STAGE_DEAD, VICTIM_SESSION,
      { LPIPE, LGROUP, "250 ok|250 ok|250 ok|250 ok|354 go|", "Hi|.|", "250 kept|", "", "LOST", "" } },
    { "LMTP: all refused, DATA accepted", "l", "never 550 5.0.0, never 550 5.0.0, never 550 5.0.0",
      STAGE_DEAD, VICTIM_SESSION,
      { LPIPE, LGROUP, "250 ok|550 no|550 no|550 no|354 go|", "" } },
    { "LMTP has no HELO to fall back to", "l", "open, open, open", STAGE_DEAD, VICTIM_HOST,
      { "220 x|", "LHLO us.test|", "500 what|", "QUIT|" } },
};

static void every_conversation_ends_as_it_must(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof talks / sizeof *talks; i++) {
        struct talk t;

        talk_begin(&t, talks[i].flags, SLICE_LIT("Hi\r\n"));
        t.what = talks[i].what;
        play(&t, talks[i].steps);
        if (strcmp(ends(&t), talks[i].ends) != 0)
            fail_msg("%s: %s", talks[i].what, ends(&t));
        if (t.c.stage != talks[i].stage || t.c.problem.victim != talks[i].victim
            || t.c.mail != NULL)
            fail_msg("%s: stage %d, victim %d", talks[i].what, t.c.stage, t.c.problem.victim);
        talk_end(&t);
    }
}

static void a_second_message_goes_over_the_same_session(void **state)
{
    struct talk t;
    static const char *const first[] = { PIPE, GROUP,
        "250 ok|250 ok|250 ok|250 ok|354 go|", "Hi|.|", "250 ok|", "", NULL };
    static const char *const second[] = { GROUP,
        "250 ok|250 ok|250 ok|250 ok|354 go|", "Hi|.|", "250 ok|", "", NULL };

    (void)state;
    talk_begin(&t, "", SLICE_LIT("Hi\r\n"));
    play(&t, first);
    for (int i = 0; i < 3; i++)
        t.rcpts[i].decided = false;
    play(&t, second);
    assert_int_equal(t.c.sent, 2);
    client_quit(&t.c);
    assert_string_equal(flat(&t.out), "QUIT|");
    assert_int_equal(t.c.stage, STAGE_DEAD);
    talk_end(&t);
}

static void rset_goes_with_the_next_group_after_a_failed_transaction(void **state)
{
    struct talk t;
    static const char *const steps[] = { PIPE, GROUP,
        "250 ok|550 no|550 no|550 no|554 no|", "", NULL };

    (void)state;
    talk_begin(&t, "", SLICE_LIT("Hi\r\n"));
    play(&t, steps);
    t.rcpts[1].decided = false;
    client_send(&t.c, &t.mail, 2000);
    assert_string_equal(flat(&t.out), "RSET|MAIL FROM:<s@a.test> SIZE=4|RCPT TO:<2@b.test>|DATA|");
    feed(&t, "250 reset|250 ok|250 ok|354 go|");
    assert_string_equal(flat(&t.out), "Hi|.|");
    feed(&t, "250 ok|");
    assert_string_equal(ends(&t), "never 550 5.0.0, done 250 2.0.0, never 550 5.0.0");
    talk_end(&t);
}

static void rset_waits_for_its_reply_without_pipelining(void **state)
{
    struct talk t;
    static const char *const steps[] = { BARE, "SEND", "MAIL FROM:<s@a.test>|",
        "250 ok|", "RCPT TO:<1@b.test>|", "550 no|", "RCPT TO:<2@b.test>|", "550 no|",
        "RCPT TO:<3@b.test>|", "550 no|", "", NULL };

    (void)state;
    talk_begin(&t, "", SLICE_LIT("Hi\r\n"));
    play(&t, steps);
    t.rcpts[0].decided = false;
    client_send(&t.c, &t.mail, 2000);
    assert_string_equal(flat(&t.out), "RSET|");
    feed(&t, "250 ok|");
    assert_string_equal(flat(&t.out), "MAIL FROM:<s@a.test>|");
    talk_end(&t);
}

static void a_message_over_the_hosts_size_is_not_sent(void **state)
{
    static char large[1001];
    struct talk t;
    static const char *const steps[] = { PIPE, "SEND", "", NULL };

    (void)state;
    memset(large, 'x', sizeof large);
    talk_begin(&t, "", slice_of(large, sizeof large));
    play(&t, steps);
    assert_string_equal(ends(&t), "never 0 5.3.4, never 0 5.3.4, never 0 5.3.4");
    talk_end(&t);
}

/* --- addresses that would end a command line (A186) */

static const struct { struct slice address; bool ok; } addresses[] = {
    { LIT("a@b"), true },          { LIT("a+b=c@b.test"), true },
    { LIT("\"a b\"@b"), true },    { LIT("\"a\\\"b\"@b"), true },
    { LIT("\"a>b\"@b"), true },    { LIT("postmaster"), true },
    { LIT("a\r\nRSET@b"), false }, { LIT("a\nb@c"), false },
    { LIT("a\0b@c"), false },      { LIT("a b@c"), false },
    { LIT("a>b@c"), false },       { LIT("a<b@c"), false },
    { LIT("\"a@b"), false },       { LIT("\"a\\\r\"@b"), false },
    { LIT("a\177@b"), false },     { LIT("\303\244@b"), false },
    { LIT(""), false },
};

static void addresses_with_control_bytes_never_reach_the_wire(void **state)
{
    static const char *const steps[] = { PIPE, NULL };

    (void)state;
    for (size_t i = 0; i < sizeof addresses / sizeof *addresses; i++) {
        struct talk t;
        char *said;

        talk_begin(&t, "", SLICE_LIT("Hi\r\n"));
        play(&t, steps);
        t.rcpts[1].address = addresses[i].address;
        client_send(&t.c, &t.mail, 2000);
        said = flat(&t.out);
        if (addresses[i].ok != (!t.rcpts[1].decided && t.rcpts[1].unfit == NULL) || addresses[i].ok != client_address_ok(addresses[i].address, false, false))
            fail_msg("address %zu: %s", i, said);
        if (!addresses[i].ok) {
            assert_string_equal(t.rcpts[1].decided ? t.rcpts[1].status : t.rcpts[1].unfit->status,
                                strchr(addresses[i].address.p, '\303') ? "5.6.7" : "5.1.3");
            assert_string_equal(said, "MAIL FROM:<s@a.test> SIZE=4|RCPT TO:<1@b.test>|RCPT TO:<3@b.test>|DATA|");
        }
        talk_end(&t);
    }
}

static void a_bad_sender_is_never_sent_and_the_null_sender_is(void **state)
{
    static const char *const steps[] = { PIPE, NULL };
    struct talk t;

    (void)state;
    talk_begin(&t, "", SLICE_LIT("Hi\r\n"));
    play(&t, steps);
    t.mail.sender = SLICE_LIT("a@b>\r\nDATA");
    client_send(&t.c, &t.mail, 2000);
    assert_string_equal(flat(&t.out), "");
    assert_string_equal(ends(&t), "never 0 5.1.7, never 0 5.1.7, never 0 5.1.7");
    for (int i = 0; i < 3; i++)
        t.rcpts[i].decided = false;
    t.mail.sender = (struct slice){ NULL, 0 };
    client_send(&t.c, &t.mail, 2000);
    assert_memory_equal(flat(&t.out), "MAIL FROM:<> SIZE=4|", 20);
    talk_end(&t);
}

/* --- the text */

static void go_to_data(struct talk *t, struct slice body)
{
    char size[100];

    talk_begin(t, "", body);
    feed(t, "220 x|");
    feed(t, "250-x|250 PIPELINING|");
    client_send(&t->c, &t->mail, 2000);
    snprintf(size, sizeof size, "%s", "250 ok|250 ok|250 ok|250 ok|354 go|");
    buf_clear(&t->out);
    feed(t, size);
}

static void dots_are_doubled_and_the_end_is_marked_once(void **state)
{
    static const struct { struct slice body; const char *sent; } bodies[] = {
        { LIT(".\r\n..\r\na.\r\n"), "..|...|a.|.|" },
        { LIT("no end"), "no end|.|" },
        { LIT(""), ".|" },
        { LIT("\r\n.\r\n"), "|..|.|" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        struct talk t;

        go_to_data(&t, bodies[i].body);
        assert_string_equal(flat(&t.out), bodies[i].sent);
        assert_int_equal(t.c.stage, STAGE_DOT);
        talk_end(&t);
    }
}

static void a_text_with_a_bare_cr_or_lf_or_nul_never_gets_its_dot(void **state)
{
    static const struct slice bodies[] = {
        LIT("a\nb\r\n"), LIT("a\rb\r\n"), LIT("a\0b\r\n"),
        LIT("a\r\n.\nb\r\n"), LIT("a\r"),
    };

    (void)state;
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        struct talk t;

        go_to_data(&t, bodies[i]);
        assert_int_equal(t.c.stage, STAGE_DEAD);
        assert_null(strstr(flat(&t.out), "|.|"));
        assert_string_equal(ends(&t), "never 0 5.6.0, never 0 5.6.0, never 0 5.6.0");
        talk_end(&t);
    }
}

struct source { uint64_t length, fails_at; };

static int64_t read_source(void *user, char *to, size_t n, uint64_t at)
{
    const struct source *s = user;

    if (at >= s->fails_at)
        return -1;
    for (size_t i = 0; i < n; i++)
        to[i] = (at + i) % 100 == 98 ? '\r' : (at + i) % 100 == 99 ? '\n' : 'x';
    return (int64_t)n;
}

static void begin_large(struct talk *t, struct source *s)
{
    talk_begin(t, "", SLICE_LIT(""));
    t->mail.text.read = read_source;
    t->mail.text.user = s;
    t->mail.text.size = s->length;
    feed(t, "220 x|");
    feed(t, "250-x|250 PIPELINING|");
    client_send(&t->c, &t->mail, 2000);
    buf_clear(&t->out);
    feed(t, "250 ok|250 ok|250 ok|250 ok|354 go|");
}

static void a_large_text_is_read_in_bounded_pieces(void **state)
{
    struct source s = { 1000000, UINT64_MAX };
    uint64_t sent = 0;
    struct talk t;

    (void)state;
    begin_large(&t, &s);
    while (t.c.stage == STAGE_BODY) {
        assert_true(t.out.n > 0 && t.out.n <= 200 << 10);
        sent += t.out.n;
        buf_clear(&t.out);
        client_fill(&t.c, 3000);
        assert_int_equal(t.c.deadline, 3000 + (t.c.stage == STAGE_DOT ? 600000 : 180000));
    }
    assert_int_equal(sent + t.out.n, 1000000 + 3);
    talk_end(&t);
}

static void a_text_that_cannot_be_read_is_later_and_gets_no_dot(void **state)
{
    struct source s = { 1000000, 500000 };
    struct talk t;

    (void)state;
    begin_large(&t, &s);
    while (t.c.stage == STAGE_BODY) {
        buf_clear(&t.out);
        client_fill(&t.c, 3000);
    }
    assert_int_equal(t.c.stage, STAGE_DEAD);
    assert_string_equal(ends(&t), "open, open, open");
    assert_int_equal(t.c.problem.cause, CAUSE_RESOURCE);
    talk_end(&t);
}

static void a_reply_in_the_middle_of_the_text_ends_the_session(void **state)
{
    struct source s = { 1000000, UINT64_MAX };
    struct talk t;

    (void)state;
    begin_large(&t, &s);
    feed(&t, "250 kept|");
    assert_int_equal(t.c.stage, STAGE_DEAD);
    assert_string_equal(ends(&t), "open, open, open");
    assert_int_equal(t.out.n, 0);
    talk_end(&t);
}

static void every_wait_has_the_time_of_the_rfc(void **state)
{
    struct talk t;

    (void)state;
    talk_begin(&t, "", SLICE_LIT("Hi\r\n"));
    assert_int_equal(t.c.deadline, 1000 + 300000);
    t.c.options.scale = 1;
    feed(&t, "220 x|");
    assert_int_equal(t.c.deadline, 2000 + 3000);
    feed(&t, "250 x|");
    assert_int_equal(t.c.deadline, 0);
    talk_end(&t);
}

static void a_reply_of_a_million_lines_is_bounded_and_later(void **state)
{
    struct talk t;

    (void)state;
    talk_begin(&t, "", SLICE_LIT("Hi\r\n"));
    for (int i = 0; i < 1100 && t.c.stage == STAGE_GREETING; i++)
        feed(&t, "220-more|");
    assert_int_equal(t.c.stage, STAGE_DEAD);
    assert_int_equal(t.c.problem.cause, CAUSE_PROTOCOL);
    talk_end(&t);
}

static void without_memory_for_a_group_nothing_of_it_goes_out(void **state)
{
    struct talk t;

    (void)state;
    talk_begin(&t, "", SLICE_LIT("Hi\r\n"));
    feed(&t, "220 x|");
    feed(&t, "250-x|250 PIPELINING|");
    buf_free(&t.out);
    t.out = BUF(50);
    client_send(&t.c, &t.mail, 2000);
    assert_int_equal(t.c.stage, STAGE_DEAD);
    assert_int_equal(t.out.n, 0);
    assert_string_equal(ends(&t), "open, open, open");
    talk_end(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_conversation_ends_as_it_must),
        cmocka_unit_test(a_second_message_goes_over_the_same_session),
        cmocka_unit_test(rset_goes_with_the_next_group_after_a_failed_transaction),
        cmocka_unit_test(rset_waits_for_its_reply_without_pipelining),
        cmocka_unit_test(a_message_over_the_hosts_size_is_not_sent),
        cmocka_unit_test(addresses_with_control_bytes_never_reach_the_wire),
        cmocka_unit_test(a_bad_sender_is_never_sent_and_the_null_sender_is),
        cmocka_unit_test(dots_are_doubled_and_the_end_is_marked_once),
        cmocka_unit_test(a_text_with_a_bare_cr_or_lf_or_nul_never_gets_its_dot),
        cmocka_unit_test(a_large_text_is_read_in_bounded_pieces),
        cmocka_unit_test(a_text_that_cannot_be_read_is_later_and_gets_no_dot),
        cmocka_unit_test(a_reply_in_the_middle_of_the_text_ends_the_session),
        cmocka_unit_test(every_wait_has_the_time_of_the_rfc),
        cmocka_unit_test(a_reply_of_a_million_lines_is_bounded_and_later),
        cmocka_unit_test(without_memory_for_a_group_nothing_of_it_goes_out),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
