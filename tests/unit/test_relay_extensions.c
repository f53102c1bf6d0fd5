/* test_relay_extensions.c - each extension, towards a host that has it and one that has not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include "relay/client.h"

/* --- a session with a scripted host */

enum { WALL = 1000000 };        /* wall clock at monotonic 0, s */

struct talk {
    struct client      c;
    struct buf         in, out;
    struct arena       arena;
    struct buf         extras[3];       /* of the envelope, of the two recipients */
    struct client_rcpt rcpts[2];
    struct client_mail mail;
    char               asked[400];      /* of the vault */
};

static void on_login(void *user, enum client_ask ask, struct slice data)
{
    static const char *const words[] = { "BEGIN", "STEP", "CANCEL" };
    struct talk *t = user;
    size_t n = strlen(t->asked);

    snprintf(t->asked + n, sizeof t->asked - n, "%s %.*s;", words[ask], SLICE(data));
}

static void talk_close(struct talk *t)
{
    buf_free(&t->in);
    buf_free(&t->out);
    for (int i = 0; i < 3; i++)
        buf_free(&t->extras[i]);
    arena_free(&t->arena);
}

/* talk_open - a new session in place of the one before */

static void talk_open(struct talk *t, const struct client_options *options)
{
    struct client_options o = *options;

    talk_close(t);
    *t = (struct talk){ .in = BUF(4 << 20), .out = BUF(CLIENT_OUT_MAX), .arena = ARENA(1 << 20) };
    for (int i = 0; i < 3; i++)
        t->extras[i] = BUF(1 << 20);
    o.hostname = SLICE_LIT("us.test");
    o.session = SLICE_LIT("t");
    o.out = &t->out;
    o.login = on_login;
    o.login_user = t;
    t->mail = (struct client_mail){
        .arena = &t->arena, .sender = SLICE_LIT("s@a.test"), .rcpts = t->rcpts, .nrcpts = 1,
        .text = { .body = SLICE_LIT("Hi\r\n"), .size = 4 }, .wall_ahead = (int64_t)WALL * 1000,
        .id = SLICE_LIT("0123456789ABC"), .protocol = SLICE_LIT("ESMTPS"),
        .from_ip = SLICE_LIT("192.0.2.7"), .from_name = SLICE_LIT("cli.test") };
    t->rcpts[0].address = SLICE_LIT("1@b.test");
    t->rcpts[1].address = SLICE_LIT("2@c.test");
    client_begin(&t->c, &o, 1000);
}

static void feed(struct talk *t, const char *line)
{
    size_t used = 1;

    for (const char *s = line; *s; s++) {
        if (*s == '|')
            buf_put(&t->in, "\r", 1);
        buf_put(&t->in, *s == '|' ? "\n" : s, 1);
    }
    for (; used > 0 && t->in.n > 0; buf_drop(&t->in, used))
        client_input(&t->c, buf_view(&t->in), &used, 2000);
}

/* said - what we have written since, CRLF as "|" */

static char *said(struct talk *t)
{
    static char text[9000];
    size_t n = 0;

    for (size_t i = 0; i < t->out.n && n < sizeof text - 1; i++) {
        char b = t->out.p[t->out.start + i];

        if (b != '\r')
            text[n++] = b == '\n' ? '|' : b;
    }
    text[n] = '\0';
    buf_clear(&t->out);
    return text;
}

static void hear(struct talk *t, const char *line, const char *then)
{
    char *text;

    feed(t, line);
    text = said(t);
    if (strcmp(text, then) != 0)
        fail_msg("after \"%s\" we said \"%s\", not \"%s\" (%s)", line, text, then, t->c.problem.text);
}

/* put_extras - "ENVELOPE-NAME=value" into an extra; names as in mail/envelope.h */

static struct slice put_extra(struct buf *b, enum envelope_extra name, const char *value)
{
    struct wire w = wire_writer(b);

    if (value != NULL)
        extra_put(&w, name, slice_cstr(value));
    return buf_view(b);
}

static void greet(struct talk *t, const char *offers)
{
    char reply[2500];

    feed(t, "220 mx.test|");
    snprintf(reply, sizeof reply, "250-mx.test|250-PIPELINING|%s250 HELP|", offers);
    feed(t, reply);
    said(t);
}

#define PLAIN &(struct client_options){ .lmtp = false }

/* meet - a session with a host that offers this, as far as its reply to EHLO */

static void meet(struct talk *t, const struct client_options *options, const char *offers)
{
    talk_open(t, options);
    greet(t, offers);
}

/* sends - our mail begins with these words */

static void sends(struct talk *t, const char *wanted)
{
    char *text;

    client_send(&t->c, &t->mail, 2000);
    text = said(t);
    if (strcmp(text, wanted) != 0)
        fail_msg("we sent \"%s\", not \"%s\" (%s)", text, wanted, t->c.problem.text);
}

static int talk_begin(void **state)
{
    *state = calloc(1, sizeof(struct talk));
    return *state == NULL;
}

static int talk_end(void **state)
{
    talk_close(*state);
    free(*state);
    return 0;
}

/* --- parameters */

