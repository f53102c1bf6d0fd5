/* disk_real.c - the file system, as struct disk sees it.
 *
 * Handles are descriptors, so that any thread may open and close. Calls that a
 * signal interrupted are made again (F12).
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>
#include "base/buf.h"
#include "spool/disk.h"

struct real {
    struct disk disk;
    int         dir;        /* the spool */
    int         lock;       /* held as long as we live; -1: not yet */
};

static int dir_of(void *ctx)
{
    return ((struct real *)ctx)->dir;
}

static int result(int r)
{
    return r < 0 ? -errno : r;
}

static int real_open(void *ctx, const char *name, unsigned how)
{
    int flags = O_CLOEXEC | O_NOFOLLOW, fd;

    flags |= how & (DISK_WRITE | DISK_CREATE) ? O_RDWR : O_RDONLY;
    if (how & DISK_CREATE)
        flags |= O_CREAT | O_EXCL;
    do
        fd = openat(dir_of(ctx), name, flags, 0600);
    while (fd < 0 && errno == EINTR);
    if (fd >= 0 && (how & DISK_DIRECT))
        fcntl(fd, F_SETFL, O_DIRECT);       /* some file systems cannot: then not */
    return result(fd);
}

/* refused_direct - does this disk want other pieces than ours? Then with the cache. */

static bool refused_direct(int handle)
{
    int flags = errno == EINVAL ? fcntl(handle, F_GETFL) : -1;

    return flags >= 0 && (flags & O_DIRECT) && fcntl(handle, F_SETFL, flags & ~O_DIRECT) == 0;
}

static int real_close(void *ctx, int handle)
{
    (void)ctx;
    return close(handle) < 0 && errno != EINTR ? -errno : 0;
}

static ssize_t real_write(void *ctx, int handle, struct slice bytes, uint64_t at)
{
    ssize_t n;

    (void)ctx;
    do
        n = pwrite(handle, bytes.p, bytes.n, (off_t)at);
    while (n < 0 && (errno == EINTR || refused_direct(handle)));
    return n < 0 ? -errno : n;
}

static ssize_t real_read(void *ctx, int handle, char *to, size_t n, uint64_t at)
{
    size_t got = 0;
    ssize_t r;

    (void)ctx;
    while (got < n) {
        r = pread(handle, to + got, n - got, (off_t)(at + got));
        if (r < 0 && errno == EINTR)
            continue;
        if (r < 0)
            return -errno;
        if (r == 0)
            break;
        got += (size_t)r;
    }
    return (ssize_t)got;
}

static int write_zeros(void *ctx, int handle, uint64_t size)
{
    static _Alignas(BUF_PAGE) char zeros[1 << 20];
    int error = 0;

    for (uint64_t at = 0; at < size && error == 0; at += sizeof zeros) {
        size_t n = size - at < sizeof zeros ? (size_t)(size - at) : sizeof zeros;

        error = disk_write_all(&((struct real *)ctx)->disk, handle, slice_of(zeros, n), at);
    }
    return error;
}

/* An extent that was reserved and never written turns the first sync after an append into a
 * metadata write. Without fallocate only zeros make sure that there is room. */
static int real_reserve(void *ctx, int handle, uint64_t size, bool zeros)
{
    int r;

    do
        r = fallocate(handle, 0, 0, (off_t)size);
    while (r < 0 && errno == EINTR);
    if (r < 0 && errno != EOPNOTSUPP && errno != EINVAL)
        return -errno;
    return zeros || r < 0 ? write_zeros(ctx, handle, size) : 0;
}

static int64_t real_size(void *ctx, int handle)
{
    struct stat st;

    (void)ctx;
    return fstat(handle, &st) < 0 ? -errno : st.st_size;
}

static int real_truncate(void *ctx, int handle, uint64_t size)
{
    (void)ctx;
    return result(ftruncate(handle, (off_t)size));
}

static int real_sync(void *ctx, int handle)
{
    (void)ctx;
    return result(fdatasync(handle));
}

static int real_rename(void *ctx, const char *from, const char *to)
{
    return result(renameat(dir_of(ctx), from, dir_of(ctx), to));
}

static int real_unlink(void *ctx, const char *name)
{
    return result(unlinkat(dir_of(ctx), name, 0));
}

