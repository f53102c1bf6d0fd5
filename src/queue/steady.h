/* steady.h - how old a message is, whatever the wall clock does.
 *
 * Wall time is for stamps; a message must not expire because somebody set the
 * clock ten years ahead (F15). So beside the wall clock goes a steady one:
 * monotonic time plus an offset that follows the wall clock only in small
 * steps. The age of a message is the smaller of what both say, unless one of
 * them knows nothing of its time. After a jump of more than an hour nothing
 * expires until the new time has stood for ten minutes.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct steady {
    int64_t mono, wall;         /* now */
    int64_t offset;             /* steady time is mono + offset */
    int64_t seen;               /* wall - mono, as last believed or doubted */
    int64_t since;              /* mono ms: when the doubt began */
    bool    doubt;
};

/* steady_start - last: the newest wall time that the spool knows; 0: none */
void steady_start(struct steady *s, int64_t mono, int64_t wall, int64_t last);

/* steady_see - it is now; call often */
void steady_see(struct steady *s, int64_t mono, int64_t wall);

/* steady_age - ms since `arrived` (wall ms), at least 0 */
int64_t steady_age(const struct steady *s, int64_t arrived);

/* steady_future - is `arrived` more than an hour ahead, by both clocks? Then it
 * was stamped by a wrong one. */
bool steady_future(const struct steady *s, int64_t arrived);

/* steady_sure - may anything expire now? */
bool steady_sure(const struct steady *s);