static const struct row {
    const char *what, *offers;
    unsigned    flags;
    enum envelope_extra name;   /* of the envelope */
    const char *value;          /* NULL: none */
    enum envelope_extra rname;  /* of the recipient */
    const char *rvalue;
    const char *original;
    const char *state;          /* s secure, v verified, l logged in, p lmtp */
    const char *mail, *rcpt;    /* parameters that go out; mail NULL: unfit, status in rcpt */
} rows[] = {
    { "SIZE", "250-SIZE|", 0, 0, NULL, 0, NULL, "", "", " SIZE=4", "" },
    { "SIZE not offered", "", 0, 0, NULL, 0, NULL, "", "", "", "" },

    { "8BITMIME", "250-8BITMIME|", ENV_8BIT, 0, NULL, 0, NULL, "", "", " BODY=8BITMIME", "" },
    { "8BITMIME, but the text is ASCII", "250-8BITMIME|", ENV_BODY8, 0, NULL, 0, NULL, "", "", "", "" },
    { "8BITMIME not offered, and no way to re-encode", "", ENV_8BIT, 0, NULL, 0, NULL, "", "", NULL, "5.6.3" },
    { "BINARYMIME", "250-CHUNKING|250-BINARYMIME|", ENV_BINARY, 0, NULL, 0, NULL, "", "", " BODY=BINARYMIME", "" },
    { "BINARYMIME without CHUNKING is none", "250-BINARYMIME|", ENV_BINARY, 0, NULL, 0, NULL, "", "", NULL, "5.6.3" },

    { "RET", "250-DSN|", 0, EXTRA_RET, "HDRS", 0, NULL, "", "", " RET=HDRS", "" },
    { "RET not offered", "", 0, EXTRA_RET, "HDRS", 0, NULL, "", "", "", "" },
    { "ENVID", "250-DSN|", 0, EXTRA_ENVID, "QQ+2B1", 0, NULL, "", "", " ENVID=QQ+2B1", "" },
    { "ENVID that would end the line", "250-DSN|", 0, EXTRA_ENVID, "Q\r\nDATA", 0, NULL, "", "", "", "" },
    { "ENVID that would be two parameters", "250-DSN|", 0, EXTRA_ENVID, "Q BODY=8BITMIME", 0, NULL, "", "", "", "" },
    { "NOTIFY", "250-DSN|", 0, 0, NULL, EXTRA_NOTIFY, "success,DELAY", "", "", "", " NOTIFY=success,DELAY" },
    { "NOTIFY not offered", "", 0, 0, NULL, EXTRA_NOTIFY, "NEVER", "", "", "", "" },
    { "ORCPT octet by octet", "250-DSN|", 0, 0, NULL, EXTRA_ORCPT, "RFC822;Al+2Bx@A.Test", "al@x.test", "", "", " ORCPT=RFC822;Al+2Bx@A.Test" },
    { "ORCPT added where the address was rewritten", "250-DSN|", 0, 0, NULL, 0, NULL, "a+b=c@x.test", "", "", " ORCPT=rfc822;a+2Bb+3Dc@x.test" },
    { "no ORCPT where it is the same", "250-DSN|", 0, 0, NULL, 0, NULL, "1@b.test", "", "", "" },
    { "on LMTP the report is ours", "250-DSN|", 0, EXTRA_RET, "FULL", EXTRA_NOTIFY, "SUCCESS", "", "p", "", "" },

    { "SMTPUTF8", "250-SMTPUTF8|250-8BITMIME|", ENV_UTF8, 0, NULL, 0, NULL, "", "", " SMTPUTF8", "" },
    { "SMTPUTF8 not offered and not needed", "", ENV_UTF8, 0, NULL, 0, NULL, "", "", "", "" },

    { "AUTH= of who is trusted", "250-AUTH PLAIN|", 0, EXTRA_AUTH, "e+3Dmc2@x.test", 0, NULL, "", "", " AUTH=e+3Dmc2@x.test", "" },
    { "AUTH= to a host without", "", 0, EXTRA_AUTH, "e@x.test", 0, NULL, "", "", "", "" },
    { "AUTH=<> where we are logged in", "250-AUTH PLAIN|", 0, EXTRA_AUTH, "<>", 0, NULL, "", "l", " AUTH=<>", "" },
    { "AUTH=<> where we are logged in and nothing was said", "250-AUTH PLAIN|", 0, 0, NULL, 0, NULL, "", "l", " AUTH=<>", "" },

    { "BY, recomputed", "250-DELIVERBY|", 0, EXTRA_BY, "1000102500 R", 0, NULL, "", "", " BY=100;R", "" },
    { "BY with trace, over", "250-DELIVERBY|", 0, EXTRA_BY, "1000000500 NT", 0, NULL, "", "", " BY=-2;NT", "" },
    { "BY R not offered", "", 0, EXTRA_BY, "1000102500 R", 0, NULL, "", "", NULL, "5.3.3" },
    { "BY R to a host that needs longer", "250-DELIVERBY 101|", 0, EXTRA_BY, "1000102500 R", 0, NULL, "", "", NULL, "5.3.3" },
    { "BY N not offered goes on", "", 0, EXTRA_BY, "1000102500 N", 0, NULL, "", "", "", "" },
    { "BY N not offered: DSN tells of delays", "250-DSN|", 0, EXTRA_BY, "1000102500 N", EXTRA_NOTIFY, "SUCCESS", "", "", "", " NOTIFY=SUCCESS,DELAY" },

    { "HOLDFOR", "250-FUTURERELEASE 1000 2030-01-01T00:00:00Z|", 0, EXTRA_HOLD, "1000102500", 0, NULL, "", "", " HOLDFOR=100", "" },
    { "HOLDUNTIL where HOLDFOR is too long", "250-FUTURERELEASE 10 2030-01-01T00:00:00Z|", 0, EXTRA_HOLD, "1000102500", 0, NULL, "", "", " HOLDUNTIL=1970-01-12T13:48:22Z", "" },
    { "a hold that is over", "250-FUTURERELEASE 1000 2030-01-01T00:00:00Z|", 0, EXTRA_HOLD, "1000000500", 0, NULL, "", "", "", "" },
    { "a hold not offered", "", 0, EXTRA_HOLD, "1000102500", 0, NULL, "", "", "", "" },

    { "MT-PRIORITY", "250-MT-PRIORITY MIXER|", 0, EXTRA_PRIORITY, "-3", 0, NULL, "", "", " MT-PRIORITY=-3", "" },
    { "MT-PRIORITY not offered", "", 0, EXTRA_PRIORITY, "-3", 0, NULL, "", "", "", "" },

    { "REQUIRETLS", "250-REQUIRETLS|", ENV_REQUIRETLS, 0, NULL, 0, NULL, "", "sv", " REQUIRETLS", "" },
    { "REQUIRETLS in the clear", "250-REQUIRETLS|", ENV_REQUIRETLS, 0, NULL, 0, NULL, "", "", NULL, "5.7.10" },
    { "REQUIRETLS with any certificate", "250-REQUIRETLS|", ENV_REQUIRETLS, 0, NULL, 0, NULL, "", "s", NULL, "5.7.10" },
    { "REQUIRETLS not offered", "", ENV_REQUIRETLS, 0, NULL, 0, NULL, "", "sv", NULL, "5.7.30" },

    { "RRVS", "250-RRVS|", 0, 0, NULL, EXTRA_RRVS, "86400 C", "", "", "", " RRVS=1970-01-02T00:00:00Z;C" },
    { "RRVS without an action", "250-RRVS|", 0, 0, NULL, EXTRA_RRVS, "86400", "", "", "", " RRVS=1970-01-02T00:00:00Z" },
    { "RRVS R not offered", "", 0, 0, NULL, EXTRA_RRVS, "86400 R", "", "", NULL, "5.7.19" },
    { "RRVS C not offered goes on", "", 0, 0, NULL, EXTRA_RRVS, "86400 C", "", "", "", "" },

    { "SOLICIT", "250-NO-SOLICITING|", 0, EXTRA_SOLICIT, "org.example:ADV:ADLT", 0, NULL, "", "", " SOLICIT=org.example:ADV:ADLT", "" },
    { "XLINKPATH", "250-X-LINK2STATE|", 0, EXTRA_LINKPATH, "hub1.test,hub2.test", 0, NULL, "", "", " XLINKPATH=hub1.test,hub2.test", "" },
    { "XLINKPATH not offered", "", 0, EXTRA_LINKPATH, "hub1.test", 0, NULL, "", "", "", "" },
    { "SOLICIT not offered", "", 0, EXTRA_SOLICIT, "org.example:ADV", 0, NULL, "", "", "", "" },
};

