/* text.c - for human eyes, and safe for their terminals. */
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>
#include "base/utf8.h"
#include "cli/text.h"

/* --- clean text ------------------------------------------------------------- */

/* shown - bytes of the well-formed character that can be seen at the front of s; 0: none */

static size_t shown(struct slice s)
{
    struct slice rest = s;
    uint32_t point;

    return utf8_next(&rest, &point) && utf8_seen(point) ? s.n - rest.n : 0;
}

void text_clean(struct buf *out, struct slice s)
{
    size_t n;

    while (s.n > 0) {
        n = shown(s);
        if (n > 0)
            buf_put(out, s.p, n);
        else
            buf_printf(out, "\\x%02x", (unsigned char)s.p[0]);
        s = slice_from(s, n > 0 ? n : 1);
    }
}

void text_print(FILE *out, struct slice s)
{
    struct buf b = BUF(64 << 20);

    text_clean(&b, s);
    if (b.n > 0)
        fwrite(buf_view(&b).p, 1, b.n, out);
    buf_free(&b);
}

void text_puts(FILE *out, const char *s)
{
    text_print(out, slice_cstr(s));
}

/* --- times and sizes --------------------------------------------------------- */

bool time_parse(const char *text, int64_t *ms)
{
    struct tm tm = { 0 };
    const char *rest;
    long fraction = 0;

    if (text == NULL || (rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm)) == NULL)
        return false;
    if (*rest == '.')
        fraction = strtol(rest + 1, NULL, 10);
    *ms = (int64_t)timegm(&tm) * 1000 + (fraction >= 0 && fraction < 1000 ? fraction : 0);
    return true;
}

const char *time_local(int64_t ms, char to[24])
{
    time_t t = (time_t)(ms / 1000);
    struct tm tm;

    to[0] = '\0';
    if (localtime_r(&t, &tm) != NULL)
        strftime(to, 24, "%Y-%m-%d %H:%M:%S", &tm);
    return to;
}

const char *span_text(int64_t ms, char to[24])
{
    static const struct { int64_t seconds; char unit; } units[] = {
        { 86400, 'd' }, { 3600, 'h' }, { 60, 'm' }, { 1, 's' },
    };
    int64_t s = ms > 0 ? ms / 1000 : 0, less;
    size_t i = 0;
    int n;

    while (i < 3 && s < units[i].seconds)
        i++;
    n = snprintf(to, 24, "%lld%c", (long long)(s / units[i].seconds), units[i].unit);
    if (i < 3) {
        less = s % units[i].seconds / units[i + 1].seconds;
        if (less > 0)
            snprintf(to + n, 24 - (size_t)n, "%lld%c", (long long)less, units[i + 1].unit);
    }
    return to;
}

const char *size_text(int64_t bytes, char to[16])
{
    static const char units[] = "KMGT";
    double v = (double)bytes;
    int i = -1;

    while (v >= 1024 && i < 3) {
        v /= 1024;
        i++;
    }
    if (i < 0)
        snprintf(to, 16, "%lld", (long long)bytes);
    else
        snprintf(to, 16, v < 10 ? "%.1f%c" : "%.0f%c", v, units[i]);
    return to;
}

/* --- tables -------------------------------------------------------------------- */

/* cell_width - columns on the screen: bytes that begin a character */

static size_t cell_width(const char *s)
{
    size_t n = 0;

    for (; *s != '\0'; s++)
        n += ((unsigned char)*s & 0xc0) != 0x80;
    return n;
}

static char *cell_copy(const char *s)
{
    struct buf b = BUF(1 << 20);
    char *copy;

    text_clean(&b, slice_cstr(s));
    copy = strndup(b.n > 0 ? buf_view(&b).p : "", b.n);
    buf_free(&b);
    if (copy == NULL)
        abort();
    return copy;
}

void table_add(struct table *t, const char *const *cells)
{
    if (t->rows == t->cap) {
        t->cap = t->cap > 0 ? 2 * t->cap : 64;
        t->cells = reallocarray(t->cells, t->cap * t->columns, sizeof *t->cells);
        if (t->cells == NULL)
            abort();
    }
    for (size_t i = 0; i < t->columns; i++)
        t->cells[t->rows * t->columns + i] = cell_copy(cells[i]);
    t->rows++;
}

static void pad(FILE *out, size_t n)
{
    while (n-- > 0)
        fputc(' ', out);
}

/* print_cut - at most `width` characters, the last an ellipsis if there were more */

static void print_cut(FILE *out, const char *s, size_t width)
{
    bool cut = cell_width(s) > width;
    size_t left = cut && width > 0 ? width - 1 : width;

    for (; *s != '\0'; s++) {
        if (((unsigned char)*s & 0xc0) != 0x80 && left-- == 0)
            break;
        fputc(*s, out);
    }
    if (cut && width > 0)
        fputs("…", out);
}

static void print_row(const struct table *t, char *const *cells, const size_t *widths,
                      FILE *out, size_t width)
{
    size_t last = t->columns - 1, at = 0;

    for (size_t i = 0; i < last; i++) {
        size_t gap = widths[i] - cell_width(cells[i]);

        if (t->right[i])
            pad(out, gap);
        fputs(cells[i], out);
        pad(out, (t->right[i] ? 0 : gap) + 2);
        at += widths[i] + 2;
    }
    if (width == 0)
        fputs(cells[last], out);
    else
        print_cut(out, cells[last], width > at + 8 ? width - at : 8);
    fputc('\n', out);
}

void table_print(struct table *t, FILE *out, size_t width)
{
    size_t widths[TABLE_COLUMNS] = { 0 };
    char *heads[TABLE_COLUMNS];

    for (size_t i = 0; i < t->columns; i++) {
        heads[i] = cell_copy(t->heads[i]);
        widths[i] = cell_width(heads[i]);
        for (size_t r = 0; r < t->rows; r++) {
            size_t w = cell_width(t->cells[r * t->columns + i]);

            if (w > widths[i])
                widths[i] = w;
        }
    }
    print_row(t, heads, widths, out, width);
    for (size_t r = 0; r < t->rows; r++)
        print_row(t, t->cells + r * t->columns, widths, out, width);
    for (size_t i = 0; i < t->columns; i++)
        free(heads[i]);
}

void table_free(struct table *t)
{
    for (size_t i = 0; i < t->rows * t->columns; i++)
        free(t->cells[i]);
    free(t->cells);
    t->cells = NULL;
    t->rows = t->cap = 0;
}

size_t screen_width(void)
{
    struct winsize w;

    if (!isatty(STDOUT_FILENO) || ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) < 0)
        return 0;
    return w.ws_col;
}
