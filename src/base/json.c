/* json.c - runs of harmless octets are copied whole. */
#include "base/json.h"
#include "base/utf8.h"

/* plain - how many octets at the front are ASCII and need no escape */

static size_t plain(struct slice s)
{
    size_t n = 0;

    while (n < s.n && (unsigned char)(s.p[n] - 0x20) < 0x60 && s.p[n] != '"' && s.p[n] != '\\')
        n++;
    return n;
}

static void put_other(struct buf *out, unsigned char c, bool utf8)
{
    static const char digits[] = "0123456789abcdef";
    const char code[] = { '\\', 'u', '0', '0', digits[c >> 4], digits[c & 15] };
    const char mark[] = { '\\', (char)c };

    if (c >= 0x80)
        buf_put(out, utf8 ? &mark[1] : "?", 1);
    else if (c < 0x20)
        buf_put(out, code, sizeof code);
    else
        buf_put(out, mark, sizeof mark);
}

void json_put_string(struct buf *out, struct slice s)
{
    size_t n = plain(s);
    bool utf8 = n == s.n || utf8_valid(s);

    buf_put(out, "\"", 1);
    for (;; n = plain(s)) {
        buf_put(out, s.p, n);
        s = slice_from(s, n);
        if (s.n == 0)
            break;
        put_other(out, (unsigned char)s.p[0], utf8);
        s = slice_from(s, 1);
    }
    buf_put(out, "\"", 1);
}

/* name - what stands before a value. Only the first in its object or array has no
 * comma; text never ends in a bracket, for its quote stands behind it. */

static void name(struct buf *out, const char *key)
{
    struct slice before = buf_view(out);
    char last = before.n > 0 ? before.p[before.n - 1] : '\n';

    if (last != '{' && last != '[' && last != '\n')
        buf_put(out, ",", 1);
    if (key != NULL) {
        buf_put(out, "\"", 1);
        buf_puts(out, key);
        buf_put(out, "\":", 2);
    }
}

void json_put_open(struct buf *out, const char *key, char bracket)
{
    name(out, key);
    buf_put(out, &bracket, 1);
}

void json_put_close(struct buf *out, char bracket)
{
    buf_put(out, &bracket, 1);
}

void json_put_text(struct buf *out, const char *key, struct slice value)
{
    name(out, key);
    json_put_string(out, value);
}

void json_put_number(struct buf *out, const char *key, int64_t value)
{
    char text[24];
    size_t at = sizeof text;
    uint64_t n = value < 0 ? -(uint64_t)value : (uint64_t)value;

    do
        text[--at] = (char)('0' + n % 10);
    while ((n /= 10) > 0);
    if (value < 0)
        text[--at] = '-';
    name(out, key);
    buf_put(out, text + at, sizeof text - at);
}
