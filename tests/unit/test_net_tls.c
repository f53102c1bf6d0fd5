/* test_net_tls.c - streams that become secret, keys that are elsewhere, and pumps.
 *
 * Both ends are streams on one loop, joined by a socket pair; where the other side
 * must misbehave it is a bare descriptor. AddressSanitizer must have nothing to say,
 * not even of the stacks on which handshakes rest (src/tls/stacks.h).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>
#include "certificates.h"
#include "net/pump.h"
#include "net/stream.h"
#include "tls/signer.h"

enum { BIG = 8 << 20, OUT_MAX = BIG + 1000 };

struct end {
    struct stream  s;
    size_t         received, secured, drained, eofs, fails;
    bool           closed, answers, hold, finish_when_secure, close_when_answered;
    size_t         keep;        /* leave so many bytes in `in` */
    struct buf     text;
    char           error[200];
    struct tls_info info;
};

static uv_loop_t *loop;
static struct made root, rsa, p256, wild, stranger;
static struct tls_client *client_ctx;
static struct end a, b;         /* a is the server wherever that matters */

/* --- the vault of these tests */

static enum { AT_ONCE, LATER, NO, NEVER } vault;
static struct signer *signers[4];
static struct list open_ops;
static unsigned asked;

static void op_answer(struct tls_sign *op)
{
    char out[TLS_SIGN_MAX];
    struct why why = { 0 };
    size_t n = 0;

    if (vault != NO)
        n = signer_sign(signers[op->key], op->kind, slice_of(op->bytes, op->n), out, &why);
    assert_string_equal(why.text, "");
    tls_signed(op, slice_of(out, n));
}

static void vault_sign(void *ctx, struct tls_sign *op)
{
    assert_ptr_equal(ctx, &vault);
    asked++;
    if (vault == AT_ONCE)
        op_answer(op);
    else
        list_push(&open_ops, &op->link);
}

static void vault_answers(void)
{
    struct list *node;

    while ((node = list_pop(&open_ops)) != NULL)
        op_answer(LIST_OWNER(node, struct tls_sign, link));
}

static const struct tls_keys keys = { vault_sign, &vault };

/* --- two ends */

static void on_closed(struct stream *s)
{
    struct end *e = s->user;

    e->closed = true;
}

static void on_input(struct end *e)
{
    struct slice in = buf_view(&e->s.in);
    size_t n = in.n > e->keep ? in.n - e->keep : 0;

    e->received += n;
    if (e->text.max > e->text.n + n)
        buf_put(&e->text, in.p, n);
    if (e->answers)
        buf_put(&e->s.out, in.p, n);
    buf_drop(&e->s.in, n);
    stream_flush(&e->s);
    if (e->hold)
        stream_pause(&e->s);
    if (e->close_when_answered)
        stream_close(&e->s);
}

static void on_event(struct stream *s, enum stream_event event)
{
    struct end *e = s->user;

    switch (event) {
    case STREAM_CONNECTED:
        break;
    case STREAM_INPUT:
        on_input(e);
        break;
    case STREAM_DRAINED:
        e->drained++;
        break;
    case STREAM_EOF:
        e->eofs++;
        break;
    case STREAM_SECURE:
        e->secured++;
        assert_true(stream_tls_info(s, &e->info));
        if (e->finish_when_secure)
            stream_finish(s);
        break;
    case STREAM_FAILED:
        e->fails++;
        snprintf(e->error, sizeof e->error, "%s", stream_error_text(s));
        stream_close(s);
    }
}

static void end_open(struct end *e, int fd)
{
    *e = (struct end){ .text = BUF(100000) };
    assert_true(stream_open(&e->s, loop, fd, STREAM_IN_MAX, OUT_MAX, on_event, on_closed, e));
    stream_read(&e->s);
}

static void pair(int fd[2])
{
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fd), 0);
}

static void open_both(void)
{
    int fd[2];

    pair(fd);
    end_open(&a, fd[0]);
    end_open(&b, fd[1]);
}

/* turn - so many turns of the loop, as long as there is something to do */

static void turn(int n)
{
    while (n-- > 0)
        uv_run(loop, UV_RUN_NOWAIT);
}

