/* json.c - runs of harmless octets are copied whole. */
#include "base/digits.h"
#include "base/json.h"
#include "base/utf8.h"

static void put_other(struct buf *out, unsigned char c, bool utf8)
{
    static const char digits[] = "0123456789abcdef";
    const char code[] = { '\\', 'u', '0', '0', digits[c >> 4], digits[c & 15] };
    const char mark[] = { '\\', (char)c };

    if (c >= 0x80)
        buf_put(out, utf8 ? &mark[1] : "?", 1);
    else if (c < 0x20)
        buf_put(out, code, sizeof code);
    else if (c == 0x7f)
        buf_put(out, &mark[1], 1);
    else
        buf_put(out, mark, sizeof mark);
}

void json_put_string(struct buf *out, struct slice s)
{
    size_t n = utf8_plain(s);
    bool utf8 = n == s.n || utf8_valid(s);

    buf_put(out, "\"", 1);
    for (;; n = utf8_plain(s)) {
        buf_put(out, s.p, n);
        s = slice_from(s, n);
        if (s.n == 0)
            break;
        put_other(out, (unsigned char)s.p[0], utf8);
        s = slice_from(s, 1);
    }
    buf_put(out, "\"", 1);
}

/* wants_comma - all but the first in its object or array; text never ends in a
 * bracket, for its quote stands behind it */

static bool wants_comma(const struct buf *out)
{
    struct slice before = buf_view(out);
    char last = before.n > 0 ? before.p[before.n - 1] : '\n';

    return last != '{' && last != '[' && last != '\n';
}

enum { MARKS = 6 };     /* comma, quotes and colon of the key, quotes of the value */

/* put_name - what stands before a value, for which there is room; where the value goes */

static char *put_name(char *p, const struct buf *out, struct slice key)
{
    if (wants_comma(out))
        *p++ = ',';
    if (key.p == NULL)
        return p;
    *p++ = '"';
    memcpy(p, key.p, key.n);
    p += key.n;
    *p++ = '"';
    *p++ = ':';
    return p;
}

static void name(struct buf *out, struct slice key)
{
    char *room = buf_room(out, key.n + MARKS);

    if (room != NULL)
        buf_added(out, (size_t)(put_name(room, out, key) - room));
}

void json_open(struct buf *out, struct slice key, char bracket)
{
    name(out, key);
    buf_put(out, &bracket, 1);
}

void json_put_close(struct buf *out, char bracket)
{
    buf_put(out, &bracket, 1);
}

void json_plain(struct buf *out, struct slice key, struct slice value)
{
    char *room = buf_room(out, key.n + value.n + MARKS), *p;

    if (room == NULL)
        return;
    p = put_name(room, out, key);
    *p++ = '"';
    if (value.n > 0)
        memcpy(p, value.p, value.n);
    p += value.n;
    *p++ = '"';
    buf_added(out, (size_t)(p - room));
}

void json_text(struct buf *out, struct slice key, struct slice value)
{
    if (utf8_plain(value) == value.n) {     /* as nearly all are */
        json_plain(out, key, value);
        return;
    }
    name(out, key);
    json_put_string(out, value);
}

void json_number(struct buf *out, struct slice key, int64_t value)
{
    char text[DIGITS_TEXT];

    name(out, key);
    buf_put_slice(out, digits_text(value, text));
}