static void set_up(struct talk *t, const struct row *r)
{
    struct client_options o = { .lmtp = strchr(r->state, 'p') != NULL };

    meet(t, &o, r->offers);
    t->c.secure = strchr(r->state, 's') != NULL;
    t->c.verified = strchr(r->state, 'v') != NULL;
    t->c.logged_in = strchr(r->state, 'l') != NULL;
    t->mail.flags = r->flags;
    t->mail.extra = put_extra(&t->extras[0], r->name, r->value);
    t->rcpts[0].extra = put_extra(&t->extras[1], r->rname, r->rvalue);
    t->rcpts[0].original = slice_cstr(r->original != NULL ? r->original : "");
}

static void check_row(struct talk *t, const struct row *r)
{
    char expected[500];
    char *text;

    snprintf(expected, sizeof expected, "MAIL FROM:<s@a.test>%s|RCPT TO:<1@b.test>%s|", r->mail, r->rcpt);
    client_send(&t->c, &t->mail, 2000);
    text = said(t);
    if (strncmp(text, expected, strlen(expected)) != 0)
        fail_msg("%s: \"%s\", not \"%s\"", r->what, text, expected);
}

static void check_unfit(struct talk *t, const struct row *r)
{
    client_send(&t->c, &t->mail, 2000);
    if (t->rcpts[0].unfit == NULL || strcmp(t->rcpts[0].unfit->status, r->rcpt) != 0
        || t->rcpts[0].decided || *said(t) != '\0' || t->c.stage != STAGE_IDLE)
        fail_msg("%s: %s", r->what, t->rcpts[0].unfit != NULL ? t->rcpts[0].unfit->status : "it was sent");
}

static void every_parameter_goes_to_hosts_that_offer_it_and_to_no_other(void **state)
{
    struct talk *t = *state;

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        set_up(t, &rows[i]);
        if (rows[i].mail != NULL)
            check_row(t, &rows[i]);
        else
            check_unfit(t, &rows[i]);
    }
}

static void a_report_goes_on_although_the_host_lacks_requiretls(void **state)
{
    struct talk *t = *state;

    meet(t, PLAIN, "");
    t->mail.flags = ENV_REQUIRETLS;
    t->mail.sender = (struct slice){ NULL, 0 };
    sends(t, "MAIL FROM:<>|RCPT TO:<1@b.test>|DATA|");
}

/* --- SMTPUTF8 */

static const struct {
    const char *what, *offers, *sender, *rcpt, *text, *commands;    /* commands NULL: unfit */
} utf8s[] = {
    { "everything in UTF-8", "250-SMTPUTF8|250-8BITMIME|", "s\303\244@b\303\274cher.test",
      "\303\266@b\303\274cher.test", "Subject: \303\244\r\n\r\n",
      "MAIL FROM:<s\303\244@b\303\274cher.test> SMTPUTF8|RCPT TO:<\303\266@b\303\274cher.test>|DATA|" },
    { "domains become A-labels", "", "s@b\303\274cher.test", "x@b\303\274cher.test", "Subject: a\r\n\r\n",
      "MAIL FROM:<s@xn--bcher-kva.test>|RCPT TO:<x@xn--bcher-kva.test>|DATA|" },
    { "a sender that has no ASCII form", "", "\303\244@a.test", "x@b.test", "Subject: a\r\n\r\n", NULL },
    { "a recipient that has no ASCII form", "", "a@a.test", "\303\244@b.test", "Subject: a\r\n\r\n", NULL },
    { "a header that needs it", "", "a@a.test", "x@b.test", "Subject: \303\244\r\n\r\nx\r\n", NULL },
    { "a body does not", "250-8BITMIME|", "a@a.test", "x@b.test", "Subject: a\r\n\r\n\303\244\r\n",
      "MAIL FROM:<a@a.test>|RCPT TO:<x@b.test>|DATA|" },
};

