/* test_relay_service.c - what a relay does beyond handing over mail to hosts without
 * extensions: TLS, logins, limits, reversed connections, fetching, link states.
 */
#include "relay_world.h"
#include "certificates.h"

static struct made root, mx;
static struct channel *vault, *to_vault;

static void tls_host(void)
{
    struct why why = { .text = "" };
    struct tls_certificate c = { .name = SLICE_LIT("mx.test"), .chain = slice_cstr(mx.cert_pem),
                                 .file = "mx.pem" };

    host.tls = tls_server_new(SLICE_LIT("t"), NULL);
    assert_true(tls_server_add_local(host.tls, &c, slice_cstr(mx.key_pem), "mx.key", &why));
    relay.pool.tls = tls_client_new(slice_cstr(root.cert_pem), "root.pem", &why);
    assert_non_null(relay.pool.tls);
    host.offers = "250-STARTTLS\r\n250-REQUIRETLS\r\n250-PIPELINING\r\n250-AUTH PLAIN\r\n";
}

static int tls_teardown(void **state)
{
    int failed;

    tls_server_free(host.tls);
    tls_client_free(relay.pool.tls);
    relay.pool.tls = NULL;
    if (vault != NULL)
        channel_close(vault, "over");
    vault = NULL;
    failed = teardown(state);
    map_free(&conf.route_map);
    return failed;
}

/* --- TLS */

static void mail_is_secret_where_the_host_offers_it(void **state)
{
    (void)state;
    tls_host();
    delivers(1, "0:done 250 2.0.0, ");
    assert_string_equal(host.verbs, "EHLO STAR EHLO MAIL RCPT DATA ");
    assert_non_null(strstr(result_host, " TLSv1.3"));
    deliver_and_wait(1);
    assert_int_equal(host.connections, 1);
}

static void a_failed_handshake_is_followed_by_one_connection_in_the_clear(void **state)
{
    (void)state;
    tls_host();
    host.breaks_tls = true;
    delivers(1, "0:done 250 2.0.0, ");
    assert_int_equal(host.connections, 2);
    assert_null(strstr(result_host, "TLS"));
}

static void what_must_be_secret_never_goes_in_the_clear(void **state)
{
    static struct script script[] = { { "STAR", "454 no", 9 }, { NULL, NULL, 0 } };

    (void)state;
    tls_host();
    conf.relay.tls = TLS_REQUIRE;
    host.script = script;
    delivers(1, "0:later 0 4.7.10, ");
    assert_null(strstr(host.verbs, "MAIL"));
}

static void without_authorities_what_must_be_secret_waits(void **state)
{
    (void)state;
    tls_host();
    tls_client_free(relay.pool.tls);
    relay.pool.tls = NULL;
    conf.relay.tls = TLS_REQUIRE;
    delivers(1, "0:later 0 4.7.5, ");
    assert_null(strstr(host.verbs, "MAIL"));
}

static void where_nobody_is_trusted_mail_is_secret_and_no_certificate_is_good(void **state)
{
    (void)state;
    tls_host();
    relay.pool.trusts_nobody = true;
    deliver_and_wait(1);
    assert_string_equal(host.verbs, "EHLO STAR EHLO MAIL RCPT DATA ");
    envelope.flags = ENV_REQUIRETLS;
    deliver_and_wait(1);
    assert_non_null(strstr(outcome_text, "0:never 0 5.7.10, "));
}

static void a_certificate_of_another_name_is_not_enough_where_tls_is_required(void **state)
{
    (void)state;
    tls_host();
    made_free(&mx);
    mx = make("p256", "other.test", "DNS:other.test", -1, 30, &root);
    tls_server_free(host.tls);
    tls_client_free(relay.pool.tls);
    tls_host();
    conf.relay.tls = TLS_REQUIRE;
    delivers(1, "0:later 0 4.7.5, ");
    assert_int_equal(host.connections, 1);
    assert_null(strstr(host.verbs, "MAIL"));
    made_free(&mx);
    mx = make("p256", "mx.test", "IP:127.0.0.1,DNS:mx.test", -1, 30, &root);
}

