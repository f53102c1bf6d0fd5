/* test_relay_job.c - whole jobs: a queue on one side, a scripted host on the other,
 * the relay between them, all on one loop. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>
#include "net/stream.h"
#include "relay/job.h"

/* --- the host: answers each verb with what the test says, else as usual */

struct script {
    const char *verb;       /* "GREETING", "EHLO", ..., "." */
    const char *answer;     /* "" closes without a word */
    int         times;      /* so often; then as usual */
};

static struct {
    uv_tcp_t       listener;
    uint16_t       port;
    struct script *script;
    int            connections, messages;
    size_t         octets;          /* of the last text */
    char           verbs[2000];     /* all that were heard */
    bool           silent;
} host;

struct visit {
    struct stream stream;
    bool          text;
    size_t        octets;
};

static uv_loop_t loop;

static void visit_closed(struct stream *s)
{
    free(s->user);
}

static const char *scripted(const char *verb)
{
    for (struct script *s = host.script; s != NULL && s->verb != NULL; s++)
        if (strcmp(s->verb, verb) == 0 && s->times > 0) {
            s->times--;
            return s->answer;
        }
    return NULL;
}

static const char *usual(const char *verb)
{
    static const char *const replies[][2] = {
        { "GREETING", "220 host.test ESMTP" }, { "EHLO", "250-host.test\r\n250-PIPELINING\r\n250 8BITMIME" },
        { "LHLO", "250-host.test\r\n250 PIPELINING" }, { "DATA", "354 go" }, { "QUIT", "221 bye" },
    };

    for (size_t i = 0; i < sizeof replies / sizeof *replies; i++)
        if (strcmp(replies[i][0], verb) == 0)
            return replies[i][1];
    return "250 ok";
}

static void answer(struct visit *v, const char *verb)
{
    const char *text = scripted(verb);

    if (host.silent)
        return;
    text = text != NULL ? text : usual(verb);
    if (text[0] == '\0') {
        stream_close(&v->stream);
        return;
    }
    if (strcmp(verb, "DATA") == 0 && text[0] == '3')
        v->text = true;
    if (strcmp(verb, ".") == 0 && text[0] == '2')
        host.messages++;
    buf_puts(&v->stream.out, text);
    buf_puts(&v->stream.out, "\r\n");
    stream_flush(&v->stream);
    if (strncmp(text, "421", 3) == 0 || strcmp(verb, "QUIT") == 0)
        stream_finish(&v->stream);
}

static void hear(struct visit *v, struct slice line)
{
    char verb[10];

    if (v->text) {
        v->octets += line.n + 2;
        if (!slice_eq(line, SLICE_LIT(".")))
            return;
        v->text = false;
        host.octets = v->octets - 3;
        v->octets = 0;
        answer(v, ".");
        return;
    }
    snprintf(verb, sizeof verb, "%.4s", line.p);
    snprintf(host.verbs + strlen(host.verbs), sizeof host.verbs - strlen(host.verbs), "%s ", verb);
    answer(v, verb);
}

static void visit_event(struct stream *s, enum stream_event event)
{
    struct visit *v = s->user;

    if (event == STREAM_EOF || event == STREAM_FAILED) {
        stream_close(s);
        return;
    }
    while (event == STREAM_INPUT && !s->closing) {
        struct slice in = buf_view(&s->in);
        size_t at = slice_chr(in, '\n');

        if (at == in.n)
            return;
        hear(v, slice_first(in, at - 1));
        buf_drop(&s->in, at + 1);
    }
}

static void on_connection(uv_stream_t *server, int status)
{
    struct visit *v = calloc(1, sizeof *v);
    uv_tcp_t *taken = calloc(1, sizeof *taken);
    uv_os_fd_t fd;

    assert_int_equal(status, 0);
    uv_tcp_init(&loop, taken);
    assert_int_equal(uv_accept(server, (uv_stream_t *)taken), 0);
    uv_fileno((uv_handle_t *)taken, &fd);
    host.connections++;
    assert_true(stream_open(&v->stream, &loop, dup(fd), 65536, 65536, visit_event, visit_closed, v));
    uv_close((uv_handle_t *)taken, (uv_close_cb)free);
    stream_read(&v->stream);
    answer(v, "GREETING");
}

