/* test_sasl_accounts.c - the files of secrets: what is taken, what is refused and why. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>
#include "sasl/accounts.h"
#include "sasl/credentials.h"

#define SCRAM "{SCRAM-SHA-256}4096:c2FsdA==$" \
              "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
#define CRYPT "{crypt}$y$j9T$SJAZq3uTEWx.HdYsgTI59.$oaysCH2wWhX3PaleI/r1tzyQ9uqR3Sh3CzLLDoZASi5"

static struct accounts accounts;
static struct credentials credentials;

static char *copy_of(struct slice s)
{
    char *copy = malloc(s.n + 1);

    assert_non_null(copy);
    memcpy(copy, s.p, s.n);
    return copy;
}

/* parse - "" or the first error, without its newline */

static const char *parse(struct slice text)
{
    static char line[300];
    struct buf errors = BUF(8192);
    char *copy = copy_of(text);

    line[0] = '\0';
    if (!accounts_parse(&accounts, copy, text.n, "f", &errors)) {
        struct slice first, rest;

        free(copy);
        assert_true(errors.n > 0);
        slice_cut(buf_view(&errors), '\n', &first, &rest);
        snprintf(line, sizeof line, "%.*s", SLICE(first));
    }
    buf_free(&errors);
    return line;
}

static void right_files_are_read(void **state)
{
    const struct account *a;

    (void)state;
    assert_string_equal(parse(SLICE_LIT("")), "");
    assert_int_equal(accounts.n, 0);
    assert_string_equal(parse(SLICE_LIT("# nobody\n\n#\n")), "");
    assert_string_equal(parse(SLICE_LIT("alice:" CRYPT SCRAM "{clear}a {b} c \n#\nb\xc3\xb6" "b:{CLEAR}x\nc@d.test:" CRYPT)), "");
    assert_int_equal(accounts.n, 3);
    assert_true(accounts.any_clear && accounts.any_scram);
    a = accounts_find(&accounts, SLICE_LIT("alice"));
    assert_non_null(a);
    assert_true(slice_eq(a->secret.clear, SLICE_LIT("a {b} c ")));
    assert_true(slice_istarts(a->secret.crypt, SLICE_LIT("$y$j9T$")));
    assert_int_equal(a->line, 1);
    assert_non_null(accounts_find(&accounts, SLICE_LIT("b\xc3\xb6" "b")));
    assert_non_null(accounts_find(&accounts, SLICE_LIT("c@d.test")));
    assert_null(accounts_find(&accounts, SLICE_LIT("Alice")));
    assert_null(accounts_find(&accounts, SLICE_LIT("")));
}

static void wrong_lines_are_named_and_nothing_is_taken(void **state)
{
    static const struct { struct slice text; const char *why; } cases[] = {
        { SLICE_INIT("alice\n"), "f:1: expected NAME:{scheme}value" },
        { SLICE_INIT("#\n\nalice:\n"), "f:3: expected {scheme} after the name" },
        { SLICE_INIT("alice:secret\n"), "f:1: expected {scheme}" },
        { SLICE_INIT("alice:{clear\n"), "f:1: expected {scheme}" },
        { SLICE_INIT("alice:{md5}x\n"), "f:1: unknown scheme: known are {crypt}, {SCRAM-SHA-256} and {clear}" },
        { SLICE_INIT("alice:{clear}\n"), "f:1: not a password in its prepared form (RFC 4013)" },
        { SLICE_INIT("alice:{crypt}{clear}x\n"), "f:1: not a hash that crypt(3) knows" },
        { SLICE_INIT("alice:{crypt}*0\n"), "f:1: not a hash that crypt(3) knows" },
        { SLICE_INIT("alice:{crypt}$zz$x\n"), "f:1: not a hash that crypt(3) knows" },
        { SLICE_INIT("alice:" SCRAM SCRAM "\n"), "f:1: a scheme stands twice" },
        { SLICE_INIT("alice:{SCRAM-SHA-256}1:c2FsdA==$A:A\n"), "f:1: not ITERATIONS:SALT$STOREDKEY:SERVERKEY" },
        { SLICE_INIT("alice:{SCRAM-SHA-256}99999999999:c2FsdA==$A:A\n"), "f:1: not ITERATIONS:SALT$STOREDKEY:SERVERKEY" },
        { SLICE_INIT("alice:{SCRAM-SHA-256}\n"), "f:1: not ITERATIONS:SALT$STOREDKEY:SERVERKEY" },
        { SLICE_INIT("alice:{clear}x\r\n"), "f:1: lines end in LF alone" },
        { SLICE_INIT("alice:{clear}x\0y\n"), "f:1: a control character" },
        { SLICE_INIT("alice:{clear}x\x7f\n"), "f:1: a control character" },
        { SLICE_INIT("alice:{clear}x\n\nalice:{clear}y\n"), "f:3: this name has come before" },
        { SLICE_INIT(":{clear}x\n"), "f:1: not a name: UTF-8 in its prepared form (RFC 4013), without spaces, ':' and '|'" },
        { SLICE_INIT("a b:{clear}x\n"), "f:1: not a name: UTF-8 in its prepared form (RFC 4013), without spaces, ':' and '|'" },
        { SLICE_INIT("a|b:{clear}x\n"), "f:1: not a name: UTF-8 in its prepared form (RFC 4013), without spaces, ':' and '|'" },
        { SLICE_INIT("o\xcc\x88:{clear}x\n"), "f:1: not a name: UTF-8 in its prepared form (RFC 4013), without spaces, ':' and '|'" },
        { SLICE_INIT("\xff:{clear}x\n"), "f:1: not a name: UTF-8 in its prepared form (RFC 4013), without spaces, ':' and '|'" },
        { SLICE_INIT("alice:{clear}\xff\n"), "f:1: not a password in its prepared form (RFC 4013)" },
    };

    (void)state;
    assert_string_equal(parse(SLICE_LIT("was:{clear}here\n")), "");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_string_equal(parse(cases[i].text), cases[i].why);
        assert_non_null(accounts_find(&accounts, SLICE_LIT("was")));    /* the old ones stay */
    }
}

