/* date.h - moments as mail writes them: RFC 5322 in header fields, RFC 3339 in
 * parameters.
 *
 * A moment is milliseconds since 1970, in the years 1 to 9999. Reading is strict:
 * days that do not exist, hours beyond 23 and texts with something behind them
 * are refused; a leap second (60) counts as the second after it.
 */
#pragma once
#include "base/slice.h"

enum { DATE_TEXT = 40, DATE_STAMP_MS = sizeof "2026-11-22T01:02:03.045Z" - 1 };

/* date_text - RFC 5322 §3.3, in UTC: "Sun, 22 Nov 2026 01:02:03 +0000", with a
 * NUL; before 1970 counts as 1970. Returns text. Made anew only for another second than the
 * last one: it stands in every message. */
char *date_text(int64_t wall_ms, char text[DATE_TEXT]);

/* date_stamp - RFC 3339 §5.6, in UTC: "2026-11-22T01:02:03Z", with a NUL (HOLDUNTIL,
 * RRVS). Returns text. */
char *date_stamp(int64_t wall_ms, char text[DATE_TEXT]);

/* date_stamp_ms - the same with milliseconds: "2026-11-22T01:02:03.045Z". For what is
 * written with every message: most are of the same second as the one before. */
char *date_stamp_ms(int64_t wall_ms, char text[DATE_TEXT]);

/* date_parse_stamp - all of s as date-time of RFC 3339 §5.6: "2014-04-03T23:01:00Z",
 * "2014-04-03T23:01:00.25-07:00". False: it is none. */
bool date_parse_stamp(struct slice s, int64_t *wall_ms);

/* date_parse - all of s as date-time of RFC 5322 §3.3, folds and comments around its
 * words allowed: "Sun, 22 Nov 2026 01:02:03 +0100 (CET)". Of the obsolete forms (§4.3)
 * only the zones UT and GMT. A day of the week must be the right one. */
bool date_parse(struct slice s, int64_t *wall_ms);
