/* test_ipc.c - processes that speak, and a peer in hostile hands. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <fcntl.h>
#include <unistd.h>
#include <cmocka.h>
#include "ipc/channel.h"
#include "log/log.h"

/* Two ends in one loop: smtpd (a) speaks, the queue (b) listens. */
struct talk {
    uv_loop_t       loop;
    struct channel *a, *b;
    int             raw;            /* a's socket, when the test speaks bytes itself */
    unsigned        got, gone;
    uint32_t        last_type;
    struct buf      last_body;
    int             last_fd;
    bool            answer;         /* what receive returns */
};

static bool receive(struct channel *c, uint32_t type, struct wire *w, int *fd)
{
    struct talk *t = c->user;
    struct msg_commit m;

    t->got++;
    t->last_type = type;
    if (type == MSG_COMMIT) {
        if (!msg_commit_get(w, &m))
            return false;
        buf_clear(&t->last_body);
        buf_put_slice(&t->last_body, m.body);
    }
    if (*fd >= 0) {
        t->last_fd = *fd;
        *fd = -1;
    }
    return t->answer;
}

static void gone(struct channel *c, const char *why)
{
    struct talk *t = c->user;

    (void)why;
    t->gone++;
    if (t->a == c)
        t->a = NULL;
    if (t->b == c)
        t->b = NULL;
}

