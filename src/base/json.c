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

/* name - what stands before a value */

static void name(struct buf *out, const char *key)
{
    if (wants_comma(out))
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

/* put_plain - a member whose text needs no escape, as nearly all are: in one piece.
 * False: nothing was written. */

static bool put_plain(struct buf *out, const char *key, struct slice value)
{
    size_t n = key != NULL ? strlen(key) : 0;
    char *room = utf8_plain(value) == value.n ? buf_room(out, n + value.n + 6) : NULL, *p = room;

    if (p == NULL)
        return false;
    if (wants_comma(out))
        *p++ = ',';
    if (key != NULL) {
        *p++ = '"';
        memcpy(p, key, n);
        p += n;
        *p++ = '"';
        *p++ = ':';
    }
    *p++ = '"';
    if (value.n > 0)
        memcpy(p, value.p, value.n);
    p += value.n;
    *p++ = '"';
    buf_added(out, (size_t)(p - room));
    return true;
}

void json_put_text(struct buf *out, const char *key, struct slice value)
{
    if (put_plain(out, key, value))
        return;
    name(out, key);
    json_put_string(out, value);
}

void json_put_number(struct buf *out, const char *key, int64_t value)
{
    char text[DIGITS_TEXT];

    name(out, key);
    buf_put_slice(out, digits_text(value, text));
}