static void close_both(void)
{
    stream_close(&a.s);
    stream_close(&b.s);
    vault_answers();
    uv_run(loop, UV_RUN_DEFAULT);
    assert_true(a.closed && b.closed);
    buf_free(&a.text);
    buf_free(&b.text);
}

static struct tls_server *server_of(const struct made *m, const char *name)
{
    struct tls_server *t = tls_server_new(SLICE_LIT("test"), &keys);
    struct tls_certificate c = { slice_cstr(name), slice_cstr(m->cert_pem), "mx.pem",
                                 m == &rsa ? 0 : m == &p256 ? 1 : m == &wild ? 2 : 3 };
    struct why why;

    assert_true(tls_server_add(t, &c, &why));
    return t;
}

static struct tls_peer peer_of(const char *name, enum tls_policy policy)
{
    return (struct tls_peer){ .name = slice_cstr(name), .policy = policy };
}

static void begin(struct tls_server *t, const struct tls_peer *peer)
{
    open_both();
    assert_int_equal(stream_tls_server(&a.s, t), STREAM_TLS_BEGUN);
    assert_int_equal(stream_tls_client(&b.s, client_ctx, peer), STREAM_TLS_BEGUN);
}

static void begin_secure(struct tls_server *t)
{
    struct tls_peer peer = peer_of("mx.test", TLS_POLICY_REQUIRE);

    begin(t, &peer);
    turn(20);
    assert_int_equal(a.secured, 1);
    assert_int_equal(b.secured, 1);
}

static int setup(void **state)
{
    (void)state;
    vault = AT_ONCE;
    asked = 0;
    return 0;
}

/* --- handshakes */

static void words_go_both_ways_and_both_know_what_was_agreed(void **state)
{
    const struct made *all[] = { &rsa, &p256 };

    (void)state;
    for (int i = 0; i < 2; i++) {
        struct tls_server *t = server_of(all[i], "mx.test");

        asked = 0;
        begin_secure(t);
        assert_int_equal(asked, 1);
        a.answers = true;
        buf_puts(&b.s.out, "EHLO there\r\n");
        stream_flush(&b.s);
        turn(10);
        assert_int_equal(b.received, 12);
        assert_string_equal(b.info.version, "TLSv1.3");
        assert_true(b.info.bits >= 128);
        assert_true(b.info.verified);
        assert_null(b.info.unverified);
        assert_string_equal(a.info.name, "mx.test");
        assert_false(a.info.verified);
        assert_true(a.s.in.cap == 0 && b.s.in.cap == 0);
        close_both();
        tls_server_free(t);
    }
}

static void the_name_chooses_the_certificate(void **state)
{
    const struct { const char *name; size_t key_bits; } rows[] = {
        { "mx.test", 2048 }, { "a.wild.test", 256 }, { "MX.TEST", 2048 },
    };
    struct tls_server *t = server_of(&rsa, "mx.test");
    struct tls_certificate c = { SLICE_LIT("wild.test"), slice_cstr(wild.cert_pem), "w.pem", 2 };
    struct why why;

    (void)state;
    assert_true(tls_server_add(t, &c, &why));
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct tls_peer peer = peer_of(rows[i].name, TLS_POLICY_REQUIRE);

        begin(t, &peer);
        turn(20);
        assert_int_equal(b.secured, 1);
        assert_true(b.info.verified);
        close_both();
    }
    tls_server_free(t);
}

