/* header.c - one pass, line by line. */
#include "mail/header.h"
#include "base/ascii.h"

static bool blank(char c)
{
    return c == ' ' || c == '\t';
}

/* line_length - octets of the first line with its LF */

static size_t line_length(struct slice s)
{
    size_t at = slice_chr(s, '\n');

    return at < s.n ? at + 1 : s.n;
}

static size_t without_end(struct slice s)
{
    if (s.n > 0 && s.p[s.n - 1] == '\n')
        s.n--;
    if (s.n > 0 && s.p[s.n - 1] == '\r')
        s.n--;
    return s.n;
}

/* name_split - "Name:" or the obsolete "Name :" (RFC 5322 §4.5); false: no field */

static bool name_split(struct slice line, struct header_field *f)
{
    size_t n = 0;

    while (n < line.n && line.p[n] > ' ' && line.p[n] <= '~' && line.p[n] != ':')
        n++;
    f->name = slice_first(line, n);
    while (n < line.n && blank(line.p[n]))
        n++;
    f->body = slice_from(line, n + 1);
    return f->name.n > 0 && n < line.n && line.p[n] == ':';
}

bool header_next(struct slice *rest, struct header_field *f)
{
    size_t n = line_length(*rest), head;

    if (!name_split(slice_first(*rest, n), f))
        return false;
    while (n < rest->n && blank(rest->p[n]))
        n += line_length(slice_from(*rest, n));
    f->whole = slice_first(*rest, n);
    head = (size_t)(f->body.p - rest->p);
    n = without_end(f->whole);
    f->body = n > head ? slice_from(slice_first(f->whole, n), head) : slice_of(f->body.p, 0);
    *rest = slice_from(*rest, f->whole.n);
    return true;
}

size_t header_length(struct slice message)
{
    struct slice rest = message;
    struct header_field f;

    while (header_next(&rest, &f))
        ;
    return message.n - rest.n;
}

bool header_find(struct slice message, struct slice name, struct header_field *f)
{
    while (header_next(&message, f))
        if (slice_ieq(f->name, name))
            return true;
    *f = (struct header_field){ 0 };
    return false;
}

unsigned header_count(struct slice message, struct slice name)
{
    struct header_field f;
    unsigned n = 0;

    while (header_next(&message, &f))
        n += slice_ieq(f.name, name);
    return n;
}

bool header_without(struct slice message, struct slice name, struct buf *out)
{
    struct header_field f;

    while (header_next(&message, &f))
        if (!slice_ieq(f.name, name))
            buf_put_slice(out, f.whole);
    return !out->full;
}
