/* date.c - the names of days and months do not depend on the locale. */
#include <stdio.h>
#include <time.h>
#include "mail/date.h"

static const char days[][4] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };
static const char months[][4] = {
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
};

static const time_t year_9999_ends = 253402300799;

char *date_text(int64_t wall_ms, char text[DATE_TEXT])
{
    time_t seconds = wall_ms / 1000;
    struct tm t;

    if (seconds < 0)
        seconds = 0;
    if (seconds > year_9999_ends)
        seconds = year_9999_ends;
    gmtime_r(&seconds, &t);
    snprintf(text, DATE_TEXT, "%s, %02d %s %04d %02d:%02d:%02d +0000",
             days[t.tm_wday], t.tm_mday, months[t.tm_mon], t.tm_year + 1900,
             t.tm_hour, t.tm_min, t.tm_sec);
    return text;
}
