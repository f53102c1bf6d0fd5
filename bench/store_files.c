/* store_files.c - one file a message: written, synced, and its name synced.
 *
 * As in a server with many processes, several files are written and synced at once;
 * the folder is synced once for the whole group, which no server does so well.
 */
#include <dirent.h>
#include <err.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>
#include "store.h"

enum { THREADS = 8, GROUP_MAX = 4096 };

struct message {
    uint64_t      id;
    char          envelope[128];
    struct octets body;
};

struct files {
    int               dir;
    struct message    messages[GROUP_MAX];
    size_t            n;
    atomic_size_t     next;
    bool              stop;
    pthread_t         threads[THREADS];
    pthread_barrier_t begin, end;
};

static void file_write(struct files *f, const struct message *m)
{
    struct iovec parts[] = { { (char *)m->envelope, sizeof m->envelope }, { (char *)m->body.p, m->body.n } };
    char name[32];
    int fd;

    snprintf(name, sizeof name, "%" PRIx64, m->id);
    fd = openat(f->dir, name, O_WRONLY | O_CREAT | O_EXCL, 0600);
    if (fd < 0 || writev(fd, parts, 2) != (ssize_t)(sizeof m->envelope + m->body.n) || fdatasync(fd) < 0)
        err(1, "%s", name);
    close(fd);
}

static void *file_thread(void *arg)
{
    struct files *f = arg;
    size_t i;

    for (;;) {
        pthread_barrier_wait(&f->begin);
        if (f->stop)
            return NULL;
        while ((i = atomic_fetch_add(&f->next, 1)) < f->n)
            file_write(f, &f->messages[i]);
        pthread_barrier_wait(&f->end);
    }
}

static void *files_open(const char *dir)
{
    struct files *f = calloc(1, sizeof *f);

    if (f == NULL || (f->dir = open(dir, O_RDONLY | O_DIRECTORY)) < 0)
        err(1, "%s", dir);
    pthread_barrier_init(&f->begin, NULL, THREADS + 1);
    pthread_barrier_init(&f->end, NULL, THREADS + 1);
    for (int i = 0; i < THREADS; i++)
        if (pthread_create(&f->threads[i], NULL, file_thread, f) != 0)
            errx(1, "a thread");
    return f;
}

static void files_put(void *store, uint64_t id, struct octets envelope, struct octets body)
{
    struct files *f = store;
    struct message *m = &f->messages[f->n];

    if (++f->n > GROUP_MAX)
        errx(1, "a group of more than %d", GROUP_MAX);
    m->id = id;
    m->body = body;
    snprintf(m->envelope, sizeof m->envelope, "%.*s\n", (int)envelope.n, envelope.p);
}

static void files_remove(void *store, uint64_t id)
{
    struct files *f = store;
    char name[32];

    snprintf(name, sizeof name, "%" PRIx64, id);
    if (unlinkat(f->dir, name, 0) < 0)
        err(1, "%s", name);
}

static void files_commit(void *store)
{
    struct files *f = store;

    atomic_store(&f->next, 0);
    if (f->n == 1) {
        file_write(f, &f->messages[0]);     /* waking threads would cost more than it helps */
    } else {
        pthread_barrier_wait(&f->begin);
        pthread_barrier_wait(&f->end);
    }
    f->n = 0;
    if (fsync(f->dir) < 0)
        err(1, "sync of the folder");
}

static uint64_t files_count(void *store)
{
    struct files *f = store;
    DIR *d = fdopendir(dup(f->dir));
    struct dirent *e;
    uint64_t n = 0;

    while (d != NULL && (e = readdir(d)) != NULL)
        n += e->d_name[0] != '.';
    if (d != NULL)
        closedir(d);
    return n;
}

static void files_close(void *store)
{
    struct files *f = store;

    f->stop = true;
    pthread_barrier_wait(&f->begin);
    for (int i = 0; i < THREADS; i++)
        pthread_join(f->threads[i], NULL);
    close(f->dir);
    free(f);
}

const struct store store_files = {
    files_open, files_put, files_remove, files_commit, files_count, files_close,
};
