/* volume.c - which file systems are synced as a whole, and when.
 *
 * Linux before 5.17 does not tell of all errors of syncfs. Of the file systems, FUSE is not
 * told to sync at all by it; so only those are here whose code says what it does. */
#include <linux/magic.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <unistd.h>
#include "base/clock.h"
#include "local/volume.h"

enum { SLOW = 1000 /* ms */, REST = 30 };

static const unsigned long known[] = { EXT4_SUPER_MAGIC, XFS_SUPER_MAGIC, BTRFS_SUPER_MAGIC };

static _Atomic int64_t paused_until;    /* monotonic ms */

/* tells_errors - is the kernel 5.17 or later? */

static bool tells_errors(void)
{
    static const unsigned long major = 5, minor = 17;
    struct utsname u;
    unsigned long have;
    char *end;

    if (uname(&u) < 0)
        return false;
    have = strtoul(u.release, &end, 10);
    return have > major || (have == major && *end == '.' && strtoul(end + 1, NULL, 10) >= minor);
}

static bool may_be_synced_whole(int fd)
{
    struct statfs s;

    if (fstatfs(fd, &s) < 0)
        return false;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if ((unsigned long)s.f_type == known[i])
            return tells_errors();
    return false;
}

struct volume *volume_find(struct volumes *all, int fd)
{
    struct stat st;

    if (fstat(fd, &st) < 0)
        return NULL;
    for (size_t i = 0; i < all->n; i++)
        if (all->list[i].device == st.st_dev)
            return &all->list[i];
    if (all->n == VOLUMES)
        return NULL;
    all->list[all->n] = (struct volume){
        .device = st.st_dev, .fd = fd,
        .whole = clock_mono() >= atomic_load(&paused_until) && may_be_synced_whole(fd),
    };
    return &all->list[all->n++];
}

/* sync_whole - after a slow one it rests for REST times as long */

static bool sync_whole(const struct volume *v)
{
    int64_t begun = clock_mono(), now;
    bool ok = syncfs(v->fd) == 0;

    now = clock_mono();
    if (now - begun > SLOW)
        atomic_store(&paused_until, now + (now - begun) * REST);
    return ok;
}

void volumes_sync(struct volumes *all)
{
    for (size_t i = 0; i < all->n; i++) {
        struct volume *v = &all->list[i];

        v->synced = v->whole && v->waiting >= VOLUME_WORTH && sync_whole(v);
        v->waiting = 0;
    }
}
