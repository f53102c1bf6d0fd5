/* floor_log.c - two batches: one fills while the other is written and synced. */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>
#include "floor_log.h"

enum {
    PAGE = 4096,
    BATCH = 8 << 20,            /* room of a batch */
    SPILL = 1 << 20,            /* written without a sync when so much waits and no message is complete */
    MAGIC = 0x524f4c46,         /* "FLOR" */
};

struct batch_head { uint32_t magic, octets; uint64_t number; };
struct read_head { uint32_t session, octets; };

struct batch {
    char        *memory;
    size_t       used;
    struct tally tally;
};

struct log {
    int          fd, event_fd;
    uint64_t     size, at;          /* of the file; where the next batch goes */
    uint64_t     number;            /* of the batch that is being filled */
    uint64_t     syncs;
    struct batch batch[2];
    bool         busy, stop;        /* busy: the thread has the other batch */
    pthread_t    thread;
    sem_t        given, done;
};

/* --- the thread ------------------------------------------------------------- */

static void write_whole(struct log *l, const char *p, size_t n)
{
    ssize_t done;

    for (size_t at = 0; at < n; at += (size_t)done) {
        done = pwrite(l->fd, p + at, n - at, (off_t)(l->at + at));
        if (done <= 0)
            err(1, "write to the log");
    }
}

static void batch_write(struct log *l, struct batch *b)
{
    size_t n = (b->used + PAGE - 1) / PAGE * PAGE;

    memset(b->memory + b->used, 0, n - b->used);
    if (l->at + n > l->size)
        l->at = 0;
    write_whole(l, b->memory, n);
    l->at += n;
    if (b->tally.messages == 0)
        return;
    if (fdatasync(l->fd) < 0)
        err(1, "sync of the log");
    l->syncs++;
}

static void *log_thread(void *arg)
{
    struct log *l = arg;
    uint64_t one = 1;

    for (;;) {
        while (sem_wait(&l->given) < 0)
            ;
        if (l->stop)
            return NULL;
        batch_write(l, &l->batch[(l->number - 1) & 1]);
        sem_post(&l->done);
        if (write(l->event_fd, &one, sizeof one) < 0)
            err(1, "eventfd");
    }
}

/* --- its owner -------------------------------------------------------------- */

static struct batch *filling(const struct log *l)
{
    return (struct batch *)&l->batch[l->number & 1];
}

static void batch_reset(struct batch *b)
{
    b->used = sizeof(struct batch_head);
    b->tally = (struct tally){ 0 };
}

static void zero_ahead(struct log *l)
{
    char *zeros = l->batch[0].memory;

    for (l->at = 0; l->at < l->size; l->at += BATCH)
        write_whole(l, zeros, BATCH);
    if (fsync(l->fd) < 0)
        err(1, "sync of the log");
    l->at = 0;
}

static void memory_get(struct batch *b)
{
    b->memory = mmap(NULL, BATCH, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (b->memory == MAP_FAILED)
        err(1, "memory");
    batch_reset(b);
}

/* Not every file system can do without its cache. */
static int file_open(const char *dir, bool direct)
{
    enum { HOW = O_RDWR | O_CREAT | O_CLOEXEC };
    char path[4096];
    int fd;

    snprintf(path, sizeof path, "%s/log", dir);
    fd = open(path, HOW | (direct ? O_DIRECT : 0), 0600);
    if (fd < 0 && errno == EINVAL)
        fd = open(path, HOW, 0600);
    if (fd < 0)
        err(1, "%s", path);
    return fd;
}

struct log *log_open(const char *dir, uint64_t size, bool direct, int *event_fd)
{
    struct log *l = calloc(1, sizeof *l);

    if (l == NULL)
        err(1, "memory");
    l->fd = file_open(dir, direct);
    l->size = (size + BATCH - 1) / BATCH * BATCH;
    memory_get(&l->batch[0]);
    memory_get(&l->batch[1]);
    zero_ahead(l);
    l->event_fd = *event_fd = eventfd(0, EFD_CLOEXEC);
    sem_init(&l->given, 0, 0);
    sem_init(&l->done, 0, 0);
    if (l->event_fd < 0 || pthread_create(&l->thread, NULL, log_thread, l) != 0)
        err(1, "the thread that syncs");
    return l;
}

void log_close(struct log *l)
{
    l->stop = true;
    sem_post(&l->given);
    pthread_join(l->thread, NULL);
    for (int b = 0; b < 2; b++)
        munmap(l->batch[b].memory, BATCH);
    close(l->event_fd);
    close(l->fd);
    free(l);
}

char *log_room(struct log *l, size_t *room)
{
    struct batch *b = filling(l);

    *room = BATCH - b->used - sizeof(struct read_head);
    return b->memory + b->used + sizeof(struct read_head);
}

bool log_full(const struct log *l)
{
    return BATCH - filling(l)->used < LOG_READ + sizeof(struct read_head);
}

void log_took(struct log *l, uint32_t session, size_t n)
{
    struct batch *b = filling(l);
    struct read_head head = { session, (uint32_t)n };

    memcpy(b->memory + b->used, &head, sizeof head);
    b->used += sizeof head + n;
}

struct tally *log_tally(struct log *l)
{
    return &filling(l)->tally;
}

unsigned log_batch(const struct log *l)
{
    return l->number & 1;
}

void log_begin(struct log *l)
{
    struct batch *b = filling(l);
    struct batch_head head = { MAGIC, (uint32_t)(b->used - sizeof head), l->number };

    if (l->busy || (b->tally.messages == 0 && b->used < SPILL))
        return;
    memcpy(b->memory, &head, sizeof head);
    l->busy = true;
    l->number++;
    sem_post(&l->given);
}

bool log_end(struct log *l, bool wait, unsigned *batch, struct tally *tally)
{
    struct batch *b = &l->batch[(l->number - 1) & 1];

    if (!l->busy)
        return false;
    while ((wait ? sem_wait(&l->done) : sem_trywait(&l->done)) < 0)
        if (!wait)
            return false;
    *batch = (unsigned)(l->number - 1) & 1;
    *tally = b->tally;
    batch_reset(b);
    l->busy = false;
    return true;
}

uint64_t log_syncs(const struct log *l)
{
    return l->syncs;
}
