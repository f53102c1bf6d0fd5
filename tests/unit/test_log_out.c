/* test_log_out.c - lines on their way out: never waiting, never too many. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <fcntl.h>
#include <unistd.h>
#include <sys/socket.h>
#include <cmocka.h>
#include "base/clock.h"
#include "log/log.h"

static int saved_stderr;

static int keep_stderr(void **state)
{
    (void)state;
    saved_stderr = dup(STDERR_FILENO);
    return saved_stderr < 0;
}

static int restore_stderr(void **state)
{
    (void)state;
    dup2(saved_stderr, STDERR_FILENO);
    return close(saved_stderr);
}

static void set_up(unsigned per_second)
{
    const struct log_conf c = { .level = LOG_INFORM, .per_second = per_second, .process = "test" };

    log_setup(&c);
}

/* to_pipe - log into a new pipe from now on */

static void to_pipe(int p[2])
{
    assert_int_equal(pipe(p), 0);
    assert_true(dup2(p[1], STDERR_FILENO) >= 0);
    set_up(0);
}

static void close_pipe(const int p[2])
{
    close(p[0]);
    close(p[1]);
}

/* lines - what has arrived at fd: how many, and how many are said to be missing */

static unsigned lines(int fd, uint64_t *missing, char *last, size_t size)
{
    static char all[1 << 20];
    size_t n = 0;
    unsigned count = 0;
    ssize_t got;
    char *line, *rest = all;

    fcntl(fd, F_SETFL, O_NONBLOCK);
    while (n < sizeof all - 1 && (got = read(fd, all + n, sizeof all - 1 - n)) > 0)
        n += (size_t)got;
    all[n] = '\0';
    *missing = 0;
    while ((line = strsep(&rest, "\n")) != NULL && rest != NULL) {
        char *at = strstr(line, " suppressed lines=");

        if (at != NULL)
            *missing += strtoull(at + 18, NULL, 10);
        else
            count++;
        snprintf(last, size, "%s", line);
    }
    return count;
}

/* to_quiet_pipe - the same, behind what is said of lines that other tests suppressed */

static void to_quiet_pipe(int p[2])
{
    uint64_t missing;
    char last[500];

    to_pipe(p);
    log_event(EVENT_READY, LF_NUM("i", 0));
    lines(p[0], &missing, last, sizeof last);
}

static void a_stuck_pipe_never_stops_us(void **state)
{
    int64_t begun = clock_mono();
    uint64_t missing, before = counters[COUNT_log_suppressed];
    int p[2], flags;
    char last[500];
    unsigned first, second;

    (void)state;
    to_pipe(p);
    flags = fcntl(STDERR_FILENO, F_GETFL);
    for (int i = 0; i < 5000; i++)
        log_event(EVENT_CONNECT, LF_NUM("i", i), LF_STR("text", "so that the pipe is full soon"));
    assert_true(clock_mono() - begun < 5000);
    assert_int_equal(fcntl(STDERR_FILENO, F_GETFL), flags);     /* others share it */
    first = lines(p[0], &missing, last, sizeof last);
    assert_true(first > 100 && first < 5000);
    assert_true(missing == 0);
    assert_true(counters[COUNT_log_suppressed] - before == 5000 - first);
    log_event(EVENT_READY, LF_NUM("i", 1));
    second = lines(p[0], &missing, last, sizeof last);
    assert_int_equal(second, 1);
    assert_true(missing == 5000 - first);
    assert_non_null(strstr(last, " ready i=1"));
    close_pipe(p);
}

static void a_stuck_socket_never_stops_us(void **state)
{
    int s[2];

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, s), 0);
    assert_true(dup2(s[1], STDERR_FILENO) >= 0);
    set_up(0);
    for (int i = 0; i < 20000; i++)
        log_event(EVENT_CONNECT, LF_NUM("i", i));
    close(s[0]);
    log_event(EVENT_CONNECT, LF_NUM("nobody reads", 1));
    close(s[1]);
}

static void a168_a_flood_is_limited_and_counted(void **state)
{
    uint64_t missing;
    unsigned count;
    char last[500];
    int p[2];

    (void)state;
    to_quiet_pipe(p);
    set_up(20);
    while (clock_mono() % 1000 > 500)
        usleep(10000);                          /* the flood fits into one second */
    for (int i = 0; i < 500; i++)
        log_event(EVENT_REFUSE, LF_NUM("i", i));
    count = lines(p[0], &missing, last, sizeof last);
    assert_int_equal(count, 20);
    assert_true(missing == 0);
    log_event(EVENT_BUG, LF_STR("why", "alarms still come through"));
    assert_int_equal(lines(p[0], &missing, last, sizeof last), 1);
    assert_true(missing == 480);
    assert_non_null(strstr(last, " bug "));
    close_pipe(p);
}