static void addresses_beyond_ascii_go_where_they_are_understood(void **state)
{
    struct talk *t = *state;

    for (size_t i = 0; i < sizeof utf8s / sizeof *utf8s; i++) {
        struct slice text = slice_cstr(utf8s[i].text);
        char *out;

        meet(t, PLAIN, utf8s[i].offers);
        t->mail.flags = ENV_UTF8;
        t->mail.sender = slice_cstr(utf8s[i].sender);
        t->rcpts[0].address = slice_cstr(utf8s[i].rcpt);
        t->mail.text = (struct client_text){ .body = text, .size = text.n };
        client_send(&t->c, &t->mail, 2000);
        out = said(t);
        if (utf8s[i].commands != NULL ? strcmp(out, utf8s[i].commands) != 0
            : t->rcpts[0].unfit == NULL || strcmp(t->rcpts[0].unfit->status, "5.6.7") != 0)
            fail_msg("%s: %s", utf8s[i].what, out);
    }
}

static void a_recipient_that_cannot_be_written_does_not_hold_up_the_others(void **state)
{
    struct talk *t = *state;

    meet(t, PLAIN, "");
    t->mail.nrcpts = 2;
    t->mail.flags = ENV_UTF8;
    t->rcpts[0].address = SLICE_LIT("\303\244@b.test");
    sends(t, "MAIL FROM:<s@a.test>|RCPT TO:<2@c.test>|DATA|");
    hear(t, "250 ok|250 ok|354 go|", "Hi|.|");
    hear(t, "250 kept|", "");
    assert_true(t->rcpts[1].decided && !t->rcpts[0].decided);
    assert_string_equal(t->rcpts[0].unfit->status, "5.6.7");
}

/* --- BDAT */

#define CHUNKS  "250-CHUNKING|250-8BITMIME|250-BINARYMIME|"
#define MAILRCPT "MAIL FROM:<s@a.test>|RCPT TO:<1@b.test>|"

static void a_small_text_goes_with_its_commands(void **state)
{
    struct talk *t = *state;

    meet(t, PLAIN, CHUNKS);
    sends(t, MAILRCPT "BDAT 4 LAST|Hi|");
    hear(t, "250 ok|250 ok|250 2.0.0 kept|", "");
    assert_int_equal(t->rcpts[0].fate, FATE_DONE);
    assert_int_equal(t->c.stage, STAGE_IDLE);
    t->rcpts[0].decided = false;                /* nor does it wait where the host was just heard */
    client_send(&t->c, &t->mail, 2000 + CLIENT_WARM);
    assert_string_equal(said(t), MAILRCPT "BDAT 4 LAST|Hi|");
    hear(t, "250 ok|250 ok|250 2.0.0 kept|", "");
    assert_int_equal(t->rcpts[0].fate, FATE_DONE);
    t->rcpts[0].decided = false;                /* on a connection kept idle it waits for RCPT */
    client_send(&t->c, &t->mail, 2001 + CLIENT_WARM);
    assert_string_equal(said(t), MAILRCPT);
    hear(t, "250 ok|250 ok|", "BDAT 4 LAST|Hi|");
    hear(t, "250 ok|", "");
    assert_int_equal(t->rcpts[0].fate, FATE_DONE);
}

static void dots_and_any_octets_go_by_bdat_as_they_are(void **state)
{
    static const struct slice binary = { ".\r\n\0\n\r.\r\n\377", 10 };
    struct talk *t = *state;

    meet(t, PLAIN, CHUNKS);
    t->mail.flags = ENV_BINARY | ENV_BARE | ENV_8BIT;
    t->mail.text = (struct client_text){ .body = binary, .size = binary.n };
    client_send(&t->c, &t->mail, 2000);
    assert_memory_equal(t->out.p + t->out.start + t->out.n - 10 - 14, "BDAT 10 LAST\r\n", 14);
    assert_memory_equal(t->out.p + t->out.start + t->out.n - 10, binary.p, 10);
}

static void what_is_no_text_is_never_sent_as_text_by_bdat(void **state)
{
    static const struct slice binary = { "a\nb\r\n", 5 };
    struct talk *t = *state;

    meet(t, PLAIN, "250-CHUNKING|");
    t->mail.text = (struct client_text){ .body = binary, .size = binary.n };
    client_send(&t->c, &t->mail, 2000);
    assert_int_equal(t->c.stage, STAGE_DEAD);
    assert_null(strstr(said(t), "a|b"));
    assert_int_equal(t->rcpts[0].fate, FATE_NEVER);
}

static int64_t read_x(void *user, char *to, size_t n, uint64_t at)
{
    (void)user;
    for (size_t i = 0; i < n; i++)
        to[i] = (at + i) % 100 == 98 ? '\r' : (at + i) % 100 == 99 ? '\n' : 'x';
    return (int64_t)n;
}

static uint64_t drain(struct talk *t)
{
    uint64_t sent = t->out.n;

    buf_clear(&t->out);
    while (t->c.stage == STAGE_BODY) {
        client_fill(&t->c, 3000);
        sent += t->out.n;
        buf_clear(&t->out);
    }
    return sent;
}

static void a_large_text_goes_in_chunks_each_with_its_reply(void **state)
{
    struct talk *t = *state;

    meet(t, PLAIN, CHUNKS);
    t->mail.text = (struct client_text){ .size = CLIENT_CHUNK + 500, .read = read_x };
    sends(t, MAILRCPT);
    feed(t, "250 ok|250 ok|");
    assert_memory_equal(t->out.p + t->out.start, "BDAT 1048576\r\nxx", 16);
    assert_int_equal(drain(t), CLIENT_CHUNK + 14);
    assert_int_equal(t->c.stage, STAGE_CHUNK);
    feed(t, "250 1048576 octets|");
    assert_memory_equal(t->out.p + t->out.start, "BDAT 500 LAST\r\n", 15);
    assert_int_equal(drain(t), 500 + 15);
    assert_int_equal(t->c.stage, STAGE_DOT);
    hear(t, "250 kept|", "");
    assert_int_equal(t->rcpts[0].fate, FATE_DONE);
}

