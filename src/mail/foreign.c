/* foreign.c - cleaning and folding. */
#include "mail/foreign.h"
#include "smtp/scan.h"
#include "base/ascii.h"

enum { NAME = 320, FOLD = 76, HARD = 200 };

static bool harmless(char c)
{
    return !ascii_control(c) && (unsigned char)c < 128;
}

void foreign_name(struct buf *out, struct slice s)
{
    s = slice_first(s, NAME);
    for (size_t i = 0; i < s.n; i++)
        buf_put(out, harmless(s.p[i]) ? &s.p[i] : "?", 1);
}

static bool breaks(char c)
{
    return c == ' ' || c == '\n';
}

static size_t word_length(struct slice s)
{
    size_t n = 0;

    while (n < s.n && !breaks(s.p[n]))
        n++;
    return n;
}

static void put_piece(struct buf *out, struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        buf_put(out, harmless(s.p[i]) ? &s.p[i] : "?", 1);
}

void foreign_folded(struct buf *out, struct slice s, size_t column, size_t max)
{
    bool first = true;

    for (s = slice_first(s, max); s.n > 0; first = false) {
        size_t blanks = 0, n;

        while (blanks < s.n && breaks(s.p[blanks]))
            blanks++;
        s = slice_from(s, blanks);
        n = word_length(s);
        if (n == 0)
            return;
        if (n > HARD)
            n = HARD;
        if (!first && column + 1 + n > FOLD) {
            buf_puts(out, "\r\n\t");
            column = 8;
        } else if (!first) {
            buf_puts(out, " ");
            column++;
        }
        put_piece(out, slice_first(s, n));
        s = slice_from(s, n);
        column += n;
    }
}

void foreign_message(struct buf *out, struct slice s, bool *eight_bit)
{
    const char *p = s.p, *end = slice_from(s, s.n).p;
    bool ended = true;

    while (p < end) {
        const char *at = scan_special(p, end, eight_bit);
        bool crlf = end - at >= 2 && at[0] == '\r' && at[1] == '\n';

        ended = crlf;
        buf_put(out, p, (size_t)(at - p));
        if (crlf)
            buf_put(out, at, 2);
        else if (at < end)
            buf_puts(out, "?");
        p = crlf ? at + 2 : at < end ? at + 1 : at;
    }
    if (!ended)
        buf_puts(out, "\r\n");
}