static void lines_below_the_level_are_not_written(void **state)
{
    uint64_t missing;
    char last[500];
    int p[2];

    (void)state;
    to_pipe(p);
    log_event(EVENT_DIALOG, LF_STR("line", "HELO x"));
    assert_int_equal(lines(p[0], &missing, last, sizeof last), 0);
    close_pipe(p);
}

static void another_file_at_descriptor_2_is_noticed(void **state)
{
    uint64_t missing;
    char last[500];
    int p[2], q[2];

    (void)state;
    assert_int_equal(pipe(p) | pipe(q), 0);
    assert_true(dup2(p[1], STDERR_FILENO) >= 0);
    set_up(0);
    log_event(EVENT_READY, LF_NUM("i", 1));
    assert_true(dup2(q[1], STDERR_FILENO) >= 0);
    log_event(EVENT_READY, LF_NUM("i", 2));
    assert_int_equal(lines(p[0], &missing, last, sizeof last), 1);
    assert_int_equal(lines(q[0], &missing, last, sizeof last), 1);
    assert_non_null(strstr(last, "i=2"));
    close_pipe(p);
    close_pipe(q);
}

static void a_full_disk_never_stops_us(void **state)
{
    int full = open("/dev/full", O_WRONLY);
    uint64_t before = counters[COUNT_log_suppressed];

    (void)state;
    if (full < 0)
        skip();
    assert_true(dup2(full, STDERR_FILENO) >= 0);
    set_up(0);
    for (int i = 0; i < 10; i++)
        log_event(EVENT_READY, LF_NUM("i", i));
    assert_true(counters[COUNT_log_suppressed] - before == 10);
    close(full);
}

static void gathered_lines_wait_for_the_end_of_the_turn(void **state)
{
    uint64_t missing;
    char last[500];
    int p[2];

    (void)state;
    to_quiet_pipe(p);
    log_gather(true);
    for (int i = 0; i < 300; i++)
        log_event(EVENT_READY, LF_NUM("i", i));
    assert_int_equal(lines(p[0], &missing, last, sizeof last), 0);
    log_flush();
    assert_int_equal(lines(p[0], &missing, last, sizeof last), 300);
    assert_non_null(strstr(last, "i=299"));
    log_event(EVENT_READY, LF_NUM("i", 300));
    log_event(EVENT_BUG, LF_STR("why", "an alarm does not wait, nor what stands before it"));
    assert_int_equal(lines(p[0], &missing, last, sizeof last), 2);
    log_event(EVENT_READY, LF_NUM("i", 301));
    log_gather(false);
    assert_int_equal(lines(p[0], &missing, last, sizeof last), 1);
    assert_true(missing == 0);
    close_pipe(p);
}

static void gathered_lines_that_are_lost_are_counted(void **state)
{
    uint64_t missing, before = counters[COUNT_log_suppressed];
    int p[2];
    char last[500];
    unsigned first;

    (void)state;
    to_pipe(p);
    log_gather(true);
    for (int i = 0; i < 5000; i++)
        log_event(EVENT_CONNECT, LF_NUM("i", i), LF_STR("text", "so that the pipe is full soon"));
    log_flush();
    first = lines(p[0], &missing, last, sizeof last);
    assert_true(first > 100 && first < 5000);
    assert_true(counters[COUNT_log_suppressed] - before == 5000 - first);
    log_event(EVENT_READY, LF_NUM("i", 1));
    log_gather(false);
    assert_int_equal(lines(p[0], &missing, last, sizeof last), 1);
    assert_true(missing == 5000 - first);
    close_pipe(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_stuck_pipe_never_stops_us, keep_stderr, restore_stderr),
        cmocka_unit_test_setup_teardown(a_stuck_socket_never_stops_us, keep_stderr, restore_stderr),
        cmocka_unit_test_setup_teardown(a168_a_flood_is_limited_and_counted, keep_stderr, restore_stderr),
        cmocka_unit_test_setup_teardown(lines_below_the_level_are_not_written, keep_stderr, restore_stderr),
        cmocka_unit_test_setup_teardown(another_file_at_descriptor_2_is_noticed, keep_stderr, restore_stderr),
        cmocka_unit_test_setup_teardown(gathered_lines_wait_for_the_end_of_the_turn, keep_stderr, restore_stderr),
        cmocka_unit_test_setup_teardown(gathered_lines_that_are_lost_are_counted, keep_stderr, restore_stderr),
        cmocka_unit_test_setup_teardown(a_full_disk_never_stops_us, keep_stderr, restore_stderr),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
