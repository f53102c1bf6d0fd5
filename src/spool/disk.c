/* disk.c - what any disk can do by the calls that it has. */
#include <errno.h>
#include "spool/disk.h"

int disk_write_all(const struct disk *disk, int handle, struct slice bytes, uint64_t at)
{
    while (bytes.n > 0) {
        ssize_t n = disk->write(disk->ctx, handle, bytes, at);

        if (n <= 0)
            return n < 0 ? (int)n : -ENOSPC;
        at += (uint64_t)n;
        bytes = slice_from(bytes, (size_t)n);
    }
    return 0;
}