static void requiretls_goes_with_a_valid_certificate_only(void **state)
{
    (void)state;
    tls_host();
    envelope.flags = ENV_REQUIRETLS;
    delivers(1, "0:done 250 2.0.0, ");
    assert_non_null(strstr(host.lines, "MAIL FROM:<s@a.test> REQUIRETLS|"));
}

static void requiretls_bounces_where_there_is_no_tls(void **state)
{
    (void)state;
    tls_host();
    host.offers = "250-REQUIRETLS\r\n";
    envelope.flags = ENV_REQUIRETLS;
    delivers(1, "0:never 0 5.7.10, ");
}

static void requiretls_bounces_where_the_extension_is_lacking(void **state)
{
    (void)state;
    tls_host();
    host.offers = "250-STARTTLS\r\n";
    envelope.flags = ENV_REQUIRETLS;
    delivers(1, "0:never 0 5.7.30, ");
}

static void requiretls_waits_for_a_host_that_is_down(void **state)
{
    static struct script script[] = { { "GREETING", "421 busy", 9 }, { NULL, NULL, 0 } };

    (void)state;
    tls_host();
    host.script = script;
    envelope.flags = ENV_REQUIRETLS;
    delivers(1, "0:later 421 4.3.2, ");
}

/* --- logging in */

static char vault_heard[300];

static bool on_vault(struct channel *c, uint32_t type, struct wire *w, int *fd)
{
    struct msg_auth m;

    (void)fd;
    if (type != MSG_AUTH)
        return true;
    assert_true(msg_auth_get(w, &m));
    snprintf(vault_heard, sizeof vault_heard, "%.*s %.*s %.*s %d", SLICE(m.mechanisms),
             SLICE(m.account), SLICE(m.host), m.secure);
    channel_send_msg_auth_say(c, &(struct msg_auth_say){ .ticket = m.ticket,
        .mechanism = SLICE_LIT("PLAIN"), .has_data = 1, .data = { "\0u\0p", 4 } }, -1);
    channel_send_msg_auth_done(c, &(struct msg_auth_done){ .ticket = m.ticket, .fate = FATE_DONE }, -1);
    return true;
}

static void on_vault_gone(struct channel *c, const char *why)
{
    (void)why;
    if (c == to_vault)
        vault_gone(&relay.pool.vaults, c);
}

static void vault_begin_here(void)
{
    int fds[2];

    vault_heard[0] = '\0';
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    to_vault = channel_new(&loop, fds[0], ROLE_RELAY, ROLE_VAULT, 0, on_deliver, on_vault_gone, NULL);
    vault = channel_new(&loop, fds[1], ROLE_VAULT, ROLE_RELAY, 0, on_vault, on_vault_gone, NULL);
    vault_peer(&relay.pool.vaults, to_vault);
}

/* One route with an account. */
static struct conf_route route = { .pattern = SLICE_INIT("b.test"), .account = SLICE_INIT("hub") };

static enum fate login_ended;

static void on_login_end(struct vault_login *login, enum fate fate, struct slice why)
{
    (void)login;
    (void)why;
    login_ended = fate;
}

static struct slice route_key(const void *member)
{
    return ((const struct conf_route *)member)->pattern;
}

static void with_account(void)
{
    tls_host();
    conf.routes = &route;
    conf.nroutes = 1;
    conf.route_map = MAP(route_key);
    assert_true(map_put(&conf.route_map, &route));
}

static void a_smarthost_hears_who_we_are(void **state)
{
    static struct script script[] = { { "AUTH", "235 2.7.0 hello", 9 }, { NULL, NULL, 0 } };

    (void)state;
    with_account();
    vault_begin_here();
    host.script = script;
    deliver_and_wait(1);
    assert_string_equal(vault_heard, "PLAIN hub 127.0.0.1 1");
    assert_string_equal(outcome_text, "0:done 250 2.0.0, ");
    assert_non_null(strstr(host.lines, "AUTH PLAIN AHUAcA==|MAIL FROM:<s@a.test> AUTH=<>|"));
}

static void a_refused_login_is_later(void **state)
{
    static struct script script[] = { { "AUTH", "535 5.7.8 who?", 9 }, { NULL, NULL, 0 } };

    (void)state;
    with_account();
    vault_begin_here();
    host.script = script;
    delivers(1, "0:later 535 4.7.8, ");
}