static void who_requires_is_refused_where_who_takes_what_comes_goes_on(void **state)
{
    const struct { const char *name; const struct made *cert; const char *words; } rows[] = {
        { "other.test", &p256,     "hostname mismatch" },
        { "mx.test",    &stranger, "self-signed certificate" },
        { "192.0.2.1",  &p256,     "IP address mismatch" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct tls_server *t = server_of(rows[i].cert, "mx.test");
        struct tls_peer peer = peer_of(rows[i].name, TLS_POLICY_REQUIRE);

        begin(t, &peer);
        turn(20);
        assert_int_equal(b.secured, 0);
        assert_int_equal(b.fails, 1);
        assert_int_equal(b.s.error, EPROTO);
        assert_non_null(strstr(b.error, "TLS certificate"));
        assert_non_null(strcasestr(b.error, rows[i].words));
        close_both();
        peer.policy = TLS_POLICY_OPPORTUNISTIC;
        begin(t, &peer);
        turn(20);
        assert_int_equal(b.secured, 1);
        assert_false(b.info.verified);
        assert_non_null(strcasestr(b.info.unverified, rows[i].words));
        close_both();
        tls_server_free(t);
    }
}

static void a_session_is_resumed_at_the_same_place_only(void **state)
{
    struct tls_server *t = server_of(&p256, "mx.test");
    struct tls_peer peer = peer_of("mx.test", TLS_POLICY_REQUIRE);
    const struct { const char *place; bool resumed; } rows[] = {
        { "here", false }, { "here", true }, { "here", true }, { "there", false },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        peer.place = slice_cstr(rows[i].place);
        begin(t, &peer);
        turn(20);
        assert_int_equal(b.secured, 1);
        assert_int_equal(b.info.resumed, rows[i].resumed);
        assert_true(b.info.verified);
        stream_finish(&b.s);
        turn(20);
        assert_int_equal(a.eofs, 1);
        close_both();
    }
    assert_int_equal(asked, 2);
    tls_server_free(t);
}

static void a_ticket_of_one_service_does_not_serve_at_another(void **state)     /* A108 */
{
    struct tls_peer peer = peer_of("mx.test", TLS_POLICY_REQUIRE);

    (void)state;
    peer.place = SLICE_LIT("both");
    for (int i = 0; i < 2; i++) {
        struct tls_server *t = server_of(&p256, "mx.test");

        begin(t, &peer);
        turn(20);
        assert_int_equal(b.secured, 1);
        assert_false(b.info.resumed);
        close_both();
        tls_server_free(t);
    }
}

/* --- plain text and TLS */

static void plain_text_after_starttls_is_refused(void **state)     /* A100, A101 */
{
    struct tls_server *t = server_of(&p256, "mx.test");
    struct tls_peer peer = peer_of("mx.test", TLS_POLICY_OPPORTUNISTIC);

    (void)state;
    for (int side = 0; side < 2; side++) {
        open_both();
        a.keep = 7;             /* the STARTTLS line has been taken, this has not */
        buf_puts(&b.s.out, "STARTTLS\r\nRSET\r\n.");
        stream_flush(&b.s);
        turn(3);
        assert_int_equal(a.s.in.n, 7);
        assert_int_equal(side == 0 ? stream_tls_server(&a.s, t) : stream_tls_client(&a.s, client_ctx, &peer),
                         STREAM_TLS_INJECTED);
        assert_int_equal(a.s.in.n, 0);
        assert_null(a.s.tls);
        close_both();
    }
    tls_server_free(t);
}

static void plain_text_that_comes_a_moment_later_is_never_shown(void **state)     /* A100 */
{
    static const char *const texts[] = { "N", "NOOP\r\n", "EHLO x\r\nMAIL FROM:<a@b.test>\r\n" };
    struct tls_server *t = server_of(&p256, "mx.test");
    struct tls_peer peer = peer_of("mx.test", TLS_POLICY_OPPORTUNISTIC);

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        open_both();
        assert_int_equal(stream_tls_server(&a.s, t), STREAM_TLS_BEGUN);
        buf_puts(&b.s.out, texts[i]);
        stream_flush(&b.s);
        assert_int_equal(stream_tls_client(&b.s, client_ctx, &peer), STREAM_TLS_BEGUN);
        turn(10);
        assert_int_equal(a.secured, 0);
        assert_int_equal(a.fails, 1);
        assert_int_equal(a.received, 0);
        close_both();
    }
    tls_server_free(t);
}

static void what_was_said_before_goes_plain_and_first(void **state)
{
    struct tls_server *t = server_of(&p256, "mx.test");
    char go[14];
    int fd[2];

    (void)state;
    pair(fd);
    end_open(&a, fd[0]);
    buf_puts(&a.s.out, "220 go ahead\r\n");
    assert_int_equal(stream_tls_server(&a.s, t), STREAM_TLS_BEGUN);
    assert_int_equal(read(fd[1], go, sizeof go), 14);
    assert_memory_equal(go, "220 go ahead\r\n", 14);
    close(fd[1]);
    turn(5);
    assert_int_equal(a.fails, 1);
    assert_non_null(strstr(a.error, "hung up"));
    uv_run(loop, UV_RUN_DEFAULT);
    buf_free(&a.text);
    tls_server_free(t);
}

