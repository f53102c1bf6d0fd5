/* private.c - open, look whether others may read it, read all of it. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include "sasl/private.h"

static bool wrong(struct buf *errors, const char *name, const char *why)
{
    buf_printf(errors, "%s: %s\n", name, why);
    return false;
}

/* read_all - up to size bytes; fewer when the file was cut meanwhile. NULL: see errno. */

static char *read_all(int fd, size_t size, size_t *n)
{
    char *text = malloc(size + 1);
    ssize_t got = 1;

    *n = 0;
    while (text != NULL && *n < size && got > 0) {
        got = pread(fd, text + *n, size - *n, (off_t)*n);
        if (got > 0)
            *n += (size_t)got;
        else if (got < 0 && errno == EINTR)
            got = 1;
    }
    if (text != NULL && got < 0) {
        private_free(text, *n);
        return NULL;
    }
    if (text != NULL)
        text[*n] = '\0';
    return text;
}

bool private_read_fd(int fd, const char *name, size_t max, char **text, size_t *n,
                     struct buf *errors)
{
    struct stat st;

    if (fstat(fd, &st) != 0)
        return wrong(errors, name, strerror(errno));
    if ((uint64_t)st.st_size > max)
        return wrong(errors, name, "too large");
    *text = read_all(fd, (size_t)st.st_size, n);
    return *text != NULL || wrong(errors, name, strerror(errno));
}

static const char *objection(int fd)
{
    struct stat st;

    if (fstat(fd, &st) != 0)
        return strerror(errno);
    if (!S_ISREG(st.st_mode))
        return "not a plain file";
    return st.st_mode & 07 ? "can be read by everybody; chmod o= it" : NULL;
}

bool private_read(const char *path, size_t max, char **text, size_t *n, struct buf *errors)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    const char *why;
    bool done;

    if (fd < 0)
        return wrong(errors, path, strerror(errno));
    why = objection(fd);
    done = why == NULL ? private_read_fd(fd, path, max, text, n, errors) : wrong(errors, path, why);
    close(fd);
    return done;
}

void private_free(char *text, size_t n)
{
    if (text == NULL)
        return;
    explicit_bzero(text, n);
    free(text);
}
