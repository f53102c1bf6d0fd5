/* content.c - one pass, which jumps from one CR, LF or NUL to the next. */
#include "mail/content.h"
#include "smtp/scan.h"

/* note_high - octets above 127 in the header count twice */

static void note_high(struct content_scan *c)
{
    c->facts |= CONTENT_8BIT | (c->in_body ? 0 : CONTENT_8HEADER);
}

static void note_length(struct content_scan *c, size_t more)
{
    if (__builtin_add_overflow(c->line, more, &c->line))
        c->line = SIZE_MAX;
    if (c->line > (c->line_max != 0 ? c->line_max : CONTENT_LINE))
        c->facts |= CONTENT_LONG;
}

/* line_ends - after CRLF; an empty line ends the header */

static void line_ends(struct content_scan *c)
{
    if (c->line == 0)
        c->in_body = true;
    c->line = 0;
    c->facts &= ~(unsigned)CONTENT_OPEN;
}

/* take_special - a CR waits for what follows it */

static void take_special(struct content_scan *c, char octet)
{
    bool ends = octet == '\n' && c->cr;

    if (c->cr && !ends) {
        c->facts |= CONTENT_BARE;
        note_length(c, 1);
    }
    c->cr = octet == '\r';
    if (ends) {
        line_ends(c);
        return;
    }
    c->facts |= CONTENT_OPEN;
    if (octet == '\n')
        c->facts |= CONTENT_BARE;
    if (octet == '\0')
        c->facts |= CONTENT_NUL;
    if (!c->cr)
        note_length(c, 1);
}

static void take_plain(struct content_scan *c, size_t n, bool high)
{
    if (n == 0)
        return;
    if (c->cr) {
        c->facts |= CONTENT_BARE;
        note_length(c, 1);
    }
    c->cr = false;
    c->facts |= CONTENT_OPEN;
    if (high)
        note_high(c);
    note_length(c, n);
}

void content_scan(struct content_scan *c, struct slice piece)
{
    const char *p = piece.p, *end = slice_from(piece, piece.n).p;

    while (p < end) {
        bool high = false;
        const char *at = scan_special(p, end, &high);

        take_plain(c, (size_t)(at - p), high);
        if (at < end)
            take_special(c, *at++);
        p = at;
    }
}

unsigned content_end(struct content_scan *c)
{
    if (c->cr) {
        c->cr = false;
        c->facts |= CONTENT_BARE;
        note_length(c, 1);
    }
    return c->facts;
}

unsigned content_facts(struct slice message)
{
    struct content_scan c = { 0 };

    content_scan(&c, message);
    return content_end(&c);
}
