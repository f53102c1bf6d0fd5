/* parse.c - a configuration from a file, or the one for development. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include "conf/doc.h"

enum { FILE_MAX = 16 << 20 };

/* read_all - the bytes of fd; false: told */

static bool read_all(int fd, struct buf *text, struct conf_errors *e)
{
    for (;;) {
        char *room = buf_room(text, 16384);
        ssize_t n;

        if (room == NULL)
            return conf_error(e, 0, "larger than %d bytes, or no memory", (int)FILE_MAX);
        n = read(fd, room, 16384);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return conf_error(e, 0, "%s", strerror(errno));
        if (n == 0)
            return true;
        buf_added(text, (size_t)n);
    }
}

static bool read_file(const char *path, struct buf *text, struct conf_errors *e)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    bool ok;

    if (fd < 0)
        return conf_error(e, 0, "%s; name a configuration that exists and can be read",
                          strerror(errno));
    ok = read_all(fd, text, e);
    close(fd);
    return ok;
}

/* embedded - what holds without a file: everything that comes to port 2525 of
 * this machine is kept below the user's state directory, and goes nowhere */

static bool embedded(struct buf *text, struct conf_errors *e)
{
    const char *state = getenv("XDG_STATE_HOME"), *user_home = getenv("HOME");
    const char *base = state, *below = "";

    if (base == NULL || base[0] != '/') {
        base = geteuid() == 0 ? "/var/lib" : user_home;
        below = geteuid() == 0 ? "" : "/.local/state";
    }
    if (base == NULL || base[0] != '/' || strpbrk(base, "\"\\$\n") != NULL)
        return conf_error(e, 0, "neither XDG_STATE_HOME nor HOME names a directory; "
                                "set one, or write a configuration");
    buf_printf(text, "spool = \"%s%s/postrider/spool\"\n", base, below);
    buf_printf(text, "control = \"%s%s/postrider/control\"\n", base, below);
    buf_puts(text, "listen \"127.0.0.1:2525\" { role = sink }\n");
    return !text->full || conf_error(e, 0, "no memory");
}

/* build_text - the whole configuration from a text; NULL: told */

static struct conf *build_text(struct slice text, bool files, struct conf_errors *e)
{
    struct conf *conf = conf_begin(e->file);
    bool read;

    if (conf == NULL) {
        conf_error(e, 0, "no memory");
        return NULL;
    }
    read = doc_read_file(&conf->arena, conf->doc, text, e);
    if (conf_build(conf, files, e) && read)
        return conf;
    if (e->n > CONF_ERRORS && e->out != NULL)
        buf_printf(e->out, "%.*s: and %u more\n", SLICE(e->file), e->n - CONF_ERRORS);
    conf_free(conf);
    return NULL;
}

const char *conf_usual(void)
{
    static const char path[] = "/etc/postrider/postrider.conf";

    return access(path, F_OK) == 0 ? path : NULL;
}

static struct conf *parse(const char *path, bool files, struct buf *errors)
{
    struct conf_errors e = { .out = errors,
                             .file = slice_cstr(path != NULL ? path : "(embedded)") };
    struct buf text = BUF(FILE_MAX);
    struct conf *conf = NULL;

    if (path != NULL ? read_file(path, &text, &e) : embedded(&text, &e))
        conf = build_text(buf_view(&text), files, &e);
    buf_free(&text);
    return conf;
}

struct conf *conf_parse(const char *path, struct buf *errors)
{
    return parse(path, true, errors);
}

struct conf *conf_parse_alone(const char *path, struct buf *errors)
{
    return parse(path, false, errors);
}
