/* histogram.h - how often which duration came, in memory of a fixed size.
 *
 * Log-linear: up to 128 ns one bucket each, above that 64 buckets for every power of
 * two, so that a quantile is at most 1.6 % from the truth, whatever its size.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

enum {
    HISTOGRAM_BITS  = 7,        /* significant bits that are kept of a duration */
    HISTOGRAM_STEPS = 1 << (HISTOGRAM_BITS - 1),
    HISTOGRAM_SIZE  = (64 - HISTOGRAM_BITS + 2) * HISTOGRAM_STEPS,
};

/* All-zero is an empty one. */
struct histogram {
    uint64_t count;
    int64_t  min, max;          /* ns, exact */
    uint64_t buckets[HISTOGRAM_SIZE];
};

/* histogram_add - one duration in ns; a negative one counts as 0 */
void histogram_add(struct histogram *h, int64_t ns);

/* histogram_at - the duration in ns which a share `q` (0 to 1) did not exceed; 0 when empty */
int64_t histogram_at(const struct histogram *h, double q);
