/* hops.c - counting Received fields in a message that streams by.
 *
 *     state    where                             goes to
 *     LINE     at the first octet of a line      NAME, BODY (continuation), OVER
 *     NAME     in a field's name                 GAP (blank), BODY (colon), OVER
 *     GAP      in blanks before the colon        BODY (colon), OVER
 *     BODY     in the rest of a line             LINE (LF)
 *     OVER     behind the header                 -
 */
#include "mail/header.h"
#include "base/ascii.h"

enum { LINE, NAME, GAP, BODY, OVER };

static const char received[] = "received";
enum { RECEIVED = sizeof received - 1 };

static unsigned at_colon(struct hop_counter *c)
{
    if (c->matched == RECEIVED && c->named == RECEIVED)
        c->hops++;
    return BODY;
}

static unsigned in_name(struct hop_counter *c, char octet)
{
    if (octet == ':')
        return c->named > 0 ? at_colon(c) : OVER;
    if (octet == ' ' || octet == '\t')
        return GAP;
    if (octet <= ' ' || octet > '~')
        return OVER;
    if (c->named < RECEIVED && ascii_lower(octet) == received[c->named])
        c->matched++;
    c->named += c->named <= RECEIVED;   /* one more than it has is enough to differ */
    return NAME;
}

static unsigned at_line(struct hop_counter *c, char octet)
{
    bool begun = c->named > 0;

    if (octet == ' ' || octet == '\t')
        return begun ? BODY : OVER;     /* a continuation needs something to continue */
    c->matched = c->named = 0;
    return in_name(c, octet);
}

static unsigned in_gap(struct hop_counter *c, char octet)
{
    if (octet == ':')
        return at_colon(c);
    return octet == ' ' || octet == '\t' ? GAP : OVER;
}

static unsigned step(struct hop_counter *c, char octet)
{
    switch (c->state) {
    case LINE: return at_line(c, octet);
    case NAME: return in_name(c, octet);
    case GAP:  return in_gap(c, octet);
    default:   return octet == '\n' ? LINE : BODY;
    }
}

void hops_count(struct hop_counter *c, struct slice piece)
{
    while (piece.n > 0 && c->state != OVER) {
        if (c->state == BODY)
            piece = slice_from(piece, slice_chr(piece, '\n'));
        if (piece.n == 0)
            return;
        c->state = step(c, piece.p[0]);
        piece = slice_from(piece, 1);
    }
}
