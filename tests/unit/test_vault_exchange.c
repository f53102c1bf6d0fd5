/* test_vault_attempt.c - logins from question to verdict, with askers of every kind. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include "base/clock.h"
#include "base/fate.h"
#include "log/log.h"
#include "vault/attempt.h"

static struct desk desk;
static struct asker smtpd, relay;
static uv_loop_t loop;

/* What came last, and how much of it. */
static struct {
    unsigned says, dones;
    uint64_t ticket;
    uint8_t  fate, why;
    bool     has_data;
    char     mechanism[32], data[SASL_MESSAGE_MAX], account[300], text[200];
    size_t   n;
} seen;

static void say(struct asker *asker, const struct msg_auth_say *m)
{
    (void)asker;
    seen.says++;
    seen.ticket = m->ticket;
    seen.has_data = m->has_data;
    snprintf(seen.mechanism, sizeof seen.mechanism, "%.*s", SLICE(m->mechanism));
    seen.n = m->data.n;
    memcpy(seen.data, m->data.p != NULL ? m->data.p : "", m->data.n);
}

static void done(struct asker *asker, const struct msg_auth_done *m)
{
    (void)asker;
    seen.dones++;
    seen.ticket = m->ticket;
    seen.fate = m->fate;
    seen.why = m->why;
    snprintf(seen.account, sizeof seen.account, "%.*s", SLICE(m->account));
    snprintf(seen.text, sizeof seen.text, "%.*s", SLICE(m->text));
}

static void take(char **text, size_t *n, const struct buf *file)
{
    *n = file->n;
    *text = malloc(file->n + 1);
    assert_non_null(*text);
    memcpy(*text, buf_view(file).p, file->n);
}

static void load(void)
{
    struct buf file = BUF(8192), errors = BUF(4096);
    char *text;
    size_t n;

    buf_puts(&file, "alice:");
    assert_true(password_make("wonder land", true, &file));
    buf_puts(&file, "\nbob:");
    assert_true(password_make("builder", false, &file));
    buf_puts(&file, "\n");
    take(&text, &n, &file);
    assert_true(accounts_parse(&desk.accounts, text, n, "accounts", &errors));
    buf_clear(&file);
    buf_puts(&file, "hub alice wonder land\nwrong alice nothing\nkerberos @\n");
    take(&text, &n, &file);
    assert_true(credentials_parse(&desk.credentials, text, n, "credentials", &errors));
    buf_free(&file);
    buf_free(&errors);
}

static int begin(void **state)
{
    const struct throttle_rate client = { 10, 60000 }, account = { 50, 3600000 };

    (void)state;
    memset(&seen, 0, sizeof seen);
    desk = (struct desk){ .patience = 60000, .say = say, .done = done };
    load();
    assert_true(sasl_begin(&desk.sasl, &desk.accounts, "mx.test", "", NULL));
    assert_true(throttle_begin(&desk.throttle, client, account));
    assert_int_equal(uv_loop_init(&loop), 0);
    desk_begin(&desk, &loop);
    asker_begin(&smtpd, &desk, false);
    asker_begin(&relay, &desk, true);
    return 0;
}

static int end(void **state)
{
    (void)state;
    asker_end(&smtpd);
    asker_end(&relay);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_true(list_empty(&desk.all));
    assert_int_equal(uv_loop_close(&loop), 0);
    throttle_end(&desk.throttle);
    sasl_end(&desk.sasl);
    accounts_free(&desk.accounts);
    credentials_free(&desk.credentials);
    return 0;
}

/* run - threads to their end, and what is held back told */

static void run(void)
{
    uv_run(&loop, UV_RUN_DEFAULT);
    desk_tick(&desk, clock_mono() + 10000);
}

static bool open_with(uint64_t ticket, const char *mechanism, bool has_initial, struct slice initial)
{
    return attempt_open(&smtpd, &(struct msg_auth){
        .ticket = ticket, .mechanisms = slice_cstr(mechanism), .host = SLICE_LIT("192.0.2.1"),
        .secure = 1, .has_initial = has_initial, .initial = initial }, clock_mono());
}

