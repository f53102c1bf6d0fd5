/* encode.c - a line at a time, through a small buffer. */
#include "mail/encode.h"

enum { LINE = 76, ROOM = 16384, GROUPS = LINE / 4 };

struct encoder {
    char           out[ROOM];
    size_t         n;
    size_t         column;      /* octets in the current line of output */
    encode_sink_f *sink;
    void          *user;
    bool           stopped;
};

static bool flush(struct encoder *e)
{
    if (e->n > 0 && !e->stopped)
        e->stopped = !e->sink(e->user, slice_of(e->out, e->n));
    e->n = 0;
    return !e->stopped;
}

static void put(struct encoder *e, const char *p, size_t n)
{
    if (e->n + n > sizeof e->out)
        flush(e);
    memcpy(e->out + e->n, p, n);
    e->n += n;
    e->column += n;
}

static void put_break(struct encoder *e, const char *text)
{
    put(e, text, strlen(text));
    e->column = 0;
}

/* Quoted-printable. */

static const char hex[] = "0123456789ABCDEF";

/* line_ends_at - is there CRLF, or nothing more? */

static bool line_ends_at(struct slice in, size_t i)
{
    return i >= in.n || (in.p[i] == '\r' && i + 1 < in.n && in.p[i + 1] == '\n');
}

/* stands - may the octet stand for itself, there? */

static bool stands(char c, bool first, bool last)
{
    if (c == ' ' || c == '\t')
        return !last;
    return c > ' ' && c <= '~' && c != '=' && !(c == '-' && first);
}

/* put_octet - last: of its line; max: room in that line of output, less that of the
 * '=' that may have to end it */

static void put_octet(struct encoder *e, char c, bool last, size_t max)
{
    size_t need = stands(c, e->column == 0, last) ? 1 : 3;
    char code[3] = { '=', hex[(unsigned char)c >> 4], hex[(unsigned char)c & 15] };

    if (e->column + need > max)
        put_break(e, "=\r\n");
    if (stands(c, e->column == 0, last))
        put(e, &c, 1);
    else
        put(e, code, 3);
}

bool encode_qp(struct slice in, bool ends, encode_sink_f *sink, void *user)
{
    struct encoder e = { .sink = sink, .user = user };

    for (size_t i = 0; i < in.n && !e.stopped; i++) {
        if (line_ends_at(in, i)) {
            put_break(&e, "\r\n");
            i++;
        } else {
            bool last = line_ends_at(in, i + 1);

            put_octet(&e, in.p[i], last, last && (i + 1 < in.n || !ends) ? LINE : LINE - 1);
        }
    }
    if (ends && e.column > 0)
        put_break(&e, "=\r\n");
    return flush(&e);
}

/* Base64. */

static void put_group(struct encoder *e, struct slice in)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *p = (const unsigned char *)in.p;
    unsigned b = in.n > 1 ? p[1] : 0, c = in.n > 2 ? p[2] : 0;
    char code[4] = {
        letters[p[0] >> 2], letters[(p[0] & 3u) << 4 | b >> 4],
        in.n > 1 ? letters[(b & 15) << 2 | c >> 6] : '=', in.n > 2 ? letters[c & 63] : '=',
    };

    put(e, code, sizeof code);
}

bool encode_base64(struct slice in, bool ends, encode_sink_f *sink, void *user)
{
    struct encoder e = { .sink = sink, .user = user };

    for (; in.n > 0 && !e.stopped; in = slice_from(in, 3)) {
        if (e.column == LINE)
            put_break(&e, "\r\n");
        put_group(&e, slice_first(in, 3));
    }
    if (ends && e.column > 0)
        put_break(&e, "\r\n");
    return flush(&e);
}

bool encode_qp_shorter(struct slice in)
{
    size_t coded = 0, octets;

    for (size_t i = 0; i < in.n; i++)
        coded += !stands(in.p[i], false, false) && in.p[i] != '\r' && in.p[i] != '\n';
    octets = in.n + 2 * coded;
    return octets / 75 * 78 < in.n / 57 * 78 + 78;
}
