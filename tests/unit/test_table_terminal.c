/* test_table_terminal.c - who sits at which terminal, whatever utmp claims. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <utmp.h>
#include <cmocka.h>
#include "table/terminal.h"

static char utmp_path[] = "/tmp/postrider-utmp-XXXXXX";

struct pty {
    int  master;
    char path[64];
};

static struct pty pty_open(void)
{
    struct pty p = { .master = posix_openpt(O_RDWR | O_NOCTTY) };

    if (p.master < 0 || grantpt(p.master) != 0 || unlockpt(p.master) != 0)
        skip();
    assert_int_equal(ptsname_r(p.master, p.path, sizeof p.path), 0);
    assert_int_equal(chmod(p.path, 0620), 0);
    return p;
}

static void write_utmp(const struct utmp *rows, size_t n)
{
    FILE *f = fopen(utmp_path, "w");

    assert_non_null(f);
    assert_int_equal(fwrite(rows, sizeof *rows, n, f), n);
    assert_int_equal(fclose(f), 0);
}

static struct utmp row(short type, const char *user, const char *line)
{
    struct utmp u = { .ut_type = type };

    memcpy(u.ut_user, user, strlen(user));
    memcpy(u.ut_line, line, strlen(line));
    return u;
}

static size_t find(const char *user, struct terminal *list)
{
    return terminals_find(slice_cstr(utmp_path), SLICE_LIT("/dev"), slice_cstr(user), getuid(), list);
}

static int begin(void **state)
{
    int fd = mkstemp(utmp_path);

    (void)state;
    return fd < 0 || close(fd) < 0;
}

static int end(void **state)
{
    (void)state;
    return unlink(utmp_path);
}

static void only_names_of_terminals_pass(void **state)
{
    static const struct { const char *line; bool ok; } cases[] = {
        { "pts/0", true }, { "pts/123456", true }, { "tty1", true }, { "pts/1234567", false },
        { "pts/", false }, { "tty", false }, { "pts/../sda", false }, { "../etc/passwd", false },
        { ":0", false }, { "", false }, { "pts/1x", false }, { "ttyS0", false }, { "pts//1", false },
        { "/dev/pts/1", false }, { "console", false }, { "null", false },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        if (terminal_line_ok(slice_cstr(cases[i].line)) != cases[i].ok)
            fail_msg("%s", cases[i].line);
}

static void the_terminal_used_last_comes_first(void **state)
{
    struct pty a = pty_open(), b = pty_open();
    struct terminal list[TERMINALS_MAX];
    struct timespec times[2] = { { .tv_sec = 2000000000 }, { .tv_sec = 2000000000 } };
    struct utmp rows[] = {
        row(USER_PROCESS, "alice", a.path + 5), row(USER_PROCESS, "alice", b.path + 5),
        row(USER_PROCESS, "alice", a.path + 5), row(USER_PROCESS, "bob", a.path + 5),
        row(DEAD_PROCESS, "carol", a.path + 5), row(USER_PROCESS, "alice", ":0"),
        row(USER_PROCESS, "alice", "pts/999999"),
    };

    (void)state;
    write_utmp(rows, sizeof rows / sizeof rows[0]);
    assert_int_equal(utimensat(AT_FDCWD, b.path, times, 0), 0);
    assert_int_equal(find("alice", list), 2);
    assert_string_equal(list[0].line, b.path + 5);
    assert_string_equal(list[1].line, a.path + 5);
    assert_int_equal(find("bob", list), 1);
    assert_int_equal(find("carol", list), 0);
    assert_int_equal(find("", list), 0);
    close(a.master);
    close(b.master);
}

static void who_refuses_messages_has_no_terminal(void **state)
{
    struct pty a = pty_open();
    struct terminal list[TERMINALS_MAX];
    struct utmp r = row(USER_PROCESS, "alice", a.path + 5);
    int fd;

    (void)state;
    write_utmp(&r, 1);
    assert_int_equal(find("alice", list), 1);
    fd = terminal_open(SLICE_LIT("/dev"), list[0].line, getuid());
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(chmod(a.path, 0600), 0);
    assert_int_equal(find("alice", list), 0);
    assert_int_equal(terminal_open(SLICE_LIT("/dev"), a.path + 5, getuid()), -1);
    close(a.master);
}

static void the_terminal_of_somebody_else_is_never_opened(void **state)
{
    struct pty a = pty_open();
    struct terminal list[TERMINALS_MAX];
    struct utmp r = row(USER_PROCESS, "alice", a.path + 5);

    (void)state;
    write_utmp(&r, 1);
    assert_int_equal(terminals_find(slice_cstr(utmp_path), SLICE_LIT("/dev"), SLICE_LIT("alice"),
                                    getuid() + 1, list), 0);
    assert_int_equal(terminal_open(SLICE_LIT("/dev"), a.path + 5, getuid() + 1), -1);
    close(a.master);
}

static void what_is_no_terminal_is_never_opened(void **state)
{
    char folder[] = "/tmp/postrider-dev-XXXXXX", name[64], link_[64];
    struct slice at;
    int fd;

    (void)state;
    assert_non_null(mkdtemp(folder));
    at = slice_cstr(folder);
    snprintf(name, sizeof name, "%s/tty1", folder);
    snprintf(link_, sizeof link_, "%s/tty2", folder);
    fd = open(name, O_CREAT | O_WRONLY, 0660);
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(chmod(name, 0660), 0);
    assert_int_equal(symlink("/dev/null", link_), 0);
    assert_int_equal(terminal_open(at, "tty1", getuid()), -1);
    assert_int_equal(terminal_open(at, "tty2", getuid()), -1);
    assert_int_equal(terminal_open(at, "tty3", getuid()), -1);
    unlink(name);
    unlink(link_);
    rmdir(folder);
}

static void without_utmp_nobody_is_there(void **state)
{
    struct terminal list[TERMINALS_MAX];

    (void)state;
    assert_int_equal(terminals_find(SLICE_LIT("/nonexistent"), SLICE_LIT("/dev"), SLICE_LIT("alice"),
                                    getuid(), list), 0);
    assert_int_equal(terminals_find(SLICE_LIT(""), SLICE_LIT("/dev"), SLICE_LIT("alice"),
                                    getuid(), list), 0);
    assert_int_equal(terminals_find(SLICE_LIT("/dev/zero"), SLICE_LIT("/dev"), SLICE_LIT("alice"),
                                    getuid(), list), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_names_of_terminals_pass),
        cmocka_unit_test(the_terminal_used_last_comes_first),
        cmocka_unit_test(who_refuses_messages_has_no_terminal),
        cmocka_unit_test(the_terminal_of_somebody_else_is_never_opened),
        cmocka_unit_test(what_is_no_terminal_is_never_opened),
        cmocka_unit_test(without_utmp_nobody_is_there),
    };

    return cmocka_run_group_tests(tests, begin, end);
}
