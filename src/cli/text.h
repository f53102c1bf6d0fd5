/* text.h - what people read: clean text, times, sizes, tables. */
#pragma once
#include <stdio.h>
#include "base/buf.h"

/* text_clean - append s with everything written as \xNN that is not UTF-8, could move a terminal,
 * or cannot be seen there (utf8_seen) */
void text_clean(struct buf *out, struct slice s);

/* text_print - the same, to a file */
void text_print(FILE *out, struct slice s);
void text_puts(FILE *out, const char *s);       /* NULL prints nothing */

/* time_parse - RFC 3339 in UTC ("2026-11-22T01:02:03.004Z") as ms since 1970 */
bool time_parse(const char *text, int64_t *ms);

/* time_local - "2026-11-22 01:02:03" in the local zone */
const char *time_local(int64_t ms, char to[24]);

/* span_text - a length of time in at most two units: "45s", "3m20s", "2h", "5d3h" */
const char *span_text(int64_t ms, char to[24]);

/* size_text - "812", "4.3K", "51M" */
const char *size_text(int64_t bytes, char to[16]);

/* A table for people: columns as wide as they need; the last is cut where the
 * screen ends (width 0: never). */
enum { TABLE_COLUMNS = 12 };
struct table {
    size_t      columns;
    const char *heads[TABLE_COLUMNS];
    bool        right[TABLE_COLUMNS];   /* aligned to the right */
    size_t      rows, cap;
    char      **cells;                  /* rows times columns */
};
void table_add(struct table *t, const char *const *cells);      /* NULL: "" */
void table_print(struct table *t, FILE *out, size_t width);
void table_free(struct table *t);

/* screen_width - columns of the terminal, or 0 when it is none */
size_t screen_width(void);
