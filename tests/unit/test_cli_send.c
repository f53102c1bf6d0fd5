/* test_cli_send.c - postrider send against servers of every mood: the exit
 * status says how far it came. */
#include <arpa/inet.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>
#include "cli/cli.h"

/* What a server says to a command that begins so; the rest gets "250 ok". NULL: hangs up. */
struct answer { const char *command, *reply; };

struct mood {
    int           status;               /* that `postrider send` must end with */
    struct answer answers[4];
};

static const struct mood moods[] = {
    /* all well, with and without ESMTP */
    { EX_OK, { { "", "" } } },
    { EX_OK, { { "EHLO", "500 what?\r\n" } } },
    { EX_OK, { { "EHLO", "250-me\r\n250-SIZE 100\r\n250 8BITMIME\r\n" } } },
    /* refused for now, wherever */
    { EX_TEMPFAIL, { { "greeting", "421 busy\r\n" } } },
    { EX_TEMPFAIL, { { "EHLO", "450 no\r\n" } } },
    { EX_TEMPFAIL, { { "MAIL", "451 no\r\n" } } },
    { EX_TEMPFAIL, { { "RCPT TO:<b@", "450 no\r\n" }, { "RCPT TO:<c@", "550 no\r\n" } } },
    { EX_TEMPFAIL, { { "DATA", "451 no\r\n" } } },
    { EX_TEMPFAIL, { { ".", "452 no\r\n" } } },
    /* for ever */
    { EX_NOPERM, { { "greeting", "554 no\r\n" } } },
    { EX_NOPERM, { { "EHLO", "550 no\r\n" }, { "HELO", "550 no\r\n" } } },
    { EX_NOPERM, { { "MAIL", "550 no\r\n" } } },
    { EX_NOUSER, { { "RCPT", "550 no\r\n" } } },
    { EX_NOUSER, { { "RCPT TO:<c@", "550 no\r\n" } } },     /* b@ gets it all the same */
    { EX_DATAERR, { { "DATA", "554 no\r\n" } } },
    { EX_DATAERR, { { ".", "552 no\r\n" } } },
    /* lost */
    { EX_TEMPFAIL, { { "greeting", NULL } } },
    { EX_TEMPFAIL, { { "MAIL", NULL } } },
    { EX_TEMPFAIL, { { ".", NULL } } },
    /* not SMTP */
    { EX_PROTOCOL, { { "greeting", "HTTP/1.1 200 OK\r\n" } } },
    { EX_PROTOCOL, { { "MAIL", "250-a\r\n251 b\r\n" } } },
    { EX_PROTOCOL, { { "DATA", "250 really?\r\n" } } },
};

static const char *reply_to(const struct mood *m, const char *line)
{
    for (size_t i = 0; i < 4 && m->answers[i].command != NULL; i++)
        if (m->answers[i].command[0] != '\0'
            && strncmp(line, m->answers[i].command, strlen(m->answers[i].command)) == 0)
            return m->answers[i].reply;
    return strncmp(line, "greeting", 8) == 0 ? "220 hello\r\n"
         : strncmp(line, "DATA", 4) == 0 ? "354 go\r\n" : "250 ok\r\n";
}

/* serve - one conversation, in a process of its own */

static void serve(int listening, const struct mood *m)
{
    FILE *f = fdopen(accept(listening, NULL, NULL), "r+");
    char line[1000] = "greeting";
    const char *reply;
    bool data = false;

    do {
        if (data && strcmp(line, ".\r\n") != 0)
            continue;
        reply = reply_to(m, line);
        if (reply == NULL)
            break;
        data = strncmp(line, "DATA", 4) == 0 && reply[0] == '3';
        fputs(reply, f);
        fflush(f);
    } while (fgets(line, sizeof line, f) != NULL);
    fclose(f);
    _exit(0);
}

static int listen_somewhere(char *server, size_t size)
{
    struct sockaddr_in sa = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t n = sizeof sa;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof sa), 0);
    assert_int_equal(listen(fd, 5), 0);
    getsockname(fd, (struct sockaddr *)&sa, &n);
    snprintf(server, size, "127.0.0.1:%u", ntohs(sa.sin_port));
    return fd;
}

/* send_message - the command's exit status, its words thrown away */

static int send_message(const char *server, const char *file)
{
    char *argv[] = { (char[]){ "postrider" }, (char[]){ "send" }, (char[]){ "--server" },
                     strdup(server), (char[]){ "--from" }, (char[]){ "a@x.test" },
                     (char[]){ "--to" }, (char[]){ "b@x.test" }, (char[]){ "--to=c@x.test" },
                     (char[]){ "--timeout=5s" }, strdup(file), NULL };
    int status;
    pid_t pid = fork();

    if (pid == 0) {
        if (freopen("/dev/null", "w", stdout) == NULL || freopen("/dev/null", "w", stderr) == NULL)
            _exit(99);
        signal(SIGPIPE, SIG_IGN);
        _exit(cli_main(11, argv));
    }
    waitpid(pid, &status, 0);
    free(argv[3]);
    free(argv[10]);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static char message[] = "/tmp/test_send.XXXXXX";

static void the_exit_status_says_how_far_it_came(void **state)
{
    char server[40];

    (void)state;
    for (size_t i = 0; i < sizeof moods / sizeof moods[0]; i++) {
        int listening = listen_somewhere(server, sizeof server), status;
        pid_t pid = fork();

        if (pid == 0)
            serve(listening, &moods[i]);
        status = send_message(server, message);
        close(listening);
        waitpid(pid, NULL, 0);
        if (status != moods[i].status)
            fail_msg("mood %zu: exit status %d instead of %d", i, status, moods[i].status);
    }
}

static void what_cannot_begin_says_why(void **state)
{
    char server[40];

    (void)state;
    close(listen_somewhere(server, sizeof server));     /* nobody listens there now */
    assert_int_equal(send_message(server, message), EX_UNAVAILABLE);
    assert_int_equal(send_message("no..name:25", message), EX_NOHOST);
    assert_int_equal(send_message("[::1", message), EX_USAGE);
    assert_int_equal(send_message(server, "/nonexistent/file"), EX_NOINPUT);
}

static int write_message(void **state)
{
    static const char text[] = "Subject: x\n\n.dot\nl\xc3\xa4st\n";
    int fd = mkstemp(message);

    (void)state;
    return write(fd, text, sizeof text - 1) != sizeof text - 1 || close(fd) != 0;
}

static int remove_message(void **state)
{
    (void)state;
    return unlink(message);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_exit_status_says_how_far_it_came),
        cmocka_unit_test(what_cannot_begin_says_why),
    };

    return cmocka_run_group_tests(tests, write_message, remove_message);
}