static void after_a_refused_chunk_no_other_is_sent_and_rset_comes_next(void **state)
{
    struct talk *t = *state;

    meet(t, PLAIN, CHUNKS);
    t->mail.text = (struct client_text){ .size = CLIENT_CHUNK + 500, .read = read_x };
    client_send(&t->c, &t->mail, 2000);
    feed(t, "250 ok|250 ok|");
    drain(t);
    hear(t, "552 5.3.4 too big|", "");
    assert_int_equal(t->rcpts[0].fate, FATE_NEVER);
    assert_int_equal(t->c.stage, STAGE_IDLE);
    t->rcpts[0].decided = false;
    sends(t, "RSET|" MAILRCPT);
}

static const struct { const char *what, *replies; enum fate fate; bool decided; unsigned code; } alongs[] = {
    { "MAIL refused, BDAT too", "550 5.7.1 no|503 x|503 x|", FATE_NEVER, true, 550 },
    { "RCPT refused, BDAT too", "250 ok|550 5.1.1 no|554 5.5.1 x|", FATE_NEVER, true, 550 },
    { "RCPT refused, BDAT taken", "250 ok|550 5.1.1 no|250 thanks|", FATE_NEVER, true, 550 },
    { "BDAT refused for now", "250 ok|250 ok|451 4.3.0 later|", FATE_LATER, true, 451 },
    { "BDAT refused", "250 ok|250 ok|554 5.6.0 no|", FATE_NEVER, true, 554 },
    { "421 to MAIL: elsewhere at once", "421 bye|", 0, false, 0 },
};

static void a_text_that_went_along_has_the_fate_that_the_replies_say(void **state)
{
    struct talk *t = *state;

    for (size_t i = 0; i < sizeof alongs / sizeof *alongs; i++) {
        meet(t, PLAIN, CHUNKS);
        client_send(&t->c, &t->mail, 2000);
        said(t);
        feed(t, alongs[i].replies);
        if (t->rcpts[0].decided != alongs[i].decided || t->c.mail != NULL
            || (alongs[i].decided && (t->rcpts[0].fate != alongs[i].fate || t->rcpts[0].code != alongs[i].code)))
            fail_msg("%s: %d %u", alongs[i].what, t->rcpts[0].fate, t->rcpts[0].code);
    }
}

static void a_text_that_went_along_is_in_doubt_when_the_connection_is_lost(void **state)
{
    struct talk *t = *state;

    meet(t, PLAIN, CHUNKS);
    client_send(&t->c, &t->mail, 2000);
    client_fail(&t->c, CAUSE_LOST, "");
    assert_true(t->rcpts[0].decided);           /* not elsewhere now: it may be there */
    assert_int_equal(t->rcpts[0].fate, FATE_LATER);
}

static void lmtp_has_a_reply_for_each_recipient_after_bdat(void **state)
{
    struct talk *t = *state;

    meet(t, &(struct client_options){ .lmtp = true }, CHUNKS);
    t->mail.nrcpts = 2;
    sends(t, MAILRCPT "RCPT TO:<2@c.test>|");
    hear(t, "250 ok|250 ok|250 ok|", "BDAT 4 LAST|Hi|");
    hear(t, "250 2.1.5 kept|452 4.2.2 full|", "");
    assert_int_equal(t->rcpts[0].how, DELIVERY_FINAL);
    assert_int_equal(t->rcpts[0].fate, FATE_DONE);
    assert_int_equal(t->rcpts[1].fate, FATE_LATER);
}

static void a_connection_that_reads_lines_gets_data(void **state)
{
    struct talk *t = *state;

    meet(t, &(struct client_options){ .lines = true }, CHUNKS);
    sends(t, MAILRCPT "DATA|");
}

static enum downgrade_result fit(void *user, enum downgrade_target target, struct client_text *text)
{
    enum downgrade_result *result = user;

    if (target == DOWNGRADE_TO_7BIT && *result == DOWNGRADE_DONE)
        *text = (struct client_text){ .body = SLICE_LIT("seven\r\n"), .size = 7 };
    if (target == DOWNGRADE_TO_8BIT && *result == DOWNGRADE_DONE)
        *text = (struct client_text){ .body = SLICE_LIT("eight\r\n"), .size = 7 };
    return *result;
}

static const struct {
    const char *offers; unsigned flags; enum downgrade_result result; const char *mail, *text;
} fits[] = {
    { "", ENV_8BIT, DOWNGRADE_DONE, "", "seven|" },
    { "250-8BITMIME|", ENV_BINARY | ENV_8BIT, DOWNGRADE_DONE, " BODY=8BITMIME", "eight|" },
    { "", ENV_BINARY, DOWNGRADE_DONE, "", "seven|" },
    { "", ENV_BINARY, DOWNGRADE_FITS, "", "Hi|" },
    { "", ENV_8BIT, DOWNGRADE_SIGNED, NULL, "5.6.3" },
    { "", ENV_8BIT, DOWNGRADE_HEADER, NULL, "5.6.7" },
};