static void garbage_instead_of_a_handshake_fails_with_a_word(void **state)     /* A105 */
{
    static const struct { const char *p; size_t n; } rows[] = {
        { "GET / HTTP/1.1\r\n\r\n", 18 },
        { "\x80\x1c\x01\x00\x02\x00\x03\x00\x00\x00\x10\x07\x00\xc0"
          "0123456789abcdef", 30 },                                     /* SSLv2 */
        { "\x16\x03\x01\xff\xff\x01\x00\xff\xfb", 9 },                  /* a record too long */
        { "\x16\x03\x01\x00\x05\x01\xff\xff\xff\x03", 10 },             /* a hello of 16 MiB */
        { "\x17\x03\x03\x00\x01x", 6 },
    };
    struct tls_server *t = server_of(&p256, "mx.test");

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int fd[2];

        pair(fd);
        end_open(&a, fd[0]);
        assert_int_equal(stream_tls_server(&a.s, t), STREAM_TLS_BEGUN);
        assert_int_equal(write(fd[1], rows[i].p, rows[i].n), (ssize_t)rows[i].n);
        turn(5);
        if (a.fails == 0)
            fail_msg("row %zu did not fail", i);
        assert_non_null(strstr(a.error, "TLS handshake: "));
        close(fd[1]);
        uv_run(loop, UV_RUN_DEFAULT);
        assert_int_equal(a.secured, 0);
        buf_free(&a.text);
    }
    tls_server_free(t);
}

/* --- data */

static void much_data_goes_through_a_slow_reader(void **state)
{
    struct tls_server *t = server_of(&p256, "mx.test");
    char *room;

    (void)state;
    begin_secure(t);
    b.hold = true;
    room = buf_room(&a.s.out, BIG);
    memset(room, 'x', BIG);
    buf_added(&a.s.out, BIG);
    stream_flush(&a.s);
    assert_true(stream_pending(&a.s) > 0);
    for (int i = 0; i < 100000 && b.received < BIG; i++) {
        turn(1);
        assert_true(b.s.in.n <= STREAM_IN_MAX);
        stream_read(&b.s);
    }
    turn(5);
    assert_int_equal(b.received, BIG);
    assert_int_equal(stream_pending(&a.s), 0);
    assert_true(a.drained > 0);
    stream_finish(&a.s);
    turn(5);
    stream_read(&b.s);
    turn(5);
    assert_int_equal(b.eofs, 1);
    assert_int_equal(b.fails, 0);
    close_both();
    tls_server_free(t);
}

static void what_the_owner_leaves_is_shown_again_with_the_rest(void **state)
{
    struct tls_server *t = server_of(&p256, "mx.test");

    (void)state;
    begin_secure(t);
    a.keep = 5;
    for (int i = 0; i < 100; i++) {
        buf_puts(&b.s.out, "0123456789");
        stream_flush(&b.s);
        turn(1);
    }
    turn(5);
    assert_int_equal(a.received, 995);
    assert_int_equal(a.s.in.n, 5);
    for (size_t i = 0; i < a.text.n; i++)
        assert_int_equal(buf_view(&a.text).p[i], '0' + i % 10);
    close_both();
    tls_server_free(t);
}

static void a_full_in_waits_and_goes_on(void **state)
{
    struct tls_server *t = server_of(&p256, "mx.test");
    size_t most = 0;

    (void)state;
    begin_secure(t);
    a.keep = SIZE_MAX;
    buf_room(&b.s.out, 300000);
    buf_added(&b.s.out, 300000);
    memset((char *)b.s.out.p + b.s.out.start, 'y', 300000);
    stream_flush(&b.s);
    turn(50);
    assert_int_equal(a.s.in.n, STREAM_IN_MAX);
    a.keep = 0;
    for (int i = 0; i < 50; i++) {
        most = a.s.in.n > most ? a.s.in.n : most;
        a.received += a.s.in.n;
        buf_drop(&a.s.in, a.s.in.n);
        stream_read(&a.s);
        turn(5);
    }
    assert_int_equal(a.received, 300000);
    assert_true(most <= STREAM_IN_MAX);
    close_both();
    tls_server_free(t);
}

/* through - carry what one descriptor has to the other, octet by octet */

static void through(int from, int to)
{
    char byte;

    while (read(from, &byte, 1) == 1) {
        assert_int_equal(write(to, &byte, 1), 1);
        turn(1);
    }
}

