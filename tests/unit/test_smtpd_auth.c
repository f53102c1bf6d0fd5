/* test_smtpd_auth.c - AUTH and X-EXPS in the session, with a vault of a few lines. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "base/base64.h"
#include "ipc/messages.h"
#include "sasl/mechanism.h"
#include "smtpd/auth.h"
#include "smtpd_world.h"

static struct conf *conf;
static struct world vault_world;
static struct script w;

/* What the session said to the vault. */
static struct {
    uint64_t ticket;
    unsigned opens, steps, cancels, secure;
    bool     has_initial, absent;
    char     mechanism[40], data[SASL_MESSAGE_MAX];
    size_t   n;
} vault;

static void keep(struct slice data)
{
    vault.n = data.n;
    if (data.n > 0)
        memcpy(vault.data, data.p, data.n);
}

static uint64_t login(void *ctx, struct session *s, struct slice mechanism, unsigned secure,
                      bool has_initial, struct slice initial)
{
    (void)ctx;
    (void)s;
    if (vault.absent)
        return 0;
    vault.opens++;
    vault.secure = secure;
    vault.has_initial = has_initial;
    snprintf(vault.mechanism, sizeof vault.mechanism, "%.*s", SLICE(mechanism));
    keep(initial);
    return ++vault.ticket;
}

static bool login_step(void *ctx, uint64_t ticket, struct slice data)
{
    (void)ctx;
    assert_true(ticket == vault.ticket);
    vault.steps++;
    keep(data);
    return !vault.absent;
}

static void login_cancel(void *ctx, uint64_t ticket)
{
    (void)ctx;
    assert_true(ticket == vault.ticket);
    vault.cancels++;
}

enum { MX = 0, SUBMISSION = 2, ODMR = 3, REQUIRE = 5 };

static int begin(void **state)
{
    (void)state;
    if (conf == NULL)
        conf = world_conf_parse();
    memset(&vault, 0, sizeof vault);
    vault_world = scripted_world;
    vault_world.login = login;
    vault_world.login_step = login_step;
    vault_world.login_cancel = login_cancel;
    return conf != NULL ? 0 : -1;
}

static void connect_to(unsigned listener, bool secure)
{
    script_begin(&w, conf, listener, "192.0.2.9");
    w.server.world = &vault_world;
    w.s.secure = secure;
    session_grants(&w.s);
    session_greet(&w.s, false);
    script_feed(&w, SLICE_LIT("EHLO c.example\r\n"));
}

/* said - everything since the last time */

static const char *said(void)
{
    static char text[20000];

    snprintf(text, sizeof text, "%.*s", SLICE(buf_view(&w.out)));
    buf_clear(&w.out);
    return text;
}

static const char *feed(const char *line)
{
    script_feed(&w, slice_cstr(line));
    script_feed(&w, SLICE_LIT("\r\n"));
    return said();
}

static int end(void **state)
{
    (void)state;
    script_end(&w);
    return 0;
}

#define BEGINS(text, prefix) assert_memory_equal((text), (prefix), strlen(prefix))

/* --- whole logins ------------------------------------------------------------------- */

static void an_initial_response_goes_to_the_vault_and_235_comes_back(void **state)
{
    (void)state;
    connect_to(SUBMISSION, true);
    said();
    assert_string_equal(feed("AUTH PLAIN AGEAYg=="), "");
    assert_string_equal(vault.mechanism, "PLAIN");
    assert_true(vault.has_initial && vault.secure == 1 && vault.n == 4);
    assert_memory_equal(vault.data, "\0a\0b", 4);
    assert_string_equal(feed("NOOP"), "");          /* it waits */
    session_login_done(&w.s, vault.ticket, FATE_DONE, AUTH_OK, SLICE_LIT("alice"));
    BEGINS(said(), "235 2.7.0 ");
    assert_true(slice_eq(w.s.account, SLICE_LIT("alice")));
    script_go(&w);
    BEGINS(said(), "250 ");
    BEGINS(feed("AUTH PLAIN AGEAYg=="), "503 5.5.1");
    BEGINS(feed("X-EXPS PLAIN AGEAYg=="), "503 5.5.1");
    BEGINS(feed("MAIL FROM:<a@b.example>"), "250 ");
    assert_int_equal(vault.cancels, 0);
}

