/* data_writer.c - text made ready to be sent: dots doubled, the end marked.
 *
 * The last line of defence against smuggling: what is not made of CRLF lines
 * does not leave (A023).
 */
#include "smtp/data.h"
#include "smtp/scan.h"

enum { BEGIN, TEXT, CR };       /* after CRLF or nothing; inside a line; after CR */

/* line_end - past the CRLF at or after p, or `end` with the state there;
 * NULL if there is a bare CR or LF, or a NUL */

static const char *line_end(struct data_writer *w, const char *p, const char *end)
{
    bool eight = false;

    if (w->state != CR) {
        w->state = TEXT;
        p = scan_special(p, end, &eight);
        if (p == end)
            return p;
        if (*p++ != '\r')
            return NULL;
        w->state = CR;
    }
    if (p == end)
        return p;
    w->state = BEGIN;
    return *p == '\n' ? p + 1 : NULL;
}

/* plain_end - the next line that begins with a dot, or end; NULL as above */

static const char *plain_end(struct data_writer *w, const char *p, const char *end)
{
    do
        p = line_end(w, p, end);
    while (p != NULL && p < end && !(w->state == BEGIN && *p == '.'));
    return p;
}

bool data_write(struct data_writer *w, struct buf *out, struct slice text)
{
    const char *p = text.p, *end = slice_from(text, text.n).p;

    while (p < end) {
        const char *from = p;

        if (w->state == BEGIN && *p == '.' && !buf_put(out, ".", 1))
            return false;
        p = plain_end(w, p, end);
        if (p == NULL || !buf_put(out, from, (size_t)(p - from)))
            return false;
    }
    return true;
}

bool data_finish(struct data_writer *w, struct buf *out)
{
    static const struct slice ends[] = { [BEGIN] = SLICE_INIT(".\r\n"), [TEXT] = SLICE_INIT("\r\n.\r\n") };

    return w->state != CR && buf_put_slice(out, ends[w->state]);
}