static void lines_and_names_are_bounded(void **state)
{
    char text[4000];

    (void)state;
    memset(text, 'a', sizeof text);
    memcpy(text + 255, ":{clear}x", 9);
    assert_string_equal(parse(slice_of(text, 264)), "");
    memset(text + 255, 'a', 9);
    memcpy(text + 256, ":{clear}x", 9);
    assert_true(parse(slice_of(text, 265))[0] != '\0');
    assert_string_equal(parse(slice_of(text, ACCOUNTS_LINE_MAX + 1)), "f:1: the line is too long");
}

static void at_most_twenty_errors_are_told(void **state)
{
    struct buf text = BUF(4000), errors = BUF(8192);
    size_t lines = 0;
    char *copy;

    (void)state;
    for (int i = 0; i < 100; i++)
        buf_puts(&text, "x\n");
    copy = copy_of(buf_view(&text));
    assert_false(accounts_parse(&accounts, copy, text.n, "f", &errors));
    free(copy);
    for (size_t i = 0; i < errors.n; i++)
        lines += buf_view(&errors).p[i] == '\n';
    assert_int_equal(lines, 20);
    buf_free(&text);
    buf_free(&errors);
}

static void a_made_secret_is_the_password_and_no_other(void **state)
{
    static const struct { bool crypt, scram, clear; } shapes[] = {
        { true, true, true }, { true, false, false }, { false, true, false }, { false, false, true },
    };
    struct buf line = BUF(2048);
    const struct account *a;

    (void)state;
    buf_puts(&line, "alice:");
    assert_true(password_make("secret", true, &line));
    assert_string_equal(parse(buf_view(&line)), "");
    a = accounts_find(&accounts, SLICE_LIT("alice"));
    for (size_t i = 0; i < 4; i++) {
        struct secret s = a->secret;

        s.crypt.n = shapes[i].crypt ? s.crypt.n : 0;
        s.scram.n = shapes[i].scram ? s.scram.n : 0;
        s.clear.n = shapes[i].clear ? s.clear.n : 0;
        assert_int_equal(secret_check(&s, "secret"), 1);
        assert_int_equal(secret_check(&s, "secreT"), 0);
        assert_int_equal(secret_check(&s, ""), 0);
        assert_int_equal(secret_check(&s, "secret "), 0);
    }
    assert_int_equal(secret_check(&(struct secret){ 0 }, "secret"), -1);
    buf_free(&line);
}

static void passwords_are_prepared(void **state)
{
    static const struct { const char *from, *to; } cases[] = {
        { "I\xc2\xadX", "IX" }, { "user", "user" }, { "\xc2\xaa", "a" }, { "\xe2\x85\xa8", "IX" },
        { "a\xc2\xa0" "b", "a b" }, { "\x07", NULL }, { "\xd8\xa7" "1", NULL }, { "", NULL }, { "\xff", NULL },
        { "\xc2\xad", NULL },       /* nothing is left */
    };
    char to[SASL_PASSWORD_MAX + 1], longest[SASL_PASSWORD_MAX + 1];

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        bool ok = password_prepare(slice_cstr(cases[i].from), false, to);

        assert_int_equal(ok, cases[i].to != NULL);
        if (ok)
            assert_string_equal(to, cases[i].to);
    }
    memset(longest, 'x', sizeof longest);
    assert_true(password_prepare(slice_of(longest, SASL_PASSWORD_MAX), true, to));
    assert_false(password_prepare(slice_of(longest, SASL_PASSWORD_MAX + 1), true, to));
    assert_false(password_prepare(SLICE_LIT("a\0b"), true, to));
}