static void octet_by_octet_it_is_the_same(void **state)
{
    struct tls_server *t = server_of(&p256, "mx.test");
    struct tls_peer peer = peer_of("mx.test", TLS_POLICY_REQUIRE);
    int left[2], right[2];

    (void)state;
    vault = LATER;
    pair(left);
    pair(right);
    end_open(&a, left[0]);
    end_open(&b, right[0]);
    assert_int_equal(stream_tls_server(&a.s, t), STREAM_TLS_BEGUN);
    assert_int_equal(stream_tls_client(&b.s, client_ctx, &peer), STREAM_TLS_BEGUN);
    for (int i = 0; i < 10; i++) {
        through(right[1], left[1]);
        vault_answers();
        turn(2);
        through(left[1], right[1]);
    }
    assert_int_equal(a.secured + b.secured, 2);
    buf_puts(&b.s.out, "QUIT\r\n");
    stream_finish(&b.s);
    through(right[1], left[1]);
    turn(3);
    assert_int_equal(a.received, 6);
    assert_int_equal(a.eofs, 1);
    assert_int_equal(a.fails, 0);
    close(left[1]);
    close(right[1]);
    close_both();
    tls_server_free(t);
}

/* --- ends */

static void an_end_without_farewell_is_a_failure(void **state)
{
    struct tls_server *t = server_of(&p256, "mx.test");

    (void)state;
    begin_secure(t);
    buf_puts(&b.s.out, "half a mess");
    stream_flush(&b.s);
    stream_close(&b.s);             /* no close_notify */
    turn(10);
    assert_int_equal(a.received, 11);
    assert_int_equal(a.eofs, 0);
    assert_int_equal(a.fails, 1);
    assert_int_equal(a.s.error, ECONNRESET);
    assert_non_null(strstr(a.error, "without a farewell"));
    close_both();
    tls_server_free(t);
}

static void half_closed_the_other_half_goes_on(void **state)
{
    struct tls_server *t = server_of(&p256, "mx.test");

    (void)state;
    begin_secure(t);
    buf_puts(&b.s.out, "last");
    stream_half_close(&b.s);
    turn(10);
    assert_int_equal(a.received, 4);
    assert_int_equal(a.eofs, 1);
    buf_puts(&a.s.out, "and more");
    stream_flush(&a.s);
    turn(10);
    assert_int_equal(b.received, 8);
    stream_finish(&a.s);
    turn(10);
    assert_int_equal(b.eofs, 1);
    assert_int_equal(a.fails + b.fails, 0);
    stream_finish(&b.s);
    uv_run(loop, UV_RUN_DEFAULT);
    assert_true(a.closed && b.closed);
    close_both();
    tls_server_free(t);
}

static void bytes_after_the_farewell_are_not_heard(void **state)     /* A069 */
{
    struct tls_server *t = server_of(&p256, "mx.test");
    int fd = -1;
    uv_os_fd_t own;

    (void)state;
    begin_secure(t);
    assert_int_equal(uv_fileno(&b.s.uv.handle, &own), 0);
    fd = dup(own);
    buf_puts(&b.s.out, "BDAT 100\r\n");
    stream_flush(&b.s);
    b.hold = true;
    stream_half_close(&b.s);
    assert_true(write(fd, "NOOP\r\n", 6) == 6 || errno == EPIPE);
    turn(20);
    assert_int_equal(a.eofs, 1);
    assert_int_equal(a.fails, 0);
    assert_int_equal(a.received, 10);
    close(fd);
    close_both();
    tls_server_free(t);
}

static void finishing_at_the_moment_of_security_says_farewell(void **state)
{
    struct tls_server *t = server_of(&p256, "mx.test");
    struct tls_peer peer = peer_of("mx.test", TLS_POLICY_REQUIRE);

    (void)state;
    begin(t, &peer);
    a.finish_when_secure = true;
    turn(20);
    assert_int_equal(b.secured, 1);
    assert_int_equal(b.eofs, 1);
    assert_int_equal(b.fails, 0);
    close_both();
    tls_server_free(t);
}

