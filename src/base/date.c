/* date.c - the names of days and months do not depend on the locale. */
#include <time.h>
#include "base/date.h"
#include "base/ascii.h"
#include "base/cfws.h"
#include "base/digits.h"

static const char days[][4] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };
static const char months[][4] = {
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
};

static const time_t year_9999_ends = 253402300799;

static struct tm split(int64_t wall_ms)
{
    time_t seconds = wall_ms / 1000;
    struct tm t;

    if (seconds < 0)
        seconds = 0;
    if (seconds > year_9999_ends)
        seconds = year_9999_ends;
    gmtime_r(&seconds, &t);
    return t;
}

static char *put_digits(char *to, int v, unsigned width, char behind)
{
    to = digits_put(to, (unsigned)v, width);
    *to++ = behind;
    return to;
}

static char *put_name(char *to, const char name[4], const char *behind)
{
    return stpcpy(stpcpy(to, name), behind);
}

static char *put_clock(char *to, const struct tm *t)
{
    to = put_digits(to, t->tm_hour, 2, ':');
    to = put_digits(to, t->tm_min, 2, ':');
    return digits_put(to, (unsigned)t->tm_sec, 2);
}

static void put_date(char *p, const struct tm *t)
{
    p = put_name(p, days[t->tm_wday], ", ");
    p = put_digits(p, t->tm_mday, 2, ' ');
    p = put_name(p, months[t->tm_mon], " ");
    p = put_digits(p, t->tm_year + 1900, 4, ' ');
    p = put_clock(p, t);
    memcpy(p, " +0000", sizeof " +0000");
}

char *date_text(int64_t wall_ms, char text[DATE_TEXT])
{
    static _Thread_local char last[DATE_TEXT];
    static _Thread_local int64_t second = -1;
    int64_t ms = wall_ms > 0 ? wall_ms : 0;

    if (ms / 1000 != second) {
        struct tm t = split(ms);

        second = ms / 1000;
        put_date(last, &t);
    }
    return memcpy(text, last, DATE_TEXT);
}

char *date_stamp(int64_t wall_ms, char text[DATE_TEXT])
{
    struct tm t = split(wall_ms);
    char *p = put_digits(text, t.tm_year + 1900, 4, '-');

    p = put_digits(p, t.tm_mon + 1, 2, '-');
    p = put_digits(p, t.tm_mday, 2, 'T');
    p = put_clock(p, &t);
    memcpy(p, "Z", sizeof "Z");
    return text;
}

char *date_stamp_ms(int64_t wall_ms, char text[DATE_TEXT])
{
    enum { SECONDS = sizeof "2026-11-22T01:02:03" - 1 };
    static _Thread_local char stamp[DATE_TEXT];
    static _Thread_local int64_t second = -1;
    int64_t ms = wall_ms > 0 ? wall_ms : 0;

    if (ms / 1000 != second) {
        second = ms / 1000;
        date_stamp(ms, stamp);
    }
    memcpy(text, stamp, SECONDS);
    text[SECONDS] = '.';
    memcpy(digits_put(text + SECONDS + 1, (unsigned)(ms % 1000), 3), "Z", sizeof "Z");
    return text;
}

/* A moment as it was written. */
struct moment {
    unsigned year, month, day;      /* month 1 to 12 */
    unsigned hour, minute, second;
    unsigned ms;
    int      zone;                  /* minutes east of UTC */
};

