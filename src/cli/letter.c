/* letter.c - line ends and header fields. */
#include <time.h>
#include "base/ascii.h"
#include "cli/letter.h"

/* letter_has_header - a field name is printable without spaces or colon, then a
 * colon (RFC 5322 §2.2) */

bool letter_has_header(struct slice text)
{
    size_t i = 0;

    if (text.n > 0 && (text.p[0] == '\n' || text.p[0] == '\r'))
        return true;
    while (i < text.n && text.p[i] > ' ' && text.p[i] < 127 && text.p[i] != ':')
        i++;
    return i > 0 && i < text.n && text.p[i] == ':';
}

bool letter_8bit(struct slice text)
{
    for (size_t i = 0; i < text.n; i++)
        if ((unsigned char)text.p[i] > 127)
            return true;
    return false;
}

/* line_length - up to the next line end; *end: how long that is, 0 at the end of all */

static size_t line_length(struct slice s, size_t *end)
{
    size_t lf = slice_chr(s, '\n');
    size_t cr = slice_chr(slice_first(s, lf), '\r');

    if (cr < lf)
        *end = cr + 1 == lf && lf < s.n ? 2 : 1;
    else
        *end = lf < s.n ? 1 : 0;
    return cr;
}

static void put_lines(struct buf *out, struct slice text)
{
    size_t n, end;

    while (text.n > 0) {
        n = line_length(text, &end);
        buf_put(out, text.p, n);
        buf_puts(out, "\r\n");
        text = slice_from(text, n + end);
    }
}

static void put_date(struct buf *out, int64_t now)
{
    static const char days[] = "SunMonTueWedThuFriSat";
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    time_t t = (time_t)(now / 1000);
    struct tm tm;
    long zone;

    if (localtime_r(&t, &tm) == NULL)
        return;
    zone = tm.tm_gmtoff / 60;
    buf_printf(out, "Date: %.3s, %d %.3s %d %02d:%02d:%02d %c%02ld%02ld\r\n",
               days + 3 * tm.tm_wday, tm.tm_mday, months + 3 * tm.tm_mon, tm.tm_year + 1900,
               tm.tm_hour, tm.tm_min, tm.tm_sec, zone < 0 ? '-' : '+',
               (zone < 0 ? -zone : zone) / 60, (zone < 0 ? -zone : zone) % 60);
}

static void put_to(struct buf *out, const struct text_list *to)
{
    for (size_t i = 0; i < to->n; i++)
        buf_printf(out, "%s<%s>%s\r\n", i == 0 ? "To: " : "    ", to->items[i],
                   i + 1 < to->n ? "," : "");
}

static void put_header(const struct letter *l, struct slice text, struct buf *out)
{
    put_date(out, l->now);
    buf_printf(out, "From: <%s>\r\n", l->from);
    put_to(out, l->to);
    buf_printf(out, "Message-ID: <%llx.%016llx@%s>\r\n", (unsigned long long)l->now,
               (unsigned long long)l->chance, l->host);
    buf_printf(out, "Subject: %s\r\n", l->subject != NULL ? l->subject : "a message");
    if (letter_8bit(text))
        buf_puts(out, "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
                      "Content-Transfer-Encoding: 8bit\r\n");
}

bool letter_make(const struct letter *l, struct slice text, struct buf *out)
{
    bool has = letter_has_header(text);

    for (size_t i = 0; i < l->headers->n; i++)
        put_lines(out, slice_cstr(l->headers->items[i]));
    if (!has) {
        put_header(l, text, out);
        buf_puts(out, "\r\n");
    } else if (l->subject != NULL) {
        buf_printf(out, "Subject: %s\r\n", l->subject);
    }
    put_lines(out, text);
    return !out->full;
}
