/* date.h - a moment as header fields write it. */
#pragma once
#include <stdint.h>

enum { DATE_TEXT = 40 };

/* date_text - RFC 5322 §3.3, in UTC: "Sun, 22 Nov 2026 01:02:03 +0000", with a
 * NUL; wall_ms counts from 1970. Returns text. */
char *date_text(int64_t wall_ms, char text[DATE_TEXT]);
