/* file.c - writing to a descriptor, all of it or an error. */
#include <errno.h>
#include <unistd.h>
#include "base/file.h"

bool fd_write_all(int fd, struct slice bytes)
{
    while (bytes.n > 0) {
        ssize_t n = write(fd, bytes.p, bytes.n);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        bytes = slice_from(bytes, (size_t)n);
    }
    return true;
}