static void a_file_that_everybody_may_read_is_refused(void **state)
{
    char path[] = "/tmp/postrider-test-XXXXXX", *text;
    struct buf errors = BUF(1000);
    int fd = mkstemp(path);
    size_t n;

    (void)state;
    assert_true(fd >= 0 && write(fd, "hello", 5) == 5);
    assert_true(private_read(path, 5, &text, &n, &errors));
    assert_int_equal(n, 5);
    assert_string_equal(text, "hello");
    private_free(text, n);
    assert_false(private_read(path, 4, &text, &n, &errors));
    for (unsigned mode = 1; mode < 8; mode++) {
        assert_int_equal(fchmod(fd, 0640 | mode), 0);
        assert_false(private_read(path, 100, &text, &n, &errors));
    }
    close(fd);
    unlink(path);
    assert_false(private_read(path, 100, &text, &n, &errors));
    assert_false(private_read("/dev", 100, &text, &n, &errors));
    assert_false(private_read("/dev/null", 100, &text, &n, &errors));
    buf_free(&errors);
}

static const char *parse_credentials(struct slice text)
{
    static char line[300];
    struct buf errors = BUF(8192);
    char *copy = copy_of(text);

    line[0] = '\0';
    if (!credentials_parse(&credentials, copy, text.n, "c", &errors)) {
        free(copy);
        snprintf(line, sizeof line, "%.*s", SLICE(slice_trim(buf_view(&errors))));
    }
    buf_free(&errors);
    return line;
}

static void credentials_are_entries_by_name(void **state)
{
    const struct credential *c;

    (void)state;
    assert_string_equal(parse_credentials(SLICE_LIT("# ours\nhub alice@x a b  c \nkrb @\nat @ x\n")), "");
    c = credentials_find(&credentials, SLICE_LIT("hub"));
    assert_true(slice_eq(c->user, SLICE_LIT("alice@x")) && slice_eq(c->password, SLICE_LIT("a b  c ")));
    assert_true(credentials_find(&credentials, SLICE_LIT("krb"))->kerberos);
    assert_false(credentials_find(&credentials, SLICE_LIT("at"))->kerberos);
    assert_null(credentials_find(&credentials, SLICE_LIT("Hub")));
    assert_null(credentials_find(&credentials, SLICE_LIT("")));
    assert_string_equal(parse_credentials(SLICE_LIT("hub alice\n")), "c:1: expected NAME USER PASSWORD, or NAME @");
    assert_string_equal(parse_credentials(SLICE_LIT("hub\n")), "c:1: expected NAME USER PASSWORD, or NAME @");
    assert_string_equal(parse_credentials(SLICE_LIT(" hub a b\n")), "c:1: expected NAME USER PASSWORD, or NAME @");
    assert_string_equal(parse_credentials(SLICE_LIT("hub  b c\n")), "c:1: expected NAME USER PASSWORD, or NAME @");
    assert_string_equal(parse_credentials(SLICE_LIT("a b c\na b c\n")), "c:2: this name has come before");
    assert_string_equal(parse_credentials(SLICE_LIT("a b c\r\n")), "c:1: lines end in LF alone");
    assert_string_equal(parse_credentials(SLICE_LIT("a b c\0d\n")), "c:1: a control character");
    assert_non_null(credentials_find(&credentials, SLICE_LIT("hub")));
}

static int end(void **state)
{
    (void)state;
    accounts_free(&accounts);
    credentials_free(&credentials);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(right_files_are_read),
        cmocka_unit_test(wrong_lines_are_named_and_nothing_is_taken),
        cmocka_unit_test(lines_and_names_are_bounded),
        cmocka_unit_test(at_most_twenty_errors_are_told),
        cmocka_unit_test(a_made_secret_is_the_password_and_no_other),
        cmocka_unit_test(passwords_are_prepared),
        cmocka_unit_test(a_file_that_everybody_may_read_is_refused),
        cmocka_unit_test(credentials_are_entries_by_name),
    };

    return cmocka_run_group_tests(tests, NULL, end);
}