static int open_dir(void *ctx, const char *dir)
{
    return result(openat(dir_of(ctx), dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

static int real_list(void *ctx, const char *dir, disk_name_f *each, void *user)
{
    int fd = open_dir(ctx, dir);
    struct dirent *e;
    DIR *d;

    if (fd < 0)
        return fd;
    d = fdopendir(fd);
    if (d == NULL) {
        close(fd);
        return -ENOMEM;
    }
    while (errno = 0, (e = readdir(d)) != NULL)
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            each(user, e->d_name);
    fd = -errno;
    closedir(d);
    return fd;
}

static int real_make_dir(void *ctx, const char *dir)
{
    int r = result(mkdirat(dir_of(ctx), dir, 0700));

    return r == -EEXIST ? 0 : r;
}

static int real_sync_dir(void *ctx, const char *dir)
{
    int fd = open_dir(ctx, dir), r;

    if (fd < 0)
        return fd;
    r = result(fsync(fd));
    close(fd);
    return r;
}

/* holder_pid - whose pid the lock file tells; 0 when it tells none */

static unsigned holder_pid(int fd)
{
    char text[16] = { 0 };
    ssize_t n = pread(fd, text, sizeof text - 1, 0);

    return n > 0 ? (unsigned)strtoul(text, NULL, 10) : 0;
}

/* An flock belongs to the open file, so it ends with the process however it
 * ends, and a child that inherited nothing does not hold it. */
static int real_lock(void *ctx, const char *name, unsigned *holder)
{
    struct real *r = ctx;
    char text[16];
    int fd = openat(r->dir, name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600), n;

    if (fd < 0)
        return -errno;
    if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
        n = -errno;
        *holder = holder_pid(fd);
        close(fd);
        return n;
    }
    n = snprintf(text, sizeof text, "%u\n", (unsigned)getpid());
    if (ftruncate(fd, 0) < 0 || pwrite(fd, text, (size_t)n, 0) < 0) {
        n = -errno;
        if (n != -ENOSPC) {     /* a full disk must still be served */
            close(fd);
            return n;
        }
    }
    if (r->lock >= 0)
        close(r->lock);
    r->lock = fd;
    return 0;
}

static int64_t real_free_bytes(void *ctx)
{
    struct statvfs v;

    if (fstatvfs(dir_of(ctx), &v) < 0)
        return -errno;
    if (v.f_files > 0 && v.f_favail == 0)
        return 0;
    return (int64_t)(v.f_bavail * v.f_frsize);
}

static int real_fd(void *ctx, int handle)
{
    (void)ctx;
    return handle;
}

static void real_sync_soon(void *ctx, int handle)
{
    (void)ctx;
    sync_file_range(handle, 0, 0, SYNC_FILE_RANGE_WRITE);
}

static int real_unnamed(void *ctx)
{
    return result(openat(dir_of(ctx), ".", O_RDWR | O_TMPFILE | O_CLOEXEC, 0600));
}

/* make_spool - the directory itself, durable in its parent */

static int make_spool(const char *spool)
{
    char parent[PATH_MAX];
    int fd;

    if (mkdir(spool, 0700) < 0)
        return errno == EEXIST ? 0 : -errno;
    if (snprintf(parent, sizeof parent, "%s/..", spool) >= (int)sizeof parent)
        return -ENAMETOOLONG;
    fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    if (fsync(fd) < 0) {
        int r = -errno;

        close(fd);
        return r;
    }
    close(fd);
    return 0;
}

struct disk *disk_real(const char *spool, int *error)
{
    struct real *r = malloc(sizeof *r);

    if (r == NULL) {
        *error = ENOMEM;
        return NULL;
    }
    *r = (struct real){ .lock = -1, .disk = {
        r, real_open, real_close, real_reserve, real_write, real_read, real_size,
        real_truncate, real_sync, real_rename, real_unlink, real_list,
        real_make_dir, real_sync_dir, real_lock, real_free_bytes, real_fd,
        real_sync_soon, real_unnamed,
    } };
    *error = -make_spool(spool);
    if (*error == 0) {
        r->dir = open(spool, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (r->dir < 0)
            *error = errno;
    }
    if (*error != 0) {
        free(r);
        return NULL;
    }
    return &r->disk;
}

void disk_real_free(struct disk *disk)
{
    struct real *r;

    if (disk == NULL)
        return;
    r = disk->ctx;
    if (r->lock >= 0)
        close(r->lock);
    close(r->dir);
    free(r);
}