static void words_flushed_before_a_close_at_once_still_go(void **state)
{
    struct tls_server *t = server_of(&p256, "mx.test");

    (void)state;
    begin_secure(t);
    a.answers = a.close_when_answered = true;
    buf_put(&b.s.out, "last", 4);
    stream_flush(&b.s);
    turn(20);
    assert_true(a.closed);
    assert_true(slice_eq(buf_view(&b.text), SLICE_LIT("last")));
    assert_int_equal(b.fails, 1);       /* cut off, without a farewell */
    close_both();
    tls_server_free(t);
}

/* --- keys that are elsewhere */

static void the_answer_may_come_later_and_the_loop_goes_on(void **state)
{
    struct tls_server *t = server_of(&rsa, "mx.test");
    struct tls_peer peer = peer_of("mx.test", TLS_POLICY_REQUIRE);

    (void)state;
    vault = LATER;
    begin(t, &peer);
    turn(50);
    assert_int_equal(asked, 1);
    assert_int_equal(a.secured + b.secured, 0);
    buf_puts(&a.s.out, "250 ready\r\n");        /* waits until it is secret */
    stream_flush(&a.s);
    vault_answers();
    assert_int_equal(a.secured, 0);             /* no event from inside */
    turn(20);
    assert_int_equal(a.secured + b.secured, 2);
    assert_int_equal(b.received, 11);
    close_both();
    tls_server_free(t);
}

static void a_vault_that_says_no_or_dies_fails_the_handshake(void **state)
{
    struct tls_server *t = server_of(&rsa, "mx.test");
    struct tls_peer peer = peer_of("mx.test", TLS_POLICY_REQUIRE);

    (void)state;
    vault = NO;
    begin(t, &peer);
    turn(10);
    assert_int_equal(asked, 1);
    assert_int_equal(a.fails, 0);
    vault_answers();
    turn(10);
    assert_int_equal(a.fails, 1);
    assert_non_null(strstr(a.error, "vault"));
    assert_int_equal(b.fails, 1);
    close_both();
    tls_server_free(t);
}

static void a_connection_that_goes_while_it_waits_leaves_nothing(void **state)
{
    struct tls_server *t = server_of(&rsa, "mx.test");
    struct tls_peer peer = peer_of("mx.test", TLS_POLICY_REQUIRE);

    (void)state;
    vault = NEVER;
    for (int i = 0; i < 3; i++) {
        begin(t, &peer);
        turn(10);
        assert_int_equal(asked, i + 1);
        if (i == 1) {
            vault = LATER;
            vault_answers();            /* and closed before the next turn of the loop */
        }
        stream_close(&a.s);
        turn(10);
        assert_true(a.closed);
        close_both();                   /* answers what is still open, to nobody */
    }
    tls_server_free(t);
}

static void many_may_wait_at_once_and_are_answered_in_any_order(void **state)
{
    enum { N = 40 };
    static struct end servers[N], clients[N];
    struct tls_server *t = server_of(&p256, "mx.test");
    struct tls_peer peer = peer_of("mx.test", TLS_POLICY_REQUIRE);
    unsigned secure = 0;

    (void)state;
    vault = LATER;
    for (int i = 0; i < N; i++) {
        int fd[2];

        pair(fd);
        end_open(&servers[i], fd[0]);
        end_open(&clients[i], fd[1]);
        stream_tls_server(&servers[i].s, t);
        stream_tls_client(&clients[i].s, client_ctx, &peer);
    }
    turn(20);
    assert_int_equal(asked, N);
    while (!list_empty(&open_ops)) {            /* the last one first */
        struct list *last = open_ops.prev;

        list_remove(last);
        op_answer(LIST_OWNER(last, struct tls_sign, link));
    }
    turn(20);
    for (int i = 0; i < N; i++) {
        secure += clients[i].secured == 1 && servers[i].secured == 1;
        stream_close(&clients[i].s);
        stream_close(&servers[i].s);
        buf_free(&clients[i].text);
        buf_free(&servers[i].text);
    }
    assert_int_equal(secure, N);
    uv_run(loop, UV_RUN_DEFAULT);
    tls_server_free(t);
}

/* --- giving connections away */

