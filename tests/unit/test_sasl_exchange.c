/* test_sasl_exchange.c - client against server in every mechanism, right and wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <cmocka.h>
#include "sasl/client.h"
#include "sasl/server.h"

static struct accounts accounts;
static struct sasl sasl;

static const uint32_t with_passwords = SASL_BIT(SCRAM_SHA_256) | SASL_BIT(CRAM_MD5) | SASL_BIT(PLAIN)
                                     | SASL_BIT(LOGIN);

/* --- two ends ------------------------------------------------------------------- */

struct talk {
    enum sasl_result result;        /* the server's */
    bool             client_done;
    char             user[SASL_NAME_MAX + 1];
};

static enum sasl_result settle(struct sasl_server *s, enum sasl_result result)
{
    if (result != SASL_SLOW)
        return result;
    sasl_server_check(s);
    return sasl_server_checked(s);
}

/* talk - until the server has a verdict, or the client does not go on */

static struct talk talk(enum sasl_mechanism m, const char *user, const char *password)
{
    struct credential c = { .user = slice_cstr(user), .password = slice_cstr(password) };
    struct sasl_client *client = sasl_client_new(&sasl, m, &c, SLICE_LIT("mx.test"));
    struct sasl_server *server = sasl_server_new(&sasl, m);
    struct buf say = BUF(SASL_MESSAGE_MAX), ask = BUF(SASL_MESSAGE_MAX);
    struct talk t = { 0 };
    enum sasl_result mine;
    bool first;

    assert_non_null(client);
    assert_non_null(server);
    mine = sasl_client_start(client, &first, &say);
    t.result = settle(server, sasl_server_start(server, first, buf_view(&say), &ask));
    while (t.result == SASL_MORE && (mine == SASL_MORE || mine == SASL_DONE)) {
        mine = sasl_client_step(client, buf_view(&ask), &say);
        if (mine == SASL_MORE || mine == SASL_DONE)
            t.result = settle(server, sasl_server_step(server, buf_view(&say), &ask));
    }
    t.client_done = mine == SASL_DONE;
    snprintf(t.user, sizeof t.user, "%.*s", SLICE(sasl_server_user(server)));
    sasl_client_free(client);
    sasl_server_free(server);
    buf_free(&say);
    buf_free(&ask);
    return t;
}

static void load(const char *text)
{
    struct buf errors = BUF(4096);
    char *copy = strdup(text);

    assert_non_null(copy);
    if (!accounts_parse(&accounts, copy, strlen(copy), "accounts", &errors))
        fail_msg("%.*s", SLICE(buf_view(&errors)));
    buf_free(&errors);
}

static void add(struct buf *file, const char *name, const char *password, bool clear)
{
    char prepared[SASL_PASSWORD_MAX + 1];

    assert_true(password_prepare(slice_cstr(password), true, prepared));
    buf_printf(file, "%s:", name);
    assert_true(password_make(prepared, clear, file));
    buf_puts(file, "\n");
}

static int begin(void **state)
{
    struct buf file = BUF(8192);

    (void)state;
    add(&file, "alice", "wonder land", true);
    add(&file, "bob@branch1.test", "builder", false);
    add(&file, "j\xc3\xb6rg", "pa\xc3\x9fwort", true);
    buf_puts(&file, "dave:{clear}only clear\n");
    buf_put(&file, "", 1);
    load(buf_view(&file).p);
    buf_free(&file);
    return sasl_begin(&sasl, &accounts, "mx.test", "TEST", NULL) ? 0 : -1;
}

static int end(void **state)
{
    (void)state;
    sasl_end(&sasl);
    accounts_free(&accounts);
    return 0;
}

/* --- whole exchanges -------------------------------------------------------------- */

static void the_right_password_is_right_in_every_mechanism(void **state)
{
    (void)state;
    for (enum sasl_mechanism m = 0; m < SASL_MECHANISM_COUNT; m++) {
        struct talk t;

        if (!(with_passwords >> m & 1))
            continue;
        t = talk(m, "alice", "wonder land");
        if (t.result != SASL_DONE || !t.client_done || strcmp(t.user, "alice") != 0)
            fail_msg("%s: %d %d \"%s\"", sasl_name(m), (int)t.result, t.client_done, t.user);
        t = talk(m, "j\xc3\xb6rg", "pa\xc3\x9fwort");
        if (t.result != SASL_DONE)
            fail_msg("%s: UTF-8: %d", sasl_name(m), (int)t.result);
    }
}