/* The channel to the vault that died may be told of after the one to its successor. */

static void logins_of_a_vault_that_was_replaced_are_over(void **state)
{
    static struct vault_login login = { .end = on_login_end };

    (void)state;
    login_ended = FATE_DONE;
    vault_begin_here();
    vault_begin(&relay.pool.vaults, &login, SLICE_LIT("PLAIN"), SLICE_LIT("hub"),
                SLICE_LIT("127.0.0.1"), true);
    vault_peer(&relay.pool.vaults, to_vault);
    assert_int_equal(login_ended, FATE_LATER);
    assert_int_equal(login.ticket, 0);
}

static void without_a_vault_logins_are_later(void **state)
{
    (void)state;
    with_account();
    delivers(1, "0:later 0 4.7.0, ");
}

/* --- LIMITS (RFC 9422) */

/* five_go_in_three - five recipients, and how the host limits them: three messages */

static void five_go_in_three(const char *offers)
{
    host.offers = offers;
    deliver_and_wait(5);
    assert_int_equal(host.messages, 3);
    assert_non_null(strstr(outcome_text, "4:done"));
}

static void limits_of_recipients_are_kept(void **state)
{
    (void)state;
    five_go_in_three("250-LIMITS RCPTMAX=2\r\n250-PIPELINING\r\n");
    assert_int_equal(host.connections, 1);
}

static void limits_of_messages_are_kept(void **state)
{
    (void)state;
    five_go_in_three("250-LIMITS RCPTMAX=2 MAILMAX=1\r\n250-PIPELINING\r\n");
    assert_int_equal(host.connections, 3);
}

static void limits_of_domains_are_kept(void **state)
{
    (void)state;
    rcpts_by_domain = 2;
    five_go_in_three("250-LIMITS RCPTDOMAINMAX=1\r\n250-PIPELINING\r\n");
}

/* --- what a host lacks */

static void rrvs_that_a_host_lacks_bounces(void **state)
{
    struct buf extra = BUF(1000);
    struct wire w = wire_writer(&extra);

    (void)state;
    extra_put(&w, EXTRA_RRVS, SLICE_LIT("86400 R"));
    rcpt_extra = buf_view(&extra);
    delivers(1, "0:never 0 5.7.19, ");
    assert_null(strstr(host.verbs, "MAIL"));
    buf_free(&extra);
}

static const char latin[] = "Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
                            "Content-Transfer-Encoding: 8bit\r\n\r\nGr\303\274\303\237e\r\n";

/* deliver_latin - eight-bit text, to a host that takes seven; the file is given away */

static void deliver_latin(struct slice body, int fd, uint64_t length, const char *outcome)
{
    host.offers = "250-PIPELINING\r\n";
    envelope.flags = ENV_8BIT;
    deliver_to(host_text("host"), 1, body, fd, length);
    if (fd >= 0)
        close(fd);
    wait_for(1);
    assert_string_equal(outcome_text, outcome);
}

static void assert_re_encoded(void)
{
    buf_put(&host.text, "", 1);
    assert_non_null(strstr(host.text.p, "|Gr=C3=BC=C3=9Fe|"));
}

static int latin_file(size_t n)
{
    int fd = memfd_create("body", 0);

    assert_int_equal(write(fd, latin, n), n);
    return fd;
}

static void eight_bit_text_is_re_encoded_from_memory(void **state)
{
    (void)state;
    deliver_latin(slice_cstr(latin), -1, 0, "0:done 250 2.0.0, ");
    assert_re_encoded();
}

static void eight_bit_text_is_re_encoded_from_a_descriptor(void **state)
{
    (void)state;
    deliver_latin((struct slice){ NULL, 0 }, latin_file(sizeof latin - 1), sizeof latin - 1, "0:done 250 2.0.0, ");
    assert_re_encoded();
}

static void a_descriptor_that_is_too_short_kills_nobody(void **state)
{
    (void)state;
    deliver_latin((struct slice){ NULL, 0 }, latin_file(20), 100000, "0:later 0 4.3.0, ");
}

