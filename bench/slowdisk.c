/* slowdisk.c - a disk that is slow to sync, for whatever program it is preloaded into.
 *
 *     LD_PRELOAD=build/bench/slowdisk.so SLOWDISK_MS=2 program...
 *
 * Every fsync, fdatasync, sync_file_range, msync, syncfs and sync returns so many
 * milliseconds later than it would (fractions are possible), in the thread that
 * called it; any number of threads may wait at once, as a disk that is far away
 * lets them. Without SLOWDISK_MS nothing is delayed.
 *
 * A program that cleans its children's environment must be told to keep both
 * names (Postfix: import_environment). A sync that is asked for in another way, by
 * a flag of open or by io_uring, is not seen here.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static long long delay_ns;

/* linger - the result passes through here, and errno with it */
static int linger(int result)
{
    enum { SECOND = 1000000000 };
    int error = errno;
    struct timespec t;
    long long ns;

    clock_gettime(CLOCK_MONOTONIC, &t);
    ns = t.tv_nsec + delay_ns;
    t.tv_sec += (time_t)(ns / SECOND);
    t.tv_nsec = (long)(ns % SECOND);
    while (delay_ns > 0 && clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR)
        ;
    errno = error;
    return result;
}

/* One for each call: the kernel's own, then the delay. */
#define SLOW(name, params, ...)                                             \
    int name params                                                         \
    {                                                                       \
        return linger((int)syscall(SYS_##name, __VA_ARGS__));               \
    }

SLOW(fsync,           (int fd), fd)
SLOW(fdatasync,       (int fd), fd)
SLOW(syncfs,          (int fd), fd)
SLOW(msync,           (void *at, size_t n, int flags), at, n, flags)
SLOW(sync_file_range, (int fd, off_t at, off_t n, unsigned flags), fd, at, n, flags)

void sync(void)
{
    linger((int)syscall(SYS_sync));
}

__attribute__((constructor)) static void begin(void)
{
    const char *ms = getenv("SLOWDISK_MS");
    double value = ms != NULL ? strtod(ms, NULL) : 0;

    if (value > 0 && value < 60000)
        delay_ns = (long long)(value * 1e6);
}
