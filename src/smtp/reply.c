/* reply.c - the only place where bytes of a reply are made. */
#include <stdarg.h>
#include <stdio.h>
#include "smtp/reply.h"
#include "base/ascii.h"
#include "base/digits.h"
#include "base/utf8.h"

#define R(NAME, code, subject, detail, text) \
    [REPLY_##NAME] = { code, subject, detail, text },

static const struct form {
    short       code;
    signed char subject, detail;    /* subject BARE: no enhanced code */
    const char *text;
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

static size_t text_clean(char *to, const char *from, bool utf8)
{
    size_t all = strnlen(from, REPLY_LINE);

    memcpy(to, from, all);
    if (utf8 && utf8_printable(slice_of(from, all)))
        return all;
    for (size_t n = 0; n < all; n++)
        if (ascii_control(to[n]) || (unsigned char)to[n] > 127)
            to[n] = '?';
    return all;
}

/* HEAD: "250-2.11.11 " */
enum { HEAD = 12 };

static char *put_number(char *to, unsigned v, char behind)
{
    to = digits_put(to, v, v < 10 ? 1 : v < 100 ? 2 : 3);
    *to++ = behind;
    return to;
}

static size_t line_head(char to[HEAD], const struct form *f, bool enhanced, bool last)
{
    char *p = put_number(to, (unsigned)f->code, last ? ' ' : '-');

    if (enhanced && f->subject != BARE) {
        p = put_number(p, (unsigned)f->code / 100, '.');
        p = put_number(p, (unsigned)f->subject, '.');
        p = put_number(p, (unsigned)f->detail, ' ');
    }
    return (size_t)(p - to);
}

static void write_lines(struct buf *out, const struct reply *r, bool enhanced, bool more)
{
    const struct form *f = &forms[r->id];
    const char *line = r->len > 0 ? r->text : f->text;
    const char *end = r->len > 0 ? r->text + r->len : line + strlen(line) + 1;

    while (line < end) {
        const char *next = line + strlen(line) + 1;
        char bytes[HEAD + REPLY_LINE + 2];
        size_t n = line_head(bytes, f, enhanced, next >= end && !more);

        n += text_clean(bytes + n, line, r->utf8);
        bytes[n++] = '\r';
        bytes[n++] = '\n';
        buf_put(out, bytes, n);
        line = next;
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