static void a_plain_connection_can_be_given_away(void **state)
{
    char word[5] = "";
    int fd;

    (void)state;
    open_both();
    buf_puts(&b.s.out, "TURN\r\n");
    stream_flush(&b.s);
    turn(3);
    a.keep = 0;
    buf_puts(&a.s.in, "x");
    assert_int_equal(stream_release(&a.s), -1);
    buf_free(&a.s.in);
    buf_puts(&a.s.out, "x");
    assert_int_equal(stream_release(&a.s), -1);
    buf_free(&a.s.out);
    fd = stream_release(&a.s);
    assert_true(fd >= 0);
    turn(3);
    assert_true(a.closed);
    assert_int_equal(write(fd, "220 \n", 5), 5);
    turn(3);
    assert_int_equal(b.received, 5);
    buf_puts(&b.s.out, "EHLO");
    stream_flush(&b.s);
    assert_int_equal(read(fd, word, 5), 4);
    assert_int_equal(b.eofs + b.fails, 0);
    close(fd);
    close_both();
}

static void a_secret_one_cannot(void **state)
{
    struct tls_server *t = server_of(&p256, "mx.test");

    (void)state;
    begin_secure(t);
    assert_int_equal(stream_release(&a.s), -1);
    close_both();
    tls_server_free(t);
}

static bool pumped;

static void on_pumped(struct pump *p)
{
    (void)p;
    pumped = true;
}

/* pump_open - b talks TLS to a, a is pumped to c, d is the other process */

static void pump_open(struct tls_server *t, struct pump *p, struct end *c, struct end *d)
{
    int fd[2];

    begin_secure(t);
    pair(fd);
    end_open(c, fd[0]);
    end_open(d, fd[1]);
    pumped = false;
    pump_join(p, &a.s, &c->s, on_pumped, NULL);
}

static void pump_close(struct end *c, struct end *d)
{
    stream_close(&b.s);
    stream_close(&d->s);
    uv_run(loop, UV_RUN_DEFAULT);
    assert_true(pumped);
    buf_free(&a.text);
    buf_free(&b.text);
    buf_free(&c->text);
    buf_free(&d->text);
}

static void a_pump_carries_a_secret_connection_to_another_process(void **state)
{
    struct tls_server *t = server_of(&p256, "mx.test");
    struct end c, d;
    struct pump p;

    (void)state;
    pump_open(t, &p, &c, &d);
    d.answers = true;
    buf_room(&b.s.out, BIG);
    buf_added(&b.s.out, BIG);
    memset(b.s.out.p, 'z', BIG);
    stream_half_close(&b.s);
    for (int i = 0; i < 100000 && d.eofs == 0; i++) {
        turn(1);
        assert_true(stream_pending(&a.s) <= PUMP_BYTES && stream_pending(&c.s) <= PUMP_BYTES);
    }
    assert_int_equal(d.received, BIG);
    stream_finish(&d.s);
    for (int i = 0; i < 100000 && b.eofs == 0; i++)
        turn(1);
    assert_int_equal(b.received, BIG);
    assert_int_equal(b.eofs, 1);
    turn(20);
    assert_true(pumped);
    assert_int_equal(p.error, 0);
    assert_int_equal(p.bytes[0], BIG);
    assert_int_equal(p.bytes[1], BIG);
    pump_close(&c, &d);
    tls_server_free(t);
}

static void a_slow_end_of_a_pump_slows_the_other_down(void **state)
{
    struct tls_server *t = server_of(&p256, "mx.test");
    struct end c, d;
    struct pump p;
    size_t before;

    (void)state;
    pump_open(t, &p, &c, &d);
    stream_pause(&d.s);
    buf_room(&b.s.out, BIG);
    buf_added(&b.s.out, BIG);
    memset(b.s.out.p, 'z', BIG);
    stream_flush(&b.s);
    turn(200);
    before = stream_pending(&b.s);
    assert_true(before > BIG / 2);
    stream_read(&d.s);
    for (int i = 0; i < 100000 && d.received < BIG; i++)
        turn(1);
    assert_int_equal(d.received, BIG);
    pump_stop(&p);
    turn(3);
    assert_true(pumped);
    assert_int_equal(d.eofs, 1);
    assert_int_equal(b.fails, 1);       /* no farewell */
    pump_close(&c, &d);
    tls_server_free(t);
}

