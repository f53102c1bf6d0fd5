/* line.c - one command line out of a stream, whatever its pieces.
 *
 * A line ends with CRLF and nothing else: a bare LF inside is part of it, so
 * that what follows is never a second command (A020). What comes out depends
 * only on the bytes, never on where the network cut them.
 */
#include "smtp/command.h"

enum { ENDLESS = 65536 };   /* octets of text without an end */

static enum line_result finish(struct line_reader *r, enum line_result result)
{
    *r = (struct line_reader){ 0 };
    return result;
}

/* find_crlf - its place in `in`, from `from` on; in.n if it is not there */

static size_t find_crlf(struct slice in, size_t from)
{
    struct slice rest = slice_from(in, from);
    const char *at = rest.n >= 2 ? memmem(rest.p, rest.n, "\r\n", 2) : NULL;

    return at != NULL ? (size_t)(at - in.p) : in.n;
}

/* clean - no NUL, CR or LF inside? */

static bool clean(struct slice line)
{
    return slice_chr(line, '\0') == line.n && slice_chr(line, '\r') == line.n
        && slice_chr(line, '\n') == line.n;
}

/* end_found - the line ends at `at`, after r->dropped octets that are gone */

static enum line_result end_found(struct line_reader *r, struct slice in, size_t at,
                                  size_t max, struct slice *line, size_t *used)
{
    size_t n = r->dropped + at;

    *used = at + 2;
    *line = slice_first(in, at);
    if (n > ENDLESS)
        return finish(r, LINE_ENDLESS);
    if (n + 2 > max)
        return finish(r, LINE_LONG);
    return finish(r, clean(*line) ? LINE_OK : LINE_BAD);
}

/* no_end - keep a last CR, for its LF may follow; drop the rest once it is too long */

static enum line_result no_end(struct line_reader *r, struct slice in, size_t max, size_t *used)
{
    size_t keep = in.n > 0 && in.p[in.n - 1] == '\r' ? 1 : 0;

    r->scanned = in.n - keep;
    if (r->dropped + r->scanned > ENDLESS) {
        *used = in.n;
        return finish(r, LINE_ENDLESS);
    }
    if (r->discarding || in.n >= max) {
        r->discarding = true;
        r->dropped += r->scanned;
        *used = r->scanned;
        r->scanned = 0;
    }
    return LINE_MORE;
}

enum line_result line_next(struct line_reader *r, struct slice in, size_t max,
                           struct slice *line, size_t *used)
{
    size_t at = find_crlf(in, r->scanned);

    *used = 0;
    *line = (struct slice){ 0 };
    return at < in.n ? end_found(r, in, at, max, line, used)
                     : no_end(r, in, max, used);
}
