/* draw.h - numbers at random that a seed repeats (xorshift64*). */
#pragma once
#include <stdint.h>

/* draw_below - the next number, of [0, n); the state is never 0 */

static inline uint64_t draw_below(uint64_t *state, uint64_t n)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return (*state * 0x2545f4914f6cdd1du >> 16) % n;
}