static void whatever_else_is_wrong_in_every_mechanism_with_the_same_verdict(void **state)
{
    static const struct { const char *user, *password; } cases[] = {
        { "alice", "wonder lane" }, { "alice", "wonder land " }, { "alice", "Wonder land" },
        { "nobody", "wonder land" }, { "Alice", "wonder land" }, { "alic", "wonder land" },
        { "bob@branch1.test", "wonder land" }, { "a", "b" }, { "x:y", "z" }, { "x|y", "z" },
        { "dave", "wonder land" }, { "#", "x" },
    };

    (void)state;
    for (enum sasl_mechanism m = 0; m < SASL_MECHANISM_COUNT; m++)
        for (size_t i = 0; (with_passwords >> m & 1) && i < sizeof cases / sizeof cases[0]; i++) {
            struct talk t = talk(m, cases[i].user, cases[i].password);

            if (t.result != SASL_FAILED)
                fail_msg("%s %s: %d", sasl_name(m), cases[i].user, (int)t.result);
        }
}

static void an_account_without_clear_text_cannot_use_cram_md5(void **state)
{
    (void)state;
    assert_int_equal(talk(SASL_CRAM_MD5, "bob@branch1.test", "builder").result, SASL_FAILED);
    assert_int_equal(talk(SASL_SCRAM_SHA_256, "bob@branch1.test", "builder").result, SASL_DONE);
    assert_int_equal(talk(SASL_PLAIN, "bob@branch1.test", "builder").result, SASL_DONE);
    assert_int_equal(talk(SASL_SCRAM_SHA_256, "dave", "only clear").result, SASL_FAILED);
    assert_int_equal(talk(SASL_CRAM_MD5, "dave", "only clear").result, SASL_DONE);
    assert_int_equal(talk(SASL_PLAIN, "dave", "only clear").result, SASL_DONE);
}

static void names_are_prepared_before_they_are_looked_up(void **state)
{
    (void)state;
    /* o and a combining diaeresis; a full-width "a" */
    assert_int_equal(talk(SASL_PLAIN, "jo\xcc\x88rg", "pa\xc3\x9fwort").result, SASL_DONE);
    assert_int_equal(talk(SASL_LOGIN, "\xef\xbd\x81lice", "wonder land").result, SASL_DONE);
}

/* --- one message at a time ----------------------------------------------------------- */

#define MSG(text) SLICE_INIT(text)

static enum sasl_result say(enum sasl_mechanism m, bool has_first, struct slice first,
                            const struct slice *then, size_t n)
{
    struct sasl_server *s = sasl_server_new(&sasl, m);
    struct buf out = BUF(SASL_MESSAGE_MAX);
    enum sasl_result r = settle(s, sasl_server_start(s, has_first, first, &out));

    for (size_t i = 0; i < n && r == SASL_MORE; i++)
        r = settle(s, sasl_server_step(s, then[i], &out));
    sasl_server_free(s);
    buf_free(&out);
    return r;
}

static void plain_messages_are_taken_apart_strictly(void **state)
{
    static const struct { struct slice message; enum sasl_result result; } cases[] = {
        { MSG("\0alice\0wonder land"), SASL_DONE },
        { MSG("alice\0alice\0wonder land"), SASL_DONE },
        { MSG("bob\0alice\0wonder land"), SASL_FAILED },
        { MSG("bob@branch1.test\0alice\0wonder land"), SASL_FAILED },
        { MSG("alice\0bob@branch1.test\0builder"), SASL_FAILED },
        { MSG("\0alice\0wonder land\0"), SASL_BROKEN },
        { MSG("\0alice\0wonder land\0junk"), SASL_BROKEN },
        { MSG("\0alice\0\0wonder land"), SASL_BROKEN },
        { MSG("\0\0alice\0wonder land"), SASL_BROKEN },
        { MSG("alice\0wonder land"), SASL_BROKEN }, { MSG("alice"), SASL_BROKEN },
        { MSG(""), SASL_BROKEN }, { MSG("\0"), SASL_BROKEN },
        { MSG("\0\0"), SASL_FAILED }, { MSG("\0alice\0"), SASL_FAILED }, { MSG("\0\0wonder land"), SASL_FAILED },
        { MSG("\0alice\0\xff\xfe"), SASL_FAILED }, { MSG("\0\xff\0wonder land"), SASL_FAILED },
        { MSG("\0alice\r\n\0wonder land"), SASL_FAILED }, { MSG("\0alice\0wonder land\n"), SASL_FAILED },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        enum sasl_result r = say(SASL_PLAIN, true, cases[i].message, NULL, 0);

        if (r != cases[i].result && !(r == SASL_BROKEN && cases[i].result == SASL_FAILED))
            fail_msg("row %zu: %d", i, (int)r);
        r = say(SASL_PLAIN, false, (struct slice){ 0 }, &cases[i].message, 1);
        if (r != cases[i].result && !(r == SASL_BROKEN && cases[i].result == SASL_FAILED))
            fail_msg("row %zu after an empty challenge: %d", i, (int)r);
    }
}

