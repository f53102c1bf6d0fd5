/* screen.c - banner, header and text of a message, fit for a terminal. */
#include <time.h>
#include "base/utf8.h"
#include "local/decode.h"
#include "local/screen.h"
#include "mail/header.h"
#include "mail/parts.h"

enum { PARTS_MAX = 200, DEPTH_MAX = 20, HEADER_SHOWN = 200, FIELD_SHOWN = 100 };

/* --- characters --------------------------------------------------------------- */

/* take_point - the next character that may be shown, or 0: nothing of this one. Always
 * goes on; *rest is not empty. */

static uint32_t take_point(struct slice *rest)
{
    uint32_t point;

    if (!utf8_next(rest, &point)) {
        *rest = slice_from(*rest, 1);
        return '?';
    }
    if (point == '\t')
        return ' ';
    return utf8_shows(point) ? point : 0;
}

/* put_text - at most `most` characters; what is left over goes to *rest */

static void put_text(struct buf *out, struct slice text, size_t most, struct slice *rest)
{
    while (text.n > 0 && most > 0) {
        struct slice before = text;
        uint32_t point = take_point(&text);

        if (point == 0)
            continue;
        most--;
        if (point == '?' || point == ' ')
            buf_puts(out, point == '?' ? "?" : " ");
        else
            buf_put(out, before.p, before.n - text.n);
    }
    *rest = text;
}

static void put_word(struct buf *out, struct slice text, size_t most)
{
    struct slice rest;

    put_text(out, text, most, &rest);
    if (rest.n > 0)
        buf_puts(out, "...");
}

static void end_line(struct buf *out)
{
    buf_puts(out, "\r\n");
}

/* --- the banner ------------------------------------------------------------------ */

static void put_banner(const struct screen *s, struct buf *out)
{
    time_t t = (time_t)(s->now / 1000);
    struct tm tm = { 0 };
    char clock[8];

    localtime_r(&t, &tm);
    strftime(clock, sizeof clock, "%H:%M", &tm);
    buf_puts(out, "\r\n\007Message from <");
    put_word(out, s->sender, FIELD_SHOWN);
    buf_puts(out, ">");
    end_line(out);
    buf_puts(out, "to <");
    put_word(out, s->address, FIELD_SHOWN);
    buf_puts(out, "> at ");
    buf_puts(out, clock);
    buf_puts(out, ", brought by ");
    put_word(out, s->helo, FIELD_SHOWN);
    buf_puts(out, " [");
    put_word(out, s->client, FIELD_SHOWN);
    buf_puts(out, "]:");
    end_line(out);
}

/* put_field - "| Subject: ..." on one line, folds and encodings undone */

static void put_field(struct slice message, const char *name, struct buf *out)
{
    struct buf text = BUF(SCREEN_TEXT);
    struct header_field f;

    if (!header_find(message, slice_cstr(name), &f))
        return;
    decode_words(slice_trim(f.body), &text);
    buf_puts(out, "| ");
    buf_puts(out, name);
    buf_puts(out, ": ");
    put_word(out, buf_view(&text), HEADER_SHOWN);
    end_line(out);
    buf_free(&text);
}

/* --- the text ----------------------------------------------------------------------- */

static void decode(struct slice body, enum mime_encoding encoding, struct buf *out)
{
    if (encoding == MIME_BASE64)
        decode_base64(body, out);
    else if (encoding == MIME_QP)
        decode_qp(body, out);
    else if (encoding != MIME_OTHER)
        buf_put_slice(out, body);
}

static bool is_plain_text(struct slice header)
{
    struct header_field f;
    struct mime_type type;

    if (!header_find(header, SLICE_LIT("Content-Type"), &f))
        return true;
    return mime_type_parse(f.body, &type) == MIME_OK && mime_is(&type, "text", "plain");
}

/* find_text - the first plain text of the message, decoded; false: there is none */

static bool find_text(struct slice message, struct buf *out)
{
    struct parts parts = { .max = PARTS_MAX, .max_depth = DEPTH_MAX };
    bool found = false;

    if (parts_find(message, &parts) == PARTS_OK)
        for (uint32_t i = 0; i < parts.n && !found; i++) {
            const struct part *p = &parts.list[i];
            struct slice header = slice_of(message.p + p->start, p->body - p->start);

            found = p->kind == PART_LEAF && is_plain_text(header);
            if (found)
                decode(slice_of(message.p + p->body, p->end - p->body),
                       (enum mime_encoding)p->encoding, out);
        }
    parts_free(&parts);
    return found;
}

/* put_line - a line of the text, folded; the lines that may still be shown */

static uint64_t put_line(struct buf *out, struct slice line, uint64_t left)
{
    do {
        buf_puts(out, "| ");
        put_text(out, line, SCREEN_COLUMNS - 2, &line);
        end_line(out);
        left--;
    } while (line.n > 0 && left > 0);
    if (line.n > 0)
        buf_puts(out, "| ...\r\n");
    return left;
}

static void put_lines(struct buf *out, struct slice text, uint64_t left)
{
    struct slice line;

    text = slice_trim(text);
    while (text.n > 0 && left > 0) {
        slice_cut(text, '\n', &line, &text);
        left = put_line(out, line, left);
    }
    if (text.n > 0)
        buf_puts(out, "| ...\r\n");
}

bool screen_write(const struct screen *s, struct slice message, struct buf *out)
{
    struct buf text = BUF(SCREEN_MAX);

    put_banner(s, out);
    put_field(message, "From", out);
    put_field(message, "Subject", out);
    if (!find_text(message, &text))
        buf_puts(out, "| (no plain text in it)\r\n");
    else if (slice_trim(buf_view(&text)).n > 0)
        buf_puts(out, "|\r\n");
    put_lines(out, buf_view(&text), s->lines);
    buf_puts(out, "(end of message)\r\n");
    buf_free(&text);
    return !out->full;
}