static void host_begin(void)
{
    struct sockaddr_in sa = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
    int n = sizeof sa;

    uv_tcp_init(&loop, &host.listener);
    assert_int_equal(uv_tcp_bind(&host.listener, (struct sockaddr *)&sa, 0), 0);
    assert_int_equal(uv_listen((uv_stream_t *)&host.listener, 100, on_connection), 0);
    uv_tcp_getsockname(&host.listener, (struct sockaddr *)&sa, &n);
    host.port = ntohs(sa.sin_port);
}

/* --- the queue */

static struct relay relay;
static struct channel *queue, *ours;
static struct conf conf;
static int results;
static char outcome_text[4000], result_host[LINK_HOST];
static unsigned trouble;

static bool on_result(struct channel *c, uint32_t type, struct wire *w, int *fd)
{
    static const char *const fates[] = { "later", "done", "never" };
    struct msg_result m;
    struct wire outcomes;
    struct outcome o;
    size_t n = strlen(outcome_text);

    (void)c;
    (void)fd;
    assert_int_equal(type, MSG_RESULT);
    assert_true(msg_result_get(w, &m));
    outcomes = wire_reader(m.outcomes);
    while (outcome_next(&outcomes, &o))
        n += (size_t)snprintf(outcome_text + n, sizeof outcome_text - n, "%u:%s %u %.*s, ",
                              o.index, fates[o.fate], o.code, SLICE(o.status));
    trouble = m.trouble;
    snprintf(result_host, sizeof result_host, "%.*s", SLICE(m.host));
    results++;
    return true;
}

static bool on_deliver(struct channel *c, uint32_t type, struct wire *w, int *fd)
{
    assert_int_equal(type, MSG_DELIVER);
    return job_begin(&relay, c, w, fd);
}

static void on_gone(struct channel *c, const char *why)
{
    (void)why;
    if (c == ours)
        job_forget(&relay, c);
}

static void on_empty(struct relay *r)
{
    (void)r;
}

static void close_any(uv_handle_t *h, void *user)
{
    (void)user;
    if (!uv_is_closing(h))
        uv_close(h, NULL);
}

static int setup(void **state)
{
    int fds[2];

    (void)state;
    memset(&host, 0, sizeof host);
    memset(&relay, 0, sizeof relay);
    outcome_text[0] = '\0';
    results = 0;
    assert_int_equal(uv_loop_init(&loop), 0);
    conf = (struct conf){ .hostname = SLICE_LIT("us.test") };
    conf.relay.connections = 10;
    conf.relay.idle = 60000;
    conf.relay.messages = 100;
    conf.relay.recipients = 100;
    conf.relay.connect_timeout = 2000;
    conf.relay.timeout_scale = 100;
    relay = (struct relay){ .loop = &loop, .conf = &conf, .empty = on_empty, .port = 25 };
    list_init(&relay.jobs);
    list_init(&relay.turns);
    list_init(&relay.fetches);
    list_init(&relay.exchanges);
    pool_init(&relay.pool, &loop, &conf, 1);
    relay.own = own_new(&conf);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    ours = channel_new(&loop, fds[0], ROLE_RELAY, ROLE_QUEUE, 0, on_deliver, on_gone, NULL);
    queue = channel_new(&loop, fds[1], ROLE_QUEUE, ROLE_RELAY, 0, on_result, on_gone, NULL);
    host_begin();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    if (queue != NULL)
        channel_close(queue, "over");
    uv_run(&loop, UV_RUN_NOWAIT);
    pool_drain(&relay.pool);
    for (int i = 0; i < 10; i++)
        uv_run(&loop, UV_RUN_NOWAIT);
    own_free(relay.own);
    uv_close((uv_handle_t *)&relay.pool.sweep, NULL);
    uv_close((uv_handle_t *)&host.listener, NULL);
    for (int i = 0; i < 3000 && uv_loop_alive(&loop); i++) {
        uv_run(&loop, UV_RUN_NOWAIT);
        usleep(1000);
    }
    uv_walk(&loop, close_any, NULL);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
    return 0;
}