static void a_long_message_is_refused_before_anybody_reads_it(void **state)
{
    static char bytes[SASL_MESSAGE_MAX + 10];
    static const size_t lengths[] = { 300, 511, 512, 513, 1000, 4096, SASL_MESSAGE_MAX, SASL_MESSAGE_MAX + 1 };

    (void)state;
    memset(bytes, 'a', sizeof bytes);
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        struct slice message = slice_of(bytes, lengths[i]);
        struct slice login[] = { message, message };

        for (size_t at = 0; at < 3; at++) {
            enum sasl_result r;

            bytes[0] = bytes[6] = '\0';
            r = say(SASL_PLAIN, true, message, NULL, 0);
            bytes[0] = bytes[6] = 'a';
            assert_true(r == SASL_FAILED || r == SASL_BROKEN);
        }
        for (enum sasl_mechanism m = 0; m < SASL_MECHANISM_COUNT; m++)
            if (with_passwords >> m & 1) {
                enum sasl_result r = say(m, false, (struct slice){ 0 }, login, 2);

                assert_true(r == SASL_FAILED || r == SASL_BROKEN);
            }
    }
}

static void login_asks_as_everybody_does_and_takes_a_name_at_once(void **state)
{
    struct slice both[] = { MSG("alice"), MSG("wonder land") };
    struct slice nul[] = { MSG("alice"), MSG("wonder land\0x") };
    struct sasl_server *s = sasl_server_new(&sasl, SASL_LOGIN);
    struct buf out = BUF(100);

    (void)state;
    assert_int_equal(sasl_server_start(s, false, (struct slice){ 0 }, &out), SASL_MORE);
    assert_true(slice_eq(buf_view(&out), SLICE_LIT("Username:")));
    assert_int_equal(sasl_server_step(s, both[0], &out), SASL_MORE);
    assert_true(slice_eq(buf_view(&out), SLICE_LIT("Password:")));
    sasl_server_free(s);
    buf_free(&out);
    assert_int_equal(say(SASL_LOGIN, true, both[0], both + 1, 1), SASL_DONE);
    assert_int_equal(say(SASL_LOGIN, false, both[0], both, 2), SASL_DONE);
    assert_int_equal(say(SASL_LOGIN, false, both[0], nul, 2), SASL_BROKEN);
    assert_int_equal(say(SASL_LOGIN, true, SLICE_LIT(""), NULL, 0), SASL_BROKEN);
}

static void cram_md5_begins_with_the_server(void **state)
{
    static const struct slice cases[] = {
        MSG(""), MSG("alice"), MSG("alice "), MSG("alice 0123"), MSG(" 0123456789abcdef0123456789abcdef"),
        MSG("alice 0123456789abcdef0123456789abcdef"), MSG("alice 0123456789abcdef0123456789abcdef0"),
        MSG("alice\0 0123456789abcdef0123456789abcdef"), MSG("nobody 0123456789abcdef0123456789abcdef"),
        MSG("0123456789abcdef0123456789abcdef"), MSG("\xff 0123456789abcdef0123456789abcdef"),
    };

    (void)state;
    assert_int_equal(say(SASL_CRAM_MD5, true, SLICE_LIT("alice x"), NULL, 0), SASL_BROKEN);
    assert_int_equal(say(SASL_CRAM_MD5, true, SLICE_LIT(""), NULL, 0), SASL_BROKEN);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        enum sasl_result r = say(SASL_CRAM_MD5, false, (struct slice){ 0 }, &cases[i], 1);

        if (r != SASL_FAILED && r != SASL_BROKEN)
            fail_msg("row %zu: %d", i, (int)r);
    }
}

