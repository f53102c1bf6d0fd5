/* counters.c - this process's own counts. */
#include "log/counters.h"

uint64_t counters[COUNTER_COUNT];
