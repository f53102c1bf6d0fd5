/* target.h - what every fuzz target is: one function that must not fall over. */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include "base/slice.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* must - a property of ours; broken means a bug, and the fuzzer keeps the input */
static inline void must(bool kept)
{
    if (!kept)
        abort();
}

static inline struct slice target_input(const uint8_t *data, size_t size)
{
    return slice_of((const char *)data, size);
}
