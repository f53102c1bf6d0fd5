/* test_local_screen.c - what a message may do to a terminal: be read, and nothing else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include "base/utf8.h"
#include "local/screen.h"

static struct screen usual = {
    .sender = SLICE_INIT("s@there.test"), .client = SLICE_INIT("192.0.2.7"),
    .helo = SLICE_INIT("client.test"), .address = SLICE_INIT("alice@ours.test"), .lines = 5,
};

#define BANNER "\r\n\007Message from <s@there.test>\r\n" \
               "to <alice@ours.test> at 00:00, brought by client.test [192.0.2.7]:\r\n"
#define END "(end of message)\r\n"

static void shows(const struct screen *s, const char *message, const char *wanted)
{
    struct buf out = BUF(1 << 20);

    assert_true(screen_write(s, slice_cstr(message), &out));
    if (!slice_eq(buf_view(&out), slice_cstr(wanted)))
        fail_msg("%s\nis shown as:\n%.*s\nwanted:\n%s", message, SLICE(buf_view(&out)), wanted);
    buf_free(&out);
}

static void banner_header_and_text_are_shown(void **state)
{
    (void)state;
    shows(&usual, "From: Eve <e@x.test>\r\nX-Other: y\r\nSubject: hello\r\n there\r\n\r\nline\r\n\r\nend\r\n",
          BANNER "| From: Eve <e@x.test>\r\n| Subject: hello there\r\n|\r\n| line\r\n| \r\n| end\r\n" END);
    shows(&usual, "Subject: only\r\n\r\n", BANNER "| Subject: only\r\n" END);
    shows(&usual, "", BANNER END);
}

static void encoded_text_is_decoded(void **state)
{
    static const struct { const char *message, *shown; } cases[] = {
        { "MIME-Version: 1.0\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\na=3Db =C3=BC=\r\nx  \r\ny=1b[2J\r\n",
          "| a=b \303\274x\r\n| y[2J\r\n" },
        { "MIME-Version: 1.0\r\nContent-Transfer-Encoding: base64\r\n\r\naGVsbG8K\r\nd29ybGQK\r\n",
          "| hello\r\n| world\r\n" },
        { "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/html\r\n\r\n<p>\r\n"
          "--b\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\naGk=\r\n--b--\r\n",
          "| hi\r\n" },
        { "MIME-Version: 1.0\r\nContent-Type: text/html\r\n\r\n<b>x</b>\r\n", NULL },
        { "MIME-Version: 1.0\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\naGk=\r\n", NULL },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char wanted[600];

        snprintf(wanted, sizeof wanted, BANNER "%s%s" END, cases[i].shown ? "|\r\n" : "",
                 cases[i].shown ? cases[i].shown : "| (no plain text in it)\r\n");
        shows(&usual, cases[i].message, wanted);
    }
}

static void encoded_words_are_decoded(void **state)
{
    static const struct { const char *subject, *shown; } cases[] = {
        { "=?utf-8?Q?Gr=C3=BC=C3=9Fe_an?= alle", "Gr\303\274\303\237e an alle" },
        { "=?UTF-8*de?b?R3LDvMOf?= =?utf-8?q?e?=", "Gr\303\274\303\237e" },
        { "=?utf-8?q?a?= b =?us-ascii?q?c?=", "a b c" },
        { "=?utf-8?q?=1B[2J=07?=x", "[2Jx" }, { "=?iso-8859-1?q?=FC?=", "=?iso-8859-1?q?=FC?=" },
        { "=?utf-8?q?=FC?=", "?" }, { "=?utf-8?b?!!?=x", "x" }, { "=?utf-8?x?y?=", "=?utf-8?x?y?=" },
        { "=?utf-8?q?unfinished", "=?utf-8?q?unfinished" }, { "=?", "=?" }, { "a=?b", "a=?b" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char message[200], wanted[400];

        snprintf(message, sizeof message, "Subject: %s\r\n\r\n", cases[i].subject);
        snprintf(wanted, sizeof wanted, BANNER "| Subject: %s\r\n" END, cases[i].shown);
        shows(&usual, message, wanted);
    }
}

static void nothing_that_moves_a_terminal_comes_through(void **state)
{
    static const struct { const char *text, *shown; } cases[] = {
        { "a\033]0;title\007b", "a]0;titleb" },         /* ESC and BEL */
        { "a\rb", "ab" }, { "a\bb", "ab" }, { "a\177b", "ab" }, { "a\tb", "a b" },
        { "a\302\233" "31mb", "a31mb" },                /* CSI as a C1 control in UTF-8 */
        { "a\23331mb", "a?31mb" },                      /* ... and as an octet */
        { "a\342\200\256b", "ab" },                     /* right-to-left override */
        { "a\303", "a?" }, { "a\300\200b", "a??b" }, { "\355\240\200", "???" },
        { "\303\274\342\202\254", "\303\274\342\202\254" },
        { "a\016b\017\v\f", "ab" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char message[200], wanted[400];

        snprintf(message, sizeof message, "Subject: %s\r\n\r\n%s\r\n", cases[i].text, cases[i].text);
        snprintf(wanted, sizeof wanted, BANNER "| Subject: %s\r\n|\r\n| %s\r\n" END, cases[i].shown,
                 cases[i].shown);
        shows(&usual, message, wanted);
    }
}