static bool step(struct asker *asker, uint64_t ticket, struct slice data)
{
    return attempt_step(asker, &(struct msg_auth_step){ .ticket = ticket, .data = data }, clock_mono());
}

#define RIGHT SLICE_LIT("\0alice\0wonder land")
#define WRONG SLICE_LIT("\0alice\0wonder lane")
#define NOBODY SLICE_LIT("\0nobody\0wonder lane")

static void a_right_password_is_done_and_names_the_account(void **state)
{
    (void)state;
    assert_true(open_with(7, "plain", true, RIGHT));
    assert_int_equal(seen.dones, 0);        /* on a thread */
    run();
    assert_int_equal(seen.dones, 1);
    assert_int_equal(seen.ticket, 7);
    assert_int_equal(seen.fate, FATE_DONE);
    assert_int_equal(seen.why, AUTH_OK);
    assert_string_equal(seen.account, "alice");
}

static void a_wrong_one_and_an_unknown_name_are_told_the_same_and_later(void **state)
{
    char first[200];

    (void)state;
    assert_true(open_with(1, "PLAIN", true, WRONG));
    uv_run(&loop, UV_RUN_DEFAULT);
    desk_tick(&desk, clock_mono());
    assert_int_equal(seen.dones, 0);        /* held back */
    desk_tick(&desk, clock_mono() + 600);
    assert_int_equal(seen.dones, 1);
    assert_int_equal(seen.fate, FATE_NEVER);
    assert_int_equal(seen.why, AUTH_BAD);
    assert_string_equal(seen.account, "");
    snprintf(first, sizeof first, "%s", seen.text);
    assert_true(open_with(2, "PLAIN", true, NOBODY));
    run();
    assert_int_equal(seen.dones, 2);
    assert_int_equal(seen.why, AUTH_BAD);
    assert_string_equal(seen.account, "");
    assert_string_equal(seen.text, first);
}

static void what_cannot_begin_is_told_at_once(void **state)
{
    static const struct { const char *mechanism; uint8_t secure; bool initial; uint8_t why; } cases[] = {
        { "NTLM", 1, false, AUTH_NO_MECHANISM }, { "XOAUTH2", 1, true, AUTH_NO_MECHANISM },
        { "", 1, false, AUTH_NO_MECHANISM }, { "PLAIN LOGIN", 1, false, AUTH_NO_MECHANISM },
        { "GSSAPI", 1, false, AUTH_NO_MECHANISM }, { "SCRAM-SHA-256-PLUS", 1, false, AUTH_NO_MECHANISM },
        { "PLAIN", 0, true, AUTH_NEEDS_TLS }, { "LOGIN", 0, false, AUTH_NEEDS_TLS },
        { "CRAM-MD5", 1, true, AUTH_NO_INITIAL },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_true(attempt_open(&smtpd, &(struct msg_auth){
            .ticket = i, .mechanisms = slice_cstr(cases[i].mechanism), .host = SLICE_LIT("192.0.2.1"),
            .secure = cases[i].secure, .has_initial = cases[i].initial, .initial = RIGHT }, 1));
        assert_int_equal(seen.dones, i + 1);
        assert_int_equal(seen.why, cases[i].why);
        assert_int_equal(seen.fate, FATE_NEVER);
    }
    assert_int_equal(smtpd.n, 0);
}

static void malformed_messages_end_the_exchange(void **state)
{
    (void)state;
    assert_true(open_with(1, "PLAIN", true, SLICE_LIT("\0alice\0wonder land\0x")));
    assert_int_equal(seen.why, AUTH_MALFORMED);
    assert_true(open_with(2, "SCRAM-SHA-256", false, (struct slice){ 0 }));
    assert_int_equal(seen.says, 1);
    assert_true(step(&smtpd, 2, SLICE_LIT("garbage")));
    assert_int_equal(seen.dones, 2);
    assert_int_equal(seen.why, AUTH_MALFORMED);
    assert_int_equal(smtpd.n, 0);
}

