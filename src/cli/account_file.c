/* account_file.c - read, change one line, replace. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/file.h"
#include "cli/account_file.h"

enum { PATH_BYTES = 4096 };

/* --- reading --------------------------------------------------------------- */

/* lock - other changes wait: by the directory, since the file itself is replaced */

static bool lock(struct account_file *f, struct buf *errors)
{
    char folder[PATH_BYTES];
    const char *slash = strrchr(f->path, '/');

    snprintf(folder, sizeof folder, "%.*s", slash != NULL ? (int)(slash - f->path + 1) : 1,
             slash != NULL ? f->path : ".");
    f->directory = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (f->directory >= 0 && flock(f->directory, LOCK_EX) == 0)
        return true;
    buf_printf(errors, "%s: %s\n", folder, strerror(errno));
    return false;
}

static bool read_in(struct account_file *f, struct buf *errors)
{
    char *text;
    size_t n;

    if (!private_read(f->path, PRIVATE_FILE_MAX, &text, &n, errors))
        return false;
    if (accounts_parse(&f->accounts, text, n, f->path, errors))
        return true;
    private_free(text, n);
    return false;
}

bool account_file_open(struct account_file *f, const char *path, bool change, bool may_miss,
                       struct buf *errors)
{
    struct stat st;

    *f = (struct account_file){ .path = path, .directory = -1, .mode = 0600, .user = geteuid(),
                                .group = getegid() };
    if (strlen(path) >= PATH_BYTES - 16 || (change && !lock(f, errors)))
        return false;
    f->there = stat(path, &st) == 0;
    if (!f->there && may_miss && errno == ENOENT)
        return true;
    if (f->there) {
        f->mode = st.st_mode & 0770;
        f->user = st.st_uid;
        f->group = st.st_gid;
    }
    return read_in(f, errors);
}

void account_file_close(struct account_file *f)
{
    accounts_free(&f->accounts);
    if (f->directory >= 0)
        close(f->directory);
    f->directory = -1;
}

/* --- changing -------------------------------------------------------------- */

/* line_of - where line `number` (from 1) stands in the text, with its newline */

static struct slice line_of(struct slice text, unsigned number)
{
    size_t end;

    while (--number > 0)
        text = slice_from(text, slice_chr(text, '\n') + 1);
    end = slice_chr(text, '\n');
    return slice_first(text, end + 1);
}

/* compose - the whole new text */

static void compose(struct buf *out, const struct account_file *f, struct slice name,
                    struct slice line)
{
    struct slice text = slice_of(f->accounts.text, f->accounts.ntext), old = { 0 };
    const struct account *account = accounts_find(&f->accounts, name);
    size_t before = text.n;

    if (account != NULL) {
        old = line_of(text, account->line);
        before = (size_t)(old.p - text.p);
    }
    buf_put(out, text.p, before);
    if (account == NULL && before > 0 && text.p[before - 1] != '\n')
        buf_puts(out, "\n");
    buf_put_slice(out, line);
    if (line.n > 0)
        buf_puts(out, "\n");
    buf_put_slice(out, slice_from(text, before + old.n));
}

/* fill - the copy gets owner, mode and text, in this order, and is durable */

static bool fill(const struct account_file *f, int fd, struct slice text, const char *copy,
                 struct why *why)
{
    if ((f->user != geteuid() || f->group != getegid()) && fchown(fd, f->user, f->group) != 0)
        return why_errno(why, "set the owner of", copy);
    if (fchmod(fd, f->mode) != 0)
        return why_errno(why, "set the mode of", copy);
    if (!fd_write_all(fd, text))
        return why_errno(why, "write", copy);
    return fsync(fd) == 0 || why_errno(why, "sync", copy);
}

/* replace - from here on it is the new file, or the old one */

static bool replace(const struct account_file *f, struct slice text, struct why *why)
{
    char copy[PATH_BYTES];
    bool done;
    int fd;

    snprintf(copy, sizeof copy, "%s.XXXXXX", f->path);
    fd = mkostemp(copy, O_CLOEXEC);
    if (fd < 0)
        return why_errno(why, "make", copy);
    done = fill(f, fd, text, copy, why);
    close(fd);
    if (done && rename(copy, f->path) != 0)
        done = why_errno(why, "replace", f->path);
    if (!done) {
        unlink(copy);
        return false;
    }
    return fsync(f->directory) == 0 || why_errno(why, "sync the folder of", f->path);
}

bool account_file_put(struct account_file *f, struct slice name, struct slice line, struct why *why)
{
    struct buf text = BUF(PRIVATE_FILE_MAX);
    bool done;

    compose(&text, f, name, line);
    done = text.full ? why_text(why, FATE_NEVER, "%s: too large", f->path)
                     : replace(f, buf_view(&text), why);
    if (text.p != NULL)
        explicit_bzero(text.p, text.cap);
    buf_free(&text);
    return done;
}