static void scram_refuses_what_is_no_scram_and_other_names(void **state)
{
    static const struct slice firsts[] = {
        MSG("n,,n=alice,r=abc"), MSG("n,a=bob,n=alice,r=abc"), MSG("y,,n=alice,r=abc"), MSG("n,,n=nobody,r=abc"),
        MSG("p=tls-unique,,n=alice,r=abc"), MSG("n,,n=,r=abc"), MSG("n,,r=abc"), MSG("n,,n=alice"),
        MSG("n,,m=x,n=alice,r=abc"), MSG("x"), MSG("n,,n=al=zzice,r=abc"), MSG("n,,n=alice\0,r=abc"),
    };
    static const struct slice lasts[] = { MSG("c=biws,r=abc,p=AAAA"), MSG("x"), MSG("c=biws,r=abc\0,p=AAAA"), MSG("") };

    (void)state;
    for (size_t i = 0; i < sizeof firsts / sizeof firsts[0]; i++)
        for (size_t j = 0; j < sizeof lasts / sizeof lasts[0]; j++) {
            enum sasl_result r = say(SASL_SCRAM_SHA_256, true, firsts[i], &lasts[j], 1);

            if (r != SASL_FAILED && r != SASL_BROKEN)
                fail_msg("row %zu, %zu: %d", i, j, (int)r);
        }
}

/* server_first - what SCRAM's server tells of a name: "r=...,s=SALT,i=N" without the nonce */

static void server_first(const char *name, char to[200])
{
    struct sasl_server *s = sasl_server_new(&sasl, SASL_SCRAM_SHA_256);
    struct buf out = BUF(SASL_MESSAGE_MAX);
    char first[100];
    const char *salt;

    snprintf(first, sizeof first, "n,,n=%s,r=abcdef", name);
    assert_int_equal(sasl_server_start(s, true, slice_cstr(first), &out), SASL_MORE);
    buf_put(&out, "", 1);
    salt = strstr(buf_view(&out).p, ",s=");
    assert_non_null(salt);
    snprintf(to, 200, "%s", salt);
    sasl_server_free(s);
    buf_free(&out);
}

static void scram_shows_no_difference_between_a_name_and_none(void **state)
{
    char alice[200], nobody[200], again[200], other[200];

    (void)state;
    server_first("alice", alice);
    server_first("nobody", nobody);
    server_first("nobody", again);
    server_first("somebody", other);
    assert_string_equal(nobody, again);
    assert_string_not_equal(nobody, other);
    assert_int_equal(strlen(alice), strlen(nobody));
    assert_string_equal(strstr(alice, ",i="), strstr(nobody, ",i="));
}

/* cost - processor time of one whole attempt, in ns */

static int64_t cost(struct slice message)
{
    struct timespec from, to;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &from);
    assert_int_equal(say(SASL_PLAIN, true, message, NULL, 0), SASL_FAILED);
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &to);
    return (to.tv_sec - from.tv_sec) * 1000000000 + to.tv_nsec - from.tv_nsec;
}