static void deliver_to(const char *destination, unsigned nrcpts, struct slice body, int fd,
                       uint64_t length)
{
    struct buf rcpts = BUF(1 << 20);
    struct wire w = wire_writer(&rcpts);
    char address[40];

    for (unsigned i = 0; i < nrcpts; i++) {
        snprintf(address, sizeof address, "u%u@b.test", i);
        wire_put_u32(&w, i);
        wire_put_bytes(&w, slice_cstr(address));
        wire_put_bytes(&w, (struct slice){ NULL, 0 });
        wire_put_bytes(&w, (struct slice){ NULL, 0 });
    }
    channel_send_msg_deliver(queue, &(struct msg_deliver){
        .job = 1, .id = 2, .destination = slice_cstr(destination), .sender = SLICE_LIT("s@a.test"),
        .nrcpts = nrcpts, .rcpts = buf_view(&rcpts), .body = body, .file = fd >= 0,
        .length = length }, fd);
    buf_free(&rcpts);
}

static const char *host_text(const char *kind)
{
    static char text[60];

    snprintf(text, sizeof text, "%s:127.0.0.1:%u", kind, host.port);
    return text;
}

static void deliver(unsigned nrcpts)
{
    deliver_to(host_text("host"), nrcpts, SLICE_LIT("Subject: x\r\n\r\nHi\r\n"), -1, 0);
}

static void on_late(uv_timer_t *t)
{
    (void)t;
    fail_msg("no result in time; heard: %s", host.verbs);
}

static void wait_for(int n)
{
    static uv_timer_t late;

    uv_timer_init(&loop, &late);
    uv_timer_start(&late, on_late, 8000, 0);
    while (results < n)
        uv_run(&loop, UV_RUN_ONCE);
    uv_close((uv_handle_t *)&late, NULL);
    uv_run(&loop, UV_RUN_NOWAIT);
}

/* --- tests */

static void a_message_reaches_the_host_and_its_result_the_queue(void **state)
{
    char expected[60];

    (void)state;
    deliver(2);
    wait_for(1);
    assert_string_equal(outcome_text, "0:done 250 2.0.0, 1:done 250 2.0.0, ");
    assert_int_equal(trouble, TROUBLE_NONE);
    assert_string_equal(host.verbs, "EHLO MAIL RCPT RCPT DATA ");
    snprintf(expected, sizeof expected, "127.0.0.1 [127.0.0.1]:%u", host.port);
    assert_string_equal(result_host, expected);
}

static void one_connection_carries_many_messages(void **state)
{
    (void)state;
    for (int i = 1; i <= 20; i++) {
        deliver(1);
        wait_for(i);
    }
    assert_int_equal(host.messages, 20);
    assert_int_equal(host.connections, 1);
}

static void a_connection_is_left_after_so_many_messages(void **state)
{
    (void)state;
    conf.relay.messages = 2;
    for (int i = 1; i <= 6; i++) {
        deliver(1);
        wait_for(i);
    }
    assert_int_equal(host.connections, 3);
}

static void many_recipients_are_split_into_transactions(void **state)
{
    (void)state;
    conf.relay.recipients = 2;
    deliver(5);
    wait_for(1);
    assert_int_equal(host.messages, 3);
    assert_int_equal(host.connections, 1);
    assert_non_null(strstr(outcome_text, "4:done"));
}

static void jobs_beyond_the_limit_of_connections_wait_their_turn(void **state)
{
    (void)state;
    conf.relay.connections = 2;
    for (int i = 0; i < 20; i++)
        deliver(1);
    wait_for(20);
    assert_int_equal(host.messages, 20);
    assert_true(relay.pool.nlinks <= 2);
}