static void the_sender_cannot_forge_the_banner(void **state)
{
    struct screen s = usual;

    (void)state;
    s.sender = SLICE_LIT("\"x\033[2J\r\n\"@there.test");
    s.helo = SLICE_LIT("h\nMessage from <root@ours.test>");
    shows(&s, "", "\r\n\007Message from <\"x[2J\"@there.test>\r\n"
          "to <alice@ours.test> at 00:00, brought by hMessage from <root@ours.test> [192.0.2.7]:\r\n" END);
}

static void long_texts_are_folded_and_cut(void **state)
{
    static char message[4000] = "\r\n", wanted[2000] = BANNER "|\r\n";

    (void)state;
    memset(message + 2, 'x', 78);
    strcat(message, "\r\n1\r\n2\r\n3\r\n4\r\n");
    strcat(wanted, "| ");
    memset(wanted + strlen(wanted), 'x', 77);
    strcat(wanted, "\r\n| x\r\n| 1\r\n| 2\r\n| 3\r\n| ...\r\n" END);
    shows(&usual, message, wanted);
    memset(message + 2, 'x', 3000);
    memset(message + 3002, 0, 900);
    memset(wanted + strlen(BANNER) + 3, 0, sizeof wanted - strlen(BANNER) - 3);
    for (int i = 0; i < 5; i++) {
        strcat(wanted, "| ");
        memset(wanted + strlen(wanted), 'x', 77);
        strcat(wanted, "\r\n");
    }
    strcat(wanted, "| ...\r\n" END);
    shows(&usual, message, wanted);
}

/* Whatever octets come, what goes out is printable UTF-8, CR LF pairs, and one bell. */

static void any_octets_come_out_harmless(void **state)
{
    unsigned seed = 7;

    (void)state;
    for (int round = 0; round < 3000; round++) {
        struct buf out = BUF(1 << 20);
        char message[300];
        size_t n = (size_t)(rand_r(&seed) % 300);
        struct slice line, rest;

        for (size_t i = 0; i < n; i++)
            message[i] = (char)(rand_r(&seed) % 5 == 0 ? "\r\n: -="[rand_r(&seed) % 6] : rand_r(&seed));
        assert_true(screen_write(&usual, slice_of(message, n), &out));
        rest = slice_from(buf_view(&out), 3);       /* CR LF BEL */
        while (slice_cut(rest, '\n', &line, &rest)) {
            assert_true(line.n > 0 && line.p[line.n - 1] == '\r');
            assert_true(utf8_printable(slice_first(line, line.n - 1)));
        }
        buf_free(&out);
    }
}

static int begin(void **state)
{
    (void)state;
    return setenv("TZ", "UTC", 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(banner_header_and_text_are_shown),
        cmocka_unit_test(encoded_text_is_decoded),
        cmocka_unit_test(encoded_words_are_decoded),
        cmocka_unit_test(nothing_that_moves_a_terminal_comes_through),
        cmocka_unit_test(the_sender_cannot_forge_the_banner),
        cmocka_unit_test(long_texts_are_folded_and_cut),
        cmocka_unit_test(any_octets_come_out_harmless),
    };

    return cmocka_run_group_tests(tests, begin, NULL);
}
