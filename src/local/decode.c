/* decode.c - base64, quoted-printable and encoded words, for showing. */
#include "base/ascii.h"
#include "base/base64.h"
#include "local/decode.h"

enum { BASE64_MAX = 1 << 20 };

void decode_base64(struct slice in, struct buf *out)
{
    struct buf text = BUF(BASE64_MAX);

    for (size_t i = 0; i < in.n; i++)
        if (ascii_alnum(in.p[i]) || in.p[i] == '+' || in.p[i] == '/' || in.p[i] == '=')
            buf_put(&text, &in.p[i], 1);
    base64_take(out, slice_first(buf_view(&text), text.n / 4 * 4));
    buf_free(&text);
}

/* hex_octet - "=1B" at the front of s; -1: it is none */

static int hex_octet(struct slice s)
{
    int high = s.n >= 3 && s.p[0] == '=' ? ascii_hex(s.p[1]) : -1;
    int low = high >= 0 ? ascii_hex(s.p[2]) : -1;

    return low >= 0 ? high * 16 + low : -1;
}

/* decode_line - one line without its end; true: it goes on in the next one */

static bool decode_line(struct slice line, struct buf *out)
{
    while (line.n > 0 && (line.p[line.n - 1] == ' ' || line.p[line.n - 1] == '\t'
                          || line.p[line.n - 1] == '\r'))
        line.n--;
    while (line.n > 0) {
        int octet = hex_octet(line);
        char c = octet >= 0 ? (char)octet : line.p[0];

        if (line.p[0] == '=' && line.n == 1)
            return true;
        buf_put(out, &c, 1);
        line = slice_from(line, octet >= 0 ? 3 : 1);
    }
    return false;
}

void decode_qp(struct slice in, struct buf *out)
{
    struct slice line;

    while (in.n > 0) {
        slice_cut(in, '\n', &line, &in);
        if (!decode_line(line, out))
            buf_puts(out, "\n");
    }
}

/* --- encoded words ---------------------------------------------------------- */

static void decode_q(struct slice in, struct buf *out)
{
    while (in.n > 0) {
        int octet = hex_octet(in);
        char c = octet >= 0 ? (char)octet : in.p[0] == '_' ? ' ' : in.p[0];

        buf_put(out, &c, 1);
        in = slice_from(in, octet >= 0 ? 3 : 1);
    }
}

static bool charset_ok(struct slice charset)
{
    size_t star = slice_chr(charset, '*');      /* a language (RFC 2231 §5) */

    charset = slice_first(charset, star);
    return slice_ieq(charset, SLICE_LIT("utf-8")) || slice_ieq(charset, SLICE_LIT("us-ascii"));
}

/* take_word - "=?charset?encoding?text?=" at the front of *rest, decoded; false: it is
 * none, and nothing was done */

static bool take_word(struct slice *rest, struct buf *out)
{
    struct slice charset, encoding, text, in;

    if (rest->n < 2 || rest->p[0] != '=' || rest->p[1] != '?'
        || !slice_cut(slice_from(*rest, 2), '?', &charset, &in) || !charset_ok(charset)
        || !slice_cut(in, '?', &encoding, &in) || encoding.n != 1
        || !slice_cut(in, '?', &text, &in) || in.n == 0 || in.p[0] != '='
        || slice_chr(text, ' ') < text.n)
        return false;
    if (ascii_lower(encoding.p[0]) == 'b')
        decode_base64(text, out);
    else if (ascii_lower(encoding.p[0]) == 'q')
        decode_q(text, out);
    else
        return false;
    *rest = slice_from(in, 1);
    return true;
}

static size_t blanks(struct slice s)
{
    size_t n = 0;

    while (n < s.n && (s.p[n] == ' ' || s.p[n] == '\t' || s.p[n] == '\r' || s.p[n] == '\n'))
        n++;
    return n;
}

void decode_words(struct slice in, struct buf *out)
{
    while (in.n > 0) {
        struct slice next;

        if (!take_word(&in, out)) {
            buf_put(out, in.p, 1);
            in = slice_from(in, 1);
            continue;
        }
        /* blanks between two encoded words are not part of the text (RFC 2047 §6.2) */
        next = slice_from(in, blanks(in));
        while (next.n < in.n && take_word(&next, out)) {
            in = next;
            next = slice_from(in, blanks(in));
        }
    }
}
