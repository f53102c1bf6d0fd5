/* disk_mem.c - files in an array, names of 100 bytes. */
#include <errno.h>
#include <stdlib.h>
#include "disk_mem.h"

enum { FILES_MAX = 4096, NAME_MAX_MEM = 100 };

struct mem_file {
    char    *p;
    uint64_t size, cap;
    char     name[NAME_MAX_MEM];    /* "": it has none (any more) */
    unsigned open;
};

struct mem {
    struct disk      disk;          /* first */
    struct mem_file *files[FILES_MAX];
    struct mem_file *handles[FILES_MAX];
    int64_t          room;
    int              fail;
    bool             locked;
};

static struct mem_file *by_name(struct mem *m, const char *name)
{
    for (size_t i = 0; i < FILES_MAX; i++)
        if (m->files[i] != NULL && strcmp(m->files[i]->name, name) == 0)
            return m->files[i];
    return NULL;
}

static void forget(struct mem *m, struct mem_file *f)
{
    if (f->open > 0 || f->name[0] != '\0')
        return;
    for (size_t i = 0; i < FILES_MAX; i++)
        if (m->files[i] == f)
            m->files[i] = NULL;
    free(f->p);
    free(f);
}

static struct mem_file *create(struct mem *m, const char *name)
{
    for (size_t i = 0; i < FILES_MAX; i++)
        if (m->files[i] == NULL) {
            m->files[i] = calloc(1, sizeof *m->files[i]);
            strncpy(m->files[i]->name, name, NAME_MAX_MEM - 1);
            return m->files[i];
        }
    abort();
}

static int mem_open(void *ctx, const char *name, unsigned how)
{
    struct mem *m = ctx;
    struct mem_file *f = by_name(m, name);

    if ((how & DISK_CREATE) && f != NULL)
        return -EEXIST;
    if (!(how & DISK_CREATE) && f == NULL)
        return -ENOENT;
    if (f == NULL)
        f = create(m, name);
    for (int i = 0; i < FILES_MAX; i++)
        if (m->handles[i] == NULL) {
            m->handles[i] = f;
            f->open++;
            return i;
        }
    abort();
}

static int mem_close(void *ctx, int handle)
{
    struct mem *m = ctx;
    struct mem_file *f = m->handles[handle];

    m->handles[handle] = NULL;
    f->open--;
    forget(m, f);
    return 0;
}

static int set_size(struct mem_file *f, uint64_t size)
{
    if (size > f->cap) {
        f->p = realloc(f->p, size);
        if (f->p == NULL)
            abort();
        memset(f->p + f->cap, 0, size - f->cap);
        f->cap = size;
    }
    if (size < f->size)
        memset(f->p + size, 0, f->size - size);
    f->size = size;
    return 0;
}

static int mem_reserve(void *ctx, int handle, uint64_t size, bool zeros)
{
    struct mem *m = ctx;

    (void)zeros;
    return m->fail != 0 ? -m->fail
         : m->handles[handle]->size < size ? set_size(m->handles[handle], size) : 0;
}

static int mem_truncate(void *ctx, int handle, uint64_t size)
{
    return set_size(((struct mem *)ctx)->handles[handle], size);
}

static ssize_t mem_write(void *ctx, int handle, struct slice bytes, uint64_t at)
{
    struct mem *m = ctx;
    struct mem_file *f = m->handles[handle];

    if (m->fail != 0)
        return -m->fail;
    if (at + bytes.n > f->size)
        set_size(f, at + bytes.n);
    memcpy(f->p + at, bytes.p, bytes.n);
    return (ssize_t)bytes.n;
}

static ssize_t mem_read(void *ctx, int handle, char *to, size_t n, uint64_t at)
{
    const struct mem_file *f = ((struct mem *)ctx)->handles[handle];

    if (at >= f->size)
        return 0;
    if (n > f->size - at)
        n = (size_t)(f->size - at);
    memcpy(to, f->p + at, n);
    return (ssize_t)n;
}

static int64_t mem_size(void *ctx, int handle)
{
    return (int64_t)((struct mem *)ctx)->handles[handle]->size;
}

static int mem_sync(void *ctx, int handle)
{
    (void)handle;
    return -((struct mem *)ctx)->fail;
}

static int mem_unlink(void *ctx, const char *name)
{
    struct mem_file *f = by_name(ctx, name);

    if (f == NULL)
        return -ENOENT;
    f->name[0] = '\0';
    forget(ctx, f);
    return 0;
}

static int mem_rename(void *ctx, const char *from, const char *to)
{
    struct mem_file *f = by_name(ctx, from);

    if (f == NULL)
        return -ENOENT;
    mem_unlink(ctx, to);
    strncpy(f->name, to, NAME_MAX_MEM - 1);
    return 0;
}

static int mem_list(void *ctx, const char *dir, disk_name_f *each, void *user)
{
    struct mem *m = ctx;
    size_t n = strlen(dir);

    for (size_t i = 0; i < FILES_MAX; i++) {
        const char *name = m->files[i] != NULL ? m->files[i]->name : "";
        char copy[NAME_MAX_MEM];

        if (strncmp(name, dir, n) != 0 || name[n] != '/' || strchr(name + n + 1, '/') != NULL)
            continue;
        strcpy(copy, name + n + 1);
        each(user, copy);
    }
    return 0;
}

static int mem_dir(void *ctx, const char *dir)
{
    (void)ctx;
    (void)dir;
    return 0;
}

static int mem_lock(void *ctx, const char *name, unsigned *holder)
{
    struct mem *m = ctx;

    (void)name;
    *holder = 1;
    if (m->locked)
        return -EWOULDBLOCK;
    m->locked = true;
    return 0;
}

static int64_t mem_free_bytes(void *ctx)
{
    return ((struct mem *)ctx)->room;
}

static int mem_fd(void *ctx, int handle)
{
    (void)ctx;
    (void)handle;
    return -ENOSYS;
}

struct disk *disk_mem(int64_t room)
{
    struct mem *m = calloc(1, sizeof *m);

    m->disk = (struct disk){
        .ctx = m, .open = mem_open, .close = mem_close, .reserve = mem_reserve,
        .write = mem_write, .read = mem_read, .size = mem_size, .truncate = mem_truncate,
        .sync = mem_sync, .rename = mem_rename, .unlink = mem_unlink, .list = mem_list,
        .make_dir = mem_dir, .sync_dir = mem_dir, .lock = mem_lock,
        .free_bytes = mem_free_bytes, .fd = mem_fd,
    };
    m->room = room;
    return &m->disk;
}

void disk_mem_free(struct disk *disk)
{
    struct mem *m = disk->ctx;

    for (size_t i = 0; i < FILES_MAX; i++)
        if (m->files[i] != NULL) {
            free(m->files[i]->p);
            free(m->files[i]);
        }
    free(m);
}

void disk_mem_room(struct disk *disk, int64_t room)
{
    ((struct mem *)disk->ctx)->room = room;
}

void disk_mem_fail(struct disk *disk, int error)
{
    ((struct mem *)disk->ctx)->fail = error;
}

void disk_mem_unlock(struct disk *disk)
{
    struct mem *m = disk->ctx;

    m->locked = false;
    for (size_t i = 0; i < FILES_MAX; i++)
        if (m->handles[i] != NULL)
            mem_close(m, (int)i);
}
