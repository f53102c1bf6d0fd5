/* data.c - reading the text of a message, and where it ends.
 *
 *     state     what came before              next octet
 *     BEGIN     CRLF, or nothing yet          "." -> DOT (dropped); whole lines, BEGIN; else TEXT
 *     TEXT      inside a line                 CR -> CR; LF, NUL: fault, TEXT
 *     CR        TEXT, CR                      LF -> BEGIN; else fault, TEXT
 *     DOT       BEGIN, "."                    CR -> DOTCR (kept back); else TEXT
 *     DOTCR     DOT, CR                       LF -> the end; else fault, TEXT
 *
 * Only TEXT is hot, and it looks at sixteen octets at a time.
 */
#include "smtp/data.h"
#include "smtp/scan.h"

enum { BEGIN, TEXT, CR, DOT, DOTCR, END };

/* One call of data_read. */
struct run {
    struct data_reader *d;
    const char         *p, *end;    /* what is left of the input */
    const char         *piece;      /* from here to p: message not yet handed over */
    data_sink_f        *sink;
    void               *user;
};

/* A step takes from r->p, where there is at least one octet, and says what is next. */
typedef unsigned step_f(struct run *r);

static void give(struct run *r, const char *p, size_t n)
{
    if (n > 0)
        r->sink(r->user, slice_of(p, n));
    r->d->size += n;
}

/* hand_over - what was gathered; the octet at r->p is not of the message */

static void hand_over(struct run *r)
{
    give(r, r->piece, (size_t)(r->p - r->piece));
}

static void drop_octet(struct run *r)
{
    hand_over(r);
    r->piece = ++r->p;
}

static void lengthen(struct data_reader *d, size_t n)
{
    d->line += n;
    if (d->line > d->line_max)
        d->faults |= DATA_LONG;
}

/* skip_lines - from the first octet of a line, pass over whole lines that need nothing
 * done: they end with CRLF, are not too long, and what follows does not begin with a
 * dot. Leaves r->p at the first octet of a line. */

static void skip_lines(struct run *r)
{
    bool eight = false, plain = true;
    const char *at;

    if (*r->p != '.')
        r->p = scan_skip(r->p, r->end, r->d->line_max, &eight);
    while (plain && r->p < r->end && *r->p != '.') {
        bool high = false;

        at = scan_special(r->p, r->end, &high);
        plain = r->end - at >= 2 && at[0] == '\r' && at[1] == '\n'
             && (size_t)(at - r->p) <= r->d->line_max;
        eight = eight || (plain && high);
        r->p = plain ? at + 2 : r->p;
    }
    if (eight)
        r->d->faults |= DATA_8BIT;
}

static unsigned at_begin(struct run *r)
{
    r->d->line = 0;
    skip_lines(r);
    if (r->p == r->end)
        return BEGIN;
    if (*r->p != '.')
        return TEXT;
    drop_octet(r);
    return DOT;
}

static unsigned at_text(struct run *r)
{
    bool eight = false;
    const char *at = scan_special(r->p, r->end, &eight);

    if (eight)
        r->d->faults |= DATA_8BIT;
    lengthen(r->d, (size_t)(at - r->p));
    r->p = at;
    if (at == r->end)
        return TEXT;
    r->p++;
    if (*at == '\r')
        return CR;
    r->d->faults |= DATA_BARE;
    lengthen(r->d, 1);
    return TEXT;
}

static unsigned at_cr(struct run *r)
{
    if (*r->p == '\n') {
        r->p++;
        return BEGIN;
    }
    r->d->faults |= DATA_BARE;
    lengthen(r->d, 1);              /* the CR was text after all */
    return TEXT;
}

static unsigned at_dot(struct run *r)
{
    if (*r->p != '\r')
        return TEXT;
    drop_octet(r);
    return DOTCR;
}

static unsigned at_dotcr(struct run *r)
{
    if (*r->p == '\n') {
        drop_octet(r);
        return END;
    }
    r->d->faults |= DATA_BARE;
    give(r, "\r", 1);               /* it was kept back */
    lengthen(r->d, 1);
    return TEXT;
}

static step_f *const steps[END] = {
    [BEGIN] = at_begin, [TEXT] = at_text, [CR] = at_cr, [DOT] = at_dot, [DOTCR] = at_dotcr,
};

void data_begin(struct data_reader *d, size_t line_max)
{
    *d = (struct data_reader){ .state = BEGIN, .line_max = line_max };
}

enum data_result data_read(struct data_reader *d, struct slice in, size_t *used,
                           data_sink_f *sink, void *user)
{
    struct run r = { d, in.p, slice_from(in, in.n).p, in.p, sink, user };

    while (r.p < r.end && d->state != END)
        d->state = steps[d->state](&r);
    hand_over(&r);
    *used = in.n - (size_t)(r.end - r.p);
    return d->state == END ? DATA_END : DATA_MORE;
}

bool data_holds(const struct data_reader *d)
{
    return d->state == DOTCR;
}

void data_scan(struct data_reader *d, struct slice in)
{
    struct run r = { .d = d, .p = in.p, .end = slice_from(in, in.n).p };

    while (r.p < r.end) {
        if (d->state == BEGIN) {
            d->line = 0;
            skip_lines(&r);
        }
        if (r.p < r.end)
            d->state = d->state == CR ? at_cr(&r) : at_text(&r);
    }
    d->size += in.n;
}

void data_scan_end(struct data_reader *d)
{
    if (d->state == CR)
        d->faults |= DATA_BARE;
}