static void challenges_go_back_and_forth(void **state)
{
    (void)state;
    connect_to(SUBMISSION, true);
    said();
    feed("x-exps login");
    assert_false(vault.has_initial);
    session_login_say(&w.s, vault.ticket, SLICE_LIT("Username:"));
    assert_string_equal(said(), "334 VXNlcm5hbWU6\r\n");
    feed("YWxpY2U=");
    assert_int_equal(vault.steps, 1);
    assert_memory_equal(vault.data, "alice", 5);
    session_login_say(&w.s, vault.ticket, (struct slice){ 0 });
    assert_string_equal(said(), "334 \r\n");        /* the space stays (RFC 4954 §4) */
    feed("");
    assert_int_equal(vault.steps, 2);
    assert_int_equal(vault.n, 0);
    session_login_done(&w.s, vault.ticket, FATE_NEVER, AUTH_BAD, (struct slice){ 0 });
    BEGINS(said(), "535 5.7.8 ");
    assert_int_equal(w.s.account.n, 0);
    BEGINS(feed("MAIL FROM:<a@b.example>"), "530 5.7.0");
}

static void the_longest_line_is_taken_and_a_longer_one_is_not(void **state)
{
    static char line[SASL_TEXT_MAX + 3];

    (void)state;
    connect_to(SUBMISSION, true);
    feed("AUTH GSSAPI");
    session_login_say(&w.s, vault.ticket, (struct slice){ 0 });
    said();
    memset(line, 'A', SASL_TEXT_MAX);
    assert_string_equal(feed(line), "");
    assert_int_equal(vault.n, SASL_MESSAGE_MAX);
    session_login_say(&w.s, vault.ticket, (struct slice){ 0 });
    said();
    line[SASL_TEXT_MAX] = 'A';
    BEGINS(feed(line), "500 5.5.6");
    assert_int_equal(vault.cancels, 1);
    BEGINS(feed("NOOP"), "250 ");
}

/* --- what is refused -------------------------------------------------------------------- */

static void each_reason_has_its_reply(void **state)
{
    static const struct { unsigned why; enum fate fate; const char *reply; } cases[] = {
        { AUTH_BAD, FATE_NEVER, "535 5.7.8" }, { AUTH_MALFORMED, FATE_NEVER, "501 5.5.2" },
        { AUTH_NO_MECHANISM, FATE_NEVER, "504 5.5.4" }, { AUTH_NO_INITIAL, FATE_NEVER, "501 5.7.0" },
        { AUTH_NEEDS_TLS, FATE_NEVER, "538 5.7.11" }, { AUTH_TOO_WEAK, FATE_NEVER, "534 5.7.9" },
        { AUTH_TROUBLE, FATE_LATER, "454 4.7.0" }, { AUTH_OK, FATE_LATER, "454 4.7.0" }, { 200, FATE_NEVER, "454 4.7.0" },
        { AUTH_OK, FATE_DONE, "454 4.7.0" },        /* done, but nobody: never let in */
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        connect_to(SUBMISSION, true);
        said();
        feed("AUTH PLAIN AGEAYg==");
        session_login_done(&w.s, vault.ticket, cases[i].fate, cases[i].why, (struct slice){ 0 });
        BEGINS(said(), cases[i].reply);
        assert_int_equal(w.s.account.n, 0);
        BEGINS(feed("NOOP"), "250 ");
        if (i + 1 < sizeof cases / sizeof cases[0])
            script_end(&w);
    }
}

static void malformed_commands_never_reach_the_vault(void **state)
{
    static const struct { const char *line, *reply; } cases[] = {
        { "AUTH", "501 5.5.4" }, { "AUTH ", "501 5.5.4" },
        { "AUTH NTLM", "504 5.5.4" }, { "AUTH XOAUTH2 YQ==", "504 5.5.4" }, { "AUTH SPA", "504 5.5.4" },
        { "AUTH PLAIN !!!!", "501 5.5.2" }, { "AUTH PLAIN YQ", "501 5.5.2" }, { "AUTH PLAIN YQ=", "501 5.5.2" },
        { "AUTH PLAIN YQ==YQ==", "501 5.5.2" }, { "AUTH PLAIN YR==", "501 5.5.2" }, { "AUTH PLAIN ==", "501 5.5.2" },
        { "AUTH PLAIN Y Q=", "501 5.5.2" }, { "AUTH PLAIN \tYQ==", "501 5.5.2" },
    };

    (void)state;
    connect_to(SUBMISSION, true);
    said();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *reply = feed(cases[i].line);

        if (strncmp(reply, cases[i].reply, strlen(cases[i].reply)) != 0)
            fail_msg("%s: %s", cases[i].line, reply);
    }
    assert_int_equal(vault.opens, 0);
    assert_string_equal(feed("AUTH PLAIN ="), "");      /* an empty one */
    assert_true(vault.has_initial && vault.n == 0);
}

