/* relay_world.h - a queue on one side, a scripted host on the other, a relay between
 * them, all on one loop.
 */
#pragma once
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
#include "relay/destination.h"
#include "relay/exchange.h"
#include "relay/fetch.h"
#include "relay/reversal.h"

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
    bool           breaks_tls;      /* it closes in the handshake */
    struct tls_server *tls;         /* what STARTTLS brings; NULL: silence */
    const char    *offers;          /* lines of EHLO, each with its CRLF */
    char           lines[4000];     /* all commands that were heard, "|" between */
    struct buf     text;            /* the last message, dots and all */
} host;

struct visit {
    struct stream stream;
    bool          text;
    size_t        octets;
    struct buf    line;
    bool          broken;
};

static uv_loop_t loop;

static void visit_closed(struct stream *s)
{
    struct visit *v = s->user;

    buf_free(&v->line);
    free(v);
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
        { "LHLO", "250-host.test\r\n250 PIPELINING" }, { "DATA", "354 go" }, { "QUIT", "221 bye" }, { "STAR", "220 go" },
    };

    for (size_t i = 0; i < sizeof replies / sizeof *replies; i++)
        if (strcmp(replies[i][0], verb) == 0)
            return replies[i][1];
    return "250 ok";
}

static void hello(struct visit *v)
{
    buf_printf(&v->stream.out, "250-host.test\r\n%s250 HELP\r\n", host.offers);
    stream_flush(&v->stream);
}

static void answer(struct visit *v, const char *verb)
{
    const char *text = scripted(verb);

    if (host.silent)
        return;
    if (text == NULL && host.offers != NULL && (strcmp(verb, "EHLO") == 0 || strcmp(verb, "LHLO") == 0)) {
        hello(v);
        return;
    }
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
    v->broken = strcmp(verb, "STAR") == 0 && host.breaks_tls;
    if (strcmp(verb, "STAR") == 0 && text[0] == '2' && host.tls != NULL && !v->broken) {
        buf_drop(&v->stream.in, v->stream.in.n);
        stream_tls_server(&v->stream, host.tls);
        return;
    }
    if (strncmp(text, "421", 3) == 0 || strcmp(verb, "QUIT") == 0)
        stream_finish(&v->stream);
}

static void hear(struct visit *v, struct slice line)
{
    char verb[10];

    if (v->text) {
        if (v->octets == 0)
            buf_clear(&host.text);
        buf_printf(&host.text, "%.*s|", SLICE(line));
        v->octets += line.n + 2;
        if (!slice_eq(line, SLICE_LIT(".")))
            return;
        v->text = false;
        host.octets = v->octets - 3;
        v->octets = 0;
        answer(v, ".");
        return;
    }
    snprintf(verb, sizeof verb, "%.*s", SLICE(slice_first(line, 4)));
    snprintf(host.lines + strlen(host.lines), sizeof host.lines - strlen(host.lines), "%.*s|", SLICE(line));
    snprintf(host.verbs + strlen(host.verbs), sizeof host.verbs - strlen(host.verbs), "%s ", verb);
    answer(v, verb);
}

