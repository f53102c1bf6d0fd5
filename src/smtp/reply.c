/* reply.c - the only place where bytes of a reply are made. */
#include <stdarg.h>
#include <stdio.h>
#include "smtp/reply.h"
#include "base/ascii.h"
#include "base/utf8.h"

#define R(NAME, code, subject, detail, text) \
    [REPLY_##NAME] = { code, subject, #code, SLICE_INIT("." #subject "." #detail " "), SLICE_INIT(text) },

static const struct form {
    short        code;
    signed char  subject;       /* BARE: no enhanced code */
    char         digits[4];     /* of the code; the first is that of the enhanced one as well */
    struct slice status;        /* the rest of that */
    struct slice text;
} forms[REPLY_COUNT] = {
    SMTP_REPLIES(R)
};
#undef R

unsigned reply_code(enum reply_id id)
{
    return (unsigned)forms[id].code;
}

enum reply_id reply_add(struct reply *r, enum reply_id id, const char *fmt, ...)
{
    size_t room = sizeof r->text - r->len;
    va_list ap;
    int n;

    r->id = id;
    if (room <= 1)
        return id;
    va_start(ap, fmt);
    n = vsnprintf(r->text + r->len, room, fmt, ap);
    va_end(ap);
    if (n >= 0)
        r->len += (size_t)n < room ? (size_t)n + 1 : room;
    return id;
}

/* put_slice - nothing may be nowhere, which memcpy() forbids */

static void put_slice(struct reply *r, struct slice s)
{
    if (s.n > 0)
        memcpy(r->text + r->len, s.p, s.n);
    r->len += s.n;
}

enum reply_id reply_text(struct reply *r, enum reply_id id, struct slice a, struct slice b)
{
    size_t room = sizeof r->text - r->len;

    r->id = id;
    if (a.n + b.n >= room)
        return id;
    put_slice(r, a);
    put_slice(r, b);
    r->text[r->len++] = '\0';
    return id;
}

/* text_clean - a client's address or a filter's wording must not end our line */

static void text_clean(char *text, size_t n, bool utf8)
{
    struct slice s = slice_of(text, n);

    if (utf8_plain(s) == n || (utf8 && utf8_printable(s)))
        return;
    for (size_t i = 0; i < n; i++)
        if (ascii_control(text[i]) || (unsigned char)text[i] > 127)
            text[i] = '?';
}

/* HEAD: "250-2.11.11 " */
enum { HEAD = 12 };

static char *put(char *to, struct slice s)
{
    memcpy(to, s.p, s.n);
    return to + s.n;
}

static char *put_head(char *to, const struct form *f, bool enhanced, bool last)
{
    to = put(to, slice_of(f->digits, 3));
    *to++ = last ? ' ' : '-';
    if (enhanced && f->subject != BARE) {
        *to++ = f->digits[0];
        to = put(to, f->status);
    }
    return to;
}

/* write_line - a text that r brings itself may hold anything */

static void write_line(struct buf *out, const struct reply *r, struct slice text,
                       bool enhanced, bool last)
{
    char *line = buf_room(out, HEAD + text.n + 2), *to;

    if (line == NULL)
        return;
    to = put_head(line, &forms[r->id], enhanced, last);
    memcpy(to, text.p, text.n);
    if (r->len > 0)
        text_clean(to, text.n, r->utf8);
    to = put(to + text.n, SLICE_LIT("\r\n"));
    buf_added(out, (size_t)(to - line));
}

static void write_lines(struct buf *out, const struct reply *r, bool enhanced, bool more)
{
    const char *line = r->text, *end = r->text + r->len, *next;

    if (r->len == 0)
        write_line(out, r, forms[r->id].text, enhanced, !more);
    for (; line < end; line = next) {
        next = line + strlen(line) + 1;
        write_line(out, r, slice_of(line, strnlen(line, REPLY_LINE)), enhanced,
                   next >= end && !more);
    }
}

void reply_write(struct buf *out, const struct reply *r, bool enhanced)
{
    write_lines(out, r, enhanced, false);
}

void reply_write_more(struct buf *out, const struct reply *r, bool enhanced)
{
    write_lines(out, r, enhanced, true);
}