static void answers_that_are_no_base64_and_the_star_end_the_login(void **state)
{
    static const struct { const char *line, *reply; } cases[] = {
        { "*", "501 5.7.0" }, { "!", "501 5.5.2" }, { "YQ", "501 5.5.2" }, { "YQ=", "501 5.5.2" }, { " YQ==", "501 5.5.2" },
        { "=", "501 5.5.2" }, { "**", "501 5.5.2" },
    };

    (void)state;
    connect_to(SUBMISSION, true);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        feed("AUTH LOGIN");
        session_login_say(&w.s, vault.ticket, (struct slice){ 0 });
        said();
        BEGINS(feed(cases[i].line), cases[i].reply);
        assert_int_equal(vault.cancels, i + 1);
        BEGINS(feed("NOOP"), "250 ");
    }
    assert_int_equal(vault.steps, 0);
}

static void the_third_failure_ends_the_session(void **state)
{
    (void)state;
    connect_to(SUBMISSION, true);
    for (int i = 0; i < 3; i++) {
        said();
        feed("AUTH PLAIN AGEAYg==");
        session_login_done(&w.s, vault.ticket, FATE_NEVER, AUTH_BAD, (struct slice){ 0 });
    }
    BEGINS(said(), "421 4.7.0");
    assert_true(session_ended(&w.s));
}

