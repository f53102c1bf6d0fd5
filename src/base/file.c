/* file.c - descriptors: writing all of it to one, and how many there may be. */
#include <errno.h>
#include <sys/resource.h>
#include <sys/uio.h>
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

bool fd_write_both(int fd, struct slice first, struct slice second)
{
    struct iovec both[2] = { { (char *)first.p, first.n }, { (char *)second.p, second.n } };
    ssize_t n = 0;

    if (first.n > 0 && second.n > 0)
        n = writev(fd, both, 2);
    if (n < 0 && errno != EINTR)
        return false;
    n = n < 0 ? 0 : n;
    return fd_write_all(fd, slice_from(first, (size_t)n))
        && fd_write_all(fd, slice_from(second, (size_t)n > first.n ? (size_t)n - first.n : 0));
}

uint64_t fd_allowance(uint64_t reserve)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return UINT64_MAX;
    return limit.rlim_cur / 2 > reserve ? limit.rlim_cur - reserve : limit.rlim_cur / 2;
}
