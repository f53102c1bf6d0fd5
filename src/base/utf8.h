/* utf8.h - code points in bytes from outside, by the strict rules of RFC 3629.
 *
 * Overlong forms, surrogates and anything beyond U+10FFFF are not UTF-8, and
 * never pass for it.
 */
#pragma once
#include "base/slice.h"

/* utf8_next - take one code point from the front of *rest. False: *rest is empty,
 * or its front is no UTF-8 (then *rest is left as it was). */
bool utf8_next(struct slice *rest, uint32_t *point);

/* utf8_valid - all of s is UTF-8; ASCII is, NUL and controls included */
bool utf8_valid(struct slice s);

/* utf8_shows - may this code point be shown to a person within a line? Not C0, C1,
 * DEL, line and paragraph separators, the controls of writing direction (which
 * make a text look like another), byte-order mark, tags and noncharacters. */
bool utf8_shows(uint32_t point);

/* utf8_seen - does it show, and as something? Not joiners and other characters without a
 * shape either: for those who read a log or a terminal and must see what is there. */
bool utf8_seen(uint32_t point);

/* utf8_printable - UTF-8 in which every code point shows */
bool utf8_printable(struct slice s);

/* utf8_ascii - no octet above 127 */
bool utf8_ascii(struct slice s);

/* utf8_plain - how many octets at the front are printable ASCII, the space included, that
 * stands for itself between quotes: neither quote nor backslash */
size_t utf8_plain(struct slice s);
