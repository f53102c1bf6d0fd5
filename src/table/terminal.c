/* terminal.c - utmp, and the terminals that it names. */
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <utmp.h>
#include "base/ascii.h"
#include "table/terminal.h"

enum { PATH_SIZE = 1024, LOGINS_MAX = 10000, LINE_DIGITS = 6 };

static bool digits(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!ascii_digit(s.p[i]))
            return false;
    return s.n > 0 && s.n <= LINE_DIGITS;
}

bool terminal_line_ok(struct slice line)
{
    static const struct slice kinds[] = { SLICE_INIT("pts/"), SLICE_INIT("tty") };

    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (slice_eq(slice_first(line, kinds[i].n), kinds[i])
            && digits(slice_from(line, kinds[i].n)))
            return true;
    return false;
}

static bool path_text(struct slice path, char text[PATH_SIZE])
{
    if (path.n == 0 || path.n >= PATH_SIZE)
        return false;
    memcpy(text, path.p, path.n);
    text[path.n] = '\0';
    return true;
}

static int open_path(struct slice path, int flags)
{
    char text[PATH_SIZE];

    return path_text(path, text) ? open(text, flags | O_CLOEXEC | O_NOCTTY | O_NONBLOCK) : -1;
}

/* usable - is this a terminal of that user, who takes messages? */

static bool usable(const struct stat *st, uid_t uid)
{
    return S_ISCHR(st->st_mode) && st->st_uid == uid && (st->st_mode & S_IWGRP) != 0;
}

/* --- who is logged in -------------------------------------------------------- */

/* The fields of utmp have no NUL when they are full. */

static struct slice field(const char *p, size_t size)
{
    return slice_of(p, strnlen(p, size));
}

static bool sits_there(const struct utmp *u, struct slice user)
{
    return u->ut_type == USER_PROCESS && slice_eq(field(u->ut_user, sizeof u->ut_user), user)
        && terminal_line_ok(field(u->ut_line, sizeof u->ut_line));
}

static bool listed(const struct terminal *list, size_t n, struct slice line)
{
    for (size_t i = 0; i < n; i++)
        if (slice_eq(slice_cstr(list[i].line), line))
            return true;
    return false;
}

static size_t add(struct terminal *list, size_t n, int folder, struct slice line, uid_t uid)
{
    struct terminal *t = &list[n];
    struct stat st;

    if (n == TERMINALS_MAX || line.n >= TERMINAL_LINE || listed(list, n, line))
        return n;
    memcpy(t->line, line.p, line.n);
    t->line[line.n] = '\0';
    if (fstatat(folder, t->line, &st, AT_SYMLINK_NOFOLLOW) < 0 || !usable(&st, uid))
        return n;
    t->used = (int64_t)st.st_atim.tv_sec * 1000000000 + st.st_atim.tv_nsec;
    return n + 1;
}

static int later_first(const void *a, const void *b)
{
    const struct terminal *x = a, *y = b;

    return (y->used > x->used) - (y->used < x->used);
}

size_t terminals_find(struct slice utmp, struct slice folder, struct slice user, uid_t uid,
                      struct terminal list[TERMINALS_MAX])
{
    int fd = open_path(utmp, O_RDONLY), at = open_path(folder, O_RDONLY | O_DIRECTORY);
    struct utmp u;
    struct stat st;
    size_t n = 0;

    if (fd >= 0 && at >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
        for (int i = 0; i < LOGINS_MAX && read(fd, &u, sizeof u) == (ssize_t)sizeof u; i++)
            if (sits_there(&u, user))
                n = add(list, n, at, field(u.ut_line, sizeof u.ut_line), uid);
    if (fd >= 0)
        close(fd);
    if (at >= 0)
        close(at);
    qsort(list, n, sizeof list[0], later_first);
    return n;
}

/* --- opening one --------------------------------------------------------------- */

/* open_beneath - no symbolic link on the way, and nothing outside of the folder. Before
 * Linux 5.6 the names that are allowed and O_NOFOLLOW do the same. */

static int open_beneath(int folder, const char *line)
{
    struct open_how how = {
        .flags = O_WRONLY | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK | O_CLOEXEC,
        .resolve = RESOLVE_NO_SYMLINKS | RESOLVE_BENEATH,
    };
    int fd = (int)syscall(SYS_openat2, folder, line, &how, sizeof how);

    return fd >= 0 ? fd : openat(folder, line, (int)how.flags);
}

int terminal_open(struct slice folder, const char *line, uid_t uid)
{
    int at = terminal_line_ok(slice_cstr(line)) ? open_path(folder, O_RDONLY | O_DIRECTORY) : -1;
    int fd = at >= 0 ? open_beneath(at, line) : -1;
    struct stat st;

    if (at >= 0)
        close(at);
    if (fd >= 0 && fstat(fd, &st) == 0 && usable(&st, uid) && isatty(fd))
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}
