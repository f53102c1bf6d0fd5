/* digits.h - numbers as decimal text, for what is written with every message.
 *
 * printf() reads its format each time and cares for the locale; where a line of log,
 * a reply or a header field is made for each message, that costs more than the rest.
 */
#pragma once
#include "base/slice.h"

enum { DIGITS_TEXT = 24 };      /* room for the longest, with its sign */

/* digits_text - v as "-123"; the text is in `room` */
static inline struct slice digits_text(int64_t v, char room[DIGITS_TEXT])
{
    uint64_t n = v < 0 ? -(uint64_t)v : (uint64_t)v;
    size_t at = DIGITS_TEXT;

    do
        room[--at] = (char)('0' + n % 10);
    while ((n /= 10) > 0);
    if (v < 0)
        room[--at] = '-';
    return slice_of(room + at, DIGITS_TEXT - at);
}

/* digits_put - the last `width` digits of v, zeros before them; returns what follows */
static inline char *digits_put(char *to, unsigned v, unsigned width)
{
    for (unsigned i = width; i > 0; i--, v /= 10)
        to[i - 1] = (char)('0' + v % 10);
    return to + width;
}
