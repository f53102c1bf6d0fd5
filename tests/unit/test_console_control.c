/* test_console_control.c - the control socket, with people who misbehave on it. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <cmocka.h>
#include "console/control.h"
#include "log/log.h"

static char dir[64], path[100];
static uv_loop_t loop;
static struct control control;
static bool answer_later;
static uint64_t asked;

/* A server that answers each question with one row, or waits. */

static void ask(struct control *ctl, struct client *c, struct request *r)
{
    (void)ctl;
    (void)r;
    asked++;
    if (answer_later)
        return;
    client_row(c, SLICE_LIT("{\"n\":1,\n\"m\":\"\x1b\"}"));
    client_done(c, 1, NULL);
}

static void turns(int n)
{
    while (n-- > 0) {
        uv_run(&loop, UV_RUN_NOWAIT);
        usleep(200);
    }
}

static int begin(void **state)
{
    (void)state;
    snprintf(dir, sizeof dir, "/tmp/test_control.XXXXXX");
    if (mkdtemp(dir) == NULL)
        return -1;
    snprintf(path, sizeof path, "%s/control", dir);
    uv_loop_init(&loop);
    answer_later = false;
    asked = 0;
    return !control_begin(&control, &loop, slice_cstr(path), ask);
}

static void close_handle(uv_handle_t *handle, void *user)
{
    (void)user;
    if (!uv_is_closing(handle))
        uv_close(handle, NULL);
}

static int end(void **state)
{
    (void)state;
    while (!list_empty(&control.clients)) {
        struct client *c = LIST_OWNER(control.clients.next, struct client, link);

        list_remove(&c->link);
        stream_close(&c->stream);
    }
    control_end(&control);
    turns(5);
    uv_walk(&loop, close_handle, NULL);
    uv_run(&loop, UV_RUN_DEFAULT);
    uv_loop_close(&loop);
    unlink(path);
    return rmdir(dir);
}

static int person(void)
{
    struct sockaddr_un sa = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

    memcpy(sa.sun_path, path, strlen(path));
    assert_int_equal(connect(fd, (struct sockaddr *)&sa, sizeof sa), 0);
    turns(5);
    return fd;
}

static void say(int fd, const char *text, size_t n)
{
    for (int tries = 0; n > 0 && tries < 1000; tries++) {
        ssize_t sent = send(fd, text, n, MSG_NOSIGNAL);

        if (sent > 0) {
            text += sent;
            n -= (size_t)sent;
        } else if (errno != EAGAIN) {
            return;
        }
        turns(1);
    }
    turns(10);
}

/* hear - what has come by now; *closed: and nothing more will */

static const char *hear(int fd, bool *closed)
{
    static char text[200000];
    size_t n = 0;
    ssize_t got = -1;

    *closed = false;
    for (int i = 0; i < 20; i++) {
        turns(2);
        while ((got = recv(fd, text + n, sizeof text - 1 - n, 0)) > 0)
            n += (size_t)got;
        if (got == 0)
            *closed = true;
    }
    text[n] = '\0';
    return text;
}

#define SAY(fd, text) say(fd, text, sizeof text - 1)

static const char answer[] = "{\"row\":{\"n\":1, \"m\":\" \"}}\n{\"done\":true,\"count\":1}\n";

static void a_question_is_answered_in_lines_without_control_bytes(void **state)
{
    int fd = person();
    bool closed;

    (void)state;
    SAY(fd, "{\"do\":\"queue.list\"}\n");
    assert_string_equal(hear(fd, &closed), answer);
    assert_false(closed);
    SAY(fd, "{\"do\":\"queue.");
    SAY(fd, "count\"}\n");
    assert_string_equal(hear(fd, &closed), answer);
    close(fd);
}

static void questions_sent_together_are_answered_in_turn(void **state)
{
    int fd = person();
    bool closed;

    (void)state;
    answer_later = true;
    SAY(fd, "{\"do\":\"queue.list\"}\n{\"do\":\"status\"}\n\n{\"do\":\"stop\"}\n");
    assert_int_equal(asked, 1);
    for (uint64_t i = 1; i <= 3; i++) {
        struct client *c = control_client(&control, i);

        assert_non_null(c);
        assert_null(control_client(&control, i + 1));
        client_done(c, i, NULL);
        turns(5);
    }
    assert_int_equal(asked, 3);
    assert_string_equal(hear(fd, &closed),
        "{\"done\":true,\"count\":1}\n{\"done\":true,\"count\":2}\n{\"done\":true,\"count\":3}\n");
    close(fd);
}

static void a_hundred_questions_answered_at_once_do_not_pile_up(void **state)
{
    enum { N = 1500 };
    char *lines = malloc(N * 20), *at = lines;
    const char *heard;
    int fd = person(), n = 0;
    bool closed;

    (void)state;
    for (int i = 0; i < N; i++)
        at = stpcpy(at, "{\"do\":\"trace\"}\n");
    say(fd, lines, (size_t)(at - lines));
    heard = hear(fd, &closed);
    assert_int_equal(asked, N);
    for (; (heard = strstr(heard, "done")) != NULL; heard++)
        n++;
    assert_int_equal(n, N);
    free(lines);
    close(fd);
}