static void a_text_is_re_encoded_for_a_host_that_takes_less(void **state)
{
    struct talk *t = *state;

    for (size_t i = 0; i < sizeof fits / sizeof *fits; i++) {
        enum downgrade_result result = fits[i].result;
        char expected[100];

        meet(t, PLAIN, fits[i].offers);
        t->mail.flags = fits[i].flags;
        t->mail.fit = fit;
        t->mail.fit_user = &result;
        client_send(&t->c, &t->mail, 2000);
        if (fits[i].mail == NULL) {
            assert_string_equal(t->rcpts[0].unfit->status, fits[i].text);
        } else {
            snprintf(expected, sizeof expected, "MAIL FROM:<s@a.test>%s|RCPT TO:<1@b.test>|DATA|", fits[i].mail);
            assert_string_equal(said(t), expected);
            snprintf(expected, sizeof expected, "%s.|", fits[i].text);
            hear(t, "250 ok|250 ok|354 go|", expected);
        }
    }
}

/* --- how it was done (RFC 3461 §5.2) */

static void a_success_says_who_reports_it(void **state)
{
    static const struct { const char *offers; bool by; enum delivery_kind how; } cases[] = {
        { "250-DSN|", false, DELIVERY_PASSED },
        { "", false, DELIVERY_RELAYED },
        { "250-DSN|250-DELIVERBY|", true, DELIVERY_PASSED },
        { "250-DELIVERBY|", true, DELIVERY_RELAYED },
        { "250-DSN|", true, DELIVERY_PASSED_LATE },
        { "", true, DELIVERY_RELAYED_LATE },
    };
    struct talk *t = *state;

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct buf extra = BUF(1000);
        struct wire w = wire_writer(&extra);

        talk_open(t, PLAIN);
        if (cases[i].by)
            extra_put(&w, EXTRA_BY, SLICE_LIT("9000000 N"));
        t->mail.extra = buf_view(&extra);
        greet(t, cases[i].offers);
        client_send(&t->c, &t->mail, 2000);
        feed(t, "250 ok|250 ok|354 go|");
        feed(t, "250 ok|");
        assert_int_equal(t->rcpts[0].how, cases[i].how);
        buf_free(&extra);
    }
}

/* --- SIZE by recipient (RFC 1870 §6.1) */

static void a_full_mailbox_bounces_and_too_many_recipients_wait(void **state)
{
    static const struct { const char *reply; enum fate fate; } cases[] = {
        { "552 5.2.2 mailbox full|", FATE_NEVER }, { "552 5.2.3 too large for it|", FATE_NEVER },
        { "552 5.3.4 too large|", FATE_NEVER },    { "552 5.5.3 too many recipients|", FATE_LATER },
        { "552 too many|", FATE_LATER },           { "452 4.2.2 full|", FATE_LATER },
    };
    struct talk *t = *state;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        meet(t, PLAIN, "250-SIZE 1000|");
        client_send(&t->c, &t->mail, 2000);
        feed(t, "250 ok|");
        feed(t, cases[i].reply);
        assert_int_equal(t->rcpts[0].fate, cases[i].fate);
    }
}

/* --- STARTTLS */

#define OPPORTUNISTIC &(struct client_options){ .tls = TLS_POLICY_OPPORTUNISTIC }
#define REQUIRED      &(struct client_options){ .tls = TLS_POLICY_REQUIRE }
#define OFFERS_TLS    "250-mx.test|250-SIZE|250 STARTTLS|"

static void tls_is_taken_where_it_is_offered_and_everything_begins_anew(void **state)
{
    struct talk *t = *state;

    talk_open(t, OPPORTUNISTIC);
    hear(t, "220 mx.test|", "EHLO us.test|");
    hear(t, OFFERS_TLS, "STARTTLS|");
    hear(t, "220 go|", "");
    assert_int_equal(t->c.stage, STAGE_SECURE);
    client_secured(&t->c, true, 2000);
    assert_string_equal(said(t), "EHLO us.test|");
    hear(t, "250-mx.test|250-STARTTLS|250 8BITMIME|", "");
    assert_int_equal(t->c.stage, STAGE_IDLE);
    assert_false(t->c.offers.flags & HOST_SIZE);
}

static const struct {
    const char *what; enum tls_policy tls; const char *ehlo, *reply;
    enum stage stage; enum cause cause;
} starts[] = {
    { "not offered", TLS_POLICY_OPPORTUNISTIC, "250 mx.test|", "", STAGE_IDLE, CAUSE_NONE },
    { "not offered, but required", TLS_POLICY_REQUIRE, "250 mx.test|", "", STAGE_DEAD, CAUSE_NO_TLS },
    { "not wanted", TLS_POLICY_NONE, OFFERS_TLS, "", STAGE_IDLE, CAUSE_NONE },
    { "refused", TLS_POLICY_OPPORTUNISTIC, OFFERS_TLS, "454 4.7.0 no|", STAGE_IDLE, CAUSE_NONE },
    { "refused, but required", TLS_POLICY_REQUIRE, OFFERS_TLS, "454 4.7.0 no|", STAGE_DEAD, CAUSE_NO_TLS },
    { "refused for ever", TLS_POLICY_OPPORTUNISTIC, OFFERS_TLS, "502 no|", STAGE_IDLE, CAUSE_NONE },
    { "words behind 220 (CVE-2011-0411)", TLS_POLICY_OPPORTUNISTIC, OFFERS_TLS, "220 go|250 x|", STAGE_DEAD, CAUSE_PROTOCOL },
    { "HELO has none", TLS_POLICY_REQUIRE, "500 what|", "250 hi|", STAGE_DEAD, CAUSE_NO_TLS },
};

static void what_is_not_secure_is_used_only_where_it_may_be(void **state)
{
    struct talk *t = *state;

    for (size_t i = 0; i < sizeof starts / sizeof *starts; i++) {
        talk_open(t, &(struct client_options){ .tls = starts[i].tls });
        feed(t, "220 mx.test|");
        feed(t, starts[i].ehlo);
        feed(t, starts[i].reply);
        if (t->c.stage != starts[i].stage || t->c.problem.cause != starts[i].cause)
            fail_msg("%s: stage %d, cause %d", starts[i].what, t->c.stage, t->c.problem.cause);
    }
}

/* --- logging in */