static void visit_event(struct stream *s, enum stream_event event)
{
    struct visit *v = s->user;

    if (event == STREAM_EOF || event == STREAM_FAILED || v->broken) {
        stream_close(s);
        return;
    }
    while (event == STREAM_INPUT && !s->closing) {
        struct slice in = buf_view(&s->in);
        size_t at = slice_chr(in, '\n');

        if (at == in.n)
            return;
        buf_drop(&v->line, v->line.n);
        v->line.max = 70000;
        buf_put_slice(&v->line, slice_first(in, at - 1));
        buf_drop(&s->in, at + 1);
        hear(v, buf_view(&v->line));
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

static char result_note[200], said[2000];      /* what else the queue heard */
static int adopted;                             /* descriptor of ADOPT */

/* on_other - "FETCHED done 250 ok;" and the like */

static bool on_other(uint32_t type, struct wire *w, int *fd)
{
    static const char *const fates[] = { "later", "done", "never" };
    char *to = said + strlen(said);
    size_t room = sizeof said - strlen(said);
    struct msg_exchanged exchanged;
    struct msg_turn_over over;
    struct msg_fetched fetched;
    struct msg_adopt adopt;

    switch (type) {
    case MSG_FETCHED:
        assert_true(msg_fetched_get(w, &fetched));
        snprintf(to, room, "FETCHED %s %.*s;", fates[fetched.fate], SLICE(fetched.text));
        break;
    case MSG_ADOPT:
        assert_true(msg_adopt_get(w, &adopt));
        adopted = *fd;
        *fd = -1;
        snprintf(to, room, "ADOPT;");
        break;
    case MSG_TURN_OVER:
        assert_true(msg_turn_over_get(w, &over));
        snprintf(to, room, "TURN_OVER %d;", (int)over.ticket);
        break;
    case MSG_EXCHANGED:
        assert_true(msg_exchanged_get(w, &exchanged));
        snprintf(to, room, "EXCHANGED %s %.*s;", fates[exchanged.fate], SLICE(exchanged.payload));
        break;
    default:
        fail_msg("message %s", message_name(type));
    }
    results++;
    return true;
}

static bool on_result(struct channel *c, uint32_t type, struct wire *w, int *fd)
{
    static const char *const fates[] = { "later", "done", "never" };
    struct msg_result m;
    struct wire outcomes;
    struct outcome o;
    size_t n = strlen(outcome_text);

    (void)c;
    if (type != MSG_RESULT)
        return on_other(type, w, fd);
    assert_true(msg_result_get(w, &m));
    outcomes = wire_reader(m.outcomes);
    while (outcome_next(&outcomes, &o))
        n += (size_t)snprintf(outcome_text + n, sizeof outcome_text - n, "%u:%s %u %.*s, ",
                              o.index, fates[o.fate], o.code, SLICE(o.status));
    trouble = m.trouble;
    snprintf(result_note, sizeof result_note, "%.*s", SLICE(m.note));
    snprintf(result_host, sizeof result_host, "%.*s", SLICE(m.host));
    results++;
    return true;
}

static bool on_deliver(struct channel *c, uint32_t type, struct wire *w, int *fd)
{
    switch (type) {
    case MSG_DELIVER:
        return job_begin(&relay, c, w, fd);
    case MSG_TURN_GO:
        return reversal_begin(&relay, c, w, fd);
    case MSG_TURN_OVER:
        return reversal_over(&relay, w);
    case MSG_FETCH:
        return fetch_begin(&relay, c, w);
    case MSG_EXCHANGE:
        return exchange_take(&relay, c, w);
    case MSG_AUTH_SAY:
        return vault_say(&relay.pool.vaults, w);
    case MSG_AUTH_DONE:
        return vault_done(&relay.pool.vaults, w);
    default:
        return false;
    }
}

static void on_gone(struct channel *c, const char *why)
{
    (void)why;
    if (c == ours) {
        job_forget(&relay, c);
        reversal_forget(&relay, c);
        fetch_forget(&relay, c);
        exchange_forget(&relay, c);
    }
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

static struct msg_deliver envelope;    /* what deliver() takes from here: flags, extras */
static struct slice rcpt_extra;
static unsigned rcpts_by_domain = 1000;

static int setup(void **state)
{
    int fds[2];

    (void)state;
    memset(&host, 0, sizeof host);
    host.text = BUF(10 << 20);
    rcpt_extra = (struct slice){ NULL, 0 };
    rcpts_by_domain = 1000;
    envelope = (struct msg_deliver){ .job = 1 };
    said[0] = result_note[0] = '\0';
    memset(&relay, 0, sizeof relay);
    outcome_text[0] = '\0';
    results = 0;
    adopted = -1;
    assert_int_equal(uv_loop_init(&loop), 0);
    conf = (struct conf){ .hostname = SLICE_LIT("us.test") };
    conf.relay.tls = TLS_OFFER;
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
    buf_free(&host.text);
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
        snprintf(address, sizeof address, "u%u@%c.test", i, 'b' + (int)(i / rcpts_by_domain));
        wire_put_u32(&w, i);
        wire_put_bytes(&w, slice_cstr(address));
        wire_put_bytes(&w, (struct slice){ NULL, 0 });
        wire_put_bytes(&w, rcpt_extra);
    }
    channel_send_msg_deliver(queue, &(struct msg_deliver){
        .job = 1, .id = 2, .destination = slice_cstr(destination), .sender = SLICE_LIT("s@a.test"),
        .flags = envelope.flags, .extra = envelope.extra, .domain = SLICE_LIT("b.test"),
        .client = SLICE_LIT("192.0.2.9"), .helo = SLICE_LIT("c.test"), .protocol = SLICE_LIT("ESMTP"),
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

/* spin - let the loop go round for as many milliseconds */

static void spin(int turns)
{
    for (int i = 0; i < turns; i++) {
        uv_run(&loop, UV_RUN_NOWAIT);
        usleep(1000);
    }
}

static void deliver_and_wait(unsigned nrcpts)
{
    deliver(nrcpts);
    wait_for(results + 1);
}

/* delivers - hand over one message more; all outcomes since setup() are these */

static void delivers(unsigned nrcpts, const char *outcomes)
{
    deliver_and_wait(nrcpts);
    assert_string_equal(outcome_text, outcomes);
}