static void half_closing_still_gets_the_answer(void **state)
{
    int fd = person();
    bool closed;

    (void)state;
    SAY(fd, "{\"do\":\"queue.list\"}\n");
    shutdown(fd, SHUT_WR);
    assert_string_equal(hear(fd, &closed), answer);
    assert_true(closed);
    close(fd);
}

static void whoever_talks_nonsense_loses_his_own_connection_only(void **state)     /* A206 */
{
    static const char *const lines[] = {
        "GET / HTTP/1.1\r\n", "\xff\xfe\xfd\n", "{\"do\":\"format-disk\"}\n", "[[[[\n",
        "{\"do\":\"queue.remove\",\"sendr\":\"x\"}\n",
    };
    int good = person(), bad;
    bool closed;

    (void)state;
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        bad = person();
        say(bad, lines[i], strlen(lines[i]));
        assert_non_null(strstr(hear(bad, &closed), "{\"error\":"));
        assert_true(closed);
        close(bad);
    }
    assert_int_equal(asked, 0);
    SAY(good, "{\"do\":\"queue.list\"}\n");
    assert_string_equal(hear(good, &closed), answer);
    close(good);
}

static void a_line_without_end_is_cut_off(void **state)
{
    static char endless[100 << 10];
    int fd = person();
    bool closed;

    (void)state;
    memset(endless, 'x', sizeof endless);
    say(fd, endless, sizeof endless);
    assert_non_null(strstr(hear(fd, &closed), "too long"));
    assert_true(closed);
    assert_int_equal(control.nclients, 0);
    close(fd);
}

static void leaving_in_the_middle_harms_nobody(void **state)
{
    int fd = person();

    (void)state;
    answer_later = true;
    SAY(fd, "{\"do\":\"queue.list\"}\n");
    close(fd);
    turns(10);
    if (control_client(&control, 1) != NULL) {      /* noticed at the latest when answering */
        client_row(control_client(&control, 1), SLICE_LIT("{}"));
        turns(10);
    }
    fd = person();
    SAY(fd, "{\"do\":\"que");
    close(fd);
    turns(10);
    assert_true(control.nclients <= 1);
}

static void there_is_a_bound_on_people(void **state)
{
    enum { N = 80 };
    int fds[N];
    bool closed;

    (void)state;
    for (int i = 0; i < N; i++)
        fds[i] = person();
    assert_int_equal(control.nclients, 64);
    assert_non_null(strstr(hear(fds[N - 1], &closed), "too many clients"));
    for (int i = 0; i < N; i++)
        close(fds[i]);
    turns(20);
    assert_int_equal(control.nclients, 0);
}

static void nobody_else_may_connect(void **state)
{
    struct stat st;

    (void)state;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
}

static void a_living_server_keeps_its_socket_and_a_dead_one_does_not(void **state)
{
    struct control second;
    struct sockaddr_un sa = { .sun_family = AF_UNIX };
    int fd;

    (void)state;
    assert_true(control_begin(&second, &loop, slice_cstr(path), ask));
    assert_false(second.listening);
    control_end(&second);
    uv_timer_stop(&second.sweep);
    uv_close((uv_handle_t *)&second.sweep, NULL);
    turns(5);
    assert_int_equal(access(path, F_OK), 0);

    control_end(&control);          /* then a socket that nobody listens on */
    turns(5);
    memcpy(sa.sun_path, path, strlen(path));
    fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof sa), 0);
    close(fd);
    uv_close((uv_handle_t *)&control.sweep, NULL);
    turns(5);
    assert_true(control_begin(&control, &loop, slice_cstr(path), ask));
    assert_true(control.listening);
}

static void a_file_that_is_no_socket_is_left_alone(void **state)
{
    struct control other;
    char file[100];
    struct stat st;

    (void)state;
    snprintf(file, sizeof file, "%s/file", dir);
    close(open(file, O_CREAT | O_WRONLY, 0600));
    assert_true(control_begin(&other, &loop, slice_cstr(file), ask));
    assert_false(other.listening);
    assert_int_equal(stat(file, &st), 0);
    assert_true(S_ISREG(st.st_mode));
    control_end(&other);
    uv_close((uv_handle_t *)&other.sweep, NULL);
    turns(5);
    unlink(file);
}

#define ON_SOCKET(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_SOCKET(a_question_is_answered_in_lines_without_control_bytes),
        ON_SOCKET(questions_sent_together_are_answered_in_turn),
        ON_SOCKET(a_hundred_questions_answered_at_once_do_not_pile_up),
        ON_SOCKET(half_closing_still_gets_the_answer),
        ON_SOCKET(whoever_talks_nonsense_loses_his_own_connection_only),
        ON_SOCKET(a_line_without_end_is_cut_off),
        ON_SOCKET(leaving_in_the_middle_harms_nobody),
        ON_SOCKET(there_is_a_bound_on_people),
        ON_SOCKET(nobody_else_may_connect),
        ON_SOCKET(a_living_server_keeps_its_socket_and_a_dead_one_does_not),
        ON_SOCKET(a_file_that_is_no_socket_is_left_alone),
    };

    signal(SIGPIPE, SIG_IGN);       /* as in every child of the master */
    log_setup(&(struct log_conf){ .level = LOG_ALARM + 1, .process = "test" });
    return cmocka_run_group_tests(tests, NULL, NULL);
}
