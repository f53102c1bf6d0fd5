/* chunk.c - labels, lengths, and the table that says which chunk may follow which. */
#include "base/ascii.h"
#include "links/chunk.h"

/* IDLE     nothing begun, or the last transfer is over
 * OPEN     begun by FIRST
 * SPOILT   a chunk was refused: what follows belongs to it, up to LAST or a new FIRST
 */
enum state { IDLE, OPEN, SPOILT, STATES };

enum act { REFUSE, BEGIN, ADD, FINISH };

static const struct { uint8_t act, next; } moves[STATES][CHUNK_LABELS] = {
    /*            bare               FIRST            NEXT               LAST             */
    [IDLE]   = { { REFUSE, SPOILT }, { BEGIN, OPEN }, { REFUSE, SPOILT }, { FINISH, IDLE } },
    [OPEN]   = { { ADD, OPEN },      { BEGIN, OPEN }, { ADD, OPEN },      { FINISH, IDLE } },
    [SPOILT] = { { REFUSE, SPOILT }, { BEGIN, OPEN }, { REFUSE, SPOILT }, { REFUSE, IDLE } },
};

static const struct slice labels[CHUNK_LABELS] = {
    [CHUNK_FIRST] = SLICE_INIT("FIRST"),
    [CHUNK_NEXT]  = SLICE_INIT("NEXT"),
    [CHUNK_LAST]  = SLICE_INIT("LAST"),
};

static const unsigned codes[CHUNK_RESULTS] = {
    [CHUNK_MORE] = 200, [CHUNK_WHOLE] = 200, [CHUNK_SYNTAX] = 501, [CHUNK_TOO_LONG] = 501,
    [CHUNK_ORDER] = 503, [CHUNK_TOO_BIG] = 552, [CHUNK_NO_MEMORY] = 451,
};

enum { DIGITS = 8, VERB = sizeof "X-LINK2STATE " - 1, CRLF = 2 };

unsigned chunk_code(enum chunk_result result)
{
    return codes[result];
}

/* ------------------------------------------------------------- parsing -- */

/* take_label - a label and its space, if one stands in front */

static enum chunk_label take_label(struct slice *s)
{
    for (unsigned label = CHUNK_FIRST; label < CHUNK_LABELS; label++) {
        size_t n = labels[label].n;

        if (slice_istarts(*s, labels[label]) && s->n > n && s->p[n] == ' ') {
            *s = slice_from(*s, n + 1);
            return label;
        }
    }
    return CHUNK_BARE;
}

/* take_length - "CHUNK={hhhhhhhh} " */

static bool take_length(struct slice *s, uint32_t *length)
{
    static const struct slice head = SLICE_INIT("CHUNK={"), tail = SLICE_INIT("} ");

    if (!slice_istarts(*s, head) || s->n < head.n + DIGITS + tail.n)
        return false;
    *s = slice_from(*s, head.n);
    *length = 0;
    for (size_t i = 0; i < DIGITS; i++) {
        int digit = ascii_hex(s->p[i]);

        if (digit < 0)
            return false;
        *length = *length << 4 | (uint32_t)digit;
    }
    *s = slice_from(*s, DIGITS);
    if (!slice_istarts(*s, tail))
        return false;
    *s = slice_from(*s, tail.n);
    return true;
}

static bool printable(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] < ' ' || s.p[i] > '~')
            return false;
    return true;
}

enum chunk_result chunk_parse(struct slice argument, struct chunk_line *c)
{
    bool too_long = argument.n > CHUNK_LINE - VERB - CRLF;
    uint32_t length;

    c->label = take_label(&argument);
    if (too_long)
        return CHUNK_TOO_LONG;
    if (!take_length(&argument, &length))
        return CHUNK_SYNTAX;
    c->data = argument;
    if (length != c->data.n || length == 0 || !printable(c->data))
        return CHUNK_SYNTAX;
    return c->label == CHUNK_BARE && length > CHUNK_UNLABELLED ? CHUNK_TOO_LONG : CHUNK_MORE;
}

/* ----------------------------------------------------------- receiving -- */

static enum chunk_result keep(struct chunk_in *in, struct slice data)
{
    if (in->count >= CHUNK_COUNT || in->buf.n + data.n > CHUNK_TOTAL)
        return CHUNK_TOO_BIG;
    in->count++;
    in->buf.max = CHUNK_TOTAL;
    return buf_put_slice(&in->buf, data) ? CHUNK_MORE : CHUNK_NO_MEMORY;
}

static void forget(struct chunk_in *in)
{
    buf_clear(&in->buf);
    in->count = 0;
}

/* refuse - the transfer is worth nothing any more; its LAST ends it */

static enum chunk_result refuse(struct chunk_in *in, enum chunk_label label, enum chunk_result why)
{
    forget(in);
    in->state = label == CHUNK_LAST ? IDLE : SPOILT;
    return why;
}

enum chunk_result chunk_take(struct chunk_in *in, struct slice argument, struct slice *whole)
{
    struct chunk_line c = { 0 };
    enum chunk_result result = chunk_parse(argument, &c);
    unsigned act = moves[in->state][c.label].act;

    if (result != CHUNK_MORE || act == REFUSE)
        return refuse(in, c.label, result != CHUNK_MORE ? result : CHUNK_ORDER);
    if (act == BEGIN || in->state == IDLE)
        forget(in);
    in->state = moves[in->state][c.label].next;
    result = keep(in, c.data);
    if (result != CHUNK_MORE)
        return refuse(in, c.label, result);
    *whole = buf_view(&in->buf);
    return act == FINISH ? CHUNK_WHOLE : CHUNK_MORE;
}

void chunk_in_free(struct chunk_in *in)
{
    buf_free(&in->buf);
    *in = (struct chunk_in){ 0 };
}

/* ------------------------------------------------------------- sending -- */

/* piece - what goes next. Blanks at the end of a line do not survive everywhere. */

static struct slice piece(struct slice rest, size_t most)
{
    struct slice data = slice_first(rest, most);

    while (data.n < rest.n && data.n > 1 && data.p[data.n - 1] == ' ')
        data.n--;
    return data;
}

bool chunk_put(struct chunk_out *out, size_t most, struct buf *line)
{
    struct slice data = piece(out->rest, most);
    bool last = data.n == out->rest.n;
    enum chunk_label label = last ? CHUNK_LAST : out->begun ? CHUNK_NEXT : CHUNK_FIRST;

    buf_printf(line, "%s CHUNK={%08zx} ", labels[label].p, data.n);
    buf_put_slice(line, data);
    out->rest = slice_from(out->rest, data.n);
    out->begun = true;
    return last;
}