/* login_at - a session with an account at a host that says this to EHLO */

static void login_at(struct talk *t, const char *ehlo)
{
    talk_open(t, &(struct client_options){ .account = SLICE_LIT("hub") });
    feed(t, "220 mx.test|");
    said(t);
    feed(t, ehlo);
}

static void a_login_is_a_talk_between_the_vault_and_the_host(void **state)
{
    struct talk *t = *state;

    login_at(t, "250-mx.test|250-AUTH CRAM-MD5 PLAIN|250 X-EXPS LOGIN|");
    assert_string_equal(said(t), "");
    assert_int_equal(t->c.stage, STAGE_LOGIN);
    assert_string_equal(t->asked, "BEGIN CRAM-MD5 PLAIN;");
    client_login_say(&t->c, SLICE_LIT("CRAM-MD5"), false, SLICE_LIT(""), 2000);
    assert_string_equal(said(t), "AUTH CRAM-MD5|");
    hear(t, "334 PDE+|", "");
    assert_string_equal(t->asked, "BEGIN CRAM-MD5 PLAIN;STEP <1>;");
    client_login_say(&t->c, SLICE_LIT(""), true, SLICE_LIT("hub x"), 2000);
    assert_string_equal(said(t), "aHViIHg=|");
    client_login_end(&t->c, FATE_DONE, SLICE_LIT(""), 2000);
    hear(t, "235 2.7.0 welcome|", "");
    assert_int_equal(t->c.stage, STAGE_IDLE);
    assert_true(t->c.logged_in);
}

static void x_exps_is_used_where_a_host_has_only_that(void **state)
{
    struct talk *t = *state;

    login_at(t, "250-mx.test|250-X-EXPS=LOGIN|250 X-EXPS GSSAPI LOGIN|");
    said(t);
    assert_string_equal(t->asked, "BEGIN LOGIN GSSAPI;");
    client_login_say(&t->c, SLICE_LIT("LOGIN"), true, SLICE_LIT("u"), 2000);
    assert_string_equal(said(t), "X-EXPS LOGIN dQ==|");
}

static const struct { const char *what; bool has; const char *data, *line; } firsts[] = {
    { "an initial response", true, "\0u\0p", "AUTH PLAIN AHUAcA==|" },
    { "an empty one", true, "", "AUTH PLAIN =|" },
    { "none", false, "", "AUTH PLAIN|" },
};

static void an_initial_response_goes_with_the_command(void **state)
{
    struct talk *t = *state;

    for (size_t i = 0; i < sizeof firsts / sizeof *firsts; i++) {
        login_at(t, "250-mx.test|250 AUTH PLAIN|");
        said(t);
        client_login_say(&t->c, SLICE_LIT("PLAIN"), firsts[i].has,
                         slice_of(firsts[i].data, i == 0 ? 4 : 0), 2000);
        assert_string_equal(said(t), firsts[i].line);
    }
}

/* What goes wrong; the step before is AUTH PLAIN. */
static const struct { const char *what; bool proved; const char *reply; unsigned code; const char *said; } wrongs[] = {
    { "235 before the host has proved itself", false, "235 ok|", 0, "" },
    { "535", true, "535 5.7.8 no|", 535, "QUIT|" },
    { "454", true, "454 4.7.0 not now|", 454, "QUIT|" },
    { "a challenge that is no base64", true, "334 ***|", 0, "*|" },
};

static void a_login_that_fails_is_later_and_no_mail_is_sent(void **state)
{
    struct talk *t = *state;

    for (size_t i = 0; i < sizeof wrongs / sizeof *wrongs; i++) {
        login_at(t, "250-mx.test|250 AUTH PLAIN|");
        client_login_say(&t->c, SLICE_LIT("PLAIN"), true, SLICE_LIT("x"), 2000);
        if (wrongs[i].proved)
            client_login_end(&t->c, FATE_DONE, SLICE_LIT(""), 2000);
        said(t);
        hear(t, wrongs[i].reply, wrongs[i].said);
        assert_int_equal(t->c.stage, STAGE_DEAD);
        assert_int_equal(t->c.problem.cause, CAUSE_LOGIN);
        assert_int_equal(t->c.problem.code, wrongs[i].code);
        assert_int_equal(t->c.problem.status[0], '4');
    }
}

static void a_host_without_logins_is_later(void **state)
{
    struct talk *t = *state;

    login_at(t, "250 mx.test|");
    assert_int_equal(t->c.stage, STAGE_DEAD);
    assert_int_equal(t->c.problem.cause, CAUSE_LOGIN);
}

static void a_vault_that_refuses_ends_the_exchange_and_the_session(void **state)
{
    struct talk *t = *state;

    login_at(t, "250-mx.test|250 AUTH SCRAM-SHA-256|");
    client_login_say(&t->c, SLICE_LIT("SCRAM-SHA-256"), true, SLICE_LIT("x"), 2000);
    feed(t, "334 eA==|");
    said(t);
    client_login_end(&t->c, FATE_LATER, SLICE_LIT("the server did not prove who it is"), 2000);
    assert_string_equal(said(t), "*|");
    assert_int_equal(t->c.stage, STAGE_DEAD);
}

/* --- XFORWARD, XEXCH50 */

#define PEER &(struct client_options){ .xforward = true, .xexch50 = true }

static void a_peer_hears_where_a_message_came_from(void **state)
{
    struct talk *t = *state;

    meet(t, PEER, "250-XFORWARD NAME ADDR PORT PROTO HELO IDENT SOURCE|");
    sends(t, "XFORWARD NAME=[UNAVAILABLE] ADDR=192.0.2.7 PORT=[UNAVAILABLE]|");
    hear(t, "250 ok|", "XFORWARD PROTO=ESMTP HELO=cli.test IDENT=0123456789ABC SOURCE=REMOTE|");
    hear(t, "250 ok|", MAILRCPT "DATA|");
}