static void an_exchange_that_waits_too_long_is_over(void **state)
{
    (void)state;
    assert_true(open_with(1, "LOGIN", false, (struct slice){ 0 }));
    desk_tick(&desk, clock_mono() + 59000);
    assert_int_equal(seen.dones, 0);
    desk_tick(&desk, clock_mono() + 61000);
    assert_int_equal(seen.dones, 1);
    assert_int_equal(seen.fate, FATE_LATER);
    assert_true(step(&smtpd, 1, SLICE_LIT("alice")));       /* crossed on its way: no fault */
    assert_int_equal(seen.says, 1);
}

static void a_cancelled_exchange_says_nothing_more(void **state)
{
    (void)state;
    assert_true(open_with(1, "LOGIN", false, (struct slice){ 0 }));
    assert_true(attempt_cancel(&smtpd, &(struct msg_auth_cancel){ 1 }));
    assert_int_equal(smtpd.n, 0);
    assert_true(attempt_cancel(&smtpd, &(struct msg_auth_cancel){ 1 }));
    assert_true(open_with(2, "PLAIN", true, WRONG));
    assert_true(attempt_cancel(&smtpd, &(struct msg_auth_cancel){ 2 }));
    run();
    assert_int_equal(seen.dones, 0);
    assert_int_equal(smtpd.n, 0);
}

static void an_asker_that_cheats_is_cut(void **state)
{
    (void)state;
    assert_true(open_with(1, "LOGIN", false, (struct slice){ 0 }));
    assert_false(open_with(1, "LOGIN", false, (struct slice){ 0 }));
    assert_true(open_with(2, "PLAIN", true, RIGHT));
    assert_false(step(&smtpd, 2, RIGHT));                   /* while the password is checked */
}

static void an_asker_may_go_at_any_moment(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < 10; i++)
        assert_true(open_with(i, "PLAIN", true, i % 2 ? RIGHT : WRONG));
    assert_true(open_with(20, "LOGIN", false, (struct slice){ 0 }));
    asker_end(&smtpd);
    run();
    assert_int_equal(seen.dones, 0);
    assert_true(list_empty(&desk.all));
    asker_begin(&smtpd, &desk, false);
}

static void too_many_at_once_are_told_later(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < ATTEMPTS_MAX; i++)
        assert_true(open_with(i, "CRAM-MD5", false, (struct slice){ 0 }));
    assert_int_equal(seen.dones, 0);
    assert_true(open_with(ATTEMPTS_MAX, "CRAM-MD5", false, (struct slice){ 0 }));
    assert_int_equal(seen.dones, 1);
    assert_int_equal(seen.fate, FATE_LATER);
    assert_int_equal(seen.why, AUTH_TROUBLE);
}

static void after_ten_failures_even_the_right_password_waits(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < 10; i++) {
        assert_true(open_with(i, "PLAIN", true, NOBODY));
        run();
        assert_int_equal(seen.why, AUTH_BAD);
    }
    assert_true(open_with(10, "PLAIN", true, RIGHT));
    run();
    assert_int_equal(seen.fate, FATE_LATER);
    assert_int_equal(seen.why, AUTH_TROUBLE);
    assert_true(open_with(11, "PLAIN", true, WRONG));
    run();
    assert_int_equal(seen.fate, FATE_LATER);
}

static void who_has_logged_in_before_is_let_in_despite_others(void **state)
{
    (void)state;
    assert_true(open_with(100, "PLAIN", true, RIGHT));
    run();
    for (uint64_t i = 0; i < 12; i++) {
        assert_true(open_with(i, "PLAIN", true, NOBODY));
        run();
    }
    assert_int_equal(seen.fate, FATE_LATER);
    assert_true(open_with(101, "PLAIN", true, RIGHT));
    run();
    assert_int_equal(seen.fate, FATE_DONE);
}

/* --- a relay's exchange against our own server ------------------------------------- */

static bool log_in(const char *account, const char *offered, uint8_t secure)
{
    return attempt_open(&relay, &(struct msg_auth){
        .ticket = 5, .mechanisms = slice_cstr(offered), .account = slice_cstr(account),
        .host = SLICE_LIT("mx.test"), .secure = secure }, clock_mono());
}

