/* thrift.c - thresholds of the C library's heap, and when to trim it. */
#include <malloc.h>
#include "base/thrift.h"

enum {
    LARGE  = 4 << 20,       /* a block of its own, that leaves no hole in the heap */
    AT_ONCE = 256 << 10,    /* how much more is asked of the system */
};

void thrift_begin(size_t spare)
{
    mallopt(M_MMAP_THRESHOLD, LARGE);
    mallopt(M_TRIM_THRESHOLD, (int)spare);
    mallopt(M_TOP_PAD, AT_ONCE);
}

bool thrift_quiet(struct thrift *t, uint64_t done)
{
    bool was = t->busy;

    t->busy = done != t->before;
    t->before = done;
    return was && !t->busy;
}

void thrift_return(void)
{
    malloc_trim(0);
}
