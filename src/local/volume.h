/* volume.h - waiting once for all that was written to a file system.
 *
 * fdatasync of a new file flushes the disk's cache each time, though one flush
 * would do for hundreds of files. syncfs promises more than we ask, all data
 * and all names, in one wait. It is used where it is known to keep that promise
 * and to tell of errors; and not for a while after it was slow, for it
 * waits also for what others have written there, which may be a lot.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum { VOLUMES = 16, VOLUME_WORTH = 8 };    /* files or directories that make it worth while */

struct volume {
    dev_t  device;
    int    fd;              /* a directory there, open since before the first write */
    bool   whole;           /* may be synced at once */
    bool   synced;          /* by the last volumes_sync */
    size_t waiting;         /* files or directories that are to be synced */
};

struct volumes {
    struct volume list[VOLUMES];
    size_t        n;
};

/* volume_find - the file system of an open directory, which stays the caller's and open.
 * NULL: it cannot be told, or there are too many; what is there is synced one by one. */
struct volume *volume_find(struct volumes *all, int fd);

/* volumes_sync - sync each one that is worth it, and begin to count anew. Where `synced` is
 * false afterwards, all that waited must be synced one by one: that tells what has failed. */
void volumes_sync(struct volumes *all);