/* converse - carry messages between relay and smtpd until the server has a verdict. The
 * server's fate; *proved: the client had said all by then. */

static uint8_t converse(bool *proved)
{
    struct slice data;
    char copy[SASL_MESSAGE_MAX];

    assert_true(seen.says == 1);
    *proved = seen.dones == 1;
    memcpy(copy, seen.data, seen.n);
    data = slice_of(copy, seen.n);
    assert_true(open_with(6, seen.mechanism, seen.has_data, data));
    for (;;) {
        unsigned dones = seen.dones;

        if (!list_empty(&desk.in_line) || desk.checking > 0)
            run();
        desk_tick(&desk, clock_mono() + 10000);
        if (seen.ticket == 6 && seen.dones > (unsigned)*proved)
            return seen.fate;
        assert_int_equal(seen.ticket, 6);
        memcpy(copy, seen.data, seen.n);
        assert_true(step(&relay, 5, slice_of(copy, seen.n)));
        *proved = *proved || seen.dones > dones;
        if (*proved && seen.fate != FATE_DONE)
            return seen.fate;
        memcpy(copy, seen.data, seen.n);
        assert_true(step(&smtpd, 6, slice_of(copy, seen.n)));
    }
}

static void a_relay_logs_in_by_the_strongest_mechanism(void **state)
{
    static const struct { const char *offered, *chosen; } cases[] = {
        { "LOGIN PLAIN CRAM-MD5 SCRAM-SHA-256 GSSAPI", "SCRAM-SHA-256" }, { "LOGIN CRAM-MD5", "CRAM-MD5" },
        { "LOGIN PLAIN", "PLAIN" }, { "LOGIN", "LOGIN" },
    };
    bool proved;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        memset(&seen, 0, sizeof seen);
        assert_true(log_in("hub", cases[i].offered, 1));
        assert_string_equal(seen.mechanism, cases[i].chosen);
        assert_int_equal(converse(&proved), FATE_DONE);
        assert_true(proved);
        assert_int_equal(relay.n, 0);
    }
}

static void a_relay_with_a_wrong_password_fails(void **state)
{
    bool proved;

    (void)state;
    assert_true(log_in("wrong", "PLAIN", 1));
    assert_int_equal(converse(&proved), FATE_NEVER);
}

static void a_relay_is_told_why_it_cannot_log_in(void **state)
{
    static const struct { const char *account, *offered; uint8_t secure, why; } cases[] = {
        { "nowhere", "PLAIN", 1, AUTH_TROUBLE }, { "hub", "PLAIN LOGIN", 0, AUTH_NEEDS_TLS },
        { "hub", "NTLM", 1, AUTH_NO_MECHANISM }, { "kerberos", "PLAIN", 1, AUTH_NO_MECHANISM },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_true(log_in(cases[i].account, cases[i].offered, cases[i].secure));
        assert_int_equal(seen.dones, i + 1);
        assert_int_equal(seen.fate, FATE_LATER);
        assert_int_equal(seen.why, cases[i].why);
        assert_int_equal(relay.n, 0);
    }
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        T(a_right_password_is_done_and_names_the_account),
        T(a_wrong_one_and_an_unknown_name_are_told_the_same_and_later),
        T(what_cannot_begin_is_told_at_once),
        T(malformed_messages_end_the_exchange),
        T(an_exchange_that_waits_too_long_is_over),
        T(a_cancelled_exchange_says_nothing_more),
        T(an_asker_that_cheats_is_cut),
        T(an_asker_may_go_at_any_moment),
        T(too_many_at_once_are_told_later),
        T(after_ten_failures_even_the_right_password_waits),
        T(who_has_logged_in_before_is_let_in_despite_others),
        T(a_relay_logs_in_by_the_strongest_mechanism),
        T(a_relay_with_a_wrong_password_fails),
        T(a_relay_is_told_why_it_cannot_log_in),
    };

    log_setup(&(struct log_conf){ .to = LOG_TO_STDERR, .level = LOG_ALARM, .process = "test" });
    return cmocka_run_group_tests(tests, NULL, NULL);
}