static void a_failure_ends_both_sides_of_a_pump(void **state)
{
    struct tls_server *t = server_of(&p256, "mx.test");
    struct end c, d;
    struct pump p;

    (void)state;
    pump_open(t, &p, &c, &d);
    stream_close(&b.s);
    turn(20);
    assert_true(pumped);
    assert_int_equal(p.error, ECONNRESET);
    assert_non_null(strstr(p.why, "farewell"));
    assert_int_equal(d.eofs, 1);
    pump_close(&c, &d);
    tls_server_free(t);
}

/* --- all of it */

static int group_setup(void **state)
{
    struct why why;

    (void)state;
    loop = uv_default_loop();
    list_init(&open_ops);
    root = make("p256", "Root", NULL, -1, 90, NULL);
    rsa = make("rsa2048", "mx.test", "DNS:mx.test", -1, 90, &root);
    p256 = make("p256", "mx.test", "DNS:mx.test", -1, 90, &root);
    wild = make("p256", "wild.test", "DNS:wild.test,DNS:*.wild.test", -1, 90, &root);
    stranger = make("p256", "mx.test", "DNS:mx.test", -1, 90, NULL);
    signers[0] = signer_new(slice_cstr(rsa.key_pem), "rsa.key", &why);
    signers[1] = signer_new(slice_cstr(p256.key_pem), "p256.key", &why);
    signers[2] = signer_new(slice_cstr(wild.key_pem), "wild.key", &why);
    signers[3] = signer_new(slice_cstr(stranger.key_pem), "stranger.key", &why);
    client_ctx = tls_client_new(slice_cstr(root.cert_pem), "root.pem", &why);
    return client_ctx != NULL ? 0 : -1;
}

static int group_teardown(void **state)
{
    struct made *all[] = { &root, &rsa, &p256, &wild, &stranger };

    (void)state;
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        made_free(all[i]);
    for (int i = 0; i < 4; i++)
        signer_free(signers[i]);
    tls_client_free(client_ctx);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(words_go_both_ways_and_both_know_what_was_agreed, setup),
        cmocka_unit_test_setup(the_name_chooses_the_certificate, setup),
        cmocka_unit_test_setup(who_requires_is_refused_where_who_takes_what_comes_goes_on, setup),
        cmocka_unit_test_setup(a_session_is_resumed_at_the_same_place_only, setup),
        cmocka_unit_test_setup(a_ticket_of_one_service_does_not_serve_at_another, setup),
        cmocka_unit_test_setup(plain_text_after_starttls_is_refused, setup),
        cmocka_unit_test_setup(plain_text_that_comes_a_moment_later_is_never_shown, setup),
        cmocka_unit_test_setup(what_was_said_before_goes_plain_and_first, setup),
        cmocka_unit_test_setup(garbage_instead_of_a_handshake_fails_with_a_word, setup),
        cmocka_unit_test_setup(much_data_goes_through_a_slow_reader, setup),
        cmocka_unit_test_setup(what_the_owner_leaves_is_shown_again_with_the_rest, setup),
        cmocka_unit_test_setup(a_full_in_waits_and_goes_on, setup),
        cmocka_unit_test_setup(octet_by_octet_it_is_the_same, setup),
        cmocka_unit_test_setup(an_end_without_farewell_is_a_failure, setup),
        cmocka_unit_test_setup(half_closed_the_other_half_goes_on, setup),
        cmocka_unit_test_setup(bytes_after_the_farewell_are_not_heard, setup),
        cmocka_unit_test_setup(finishing_at_the_moment_of_security_says_farewell, setup),
        cmocka_unit_test_setup(words_flushed_before_a_close_at_once_still_go, setup),
        cmocka_unit_test_setup(the_answer_may_come_later_and_the_loop_goes_on, setup),
        cmocka_unit_test_setup(a_vault_that_says_no_or_dies_fails_the_handshake, setup),
        cmocka_unit_test_setup(a_connection_that_goes_while_it_waits_leaves_nothing, setup),
        cmocka_unit_test_setup(many_may_wait_at_once_and_are_answered_in_any_order, setup),
        cmocka_unit_test_setup(a_plain_connection_can_be_given_away, setup),
        cmocka_unit_test_setup(a_secret_one_cannot, setup),
        cmocka_unit_test_setup(a_pump_carries_a_secret_connection_to_another_process, setup),
        cmocka_unit_test_setup(a_slow_end_of_a_pump_slows_the_other_down, setup),
        cmocka_unit_test_setup(a_failure_ends_both_sides_of_a_pump, setup),
    };

    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