static void a_large_message_comes_from_its_descriptor(void **state)
{
    int fd = memfd_create("body", 0);
    char line[100];

    (void)state;
    memset(line, 'x', 98);
    memcpy(line + 98, "\r\n", 2);
    for (int i = 0; i < 50000; i++)
        assert_int_equal(write(fd, line, 100), 100);
    deliver_to(host_text("host"), 1, (struct slice){ NULL, 0 }, fd, 5000000);
    close(fd);
    wait_for(1);
    assert_int_equal(host.octets, 5000000);
    assert_string_equal(outcome_text, "0:done 250 2.0.0, ");
}

static void a_descriptor_that_ends_early_is_later_and_the_host_gets_no_message(void **state)
{
    int fd = memfd_create("body", 0);

    (void)state;
    assert_int_equal(write(fd, "a\r\n", 3), 3);
    deliver_to(host_text("host"), 1, (struct slice){ NULL, 0 }, fd, 5000);
    close(fd);
    wait_for(1);
    assert_int_equal(host.messages, 0);
    assert_string_equal(outcome_text, "0:later 0 4.3.0, ");
}

static void nobody_listening_is_host_trouble(void **state)
{
    (void)state;
    deliver_to("host:127.0.0.1:1", 1, SLICE_LIT("x\r\n"), -1, 0);
    wait_for(1);
    assert_string_equal(outcome_text, "0:later 0 4.4.1, ");
    assert_int_equal(trouble, TROUBLE_HOST);
}

static void no_socket_is_host_trouble(void **state)
{
    (void)state;
    deliver_to("lmtp:/nowhere/lmtp", 1, SLICE_LIT("x\r\n"), -1, 0);
    wait_for(1);
    assert_string_equal(outcome_text, "0:later 0 4.4.1, ");
}

static void a_strange_destination_is_later(void **state)
{
    (void)state;
    deliver_to("gopher:x", 1, SLICE_LIT("x\r\n"), -1, 0);
    wait_for(1);
    assert_string_equal(outcome_text, "0:later 0 4.3.5, ");
}

static void lmtp_speaks_lhlo_and_each_recipient_has_its_own_reply(void **state)
{
    static struct script script[] = {
        { ".", "250 first\r\n452 4.2.2 second is full", 1 }, { NULL, NULL, 0 } };

    (void)state;
    host.script = script;
    deliver_to(host_text("lmtp"), 2, SLICE_LIT("x\r\n"), -1, 0);
    wait_for(1);
    assert_string_equal(outcome_text, "0:done 250 2.0.0, 1:later 452 4.2.2, ");
    assert_string_equal(host.verbs, "LHLO MAIL RCPT RCPT DATA ");
}

/* Each row: what goes wrong, and what the queue hears. */
static const struct {
    struct script script[3];
    const char   *outcome;
    unsigned      trouble;
    int           connections;
} misfortunes[] = {
    { { { "GREETING", "421 busy", 9 } }, "0:later 421 4.3.2, ", TROUBLE_HOST, 1 },
    { { { "GREETING", "554 no", 9 } }, "0:later 554 4.3.0, ", TROUBLE_HOST, 1 },
    { { { "GREETING", "", 9 } }, "0:later 0 4.4.2, ", TROUBLE_SESSION, 1 },
    { { { "EHLO", "500 what", 9 } }, "0:done 250 2.0.0, ", TROUBLE_NONE, 1 },
    { { { "EHLO", "", 9 } }, "0:done 250 2.0.0, ", TROUBLE_NONE, 2 },
    { { { "EHLO", "", 9 }, { "HELO", "", 9 } }, "0:later 0 4.4.2, ", TROUBLE_SESSION, 2 },
    { { { "MAIL", "421 bye", 9 } }, "0:later 421 4.3.2, ", TROUBLE_HOST, 1 },
    { { { "MAIL", "", 9 } }, "0:later 0 4.4.2, ", TROUBLE_SESSION, 1 },
    { { { "MAIL", "550 5.7.1 no", 9 } }, "0:never 550 5.7.1, ", TROUBLE_NONE, 1 },
    { { { "RCPT", "550 5.1.1 no", 9 } }, "0:never 550 5.1.1, ", TROUBLE_NONE, 1 },
    { { { "RCPT", "450 4.2.0 no", 9 } }, "0:later 450 4.2.0, ", TROUBLE_NONE, 1 },
    { { { "DATA", "451 4.3.0 no", 9 } }, "0:later 451 4.3.0, ", TROUBLE_NONE, 1 },
    { { { ".", "", 9 } }, "0:later 0 4.4.2, ", TROUBLE_SESSION, 1 },
    { { { ".", "554 5.6.0 no", 9 } }, "0:never 554 5.6.0, ", TROUBLE_NONE, 1 },
};

