/* histogram.c - buckets that grow with what they count. */
#include "cli/histogram.h"

/* bucket_of - the number itself while it is small; above that its leading bits, and
 * behind those of all smaller powers of two */

static unsigned bucket_of(uint64_t v)
{
    unsigned shift;

    if (v < (uint64_t)2 * HISTOGRAM_STEPS)
        return (unsigned)v;
    shift = 64 - HISTOGRAM_BITS - (unsigned)__builtin_clzll(v);
    return shift * HISTOGRAM_STEPS + (unsigned)(v >> shift);
}

/* bucket_middle - what stands for all that fell into a bucket */

static int64_t bucket_middle(unsigned i)
{
    unsigned shift = i < 2 * HISTOGRAM_STEPS ? 0 : i / HISTOGRAM_STEPS - 1;
    uint64_t low = (uint64_t)(i - shift * HISTOGRAM_STEPS) << shift;

    return (int64_t)(low + (((uint64_t)1 << shift) >> 1));
}

void histogram_add(struct histogram *h, int64_t ns)
{
    if (ns < 0)
        ns = 0;
    if (h->count == 0 || ns < h->min)
        h->min = ns;
    if (ns > h->max)
        h->max = ns;
    h->count++;
    h->buckets[bucket_of((uint64_t)ns)]++;
}

int64_t histogram_at(const struct histogram *h, double q)
{
    uint64_t rank = (uint64_t)(q * (double)h->count), seen = 0;
    int64_t at = h->max;

    if (rank >= h->count)
        return h->max;
    for (unsigned i = 0; i < HISTOGRAM_SIZE; i++) {
        seen += h->buckets[i];
        if (seen > rank) {
            at = bucket_middle(i);
            break;
        }
    }
    return at < h->min ? h->min : at > h->max ? h->max : at;
}