/* --- reversed connections */

static struct visit *customer;

static void customer_comes(void)
{
    int fds[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    customer = calloc(1, sizeof *customer);
    assert_true(stream_open(&customer->stream, &loop, fds[0], 65536, 65536, visit_event, visit_closed, customer));
    stream_read(&customer->stream);
    channel_send_msg_turn_go(queue, &(struct msg_turn_go){ .ticket = 7, .host = SLICE_LIT("cust [192.0.2.1]") }, fds[1]);
    close(fds[1]);
    answer(customer, "GREETING");
}

static void messages_go_one_after_another_over_a_reversed_connection(void **state)
{
    (void)state;
    host.offers = "250-PIPELINING\r\n250-CHUNKING\r\n250-STARTTLS\r\n";
    customer_comes();
    for (int i = 0; i < 3; i++)
        deliver_to("turn:7", 1, SLICE_LIT("x\r\n"), -1, 0);
    wait_for(3);
    assert_int_equal(host.messages, 3);
    assert_string_equal(host.verbs, "EHLO MAIL RCPT DATA MAIL RCPT DATA MAIL RCPT DATA ");
    assert_string_equal(result_host, "cust [192.0.2.1]");
    channel_send_msg_turn_over(queue, &(struct msg_turn_over){ .ticket = 7 }, -1);
    spin(50);
    assert_non_null(strstr(host.verbs, "QUIT"));
    assert_string_equal(said, "");
    assert_true(list_empty(&relay.turns));
}

static void a_reversed_connection_that_is_lost_is_told_and_its_mail_is_later(void **state)
{
    static struct script script[] = { { "RCPT", "", 1 }, { NULL, NULL, 0 } };

    (void)state;
    host.script = script;
    customer_comes();
    deliver_to("turn:7", 1, SLICE_LIT("x\r\n"), -1, 0);
    wait_for(2);
    assert_string_equal(outcome_text, "0:later 0 4.4.2, ");
    assert_int_equal(trouble, TROUBLE_SESSION);
    assert_string_equal(said, "TURN_OVER 7;");
    deliver_to("turn:7", 1, SLICE_LIT("x\r\n"), -1, 0);
    wait_for(3);
    assert_non_null(strstr(outcome_text, "0:later 0 4.4.2, 0:later 0 4.4.2, "));
}

static void a_reversed_connection_lost_while_nobody_uses_it_is_told(void **state)
{
    (void)state;
    customer_comes();
    spin(20);
    stream_close(&customer->stream);
    wait_for(1);
    assert_string_equal(said, "TURN_OVER 7;");
}

static void a_reversed_connection_goes_with_its_queue(void **state)
{
    (void)state;
    customer_comes();
    spin(20);
    channel_close(queue, "gone");
    queue = NULL;
    spin(20);
    assert_true(list_empty(&relay.turns));
    assert_int_equal(relay.pool.nlinks, 0);
}

/* --- fetching */

static struct slice domains[] = { SLICE_INIT("a.test"), SLICE_INIT("b.test") };
static struct conf_fetch section = { .name = SLICE_INIT("isp"), .host_text = SLICE_INIT("isp.test"),
                                     .host = SLICE_INIT("127.0.0.1"), .domains = { domains, 2 },
                                     .tls = TLS_NONE };

static void fetch(enum fetch_verb verb, const char *answers)
{
    static struct script script[3];

    memset(script, 0, sizeof script);
    script[0] = (struct script){ verb == FETCH_ATRN ? "ATRN" : verb == FETCH_TURN ? "TURN" : "ETRN", answers, 1 };
    host.script = script;
    host.offers = "250-ATRN\r\n250-TURN\r\n250-ETRN\r\n";
    section.verb = verb;
    section.port = host.port;
    conf.fetches = &section;
    conf.nfetches = 1;
    channel_send_msg_fetch(queue, &(struct msg_fetch){ .ticket = 1, .name = SLICE_LIT("isp") }, -1);
}

static void etrn_asks_for_each_domain(void **state)
{
    (void)state;
    fetch(FETCH_ETRN, "253 2.0.0 3 messages");
    wait_for(1);
    spin(10);
    assert_string_equal(host.lines, "EHLO us.test|ETRN a.test|ETRN b.test|QUIT|");
    assert_string_equal(said, "FETCHED done 250 ok;");
}

static void etrn_that_is_not_understood_is_not_asked_again(void **state)
{
    (void)state;
    fetch(FETCH_ETRN, "500 5.5.2 what");
    wait_for(1);
    spin(10);
    assert_string_equal(host.lines, "EHLO us.test|ETRN a.test|QUIT|");
    assert_string_equal(said, "FETCHED never 500 what;");
}

static void atrn_hands_the_connection_to_the_queue(void **state)
{
    char line[100] = "";

    (void)state;
    fetch(FETCH_ATRN, "250 2.0.0 turn");
    wait_for(2);
    assert_string_equal(host.lines, "EHLO us.test|ATRN a.test,b.test|");
    assert_string_equal(said, "ADOPT;FETCHED done 250 turn;");
    assert_true(adopted >= 0);
    assert_int_equal(write(adopted, "NOOP\r\n", 6), 6);
    spin(20);
    assert_non_null(strstr(host.verbs, "NOOP"));
    assert_true(read(adopted, line, sizeof line) > 0);
    assert_string_equal(line, "250 ok\r\n");
    close(adopted);
}

static void atrn_over_tls_goes_through_us(void **state)
{
    char line[100] = "";

    (void)state;
    tls_host();
    section.tls = TLS_REQUIRE;
    fetch(FETCH_TURN, "250 2.0.0 turn");
    host.offers = "250-STARTTLS\r\n250-TURN\r\n";
    wait_for(2);
    assert_string_equal(host.lines, "EHLO us.test|STARTTLS|EHLO us.test|TURN|");
    assert_true(adopted >= 0);
    assert_int_equal(write(adopted, "NOOP\r\n", 6), 6);
    spin(30);
    assert_true(read(adopted, line, sizeof line) > 0);
    assert_string_equal(line, "250 ok\r\n");
    close(adopted);
    spin(30);
    assert_int_equal(relay.pool.nbridges, 0);
    section.tls = TLS_NONE;
}

static const struct { const char *answer, *said; } words[] = {
    { "453 4.0.0 you have no mail", "FETCHED later 453 you have no mail;" },
    { "450 4.7.1 not yours", "FETCHED later 450 not yours;" },
    { "530 5.7.0 who are you", "FETCHED never 530 who are you;" },
    { "250 go\r\n220 early", "FETCHED later protocol error while waiting for the reply to a command: a reply to nothing;" },
    { "", "FETCHED later connection lost while waiting for the reply to a command: closed by the host;" },
};

static void a_refused_atrn_is_told_in_the_hosts_words(void **state)
{
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        fetch(FETCH_ATRN, words[i].answer);
        wait_for(1);
        assert_string_equal(said, words[i].said);
        assert_int_equal(adopted, -1);
        teardown(state);
        setup(state);
    }
}

