/* reader.c - lines of a reply, taken from what another server sent. */
#include "smtp/reader.h"
#include "base/ascii.h"

enum { LINES_KEPT = 64, LINES_MAX = 1000, LINE_OCTETS = 4096 };

/* line_take - one line without its CRLF; false with *bad unless it is not yet whole */

static bool line_take(struct slice in, struct slice *line, bool *bad)
{
    size_t at = slice_chr(in, '\n');

    *bad = at > LINE_OCTETS
        || (at < in.n && (at == 0 || in.p[at - 1] != '\r'));
    if (*bad || at == in.n)
        return false;
    *line = slice_first(in, at - 1);
    *bad = slice_chr(*line, '\0') < line->n || slice_chr(*line, '\r') < line->n;
    return !*bad;
}

/* code_take - "250", then "-", " " or nothing (RFC 5321 §4.2) */

static bool code_take(struct slice *line, unsigned *code, bool *last)
{
    const char *p = line->p;

    if (line->n < 3 || p[0] < '2' || p[0] > '5' || !ascii_digit(p[1]) || !ascii_digit(p[2]))
        return false;
    *code = (unsigned)(p[0] - '0') * 100 + (unsigned)(p[1] - '0') * 10 + (unsigned)(p[2] - '0');
    *last = line->n == 3 || p[3] == ' ';
    if (!*last && p[3] != '-')
        return false;
    *line = slice_from(*line, 4);
    return true;
}

/* number_take - 1 to 3 digits at the front of s */

static bool number_take(struct slice *s, unsigned *value)
{
    size_t n = 0;

    for (*value = 0; n < s->n && n < 3 && ascii_digit(s->p[n]); n++)
        *value = *value * 10 + (unsigned)(s->p[n] - '0');
    *s = slice_from(*s, n);
    return n > 0;
}

static bool dot_take(struct slice *s)
{
    bool dot = s->n > 0 && s->p[0] == '.';

    *s = slice_from(*s, dot);
    return dot;
}

/* status_take - "2.1.5 " of the reply's own class is removed from the line
 * (RFC 2034 §4); anything else is text */

static void status_take(struct slice *line, unsigned code, unsigned status[3])
{
    struct slice s = *line;
    unsigned v[3];

    if (!number_take(&s, &v[0]) || !dot_take(&s) || !number_take(&s, &v[1])
        || !dot_take(&s) || !number_take(&s, &v[2])
        || v[0] != code / 100 || (s.n > 0 && s.p[0] != ' '))
        return;
    *line = slice_from(s, 1);
    if (status[0] == 0)
        memcpy(status, v, sizeof v);
}

/* text_keep - printable, as much as there is room for */

static void text_keep(struct reply_in *r, struct slice line)
{
    if (r->lines >= LINES_KEPT || r->len == sizeof r->text)
        return;
    if (r->lines > 0)
        r->text[r->len++] = '\n';
    for (size_t i = 0; i < line.n && r->len < sizeof r->text; i++) {
        char c = line.p[i];

        r->text[r->len++] = ascii_control(c) || (unsigned char)c > 127 ? '?' : c;
    }
}

static enum reader_result line_read(struct reply_reader *r, struct slice line)
{
    unsigned code;
    bool last;

    if (!code_take(&line, &code, &last) || (r->begun && code != r->reply.code)
        || r->reply.lines >= LINES_MAX)
        return READER_BAD;
    r->begun = true;
    r->reply.code = code;
    status_take(&line, code, r->reply.status);
    text_keep(&r->reply, line);
    r->reply.lines++;
    return last ? READER_REPLY : READER_MORE;
}

static void begin(struct reply_in *r)
{
    r->code = 0;
    memset(r->status, 0, sizeof r->status);
    r->lines = 0;
    r->len = 0;
}

enum reader_result reader_next(struct reply_reader *r, struct slice in, size_t *used)
{
    enum reader_result result = READER_MORE;
    struct slice line;
    bool bad = false;

    if (!r->begun)
        begin(&r->reply);
    *used = 0;
    while (result == READER_MORE && line_take(slice_from(in, *used), &line, &bad)) {
        *used = (size_t)(line.p + line.n - in.p) + 2;
        result = line_read(r, line);
    }
    if (bad)
        result = READER_BAD;
    if (result != READER_MORE)
        r->begun = false;
    return result;
}

bool reader_line(const struct reply_in *r, unsigned n, struct slice *line)
{
    struct slice rest = { r->text, r->len };
    bool more = r->lines > 0;

    for (unsigned i = 0; more; i++) {
        more = slice_cut(rest, '\n', line, &rest);
        if (i == n)
            return true;
    }
    return false;
}
