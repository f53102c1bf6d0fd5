/* line.c - one event as one line. */
#include <assert.h>
#include <stdio.h>
#include "base/ascii.h"
#include "base/date.h"
#include "base/digits.h"
#include "base/id.h"
#include "base/utf8.h"
#include "log/line.h"
#include "log/log.h"

enum {
    TAIL    = 3,        /* always room for the closing quote, the brace and the newline */
    PROCESS = 40,       /* octets of its name that are shown */
};

size_t utf8_length(struct slice s, uint32_t *code, size_t *bad)
{
    struct slice rest = s;

    *code = 0;
    *bad = 0;
    if (!utf8_next(&rest, code))
        return 0;
    if (utf8_seen(*code))
        return s.n - rest.n;
    *bad = s.n - rest.n;
    return 0;
}

/* escape_one - the escape for the front of s: JSON names what is a character,
 * everything else is shown byte by byte. Returns the bytes of s that it covers. */

static size_t escape_one(struct slice s, bool json, uint32_t code, size_t bad,
                         char out[16])
{
    unsigned char c = (unsigned char)s.p[0];

    if (bad > 0 && json && code <= 0xffff) {
        snprintf(out, 16, "\\u%04x", (unsigned)code);
        return bad;
    }
    snprintf(out, 16, "%s\\x%02x", json ? "\\" : "", c);
    return 1;
}

/* put_character - the one at the front of *s, which utf8_plain() does not let through */

static bool put_character(struct log_out *o, struct slice *s, bool json)
{
    size_t bad, n;
    uint32_t code;
    char esc[16];
    struct slice out = { 0 };

    n = utf8_length(*s, &code, &bad);
    if (n == 0)
        n = escape_one(*s, json, code, bad, esc);
    else if (s->p[0] == '"' || s->p[0] == '\\')
        snprintf(esc, sizeof esc, "\\%c", s->p[0]);
    else
        out = slice_first(*s, n);
    if (!log_put(o, out.n > 0 ? out : slice_cstr(esc)))
        return false;
    *s = slice_from(*s, n);
    return true;
}

void log_put_escaped(struct log_out *o, struct slice s, bool json)
{
    do {
        size_t n = utf8_plain(s);

        if (n > log_room(o))
            n = log_room(o);
        log_put(o, slice_first(s, n));
        s = slice_from(s, n);
    } while (s.n > 0 && put_character(o, &s, json));
}

/* plain - may this value stand without quotes? */

static bool plain(struct slice s)
{
    return s.n > 0 && utf8_plain(s) == s.n
        && memchr(s.p, ' ', s.n) == NULL && memchr(s.p, '=', s.n) == NULL;
}

static void put_text(struct log_out *o, struct slice s, bool json)
{
    if (!json && plain(s) && log_put(o, s))
        return;
    if (!log_put(o, SLICE_LIT("\"")))
        return;
    log_put_escaped(o, s, json);
    o->p[o->n++] = '"';             /* in the room of TAIL */
}

/* put_mark - what stands here in JSON, or in text */

static inline void put_mark(struct log_out *o, bool json, struct slice in_json, struct slice in_text)
{
    if (json)
        log_put(o, in_json);
    else
        log_put(o, in_text);
}

static void put_id(struct log_out *o, uint64_t id, bool json)
{
    char text[ID_TEXT + 1];

    put_mark(o, json, SLICE_LIT("\""), SLICE_LIT(""));
    log_put(o, slice_of(id_text(id, text), ID_TEXT));
    put_mark(o, json, SLICE_LIT("\""), SLICE_LIT(""));
}

/* put_value - the text of one value into the line */

static void put_value(struct log_out *o, const struct log_field *f, bool json)
{
    char text[DIGITS_TEXT];

    switch (f->kind) {
    case LF_KIND_TEXT:
        put_text(o, f->text, json);
        break;
    case LF_KIND_NUMBER:
        log_put(o, digits_text(f->number, text));
        break;
    case LF_KIND_ID:
        put_id(o, f->id, json);
        break;
    }
}

/* put_field - " key=value" or ,"key":value; all of it or, when the line is
 * nearly full, nothing; a text that is too long is cut */

static void put_field(struct log_out *o, const struct log_field *f, bool json)
{
    enum { LEAST = 32 };            /* room for a number, an id, or a word of text */

    if (log_room(o) < f->key.n + 4 + LEAST)
        return;
    put_mark(o, json, SLICE_LIT(",\""), SLICE_LIT(" "));
    log_put(o, f->key);
    put_mark(o, json, SLICE_LIT("\":"), SLICE_LIT("="));
    put_value(o, f, json);
}

/* name_of - in lower case, made when it is first wanted */

static struct slice name_of(enum event event)
{
    static const char *const upper[] = {
#define E(NAME, level, help) [EVENT_##NAME] = #NAME,
        EVENTS(E)
#undef E
    };
    static struct { char text[24]; size_t n; } lower[EVENT_COUNT];

    assert(event < EVENT_COUNT);
    if (lower[event].n == 0)
        for (size_t i = 0; upper[event][i] != '\0' && i < sizeof lower[event].text - 1; i++)
            lower[event].text[lower[event].n++] = ascii_lower(upper[event][i]);
    return slice_of(lower[event].text, lower[event].n);
}

static void put_head(struct log_out *o, bool json, int64_t wall_ms,
                     const char *process, unsigned pid, enum event event)
{
    char number[DIGITS_TEXT], stamp[DATE_TEXT];

    put_mark(o, json, SLICE_LIT("{\"time\":\""), SLICE_LIT(""));
    log_put(o, slice_of(date_stamp_ms(wall_ms, stamp), DATE_STAMP_MS));
    put_mark(o, json, SLICE_LIT("\",\"process\":\""), SLICE_LIT(" "));
    log_put(o, slice_first(slice_cstr(process), PROCESS));
    put_mark(o, json, SLICE_LIT("\",\"pid\":"), SLICE_LIT("["));
    log_put(o, digits_text(pid, number));
    put_mark(o, json, SLICE_LIT(",\"event\":\""), SLICE_LIT("] "));
    log_put(o, name_of(event));
    put_mark(o, json, SLICE_LIT("\""), SLICE_LIT(""));
}

size_t log_line(char *line, size_t size, bool json, int64_t wall_ms, const char *process,
                unsigned pid, enum event event, const struct log_field *fields, size_t n)
{
    struct log_out o = { .p = line, .max = size - TAIL };

    assert(size > 256);
    put_head(&o, json, wall_ms, process, pid, event);
    for (size_t i = 0; i < n; i++)
        put_field(&o, &fields[i], json);
    if (json)
        line[o.n++] = '}';
    line[o.n++] = '\n';
    return o.n;
}

const char *event_name(enum event event)
{
    return name_of(event).p;
}
