/* control.c - one connection, one request, lines until the last one. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include "cli/control.h"
#include "cli/text.h"
#include "conf/conf.h"

enum { PATH_SIZE = sizeof ((struct sockaddr_un *)NULL)->sun_path };

/* --- where it is --------------------------------------------------------------- */

static bool copy_path(char path[PATH_SIZE], struct slice from)
{
    if (from.n == 0 || from.n >= PATH_SIZE) {
        fputs("postrider: the control socket has no usable path\n", stderr);
        return false;
    }
    memcpy(path, from.p, from.n);
    path[from.n] = '\0';
    return true;
}

static int control_path(const struct cli *cli, char path[PATH_SIZE])
{
    struct buf errors = BUF(64 << 10);
    struct conf *conf;
    bool ok;

    if (cli->control != NULL)
        return copy_path(path, slice_cstr(cli->control)) ? EX_OK : EX_USAGE;
    conf = conf_parse(cli->conf != NULL ? cli->conf : conf_usual(), &errors);
    if (conf == NULL) {
        fwrite(buf_view(&errors).p, 1, errors.n, stderr);
        buf_free(&errors);
        return EX_CONFIG;
    }
    ok = copy_path(path, conf->control);
    conf_free(conf);
    buf_free(&errors);
    return ok ? EX_OK : EX_CONFIG;
}

static int control_connect(const struct cli *cli, int *fd)
{
    struct sockaddr_un sa = { .sun_family = AF_UNIX };
    int status = control_path(cli, sa.sun_path);

    if (status != EX_OK)
        return status;
    *fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (*fd >= 0 && connect(*fd, (struct sockaddr *)&sa, sizeof sa) == 0)
        return EX_OK;
    if (errno == EACCES)
        fprintf(stderr, "postrider: %s: you may not speak to this server; try as root\n",
                sa.sun_path);
    else
        fprintf(stderr, "postrider: no server answers at %s (%s): is postriderd running%s%s?\n",
                sa.sun_path, strerror(errno), cli->conf != NULL ? " with -c " : "",
                cli->conf != NULL ? cli->conf : "");
    if (*fd >= 0)
        close(*fd);
    return errno == EACCES ? EX_NOPERM : EX_UNAVAILABLE;
}

/* --- question and answer ---------------------------------------------------------- */

static bool send_request(FILE *to, json_t *request)
{
    bool ok = json_dumpf(request, to, JSON_COMPACT) == 0 && fputc('\n', to) != EOF
              && fflush(to) == 0;

    json_decref(request);
    return ok;
}

/* take_line - true while more lines are to come */

static bool take_line(const char *text, size_t n, control_row_f *row, void *user,
                      json_t **done, int *status)
{
    json_t *line = json_loadb(text, n, 0, NULL), *it;

    if ((it = json_object_get(line, "row")) != NULL) {
        if (row != NULL)
            row(user, it);
        json_decref(line);
        return true;
    }
    *status = EX_OK;
    if (json_object_get(line, "done") == NULL) {
        it = json_object_get(line, "error");
        fputs("postrider: ", stderr);
        text_puts(stderr, json_is_string(it) ? json_string_value(it)
                  : "the server's answer makes no sense");
        fputc('\n', stderr);
        *status = json_is_string(it) ? EX_TEMPFAIL : EX_PROTOCOL;
    }
    if (*status == EX_OK && done != NULL)
        *done = json_incref(line);
    json_decref(line);
    return false;
}

static int read_answer(FILE *from, control_row_f *row, void *user, json_t **done)
{
    int status = EX_UNAVAILABLE;
    bool more = true;
    char *line = NULL;
    size_t cap = 0;
    ssize_t n;

    while (more && (n = getline(&line, &cap, from)) > 0)
        more = take_line(line, (size_t)n, row, user, done, &status);
    if (more)
        fputs("postrider: the server closed the connection before its answer was complete\n",
              stderr);
    free(line);
    return status;
}

int control_ask(const struct cli *cli, json_t *request, control_row_f *row, void *user,
                json_t **done)
{
    int fd = -1, status = control_connect(cli, &fd);
    FILE *file;

    if (done != NULL)
        *done = NULL;
    if (status != EX_OK) {
        json_decref(request);
        return status;
    }
    file = fdopen(fd, "r+");
    if (file == NULL)
        abort();
    if (!send_request(file, request)) {
        fputs("postrider: the server does not take the request\n", stderr);
        status = EX_UNAVAILABLE;
    } else {
        status = read_answer(file, row, user, done);
    }
    fclose(file);
    return status;
}

void control_print_json(void *user, json_t *row)
{
    (void)user;
    json_dumpf(row, stdout, JSON_COMPACT | JSON_ENSURE_ASCII);
    putchar('\n');
}