static void where_and_when_it_may_be_said(void **state)
{
    static const struct { unsigned listener; bool secure; const char *before, *line, *reply; } cases[] = {
        { MX, true, "NOOP", "AUTH PLAIN AA==", "502 " },
        { SUBMISSION, false, "NOOP", "AUTH PLAIN AA==", "" },       /* the vault says 538 */
        { REQUIRE, false, "NOOP", "AUTH PLAIN AA==", "530 5.7.0" },
        { REQUIRE, false, "NOOP", "AUTH CRAM-MD5", "530 5.7.0" },
        { REQUIRE, true, "MAIL FROM:<a@b.example>", "AUTH PLAIN AA==", "503 5.5.1" },
        { ODMR, true, "NOOP", "X-EXPS CRAM-MD5", "" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *reply;

        if (i > 0)
            script_end(&w);
        connect_to(cases[i].listener, cases[i].secure);
        feed(cases[i].before);
        reply = feed(cases[i].line);
        if (strncmp(reply, cases[i].reply, strlen(cases[i].reply)) != 0 || (cases[i].reply[0] == '\0' && reply[0] != '\0'))
            fail_msg("row %zu: %s", i, reply);
    }
}

static void ehlo_tells_what_may_be_used_now(void **state)
{
    static const struct { unsigned listener; bool secure; uint32_t mechanisms; const char *shows, *hides; } cases[] = {
        { SUBMISSION, true, SASL_ALL, "250-AUTH SCRAM-SHA-256 GSSAPI CRAM-MD5 PLAIN LOGIN\r\n", "-" },
        { SUBMISSION, true, SASL_ALL, "250-AUTH=LOGIN\r\n", "-" },
        { SUBMISSION, true, SASL_ALL, "250-X-EXPS SCRAM-SHA-256 GSSAPI CRAM-MD5 PLAIN LOGIN\r\n250-X-EXPS=LOGIN\r\n", "-" },
        { SUBMISSION, false, SASL_ALL, "250-AUTH SCRAM-SHA-256 GSSAPI CRAM-MD5\r\n", "LOGIN" },
        { SUBMISSION, false, SASL_BIT(PLAIN) | SASL_BIT(LOGIN), "250-", "AUTH" },
        { SUBMISSION, true, 0, "250-", "AUTH" }, { REQUIRE, false, SASL_ALL, "250-STARTTLS", "AUTH" },
        { REQUIRE, true, SASL_BIT(PLAIN), "250-AUTH PLAIN\r\n", "LOGIN" }, { MX, true, SASL_ALL, "250-", "AUTH" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *ehlo;

        if (i > 0)
            script_end(&w);
        connect_to(cases[i].listener, cases[i].secure);
        w.server.mechanisms = cases[i].mechanisms;
        said();
        ehlo = feed("EHLO c.example");
        if (strstr(ehlo, cases[i].shows) == NULL || (cases[i].hides[0] != '-' && strstr(ehlo, cases[i].hides) != NULL))
            fail_msg("row %zu:\n%s", i, ehlo);
    }
}

/* --- time and trouble ------------------------------------------------------------------------ */

static void without_a_vault_it_is_later(void **state)
{
    (void)state;
    connect_to(SUBMISSION, true);
    vault.absent = true;
    said();
    BEGINS(feed("AUTH PLAIN AGEAYg=="), "454 4.7.0");
    vault.absent = false;
    feed("AUTH LOGIN");
    session_login_say(&w.s, vault.ticket, (struct slice){ 0 });
    vault.absent = true;
    said();
    BEGINS(feed("YQ=="), "454 4.7.0");
    BEGINS(feed("NOOP"), "250 ");
}

static void a_silent_vault_and_a_silent_client_are_not_waited_for(void **state)
{
    (void)state;
    connect_to(SUBMISSION, true);
    feed("AUTH PLAIN AGEAYg==");
    said();
    w.server.mono += 3600 * 1000;
    session_tick(&w.s);
    BEGINS(said(), "454 4.7.0");
    assert_int_equal(vault.cancels, 1);
    session_login_done(&w.s, vault.ticket, FATE_DONE, AUTH_OK, SLICE_LIT("alice"));   /* too late */
    assert_string_equal(said(), "");
    assert_int_equal(w.s.account.n, 0);
    script_end(&w);
    connect_to(SUBMISSION, true);
    feed("AUTH LOGIN");
    session_login_say(&w.s, vault.ticket, (struct slice){ 0 });
    said();
    w.server.mono += 61 * 1000;
    session_tick(&w.s);
    BEGINS(said(), "421 ");
    assert_int_equal(vault.cancels, 2);
}

static void an_answer_to_another_ticket_is_nobodys(void **state)
{
    (void)state;
    connect_to(SUBMISSION, true);
    feed("AUTH PLAIN AGEAYg==");
    said();
    session_login_done(&w.s, vault.ticket + 1, FATE_DONE, AUTH_OK, SLICE_LIT("mallory"));
    session_login_say(&w.s, vault.ticket + 1, SLICE_LIT("x"));
    assert_string_equal(said(), "");
    assert_int_equal(w.s.account.n, 0);
}

static void a_connection_that_breaks_cancels(void **state)
{
    (void)state;
    connect_to(SUBMISSION, true);
    feed("AUTH PLAIN AGEAYg==");
    script_end(&w);
    assert_int_equal(vault.cancels, 1);
    connect_to(SUBMISSION, true);
    feed("AUTH LOGIN");
    session_login_say(&w.s, vault.ticket, (struct slice){ 0 });
    script_end(&w);
    assert_int_equal(vault.cancels, 2);
    connect_to(SUBMISSION, true);
}

static void what_is_pipelined_behind_it_ends_the_session(void **state)
{
    (void)state;
    connect_to(SUBMISSION, true);
    said();
    script_feed(&w, SLICE_LIT("AUTH LOGIN\r\nYQ==\r\nYg==\r\n"));
    BEGINS(said(), "554 5.5.0");
    assert_int_equal(vault.opens, 0);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        T(an_initial_response_goes_to_the_vault_and_235_comes_back),
        T(challenges_go_back_and_forth),
        T(the_longest_line_is_taken_and_a_longer_one_is_not),
        T(each_reason_has_its_reply),
        T(malformed_commands_never_reach_the_vault),
        T(answers_that_are_no_base64_and_the_star_end_the_login),
        T(the_third_failure_ends_the_session),
        T(where_and_when_it_may_be_said),
        T(ehlo_tells_what_may_be_used_now),
        T(without_a_vault_it_is_later),
        T(a_silent_vault_and_a_silent_client_are_not_waited_for),
        T(an_answer_to_another_ticket_is_nobodys),
        T(a_connection_that_breaks_cancels),
        T(what_is_pipelined_behind_it_ends_the_session),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
