/* store.c - let one store hold mail, a while at a time, and tell what that cost.
 *
 *     store journal|files|FILE.so DIR KEPT SIZE WARM
 *
 * Messages of SIZE octets, each with an envelope, come in groups, as a mail server's
 * sessions give them: a group is durable before the next one begins. Each message
 * leaves again when KEPT others have come behind it. First that goes on for WARM
 * seconds, so that what a store does ahead and afterwards is under way. Then every
 * line "GROUP SECONDS" on standard input is answered, after so long, by one object of
 * JSON: messages, seconds, milliseconds of a group (median and p99), and, since the
 * answer before, cpu_seconds of all threads and octets written. So several stores can
 * take turns, each of them waiting while another is measured.
 *
 * At the end of the input the store is closed, opened again, and what is in it counted.
 */
#include <dlfcn.h>
#include <err.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include "store.h"

enum { WARM_GROUP = 200, GROUP_MAX = 1000, GROUPS_MAX = 1 << 20 };

struct work {
    const struct store *store;
    void       *mail;       /* the open store */
    const char *dir;
    uint64_t    kept, size;
    char       *body;       /* of a whole group: octets live till it is durable */
    uint64_t    last;       /* the newest message's id */
    double     *took;       /* seconds of each group */
    double      cpu;        /* at the last answer */
    uint64_t    written;
};

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double cpu(void)
{
    struct rusage u;

    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec)
         + (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

/* written - octets that this process handed to the kernel, so far. (What the kernel says
 * it will send to the disk counts whole folios, however little of one was touched.) */
static uint64_t written(void)
{
    FILE *f = fopen("/proc/self/io", "r");
    uint64_t n = 0;
    char line[128];

    while (f != NULL && fgets(line, sizeof line, f) != NULL)
        if (sscanf(line, "wchar: %" SCNu64, &n) == 1)
            break;
    if (f != NULL)
        fclose(f);
    return n;
}

static const struct store *store_find(const char *name)
{
    const struct store *found;
    void *library;

    if (strcmp(name, "journal") == 0)
        return &store_journal;
    if (strcmp(name, "files") == 0)
        return &store_files;
    library = dlopen(name, RTLD_NOW);
    found = library != NULL ? dlsym(library, "the_store") : NULL;
    if (found == NULL)
        errx(1, "%s", dlerror());
    return found;
}

/* Every body differs in its first octets, so that nothing can be shared. */
static void one_group(struct work *w, uint64_t n)
{
    char envelope[128], *body = w->body;
    uint64_t id;
    int used;

    for (uint64_t i = 0; i < n; i++, body += w->size) {
        id = ++w->last;
        used = snprintf(envelope, sizeof envelope, "sender%" PRIu64 "@bench.test recipient%" PRIu64 "@bench.test",
                        id, id);
        memcpy(body, &id, sizeof id);
        w->store->put(w->mail, id, (struct octets){ envelope, (size_t)used }, (struct octets){ body, w->size });
        if (id > w->kept)
            w->store->remove(w->mail, id - w->kept);
    }
    w->store->commit(w->mail);
}

static void warm_up(struct work *w, double seconds)
{
    for (double begin = now(); now() - begin < seconds;)
        one_group(w, WARM_GROUP);
}

/* fill - how many groups came; *seconds: how long it took, a little more than was asked for */
static uint64_t fill(struct work *w, uint64_t group, double *seconds)
{
    double start = now(), begin = start, end = start;
    uint64_t n = 0;

    for (; n == 0 || (end - start < *seconds && n < GROUPS_MAX); begin = end) {
        one_group(w, group);
        end = now();
        w->took[n++] = end - begin;
    }
    *seconds = end - start;
    return n;
}

static int shorter(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static void answer(struct work *w, uint64_t group, double seconds)
{
    uint64_t n = fill(w, group, &seconds), disk = written();
    double spent = cpu();

    qsort(w->took, n, sizeof w->took[0], shorter);
    printf("{\"messages\": %" PRIu64 ", \"seconds\": %.6f, \"cpu_seconds\": %.6f, \"written\": %" PRIu64
           ", \"median_ms\": %.4f, \"p99_ms\": %.4f}\n", n * group, seconds, spent - w->cpu, disk - w->written,
           w->took[n / 2] * 1e3, w->took[n * 99 / 100] * 1e3);
    fflush(stdout);
    w->cpu = spent;
    w->written = disk;
}

static void take_turns(struct work *w)
{
    uint64_t group;
    double seconds;
    char line[128];

    w->cpu = cpu();
    w->written = written();
    while (fgets(line, sizeof line, stdin) != NULL) {
        if (sscanf(line, "%" SCNu64 " %lf", &group, &seconds) != 2 || group == 0 || group > GROUP_MAX)
            errx(64, "GROUP (1 to %d) SECONDS, not %s", GROUP_MAX, line);
        answer(w, group, seconds);
    }
}

static void check(struct work *w)
{
    uint64_t there, want = w->last < w->kept ? w->last : w->kept;

    w->mail = w->store->open(w->dir);
    there = w->store->count(w->mail);
    if (there != want)
        errx(1, "%" PRIu64 " messages are there, not %" PRIu64, there, want);
    w->store->close(w->mail);
}

int main(int argc, char **argv)
{
    struct work w;

    if (argc != 6)
        errx(64, "usage: store journal|files|FILE.so DIR KEPT SIZE WARM");
    w = (struct work){ .store = store_find(argv[1]), .dir = argv[2], .kept = strtoull(argv[3], NULL, 10),
                       .size = strtoull(argv[4], NULL, 10) };
    if (w.kept < GROUP_MAX || w.size < sizeof w.last)
        errx(64, "KEPT is no less than %d, SIZE no less than %zu", GROUP_MAX, sizeof w.last);
    w.body = malloc(GROUP_MAX * w.size);
    w.took = calloc(GROUPS_MAX, sizeof w.took[0]);
    if (w.body == NULL || w.took == NULL)
        err(1, "memory");
    memset(w.body, 'x', GROUP_MAX * w.size);
    w.mail = w.store->open(w.dir);
    warm_up(&w, strtod(argv[5], NULL));
    take_turns(&w);
    w.store->close(w.mail);
    check(&w);
    free(w.body);
    free(w.took);
    return 0;
}
