/* disk.h - the few calls that the journal makes to the world.
 *
 * A table, so that tests can put a simulated disk underneath that loses, tears
 * and reorders what was not synced. Names are relative to the spool; handles
 * are small numbers that the disk gives out. Every call returns 0 (or a count)
 * or a negative errno.
 */
#pragma once
#include <sys/types.h>
#include "base/slice.h"

enum disk_open {
    DISK_READ   = 0,        /* existing, for reading */
    DISK_WRITE  = 1 << 0,   /* existing, for reading and writing */
    DISK_CREATE = 1 << 1,   /* new; -EEXIST if there is one */
    DISK_DIRECT = 1 << 2,   /* what is written will hardly be read soon: around the cache, if the
                             * disk can. Whole sectors only, from memory that begins on a page;
                             * not for reading. */
};

typedef void disk_name_f(void *user, const char *name);

struct disk {
    void *ctx;
    int     (*open)(void *ctx, const char *name, unsigned how);
    int     (*close)(void *ctx, int handle);
    /* reserve - make the file `size` bytes long with its blocks allocated, and (zeros)
     * written; the size and the blocks are durable only after sync */
    int     (*reserve)(void *ctx, int handle, uint64_t size, bool zeros);
    ssize_t (*write)(void *ctx, int handle, struct slice bytes, uint64_t at);   /* may be short */
    ssize_t (*read)(void *ctx, int handle, char *to, size_t n, uint64_t at);    /* short only at the end */
    int64_t (*size)(void *ctx, int handle);
    int     (*truncate)(void *ctx, int handle, uint64_t size);
    int     (*sync)(void *ctx, int handle);         /* data, and metadata needed to read it */
    int     (*rename)(void *ctx, const char *from, const char *to);     /* replaces */
    int     (*unlink)(void *ctx, const char *name);
    int     (*list)(void *ctx, const char *dir, disk_name_f *each, void *user);
    int     (*make_dir)(void *ctx, const char *dir);    /* 0 also if it is there */
    int     (*sync_dir)(void *ctx, const char *dir);
    int     (*lock)(void *ctx, const char *name, unsigned *holder); /* -EWOULDBLOCK: held by pid *holder */
    int64_t (*free_bytes)(void *ctx);
    int     (*fd)(void *ctx, int handle);   /* a descriptor to pass on, or -errno (simulation) */
    void    (*sync_soon)(void *ctx, int handle);    /* begin what sync will wait for; or NULL */
    int     (*unnamed)(void *ctx);      /* a file that lives as long as its descriptor; or NULL */
};

/* disk_write_all - all of it, from octet `at` on, however little a write takes; 0, or a negative
 * errno. A disk that takes nothing and says nothing is full. */
int disk_write_all(const struct disk *disk, int handle, struct slice bytes, uint64_t at);

/* disk_real - the file system under `spool` (made if missing, mode 0700). NULL
 * and *error on failure. Free it with disk_real_free. */
struct disk *disk_real(const char *spool, int *error);
void disk_real_free(struct disk *disk);
