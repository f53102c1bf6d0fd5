/* test_local_show.c - deliveries to terminals: shown, later, never; and never stuck. */
#include <fcntl.h>
#include <pwd.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>
#include <utmp.h>
#include <cmocka.h>
#include "base/clock.h"
#include "local/show.h"

static char utmp_path[] = "/tmp/postrider-show-XXXXXX";
static char conf_path[] = "/tmp/postrider-show-c-XXXXXX";
static struct conf *conf;
static char own[64];            /* who runs this test: the recipient */

static int begin(void **state)
{
    struct buf errors = BUF(65536);
    const struct passwd *pw = getpwuid(getuid());
    FILE *f;

    (void)state;
    if (pw == NULL)
        return 1;
    snprintf(own, sizeof own, "%s", pw->pw_name);
    close(mkstemp(utmp_path));
    close(mkstemp(conf_path));
    f = fopen(conf_path, "w");
    fprintf(f, "utmp = \"%s\"\ndomain \"sys.test\" { }\n"
            "domain \"any.test\" { recipients = any deliver = \"discard\" }\n", utmp_path);
    fclose(f);
    conf = conf_parse(conf_path, &errors);
    if (conf == NULL)
        fprintf(stderr, "%.*s", SLICE(buf_view(&errors)));
    buf_free(&errors);
    return conf == NULL;
}

static int end(void **state)
{
    (void)state;
    conf_free(conf);
    return unlink(utmp_path) | unlink(conf_path);
}

struct pty {
    int  master, slave;         /* the slave is kept open, so that nothing is lost */
    char path[64];
};

static struct pty pty_open(void)
{
    struct pty p = { .master = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK) };

    if (p.master < 0 || grantpt(p.master) != 0 || unlockpt(p.master) != 0)
        skip();
    assert_int_equal(ptsname_r(p.master, p.path, sizeof p.path), 0);
    assert_int_equal(chmod(p.path, 0620), 0);
    p.slave = open(p.path, O_RDWR | O_NOCTTY);
    assert_true(p.slave >= 0);
    return p;
}

static void pty_close(struct pty *p)
{
    close(p->slave);
    close(p->master);
}

static void log_in(const struct pty *ptys, size_t n)
{
    FILE *f = fopen(utmp_path, "w");

    for (size_t i = 0; i < n; i++) {
        struct utmp u = { .ut_type = USER_PROCESS };

        memcpy(u.ut_user, own, strnlen(own, sizeof u.ut_user));
        memcpy(u.ut_line, ptys[i].path + 5, strlen(ptys[i].path + 5));
        assert_int_equal(fwrite(&u, sizeof u, 1, f), 1);
    }
    fclose(f);
}

static const struct message_body small = {
    .fd = -1, .text = SLICE_INIT("Subject: hi\r\n\r\nit rings\r\n"),
};

static struct delivery show(const char *user, const char *domain, const struct message_body *body)
{
    static char address[200];
    struct delivery d = { .body = body, .front.sender = SLICE_LIT("s@t"),
                          .client = SLICE_LIT("192.0.2.1") }, *list[] = { &d };

    snprintf(address, sizeof address, "%s@%s", user, domain);
    d.front.address = slice_cstr(address);
    show_all(conf, list, 1);
    return d;
}

static bool has(const struct pty *p, const char *word)
{
    static char text[65536];
    ssize_t n = read(p->master, text, sizeof text - 1);

    text[n > 0 ? n : 0] = '\0';
    return strstr(text, word) != NULL;
}

static void who_is_logged_in_reads_it(void **state)
{
    struct pty p = pty_open();
    struct delivery d;

    (void)state;
    log_in(&p, 1);
    d = show(own, "sys.test", &small);
    assert_int_equal(d.fate, FATE_DONE);
    assert_non_null(strstr(d.text, p.path + 5));
    assert_true(has(&p, "| it rings\r\r\n"));       /* the terminal adds a CR to each LF */
    pty_close(&p);
}

static void who_is_not_hears_of_it_later(void **state)
{
    struct delivery d;

    (void)state;
    log_in(NULL, 0);
    d = show(own, "sys.test", &small);
    assert_true(d.fate == FATE_LATER && strcmp(d.status, "4.2.1") == 0);
    d = show("no-such-user", "sys.test", &small);
    assert_true(d.fate == FATE_LATER && strcmp(d.status, "4.2.1") == 0);
    d = show(own, "any.test", &small);
    assert_true(d.fate == FATE_NEVER && strcmp(d.status, "5.2.1") == 0);
    d = show("../root", "sys.test", &small);
    assert_int_equal(d.fate, FATE_NEVER);
}

static void a_stopped_terminal_holds_up_nobody(void **state)
{
    struct pty p[2] = { pty_open(), pty_open() };
    struct timespec now[2] = { { .tv_sec = 2000000000 }, { .tv_sec = 2000000000 } };
    struct delivery d;
    int64_t began = clock_mono();

    (void)state;
    log_in(p, 2);
    assert_int_equal(utimensat(AT_FDCWD, p[0].path, now, 0), 0);
    assert_int_equal(tcflow(p[0].slave, TCOOFF), 0);        /* XOFF */
    d = show(own, "sys.test", &small);
    assert_int_equal(d.fate, FATE_DONE);
    assert_true(has(&p[1], "it rings"));
    assert_int_equal(tcflow(p[1].slave, TCOOFF), 0);
    d = show(own, "sys.test", &small);
    assert_true(d.fate == FATE_LATER && strcmp(d.status, "4.2.1") == 0);
    assert_true(clock_mono() - began < 1000);
    tcflow(p[0].slave, TCOON);
    tcflow(p[1].slave, TCOON);
    pty_close(&p[0]);
    pty_close(&p[1]);
}

static void a_message_in_a_file_is_shown_too(void **state)
{
    struct pty p = pty_open();
    char path[] = "/tmp/postrider-show-b-XXXXXX";
    struct message_body body = { .fd = mkstemp(path), .offset = 3 };
    struct delivery d;

    (void)state;
    log_in(&p, 1);
    assert_int_equal(write(body.fd, "xxx\r\nfrom a file\r\n", 18), 18);
    body.length = 15;
    d = show(own, "sys.test", &body);
    assert_int_equal(d.fate, FATE_DONE);
    assert_true(has(&p, "| from a file"));
    close(body.fd);
    unlink(path);
    pty_close(&p);
}

static void nobody_is_written_to_without_end(void **state)
{
    unsigned later = 0;

    (void)state;
    log_in(NULL, 0);
    for (int i = 0; i < 2 * SHOW_A_MINUTE; i++)
        later += strstr(show(own, "sys.test", &small).text, "too many") != NULL;
    assert_true(later >= SHOW_A_MINUTE && later < 2 * SHOW_A_MINUTE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_is_logged_in_reads_it),
        cmocka_unit_test(who_is_not_hears_of_it_later),
        cmocka_unit_test(a_stopped_terminal_holds_up_nobody),
        cmocka_unit_test(a_message_in_a_file_is_shown_too),
        cmocka_unit_test(nobody_is_written_to_without_end),
    };

    return cmocka_run_group_tests(tests, begin, end);
}