static void every_misfortune_has_its_outcome(void **state)
{
    for (size_t i = 0; i < sizeof misfortunes / sizeof *misfortunes; i++) {
        struct script script[4] = { { NULL, NULL, 0 } };

        memcpy(script, misfortunes[i].script, sizeof misfortunes[i].script);
        host.script = script;
        deliver(1);
        wait_for(1);
        if (strcmp(outcome_text, misfortunes[i].outcome) != 0
            || trouble != misfortunes[i].trouble
            || host.connections != misfortunes[i].connections)
            fail_msg("misfortune %zu: %s trouble %u, %d connections", i, outcome_text, trouble,
                     host.connections);
        teardown(state);
        setup(state);
    }
}

static void a_kept_connection_closed_meanwhile_costs_nothing(void **state)
{
    static struct script script[] = { { "MAIL", "250 ok", 1 }, { "MAIL", "", 1 }, { NULL, NULL, 0 } };

    (void)state;
    host.script = script;
    deliver(1);
    wait_for(1);
    deliver(1);
    wait_for(2);
    assert_string_equal(outcome_text, "0:done 250 2.0.0, 0:done 250 2.0.0, ");
    assert_int_equal(host.connections, 2);
}

static void a_kept_connection_that_says_421_costs_nothing(void **state)
{
    static struct script script[] = {
        { "MAIL", "250 ok", 1 }, { "MAIL", "421 idle too long", 1 }, { NULL, NULL, 0 } };

    (void)state;
    host.script = script;
    deliver(1);
    wait_for(1);
    deliver(1);
    wait_for(2);
    assert_string_equal(outcome_text, "0:done 250 2.0.0, 0:done 250 2.0.0, ");
}

static void a_kept_connection_lost_later_tries_the_host_afresh(void **state)
{
    static struct script script[] = {
        { "RCPT", "250 ok", 1 }, { "RCPT", "421 closing", 1 }, { NULL, NULL, 0 } };

    (void)state;
    host.script = script;
    deliver(1);
    wait_for(1);
    deliver(1);
    wait_for(2);
    assert_string_equal(outcome_text, "0:done 250 2.0.0, 0:done 250 2.0.0, ");
}

static void a_silent_host_is_given_up_in_time(void **state)
{
    (void)state;
    host.silent = true;
    conf.relay.timeout_scale = 1;
    deliver(1);
    wait_for(1);
    assert_string_equal(outcome_text, "0:later 0 4.4.2, ");
    assert_int_equal(trouble, TROUBLE_HOST);
}

static void an_idle_connection_says_goodbye(void **state)
{
    (void)state;
    conf.relay.idle = 1;
    deliver(1);
    wait_for(1);
    for (int i = 0; i < 300 && strstr(host.verbs, "QUIT") == NULL; i++) {
        uv_run(&loop, UV_RUN_NOWAIT);
        usleep(10000);
    }
    assert_non_null(strstr(host.verbs, "QUIT"));
    assert_int_equal(relay.pool.nlinks, 0);
}

