/* watch.c - counting some fields of a message that streams by.
 *
 *     state    where                             goes to
 *     LINE     at the first octet of a line      NAME, BODY (continuation), OVER
 *     NAME     in a field's name                 GAP (blank), BODY (colon), OVER
 *     GAP      in blanks before the colon        BODY (colon), OVER
 *     BODY     in the rest of a line             LINE (LF)
 *     OVER     behind the header                 -
 */
#include "mail/header.h"

enum { LINE, NAME, GAP, BODY, OVER };

static const struct slice watched[WATCHED] = {
    [WATCH_RECEIVED] = SLICE_INIT("Received"), [WATCH_TLS_REQUIRED] = SLICE_INIT("TLS-Required"),
};

static bool blank(char c)
{
    return c == ' ' || c == '\t';
}

static unsigned at_line(struct header_watch *w, struct slice *rest)
{
    if (blank(rest->p[0]))
        return w->named > 0 ? BODY : OVER;      /* a continuation needs something to continue */
    w->named = 0;
    return NAME;
}

/* at_end - c is the first octet that belongs neither to the name nor to blanks behind it */

static unsigned at_end(struct header_watch *w, char c)
{
    if (c != ':' || w->named == 0)
        return OVER;
    for (unsigned i = 0; i < WATCHED; i++)
        if (w->named == watched[i].n && slice_ieq(slice_of(w->name, w->named), watched[i]))
            w->count[i]++;
    return BODY;
}

static unsigned in_name(struct header_watch *w, struct slice *rest)
{
    size_t n = 0;

    while (n < rest->n && rest->p[n] > ' ' && rest->p[n] <= '~' && rest->p[n] != ':') {
        if (w->named < WATCH_NAME)
            w->name[w->named] = rest->p[n];
        w->named++;
        n++;
    }
    *rest = slice_from(*rest, n);
    if (rest->n == 0)
        return NAME;
    return blank(rest->p[0]) ? GAP : at_end(w, rest->p[0]);
}

static unsigned in_gap(struct header_watch *w, struct slice *rest)
{
    while (rest->n > 0 && blank(rest->p[0]))
        *rest = slice_from(*rest, 1);
    return rest->n == 0 ? GAP : at_end(w, rest->p[0]);
}

static unsigned in_body(struct header_watch *w, struct slice *rest)
{
    size_t at = slice_chr(*rest, '\n');
    bool whole = at < rest->n;

    (void)w;
    *rest = slice_from(*rest, at + 1);
    return whole ? LINE : BODY;
}

/* A step takes from the front of *rest, where there is something, and says what is next. */
static unsigned (*const steps[OVER])(struct header_watch *w, struct slice *rest) = {
    [LINE] = at_line, [NAME] = in_name, [GAP] = in_gap, [BODY] = in_body,
};

void header_watch(struct header_watch *w, struct slice piece)
{
    while (piece.n > 0 && w->state != OVER)
        w->state = steps[w->state](w, &piece);
}