static void a_host_that_is_down_is_told_too(void **state)
{
    (void)state;
    fetch(FETCH_ATRN, "250 x");
    section.port = 1;
    wait_for(1);
    assert_non_null(strstr(said, "FETCHED later cannot connect"));
}

/* --- link states */

static struct conf_connector connector = { .name = SLICE_INIT("hub2"), .host = SLICE_INIT("127.0.0.1"),
                                           .tls = TLS_NONE };

static void exchange(const char *answer1, const char *offers)
{
    static struct script script[3];

    memset(script, 0, sizeof script);
    script[0] = (struct script){ "X-LI", answer1, 1 };
    script[1] = (struct script){ "X-LI", "200 LAST CHUNK={00000005} AGAIN", 9 };
    host.script = script;
    host.offers = offers;
    connector.port = host.port;
    conf.connectors = &connector;
    conf.nconnectors = 1;
    channel_send_msg_exchange(queue, &(struct msg_exchange){ .ticket = 3, .connector = SLICE_LIT("hub2"),
                                                             .payload = SLICE_LIT("DIGEST 1") }, -1);
}

static void payloads_go_back_and_forth_over_one_connection(void **state)
{
    (void)state;
    exchange("200 LAST CHUNK={00000004} SEND", "250-X-LINK2STATE\r\n");
    wait_for(1);
    assert_string_equal(said, "EXCHANGED done SEND;");
    assert_non_null(strstr(host.lines, "X-LINK2STATE LAST CHUNK={00000008} DIGEST 1|"));
    channel_send_msg_exchange(queue, &(struct msg_exchange){ .ticket = 3, .connector = SLICE_LIT("hub2"),
                                                             .payload = SLICE_LIT("TABLE x") }, -1);
    wait_for(2);
    assert_string_equal(said, "EXCHANGED done SEND;EXCHANGED done AGAIN;");
    assert_int_equal(host.connections, 1);
    channel_send_msg_exchange(queue, &(struct msg_exchange){ .ticket = 3, .connector = SLICE_LIT("hub2") }, -1);
    spin(30);
    assert_non_null(strstr(host.verbs, "QUIT"));
    assert_true(list_empty(&relay.exchanges));
}

