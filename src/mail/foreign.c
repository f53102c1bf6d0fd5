/* foreign.c - cleaning and folding. */
#include "mail/foreign.h"
#include "smtp/scan.h"
#include "base/utf8.h"

enum { NAME = 320, FOLD = 76, HARD = 200 };

static bool harmless(uint32_t point, bool utf8)
{
    return utf8_shows(point) && (utf8 || point < 128);
}

/* put_piece - what is harmless as it is, '?' for every other octet or code point */

static void put_piece(struct buf *out, struct slice s, bool utf8)
{
    uint32_t point;

    while (s.n > 0) {
        struct slice before = s;
        bool read = utf8_next(&s, &point);

        if (read && harmless(point, utf8)) {
            buf_put(out, before.p, before.n - s.n);
            continue;
        }
        for (size_t n = read ? before.n - s.n : 1; n > 0; n--)
            buf_puts(out, "?");
        if (!read)
            s = slice_from(s, 1);
    }
}

void foreign_name_in(struct buf *out, struct slice s, bool utf8)
{
    put_piece(out, slice_first(s, NAME), utf8);
}

void foreign_name(struct buf *out, struct slice s)
{
    foreign_name_in(out, s, false);
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

/* hard_end - where a word that is too long is broken: not within a code point */

static size_t hard_end(struct slice s, size_t n)
{
    if (n <= HARD)
        return n;
    for (n = HARD; n > HARD - 3 && ((unsigned char)s.p[n] & 0xc0) == 0x80; n--)
        ;
    return n;
}

void foreign_folded_in(struct buf *out, struct slice s, size_t column, size_t max, bool utf8)
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
        n = hard_end(s, n);
        if (!first && column + 1 + n > FOLD) {
            buf_puts(out, "\r\n\t");
            column = 8;
        } else if (!first) {
            buf_puts(out, " ");
            column++;
        }
        put_piece(out, slice_first(s, n), utf8);
        s = slice_from(s, n);
        column += n;
    }
}

void foreign_folded(struct buf *out, struct slice s, size_t column, size_t max)
{
    foreign_folded_in(out, s, column, max, false);
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