static void only_attributes_that_are_offered_are_told_and_told_ones_go_on(void **state)
{
    struct talk *t = *state;

    meet(t, PEER, "250-XFORWARD ADDR HELO|");
    t->mail.from_ip = SLICE_LIT("2001:db8::1");
    t->mail.extra = put_extra(&t->extras[0], EXTRA_XFORWARD, "NAME=n.test HELO=h+2Bx ADDR=");
    sends(t, "XFORWARD ADDR=IPV6:2001:db8::1|");
    hear(t, "501 what|", "XFORWARD HELO=h+2Bx|");
    hear(t, "250 ok|", MAILRCPT "DATA|");
}

static void strangers_hear_nothing(void **state)
{
    struct talk *t = *state;

    meet(t, PLAIN, "250-XFORWARD NAME ADDR|250-XEXCH50|");
    t->mail.extra = put_extra(&t->extras[0], EXTRA_XEXCH50, "blob");
    sends(t, MAILRCPT "DATA|");
    assert_non_null(strstr(t->mail.note, "XEXCH50 dropped"));
}

static struct slice blob(struct talk *t)
{
    struct buf value = BUF(100);
    struct wire w = wire_writer(&value), extra = wire_writer(&t->extras[0]);

    wire_put_u32(&w, 2);
    buf_puts(&value, "bl\rob");
    extra_put(&extra, EXTRA_XEXCH50, buf_view(&value));
    buf_free(&value);
    return buf_view(&t->extras[0]);
}

static const struct { const char *command, *after, *note; } blobs[] = {
    { "354 Send binary data|", "250 XEXCH50 OK|", NULL },
    { "354 Send binary data|", "550 no|", "XEXCH50 dropped: the host refused it" },
    { "504 Need to authenticate first|", NULL, "XEXCH50 dropped: the host refused it" },
};

static void the_blob_goes_between_recipients_and_text(void **state)
{
    struct talk *t = *state;

    for (size_t i = 0; i < sizeof blobs / sizeof *blobs; i++) {
        meet(t, PEER, "250-XEXCH50|" CHUNKS);
        t->mail.extra = blob(t);
        sends(t, MAILRCPT);
        hear(t, "250 ok|250 ok|", "XEXCH50 5 2|");
        if (blobs[i].after != NULL) {
            feed(t, blobs[i].command);
            assert_int_equal(t->out.n, 5);
            assert_memory_equal(t->out.p + t->out.start, "bl\rob", 5);
            buf_clear(&t->out);
        }
        hear(t, blobs[i].after != NULL ? blobs[i].after : blobs[i].command, "BDAT 4 LAST|Hi|");
        hear(t, "250 kept|", "");
        assert_int_equal(t->rcpts[0].fate, FATE_DONE);
        assert_string_equal(t->mail.note != NULL ? t->mail.note : "", blobs[i].note != NULL ? blobs[i].note : "");
    }
}

/* --- other commands */

static void another_command_is_asked_between_transactions(void **state)
{
    struct talk *t = *state;

    meet(t, PLAIN, "250-ETRN|");
    client_say(&t->c, SLICE_LIT("ETRN b.test"), 2000);
    assert_string_equal(said(t), "ETRN b.test|");
    assert_int_equal(t->c.stage, STAGE_COMMAND);
    hear(t, "458 4.3.0 cannot|", "");
    assert_int_equal(t->c.stage, STAGE_IDLE);
    assert_int_equal(t->c.reader.reply.code, 458);
    client_say(&t->c, SLICE_LIT("ATRN"), 2000);
    feed(t, "250 go|220 too early|");
    assert_int_equal(t->c.stage, STAGE_DEAD);
}

#define TALK(test) cmocka_unit_test_setup_teardown(test, talk_begin, talk_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TALK(every_parameter_goes_to_hosts_that_offer_it_and_to_no_other),
        TALK(a_report_goes_on_although_the_host_lacks_requiretls),
        TALK(addresses_beyond_ascii_go_where_they_are_understood),
        TALK(a_recipient_that_cannot_be_written_does_not_hold_up_the_others),
        TALK(a_small_text_goes_with_its_commands),
        TALK(dots_and_any_octets_go_by_bdat_as_they_are),
        TALK(what_is_no_text_is_never_sent_as_text_by_bdat),
        TALK(a_large_text_goes_in_chunks_each_with_its_reply),
        TALK(after_a_refused_chunk_no_other_is_sent_and_rset_comes_next),
        TALK(a_text_that_went_along_has_the_fate_that_the_replies_say),
        TALK(a_text_that_went_along_is_in_doubt_when_the_connection_is_lost),
        TALK(lmtp_has_a_reply_for_each_recipient_after_bdat),
        TALK(a_connection_that_reads_lines_gets_data),
        TALK(a_text_is_re_encoded_for_a_host_that_takes_less),
        TALK(a_success_says_who_reports_it),
        TALK(a_full_mailbox_bounces_and_too_many_recipients_wait),
        TALK(tls_is_taken_where_it_is_offered_and_everything_begins_anew),
        TALK(what_is_not_secure_is_used_only_where_it_may_be),
        TALK(a_login_is_a_talk_between_the_vault_and_the_host),
        TALK(x_exps_is_used_where_a_host_has_only_that),
        TALK(an_initial_response_goes_with_the_command),
        TALK(a_login_that_fails_is_later_and_no_mail_is_sent),
        TALK(a_host_without_logins_is_later),
        TALK(a_vault_that_refuses_ends_the_exchange_and_the_session),
        TALK(a_peer_hears_where_a_message_came_from),
        TALK(only_attributes_that_are_offered_are_told_and_told_ones_go_on),
        TALK(strangers_hear_nothing),
        TALK(the_blob_goes_between_recipients_and_text),
        TALK(another_command_is_asked_between_transactions),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
