/* line.c - one command line out of a stream, whatever its pieces.
 *
 * A line ends with CRLF and nothing else: a bare LF inside is part of it, so
 * that what follows is never a second command (A020). What comes out depends
 * only on the bytes, never on where the network cut them.
 */
#include "smtp/command.h"
#include "smtp/scan.h"

enum { ENDLESS = 65536 };   /* octets of text without an end */

static enum line_result finish(struct line_reader *r, enum line_result result)
{
    *r = (struct line_reader){ 0 };
    return result;
}

/* first_special - where NUL, CR or LF first stands in s; s.n if none does */

static size_t first_special(struct slice s)
{
    bool eight = false;

    return s.n > 0 ? (size_t)(scan_special(s.p, s.p + s.n, &eight) - s.p) : 0;
}

/* find_crlf - its place in `in`, from `from` on; in.n if it is not there. It mostly is the
 * first thing of note. */

static size_t find_crlf(struct slice in, size_t from)
{
    size_t at = from + first_special(slice_from(in, from));

    while (at < in.n && !slice_istarts(slice_from(in, at), SLICE_LIT("\r\n")))
        at += 1 + first_special(slice_from(in, at + 1));
    return at;
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
    return finish(r, first_special(*line) == line->n ? LINE_OK : LINE_BAD);
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