static unsigned days_in(unsigned year, unsigned month)
{
    static const unsigned char length[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

    return length[month - 1] + (month == 2 && leap ? 1u : 0u);
}

/* day_number - days since 1970-01-01, in the Gregorian calendar throughout; years
 * begin with March here, so that the leap day is their last */

static int64_t day_number(unsigned year, unsigned month, unsigned day)
{
    int64_t y = (int64_t)year - (month < 3);
    int64_t of_year = (153 * (int64_t)(month < 3 ? month + 9 : month - 3) + 2) / 5 + day - 1;

    return 365 * y + y / 4 - y / 100 + y / 400 + of_year - 719468;
}

/* moment_ms - false: there is no such moment */

static bool moment_ms(const struct moment *m, int64_t *wall_ms)
{
    int64_t seconds;

    if (m->year < 1 || m->year > 9999 || m->month < 1 || m->month > 12
        || m->day < 1 || m->day > days_in(m->year, m->month)
        || m->hour > 23 || m->minute > 59 || m->second > 60)
        return false;
    seconds = day_number(m->year, m->month, m->day) * 86400
            + m->hour * 3600 + m->minute * 60 + m->second - m->zone * 60;
    *wall_ms = seconds * 1000 + m->ms;
    return true;
}

/* take_digits - `least` to `most` digits from the front of *s */

static bool take_digits(struct slice *s, size_t least, size_t most, unsigned *value)
{
    size_t n = 0;

    *value = 0;
    for (; n < most && n < s->n && ascii_digit(s->p[n]); n++)
        *value = *value * 10 + (unsigned)(s->p[n] - '0');
    *s = slice_from(*s, n);
    return n >= least;
}

static bool take_char(struct slice *s, char c)
{
    if (s->n == 0 || ascii_lower(s->p[0]) != c)
        return false;
    *s = slice_from(*s, 1);
    return true;
}

/* zone_make - hours and minutes east (+) or west (-) */

static bool zone_make(bool east, unsigned hours, unsigned minutes, int *zone)
{
    *zone = (int)(hours * 60 + minutes) * (east ? 1 : -1);
    return hours <= 23 && minutes <= 59;
}

/* take_fraction - milliseconds; what is finer is dropped */

static bool take_fraction(struct slice *s, unsigned *ms)
{
    unsigned scale = 100, digits = 0;

    *ms = 0;
    if (!take_char(s, '.'))
        return true;
    for (; s->n > 0 && ascii_digit(s->p[0]); *s = slice_from(*s, 1), scale /= 10, digits++)
        *ms += (unsigned)(s->p[0] - '0') * scale;
    return digits > 0 && digits <= 30;
}

static bool take_offset(struct slice *s, int *zone)
{
    unsigned hours, minutes;
    bool east;

    *zone = 0;
    if (take_char(s, 'z'))
        return true;
    east = take_char(s, '+');
    return (east || take_char(s, '-')) && take_digits(s, 2, 2, &hours) && take_char(s, ':')
        && take_digits(s, 2, 2, &minutes) && zone_make(east, hours, minutes, zone);
}

bool date_parse_stamp(struct slice s, int64_t *wall_ms)
{
    struct moment m;

    return take_digits(&s, 4, 4, &m.year) && take_char(&s, '-')
        && take_digits(&s, 2, 2, &m.month) && take_char(&s, '-')
        && take_digits(&s, 2, 2, &m.day) && take_char(&s, 't')
        && take_digits(&s, 2, 2, &m.hour) && take_char(&s, ':')
        && take_digits(&s, 2, 2, &m.minute) && take_char(&s, ':')
        && take_digits(&s, 2, 2, &m.second) && take_fraction(&s, &m.ms)
        && take_offset(&s, &m.zone) && s.n == 0 && moment_ms(&m, wall_ms);
}

/* RFC 5322. */

/* skip_gap - blanks, folds and comments, and at least some */

static bool skip_gap(struct slice *s)
{
    size_t before = s->n;

    return cfws_skip(s) && s->n < before;
}

/* take_name - one of n names of three letters */

static bool take_name(struct slice *s, const char (*names)[4], unsigned n, unsigned *which)
{
    for (*which = 0; *which < n; ++*which)
        if (slice_istarts(*s, slice_of(names[*which], 3))) {
            *s = slice_from(*s, 3);
            return true;
        }
    return false;
}

/* take_day_name - "Sun," if it is there; 7: it is not */

static bool take_day_name(struct slice *s, unsigned *which)
{
    if (s->n > 0 && ascii_digit(s->p[0])) {
        *which = 7;
        return true;
    }
    return take_name(s, days, 7, which) && cfws_skip(s) && take_char(s, ',') && cfws_skip(s);
}

static bool take_clock(struct slice *s, struct moment *m)
{
    struct slice after;

    m->second = m->ms = 0;
    if (!take_digits(s, 2, 2, &m->hour) || !cfws_skip(s) || !take_char(s, ':')
        || !cfws_skip(s) || !take_digits(s, 2, 2, &m->minute))
        return false;
    after = *s;
    if (!cfws_skip(&after) || !take_char(&after, ':'))
        return true;
    *s = after;
    return cfws_skip(s) && take_digits(s, 2, 2, &m->second);
}

static bool take_zone(struct slice *s, int *zone)
{
    unsigned hours, minutes;
    bool east;

    *zone = 0;
    if (slice_istarts(*s, SLICE_LIT("GMT")) || slice_istarts(*s, SLICE_LIT("UT"))) {
        *s = slice_from(*s, ascii_lower(s->p[0]) == 'g' ? 3 : 2);
        return true;
    }
    east = take_char(s, '+');
    return (east || take_char(s, '-')) && take_digits(s, 2, 2, &hours)
        && take_digits(s, 2, 2, &minutes) && zone_make(east, hours, minutes, zone);
}

/* day_agrees - 1970 began on a Thursday */

static bool day_agrees(const struct moment *m, unsigned day_name)
{
    int64_t n = day_number(m->year, m->month, m->day) + 4;

    return day_name == 7 || (n % 7 + 7) % 7 == day_name;
}

bool date_parse(struct slice s, int64_t *wall_ms)
{
    struct moment m;
    unsigned day_name, month;
    bool read = cfws_skip(&s) && take_day_name(&s, &day_name) && take_digits(&s, 1, 2, &m.day)
        && skip_gap(&s) && take_name(&s, months, 12, &month) && skip_gap(&s)
        && take_digits(&s, 4, 4, &m.year) && skip_gap(&s) && take_clock(&s, &m)
        && skip_gap(&s) && take_zone(&s, &m.zone) && cfws_skip(&s) && s.n == 0;

    if (!read)
        return false;
    m.month = month + 1;
    return moment_ms(&m, wall_ms) && day_agrees(&m, day_name);
}