static void jobs_of_a_queue_that_is_gone_are_forgotten(void **state)
{
    (void)state;
    host.silent = true;
    deliver(1);
    deliver(1);
    for (int i = 0; i < 20; i++) {
        uv_run(&loop, UV_RUN_NOWAIT);
        usleep(1000);
    }
    assert_false(list_empty(&relay.jobs));
    channel_close(queue, "gone");
    queue = NULL;
    for (int i = 0; i < 20; i++) {
        uv_run(&loop, UV_RUN_NOWAIT);
        usleep(1000);
    }
    assert_true(list_empty(&relay.jobs));
    assert_int_equal(relay.pool.nlinks, 0);
}

static void a_relay_that_leaves_gives_new_jobs_back_untried(void **state)
{
    (void)state;
    pool_drain(&relay.pool);
    deliver(1);
    wait_for(1);
    assert_int_equal(trouble, TROUBLE_LEAVING);
    assert_int_equal(host.connections, 0);
}

/* --- destinations */

static const struct { const char *text; bool ok; enum way way; const char *name; unsigned port; } texts[] = {
    { "mx:example.org", true, WAY_MX, "example.org", 0 },
    { "mx:[192.0.2.1]", true, WAY_MX, "[192.0.2.1]", 0 },
    { "mx:[IPv6:2001:db8::1]", true, WAY_MX, "[IPv6:2001:db8::1]", 0 },
    { "mx:", false, 0, "", 0 },
    { "mx:[0x7f.1]", false, 0, "", 0 },
    { "mx:a b", false, 0, "", 0 },
    { "host:127.0.0.1:2600", true, WAY_HOST, "127.0.0.1", 2600 },
    { "host:[::1]:25", true, WAY_HOST, "::1", 25 },
    { "host:mail.test:587", true, WAY_HOST, "mail.test", 587 },
    { "host:mail.test:0", false, 0, "", 0 },
    { "host:mail.test:65536", false, 0, "", 0 },
    { "host:mail.test", false, 0, "", 0 },
    { "lmtp:/run/lmtp", true, WAY_UNIX, "/run/lmtp", 0 },
    { "lmtp:127.0.0.1:24", true, WAY_HOST, "127.0.0.1", 24 },
    { "maildir:/x", false, 0, "", 0 },
    { "", false, 0, "", 0 },
};

static void destinations_are_read_as_the_queue_writes_them(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct destination d;

        if (destination_parse(slice_cstr(texts[i].text), &d) != texts[i].ok)
            fail_msg("%s", texts[i].text);
        if (!texts[i].ok)
            continue;
        assert_int_equal(d.way, texts[i].way);
        assert_int_equal(d.port, texts[i].port);
        assert_true(slice_eq(d.name, slice_cstr(texts[i].name)));
    }
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(destinations_are_read_as_the_queue_writes_them),
        T(a_message_reaches_the_host_and_its_result_the_queue),
        T(one_connection_carries_many_messages),
        T(a_connection_is_left_after_so_many_messages),
        T(many_recipients_are_split_into_transactions),
        T(jobs_beyond_the_limit_of_connections_wait_their_turn),
        T(a_large_message_comes_from_its_descriptor),
        T(a_descriptor_that_ends_early_is_later_and_the_host_gets_no_message),
        T(nobody_listening_is_host_trouble),
        T(no_socket_is_host_trouble),
        T(a_strange_destination_is_later),
        T(lmtp_speaks_lhlo_and_each_recipient_has_its_own_reply),
        T(every_misfortune_has_its_outcome),
        T(a_kept_connection_closed_meanwhile_costs_nothing),
        T(a_kept_connection_that_says_421_costs_nothing),
        T(a_kept_connection_lost_later_tries_the_host_afresh),
        T(a_silent_host_is_given_up_in_time),
        T(an_idle_connection_says_goodbye),
        T(jobs_of_a_queue_that_is_gone_are_forgotten),
        T(a_relay_that_leaves_gives_new_jobs_back_untried),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
