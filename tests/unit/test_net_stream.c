/* test_net_stream.c - connections on a real loop, over loopback. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>
#include "net/census.h"
#include "net/listener.h"
#include "net/stream.h"

enum { BIG = 24 << 20 };

static uv_loop_t *loop;
static unsigned   opened, closed, accepted, failed;
static size_t     received;
static bool       eof, echo, drained;
static struct stream server, client;

static int setup(void **state)
{
    (void)state;
    loop = uv_default_loop();
    opened = closed = accepted = failed = 0;
    received = 0;
    eof = echo = drained = false;
    return 0;
}

static void on_closed(struct stream *s)
{
    (void)s;
    closed++;
}

static void run_until(const unsigned *what, unsigned n)
{
    for (int i = 0; i < 20000 && *what < n; i++)
        uv_run(loop, UV_RUN_ONCE);
    assert_true(*what >= n);
}

static void on_event(struct stream *s, enum stream_event event)
{
    switch (event) {
    case STREAM_CONNECTED:
        opened++;
        break;
    case STREAM_INPUT:
        received += s->in.n;
        if (echo)
            buf_put_slice(&s->out, buf_view(&s->in));
        buf_drop(&s->in, s->in.n);
        stream_flush(s);
        break;
    case STREAM_SECURE:
        break;
    case STREAM_DRAINED:
        drained = true;
        break;
    case STREAM_EOF:
        eof = true;
        stream_close(s);
        break;
    case STREAM_FAILED:
        failed++;
        stream_close(s);
    }
}

/* listening - a socket on a free loopback port */

static int listening(uint16_t *port)
{
    struct sockaddr_storage sa;
    struct ip ip;
    socklen_t n = sizeof sa;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    ip_parse(SLICE_LIT("127.0.0.1"), &ip);
    assert_int_equal(bind(fd, (struct sockaddr *)&sa, ip_to_sockaddr(&ip, 0, &sa)), 0);
    assert_int_equal(listen(fd, 64), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&sa, &n), 0);
    assert_true(ip_from_sockaddr((struct sockaddr *)&sa, &ip, port));
    return fd;
}

static void on_accept(struct listener *l, int fd, const struct ip *peer, uint16_t port)
{
    char text[IP_TEXT];

    (void)l;
    assert_string_equal(ip_text(peer, text), "127.0.0.1");
    assert_true(port != 0);
    accepted++;
    if (accepted > 1) {
        close(fd);
        return;
    }
    assert_true(stream_open(&server, loop, fd, STREAM_IN_MAX, BIG, on_event, on_closed, NULL));
    stream_read(&server);
}

static void on_refuse(struct listener *l, int fd, const struct ip *peer, uint16_t port)
{
    (void)l;
    (void)peer;
    (void)port;
    assert_int_equal(write(fd, "421\r\n", 5), 5);
    close(fd);
}

static void connect_client(uint16_t port)
{
    struct ip to;

    ip_parse(SLICE_LIT("127.0.0.1"), &to);
    assert_true(stream_connect(&client, loop, &to, port, NULL, STREAM_IN_MAX, BIG,
                               on_event, on_closed, NULL));
}

/* meet - a listener, and both ends of a connection that came to it */

static void meet(struct listener *l)
{
    uint16_t port;

    assert_true(listener_open(l, loop, listening(&port), 0, on_accept, NULL));
    connect_client(port);
    run_until(&opened, 1);
    run_until(&accepted, 1);
}

static void part(struct listener *l)
{
    listener_close(l);
    uv_run(loop, UV_RUN_DEFAULT);
}

static void words_go_there_and_back(void **state)
{
    struct listener l;

    (void)state;
    meet(&l);
    echo = true;
    stream_read(&client);
    buf_puts(&server.out, "220 hello\r\n");
    stream_flush(&server);
    for (int i = 0; i < 100 && received < 50; i++)
        uv_run(loop, UV_RUN_ONCE);
    assert_true(received >= 50);        /* it goes round and round */
    assert_true(client.in.cap == 0 && server.in.cap == 0);
    stream_finish(&client);
    run_until(&closed, 2);
    listener_close(&l);
    part(&l);
    assert_int_equal(failed, 0);
}

/* The server asks for its input here, and leaves some of it behind at first. */
static char     placed[8];
static unsigned shown;
static bool     leave;

static char *place(struct stream *s, size_t *room)
{
    (void)s;
    *room = sizeof placed;
    return placed;
}

static void on_placed(struct stream *s, enum stream_event event)
{
    if (event != STREAM_INPUT) {
        on_event(s, event);
        return;
    }
    shown++;
    if (leave) {
        assert_ptr_equal(s->in.p, placed);
        assert_memory_equal(buf_view(&s->in).p, "abcdefgh", 8);
        buf_drop(&s->in, 5);
        leave = false;
        return;
    }
    assert_memory_equal(buf_view(&s->in).p, "fghij", 5);
    buf_drop(&s->in, s->in.n);
}

static void input_is_read_to_where_the_owner_wants_it(void **state)
{
    struct listener l;

    (void)state;
    shown = 0;
    leave = true;
    meet(&l);
    server.place = place;
    server.event = on_placed;
    buf_puts(&client.out, "abcdefghij");
    stream_flush(&client);
    run_until(&shown, 2);
    assert_memory_equal(placed, "abcdefgh", 8);         /* what was left is elsewhere by now */
    stream_finish(&client);
    run_until(&closed, 2);
    part(&l);
    assert_int_equal(failed, 0);
}