static int by_size(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

static void a_name_that_nobody_has_takes_as_long_as_one_that_is_there(void **state)
{
    enum { N = 21 };
    int64_t known[N], unknown[N];

    (void)state;
    for (size_t i = 0; i < N; i++) {        /* in turn, so that both see the same machine */
        known[i] = cost(SLICE_LIT("\0alice\0wonder lane"));
        unknown[i] = cost(SLICE_LIT("\0nobody\0wonder lane"));
    }
    qsort(known, N, sizeof known[0], by_size);
    qsort(unknown, N, sizeof unknown[0], by_size);
    if (known[N / 2] * 4 > unknown[N / 2] * 5 || unknown[N / 2] * 4 > known[N / 2] * 5)
        fail_msg("known %lld ns, unknown %lld ns", (long long)known[N / 2], (long long)unknown[N / 2]);
}

static void a_server_that_does_not_prove_itself_is_not_believed(void **state)
{
    struct credential c = { .user = SLICE_LIT("alice"), .password = SLICE_LIT("wonder land") };
    struct sasl_client *client = sasl_client_new(&sasl, SASL_SCRAM_SHA_256, &c, SLICE_LIT("mx.test"));
    struct sasl_server *server = sasl_server_new(&sasl, SASL_SCRAM_SHA_256);
    struct buf say_ = BUF(SASL_MESSAGE_MAX), ask = BUF(SASL_MESSAGE_MAX);
    bool first;

    (void)state;
    assert_int_equal(sasl_client_start(client, &first, &say_), SASL_MORE);
    assert_int_equal(sasl_server_start(server, first, buf_view(&say_), &ask), SASL_MORE);
    assert_int_equal(sasl_client_step(client, buf_view(&ask), &say_), SASL_MORE);
    assert_int_equal(sasl_client_step(client, SLICE_LIT("v=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="), &say_),
                     SASL_FAILED);
    assert_int_equal(sasl_client_step(client, SLICE_LIT("v="), &say_), SASL_BROKEN);
    sasl_client_free(client);
    sasl_server_free(server);
    buf_free(&say_);
    buf_free(&ask);
}

static void the_strongest_is_chosen_and_clear_passwords_only_where_they_may(void **state)
{
    static const struct { const char *offered; bool kerberos, clear; const char *chosen; } cases[] = {
        { "PLAIN LOGIN CRAM-MD5 SCRAM-SHA-256 GSSAPI", false, true, "SCRAM-SHA-256" },
        { "PLAIN LOGIN CRAM-MD5 SCRAM-SHA-256 GSSAPI", true, true, "GSSAPI" },
        { "LOGIN PLAIN CRAM-MD5", false, true, "CRAM-MD5" }, { "LOGIN PLAIN", false, true, "PLAIN" },
        { "login", false, true, "LOGIN" }, { "LOGIN PLAIN", false, false, "" },
        { "NTLM XOAUTH2 DIGEST-MD5", false, true, "" }, { "", false, true, "" },
        { "PLAIN LOGIN", true, true, "" }, { "SCRAM-SHA-256-PLUS SCRAM-SHA-1", false, true, "" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct credential c = { .kerberos = cases[i].kerberos };
        enum sasl_mechanism m = sasl_client_choose(sasl_set_read(slice_cstr(cases[i].offered)), &c, cases[i].clear);

        assert_string_equal(sasl_name(m), cases[i].chosen);
    }
}

static void what_cannot_be_served_is_not_in_the_set(void **state)
{
    struct accounts none = { 0 };
    struct sasl other;
    struct buf words = BUF(200);

    (void)state;
    sasl_set_put(&words, sasl_server_set(&sasl));
    assert_true(slice_eq(buf_view(&words), SLICE_LIT("SCRAM-SHA-256 CRAM-MD5 PLAIN LOGIN")));
    assert_null(sasl_server_new(&sasl, SASL_GSSAPI));
    assert_null(sasl_server_new(&sasl, SASL_MECHANISM_COUNT));
    assert_true(sasl_begin(&other, &none, "mx.test", "", "/nonexistent/keytab"));
    assert_int_equal(sasl_server_set(&other), 0);
    assert_null(sasl_server_new(&other, SASL_PLAIN));
    sasl_end(&other);
    buf_free(&words);
}

/* once in the life of a process: libkrb5 when there is no key, libgssglue when it begins */

const char *__lsan_default_suppressions(void);

const char *__lsan_default_suppressions(void)
{
    return "leak:gss_acquire_cred_from\nleak:libgssglue.so\n";
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_right_password_is_right_in_every_mechanism),
        cmocka_unit_test(whatever_else_is_wrong_in_every_mechanism_with_the_same_verdict),
        cmocka_unit_test(an_account_without_clear_text_cannot_use_cram_md5),
        cmocka_unit_test(names_are_prepared_before_they_are_looked_up),
        cmocka_unit_test(plain_messages_are_taken_apart_strictly),
        cmocka_unit_test(a_long_message_is_refused_before_anybody_reads_it),
        cmocka_unit_test(login_asks_as_everybody_does_and_takes_a_name_at_once),
        cmocka_unit_test(cram_md5_begins_with_the_server),
        cmocka_unit_test(scram_refuses_what_is_no_scram_and_other_names),
        cmocka_unit_test(scram_shows_no_difference_between_a_name_and_none),
        cmocka_unit_test(a_name_that_nobody_has_takes_as_long_as_one_that_is_there),
        cmocka_unit_test(a_server_that_does_not_prove_itself_is_not_believed),
        cmocka_unit_test(the_strongest_is_chosen_and_clear_passwords_only_where_they_may),
        cmocka_unit_test(what_cannot_be_served_is_not_in_the_set),
    };

    return cmocka_run_group_tests(tests, begin, end);
}