static void talk_begin(struct talk *t, bool raw)
{
    int ends[2];

    *t = (struct talk){ .last_body = BUF(64 << 20), .last_fd = -1, .raw = -1, .answer = true };
    log_setup(&(struct log_conf){ .level = LOG_ALARM + 1, .process = "test" });
    assert_int_equal(uv_loop_init(&t->loop), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
    t->b = channel_new(&t->loop, ends[1], ROLE_QUEUE, ROLE_SMTPD, 1, receive, gone, t);
    if (raw)
        t->raw = ends[0];
    else
        t->a = channel_new(&t->loop, ends[0], ROLE_SMTPD, ROLE_QUEUE, 0, receive, gone, t);
}

static void turns(struct talk *t, int n)
{
    for (int i = 0; i < n; i++)
        uv_run(&t->loop, UV_RUN_NOWAIT);
}

static void talk_end(struct talk *t)
{
    if (t->a != NULL)
        channel_close(t->a, NULL);
    if (t->raw >= 0)
        close(t->raw);
    turns(t, 3);
    if (t->b != NULL)
        channel_close(t->b, NULL);
    turns(t, 3);
    assert_int_equal(uv_loop_close(&t->loop), 0);
    buf_free(&t->last_body);
}

static void many_frames_arrive_in_order_and_whole(void **state)
{
    static char big[3 << 20];
    struct talk t;

    (void)state;
    talk_begin(&t, false);
    for (uint64_t i = 0; i < 1000; i++)
        assert_true(channel_send_msg_lend_back(t.a, &(struct msg_lend_back){ i }, -1));
    memset(big, 'x', sizeof big);
    assert_true(channel_send_msg_commit(t.a, &(struct msg_commit){
        .id = 7, .body = slice_of(big, sizeof big) }, -1));
    for (int i = 0; i < 200 && t.got < 1001; i++)
        turns(&t, 1);
    assert_int_equal(t.got, 1001);
    assert_int_equal(t.last_type, MSG_COMMIT);
    assert_int_equal(t.last_body.n, sizeof big);
    assert_int_equal(t.gone, 0);
    talk_end(&t);
}

static void enough_frames_do_not_wait_for_the_end_of_the_turn(void **state)
{
    static const char body[100 << 10];
    struct msg_commit m = { .id = 7, .body = slice_of(body, sizeof body) };
    struct talk t;

    (void)state;
    talk_begin(&t, false);
    assert_true(channel_send_msg_commit(t.a, &m, -1));
    assert_true(channel_pending(t.a) > sizeof body);
    assert_true(channel_send_msg_commit(t.a, &m, -1));
    assert_true(channel_pending(t.a) < sizeof body);
    for (int i = 0; i < 200 && t.got < 2; i++)
        turns(&t, 1);
    assert_int_equal(t.got, 2);
    assert_int_equal(t.last_body.n, sizeof body);
    talk_end(&t);
}

static void a_descriptor_travels_with_its_own_frame(void **state)
{
    struct talk t;
    int ends[2];
    char c = 0;

    (void)state;
    talk_begin(&t, false);
    assert_int_equal(pipe(ends), 0);
    channel_send_msg_lend(t.b, &(struct msg_lend){ 1 }, ends[1]);
    channel_send_msg_room(t.b, &(struct msg_room){ 1 }, -1);
    turns(&t, 4);
    assert_int_equal(t.got, 2);
    assert_true(t.last_fd >= 0);
    assert_int_equal(write(t.last_fd, "k", 1), 1);
    assert_int_equal(read(ends[0], &c, 1), 1);
    assert_int_equal(c, 'k');
    close(ends[0]);
    close(ends[1]);
    close(t.last_fd);
    talk_end(&t);
}

struct raw_case {
    const char *what;
    const char *bytes;
    size_t      n;
    unsigned    got;
};

#define RAW(what, bytes, got) { what, bytes, sizeof(bytes) - 1, got }

static void a_peer_that_misspeaks_loses_its_channel_and_nothing_else(void **state)
{
    static const struct raw_case cases[] = {
        RAW("an unknown message", "\0\0\0\0\xff\x7f\0\0", 0),
        RAW("a message that smtpd may not say", "\0\0\0\0\0\0\0\0", 0),
        RAW("a frame over the bound", "\xff\xff\xff\x7f\0\0\0\0", 0),
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct talk t;

        talk_begin(&t, true);
        assert_int_equal(write(t.raw, cases[i].bytes, cases[i].n), (ssize_t)cases[i].n);
        turns(&t, 4);
        assert_int_equal(t.gone, 1);
        assert_int_equal(t.got, cases[i].got);
        talk_end(&t);
    }
}

/* frame - a LEND_MORE frame of four payload bytes, with the given flags */

static void write_frame(int fd, uint16_t flags, size_t payload, size_t said)
{
    char bytes[64] = { (char)said, 0, 0, 0, (char)MSG_LEND_MORE, 0, (char)flags, 0 };

    assert_int_equal(write(fd, bytes, 8 + payload), (ssize_t)(8 + payload));
}

static void a_frame_with_too_little_or_too_much_in_it_is_malformed(void **state)
{
    static const struct { size_t payload; unsigned gone; } cases[] = {
        { 4, 0 }, { 3, 1 }, { 5, 1 }, { 0, 1 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct talk t;
        struct msg_lend_more m;
        struct wire w = wire_reader(slice_of("\0\0\0\0\0\0\0\0", cases[i].payload));

        assert_int_equal(msg_lend_more_get(&w, &m), !cases[i].gone);
        talk_begin(&t, true);
        t.answer = !cases[i].gone;
        write_frame(t.raw, 0, cases[i].payload, cases[i].payload);
        turns(&t, 4);
        assert_int_equal(t.gone, cases[i].gone);
        talk_end(&t);
    }
}

static void a_frame_that_claims_a_descriptor_must_bring_it(void **state)
{
    struct talk t;

    (void)state;
    talk_begin(&t, true);
    write_frame(t.raw, 1, 4, 4);
    turns(&t, 4);
    assert_int_equal(t.got, 0);
    assert_int_equal(t.gone, 1);
    talk_end(&t);
}

static void half_a_frame_waits_for_the_other_half(void **state)
{
    struct talk t;

    (void)state;
    talk_begin(&t, true);
    write_frame(t.raw, 0, 2, 4);
    turns(&t, 3);
    assert_int_equal(t.got, 0);
    assert_int_equal(write(t.raw, "\0\0", 2), 2);
    turns(&t, 3);
    assert_int_equal(t.got, 1);
    assert_int_equal(t.gone, 0);
    talk_end(&t);
}

static void a_peer_that_does_not_read_is_cut_off_at_a_bound(void **state)
{
    static char big[8 << 20];
    struct talk t;
    bool ok = true;

    (void)state;
    talk_begin(&t, true);
    for (int i = 0; i < 60 && ok; i++) {
        ok = channel_send_msg_row(t.b, &(struct msg_row){ 1, slice_of(big, sizeof big) }, -1);
        turns(&t, 1);
    }
    assert_false(ok);
    turns(&t, 3);
    assert_int_equal(t.gone, 1);
    talk_end(&t);
}

static void rights_are_those_of_the_list(void **state)
{
    (void)state;
    assert_true(message_allowed(MSG_COMMIT, ROLE_SMTPD, ROLE_QUEUE));
    assert_false(message_allowed(MSG_COMMIT, ROLE_RELAY, ROLE_QUEUE));
    assert_false(message_allowed(MSG_COMMIT, ROLE_SMTPD, ROLE_RELAY));
    assert_false(message_allowed(MSG_COUNT, ROLE_SMTPD, ROLE_QUEUE));
    assert_true(message_allowed(MSG_RESULT, ROLE_LOCAL, ROLE_QUEUE));
    assert_false(message_allowed(MSG_STOP, ROLE_SMTPD, ROLE_MASTER));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(many_frames_arrive_in_order_and_whole),
        cmocka_unit_test(enough_frames_do_not_wait_for_the_end_of_the_turn),
        cmocka_unit_test(a_descriptor_travels_with_its_own_frame),
        cmocka_unit_test(a_peer_that_misspeaks_loses_its_channel_and_nothing_else),
        cmocka_unit_test(a_frame_with_too_little_or_too_much_in_it_is_malformed),
        cmocka_unit_test(a_frame_that_claims_a_descriptor_must_bring_it),
        cmocka_unit_test(half_a_frame_waits_for_the_other_half),
        cmocka_unit_test(a_peer_that_does_not_read_is_cut_off_at_a_bound),
        cmocka_unit_test(rights_are_those_of_the_list),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
