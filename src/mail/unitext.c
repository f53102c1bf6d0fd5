/* unitext.c - code points in braces. */
#include "mail/unitext.h"
#include "base/ascii.h"
#include "base/utf8.h"

enum { ADDRESS = 1020 };    /* octets of an address, at most */

static bool stands(uint32_t point, bool utf8)
{
    if (point > 127)
        return utf8 && utf8_shows(point);
    return point > ' ' && point <= '~' && strchr("\\+=", (int)point) == NULL;
}

void unitext_put(struct buf *out, struct slice address, bool utf8)
{
    struct slice rest = slice_first(address, ADDRESS);
    uint32_t point;

    while (rest.n > 0) {
        struct slice before = rest;

        if (!utf8_next(&rest, &point)) {
            rest = slice_from(rest, 1);
            buf_puts(out, "?");
        } else if (stands(point, utf8)) {
            buf_put(out, before.p, before.n - rest.n);
        } else {
            buf_printf(out, "\\x{%02X}", (unsigned)point);
        }
    }
}

/* take_point - "\x{HEXPOINT}": 2 to 6 digits, and no more zeros than they need */

static bool take_point(struct slice *s, uint32_t *point)
{
    size_t n = 3;

    *point = 0;
    if (!slice_istarts(*s, SLICE_LIT("\\x{")))
        return false;
    for (; n < s->n && n < 9 && ascii_hex(s->p[n]) >= 0; n++)
        *point = *point << 4 | (uint32_t)ascii_hex(s->p[n]);
    if (n < 5 || n >= s->n || s->p[n] != '}' || (n > 5 && s->p[3] == '0'))
        return false;
    *s = slice_from(*s, n + 1);
    return *point == ' ' || utf8_shows(*point);
}

static void put_point(struct buf *out, uint32_t point)
{
    char text[4];
    size_t n = point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
    static const unsigned char marks[] = { 0, 0, 0xc0, 0xe0, 0xf0 };

    for (size_t i = n; i-- > 1; point >>= 6)
        text[i] = (char)(0x80 | (point & 0x3f));
    text[0] = (char)(marks[n] | point);
    buf_put(out, text, n);
}

bool unitext_get(struct buf *out, struct slice text)
{
    struct buf address = BUF(ADDRESS);
    uint32_t point;
    bool ok = true;

    while (ok && text.n > 0) {
        if (text.p[0] == '\\')
            ok = take_point(&text, &point);
        else
            ok = utf8_next(&text, &point) && utf8_shows(point);
        if (ok)
            put_point(&address, point);
    }
    ok = ok && !address.full && buf_put_slice(out, buf_view(&address));
    buf_free(&address);
    return ok;
}