static const struct { const char *answer, *offers, *said; } refusals[] = {
    { "504 5.7.0 who are you", "250-X-LINK2STATE\r\n", "EXCHANGED never ;" },
    { "200 DONE", "250-X-LINK2STATE\r\n", "EXCHANGED never ;" },
    { "421 busy", "250-X-LINK2STATE\r\n", "EXCHANGED later ;" },
    { "", "250-X-LINK2STATE\r\n", "EXCHANGED later ;" },
    { "200 x", "250-SIZE\r\n", "EXCHANGED never ;" },
};

static void a_neighbour_that_refuses_ends_the_exchange(void **state)
{
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
        exchange(refusals[i].answer, refusals[i].offers);
        wait_for(1);
        assert_string_equal(said, refusals[i].said);
        assert_true(list_empty(&relay.exchanges));
        teardown(state);
        setup(state);
    }
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, tls_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(mail_is_secret_where_the_host_offers_it),
        T(a_failed_handshake_is_followed_by_one_connection_in_the_clear),
        T(what_must_be_secret_never_goes_in_the_clear),
        T(without_authorities_what_must_be_secret_waits),
        T(where_nobody_is_trusted_mail_is_secret_and_no_certificate_is_good),
        T(a_certificate_of_another_name_is_not_enough_where_tls_is_required),
        T(requiretls_goes_with_a_valid_certificate_only),
        T(requiretls_bounces_where_there_is_no_tls),
        T(requiretls_bounces_where_the_extension_is_lacking),
        T(requiretls_waits_for_a_host_that_is_down),
        T(a_smarthost_hears_who_we_are),
        T(a_refused_login_is_later),
        T(without_a_vault_logins_are_later),
        T(logins_of_a_vault_that_was_replaced_are_over),
        T(limits_of_recipients_are_kept),
        T(limits_of_messages_are_kept),
        T(limits_of_domains_are_kept),
        T(rrvs_that_a_host_lacks_bounces),
        T(eight_bit_text_is_re_encoded_from_memory),
        T(eight_bit_text_is_re_encoded_from_a_descriptor),
        T(a_descriptor_that_is_too_short_kills_nobody),
        T(messages_go_one_after_another_over_a_reversed_connection),
        T(a_reversed_connection_that_is_lost_is_told_and_its_mail_is_later),
        T(a_reversed_connection_lost_while_nobody_uses_it_is_told),
        T(a_reversed_connection_goes_with_its_queue),
        T(etrn_asks_for_each_domain),
        T(etrn_that_is_not_understood_is_not_asked_again),
        T(atrn_hands_the_connection_to_the_queue),
        T(atrn_over_tls_goes_through_us),
        T(a_refused_atrn_is_told_in_the_hosts_words),
        T(a_host_that_is_down_is_told_too),
        T(payloads_go_back_and_forth_over_one_connection),
        T(a_neighbour_that_refuses_ends_the_exchange),
    };
    int failed;

    root = make("p256", "root", NULL, -1, 30, NULL);
    mx = make("p256", "mx.test", "IP:127.0.0.1,DNS:mx.test", -1, 30, &root);
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    made_free(&mx);
    made_free(&root);
    return failed;
}