static void a_slow_reader_gets_everything_in_the_end(void **state)
{
    struct listener l;
    char *room;

    (void)state;
    meet(&l);
    room = buf_room(&server.out, BIG);
    memset(room, 'x', BIG);
    buf_added(&server.out, BIG);
    stream_flush(&server);
    assert_true(stream_pending(&server) > 0);
    stream_finish(&server);
    stream_read(&client);
    run_until(&closed, 2);
    assert_int_equal(received, BIG);
    assert_true(eof);
    part(&l);
}

static void last_words_survive_input_that_nobody_read(void **state)
{
    struct listener l;

    (void)state;
    meet(&l);
    stream_pause(&server);
    for (int i = 0; i < 1000; i++)
        buf_puts(&client.out, "RCPT TO:<somebody@example.org>\r\n");
    stream_flush(&client);
    buf_puts(&server.out, "554 no\r\n");
    stream_finish(&server);
    stream_read(&client);
    run_until(&closed, 2);
    assert_int_equal(received, 8);
    assert_true(eof);
    assert_int_equal(failed, 0);
    part(&l);
}

static unsigned half_seen;

static void half_event(struct stream *s, enum stream_event event)
{
    if (event == STREAM_EOF) {
        half_seen++;
        buf_puts(&s->out, "still here\r\n");
        stream_flush(s);
        stream_finish(s);
    } else if (event == STREAM_INPUT) {
        received += s->in.n;
        buf_drop(&s->in, s->in.n);
    } else if (event == STREAM_FAILED) {
        failed++;
        stream_close(s);
    }
}

static void half_closed_the_other_half_goes_on(void **state)
{
    struct listener l;

    (void)state;
    half_seen = 0;
    meet(&l);
    server.event = half_event;
    buf_puts(&client.out, "last words");
    stream_half_close(&client);
    stream_half_close(&client);
    stream_read(&client);
    run_until(&half_seen, 1);
    run_until(&closed, 2);
    assert_int_equal(received, 10 + 12);
    assert_true(eof);
    assert_int_equal(failed, 0);
    part(&l);
}

static void a_refused_connection_fails_once(void **state)
{
    uint16_t port;
    int fd = listening(&port);

    (void)state;
    close(fd);
    connect_client(port);
    run_until(&closed, 1);
    assert_int_equal(failed, 1);
    assert_int_equal(client.error, ECONNREFUSED);
    uv_run(loop, UV_RUN_DEFAULT);
}

static void without_descriptors_it_rests_and_recovers(void **state)     /* A160, A166 */
{
    struct rlimit full, few;
    struct listener l;
    uint16_t port;
    int hold[64], n = 0, fd;
    unsigned turns = 0;

    (void)state;
    accepted = 1;                   /* close what comes at once */
    assert_true(listener_open(&l, loop, listening(&port), 0, on_accept, NULL));
    l.refuse = on_refuse;
    connect_client(port);
    getrlimit(RLIMIT_NOFILE, &full);
    few = full;
    fd = dup(0);
    close(fd);
    few.rlim_cur = (rlim_t)fd + 3;
    setrlimit(RLIMIT_NOFILE, &few);
    while (n < 64 && (hold[n] = dup(0)) >= 0)
        n++;
    stream_read(&client);
    for (int i = 0; i < 50 && closed == 0; i++, turns++)
        uv_run(loop, UV_RUN_ONCE);
    assert_int_equal(closed, 1);    /* turned away with the reserve */
    assert_true(received > 0);
    assert_true(turns < 20);
    assert_int_equal(accepted, 1);
    while (n > 0)
        close(hold[--n]);
    setrlimit(RLIMIT_NOFILE, &full);
    connect_client(port);
    run_until(&accepted, 2);
    stream_close(&client);
    part(&l);
}

static void the_census_counts_over_all_processes(void **state)
{
    struct census a, b;
    struct ip one, two, six;
    int fd = memfd_create("census", MFD_CLOEXEC);

    (void)state;
    assert_int_equal(ftruncate(fd, (off_t)census_bytes(4)), 0);
    assert_true(census_open(&a, fd, 4, 0));
    assert_true(census_open(&b, fd, 4, 3));
    assert_false(census_open(&(struct census){ 0 }, fd, 5, 0));
    assert_false(census_open(&(struct census){ 0 }, fd, 4, 4));
    ip_parse(SLICE_LIT("192.0.2.1"), &one);
    ip_parse(SLICE_LIT("2001:db8::1"), &two);
    ip_parse(SLICE_LIT("2001:db8::ffff:1"), &six);
    for (int i = 0; i < 5; i++)
        census_enter(&a, &one);
    for (int i = 0; i < 7; i++)
        census_enter(&b, &one);
    census_enter(&b, &two);
    assert_int_equal(census_total(&a), 13);
    assert_int_equal(census_of(&b, &one), 12);
    assert_int_equal(census_of(&a, &six), 1);      /* the same /64 */
    census_leave(&a, &one);
    assert_int_equal(census_of(&a, &one), 11);
    census_forget(&a, 3);
    assert_int_equal(census_total(&b), 4);
    assert_int_equal(census_of(&b, &one), 4);
    census_leave(&b, &two);                         /* forgotten already */
    assert_int_equal(census_total(&b), 4);
    census_close(&a);
    census_close(&b);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(words_go_there_and_back, setup),
        cmocka_unit_test_setup(input_is_read_to_where_the_owner_wants_it, setup),
        cmocka_unit_test_setup(a_slow_reader_gets_everything_in_the_end, setup),
        cmocka_unit_test_setup(last_words_survive_input_that_nobody_read, setup),
        cmocka_unit_test_setup(half_closed_the_other_half_goes_on, setup),
        cmocka_unit_test_setup(a_refused_connection_fails_once, setup),
        cmocka_unit_test_setup(without_descriptors_it_rests_and_recovers, setup),
        cmocka_unit_test(the_census_counts_over_all_processes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
