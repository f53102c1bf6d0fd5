/* downgrade.c - decide about every part first, then write from front to back. */
#include <assert.h>
#include "mail/downgrade.h"
#include "mail/encode.h"
#include "mail/parts.h"

static_assert((int)DOWNGRADE_DEPTH <= (int)PARTS_DEPTH, "the walk has no more room");

static const struct {
    const char *text;
    unsigned    status[3];
} results[] = {
#define RESULT(name, class, subject, detail, words) \
    [DOWNGRADE_##name] = { words, { class, subject, detail } },
    DOWNGRADE_RESULTS(RESULT)
#undef RESULT
};

struct plan {
    const struct downgrade *d;
    struct parts            parts;
    unsigned                unfit;      /* enum content_fact that the host cannot take */
};

/* Looking. */

static struct slice region(const struct plan *p, size_t start, size_t end)
{
    return slice_first(slice_from(p->d->message, start), end - start);
}

/* facts_of - of a stretch of the message that begins a line */

static unsigned facts_of(const struct plan *p, struct slice s)
{
    struct content_scan c = { .line_max = p->d->line_max, .in_body = true };

    content_scan(&c, s);
    return content_end(&c);
}

static enum downgrade_result header_check(const struct plan *p, struct slice header)
{
    unsigned facts = facts_of(p, header) & p->unfit;

    if (facts & (CONTENT_NUL | CONTENT_BARE))
        return DOWNGRADE_STRUCTURE;
    if (facts & CONTENT_8BIT)
        return DOWNGRADE_HEADER;
    return facts & CONTENT_LONG ? DOWNGRADE_LONG : DOWNGRADE_FITS;
}

/* gap_check - what stands between the parts is nobody's, and cannot be encoded */

static enum downgrade_result gap_check(const struct plan *p, struct slice gap)
{
    return facts_of(p, gap) & p->unfit ? DOWNGRADE_STRUCTURE : DOWNGRADE_FITS;
}

/* Deciding. */

static void become(struct part *part, enum mime_encoding encoding)
{
    part->becomes = (unsigned char)encoding;
    part->changed = true;
}

/* header_whole - is its last field ended? Not if a delimiter cut it off: then nothing
 * is put behind it */

static bool header_whole(const struct plan *p, const struct part *part)
{
    return part->body > part->start && p->d->message.p[part->body - 1] == '\n';
}

/* relabel - a name that promises more than the host takes is lowered to `fitting` */

static void relabel(const struct plan *p, struct part *part, enum mime_encoding fitting)
{
    bool high = part->encoding == MIME_BINARY
        || (part->encoding == MIME_8BIT && p->d->target == DOWNGRADE_TO_7BIT);

    if (high && header_whole(p, part))
        become(part, fitting);
}

static bool names_encoding(const struct part *part)
{
    return part->encoding == MIME_QP || part->encoding == MIME_BASE64
        || part->encoding == MIME_OTHER;
}

/* open_binary - the message's last octets, which are not a line: SMTP would add
 * CRLF to them, and in a binary part that would be content */

static bool open_binary(const struct plan *p, const struct part *part, unsigned facts)
{
    return part->encoding == MIME_BINARY && part->end == p->d->message.n
        && (facts & CONTENT_OPEN) != 0;
}

static enum downgrade_result leaf_decide(const struct plan *p, struct part *part)
{
    struct slice body = region(p, part->body, part->end);
    unsigned facts = facts_of(p, body);
    bool octets = (facts & (CONTENT_NUL | CONTENT_BARE)) != 0;

    if (!(facts & p->unfit) && !open_binary(p, part, facts)) {
        relabel(p, part, facts & CONTENT_8BIT ? MIME_8BIT : MIME_7BIT);
        return DOWNGRADE_FITS;
    }
    if (names_encoding(part))
        return DOWNGRADE_ENCODING;
    become(part, part->text && !octets && encode_qp_shorter(body) ? MIME_QP : MIME_BASE64);
    return DOWNGRADE_FITS;
}

/* closed_decide - a part that nobody may change inside */

static enum downgrade_result closed_decide(const struct plan *p, struct part *part)
{
    unsigned facts = facts_of(p, region(p, part->body, part->end));

    if (!(facts & p->unfit)) {
        relabel(p, part, facts & CONTENT_8BIT ? MIME_8BIT : MIME_7BIT);
        return DOWNGRADE_FITS;
    }
    if (part->kind == PART_SIGNED)
        return DOWNGRADE_SIGNED;
    return names_encoding(part) ? DOWNGRADE_ENCODING : DOWNGRADE_MESSAGE;
}

static enum downgrade_result part_decide(const struct plan *p, struct part *part)
{
    switch ((enum part_kind)part->kind) {
    case PART_LEAF:
        return leaf_decide(p, part);
    case PART_SIGNED:
    case PART_SEALED:
        return closed_decide(p, part);
    case PART_MULTIPART:
    case PART_MESSAGE:
        relabel(p, part, p->d->target == DOWNGRADE_TO_7BIT ? MIME_7BIT : MIME_8BIT);
        return DOWNGRADE_FITS;
    }
    return DOWNGRADE_STRUCTURE;
}

/* has_body - is what follows the header the part's own (and not children and gaps)? */

static bool has_body(const struct part *part)
{
    return part->kind != PART_MULTIPART && part->kind != PART_MESSAGE;
}

static enum downgrade_result decide_each(struct plan *p)
{
    enum downgrade_result result = DOWNGRADE_FITS;
    size_t at = 0;

    for (uint32_t i = 0; i < p->parts.n && result == DOWNGRADE_FITS; i++) {
        struct part *part = &p->parts.list[i];

        result = gap_check(p, region(p, at, part->start));
        if (result == DOWNGRADE_FITS)
            result = header_check(p, region(p, part->start, part->body));
        if (result == DOWNGRADE_FITS)
            result = part_decide(p, part);
        at = has_body(part) ? part->end : part->body;
    }
    if (result != DOWNGRADE_FITS)
        return result;
    return gap_check(p, region(p, at, p->d->message.n));
}

/* changes_rise - who contains a change is changed; children stand behind parents */

static bool changes_rise(struct parts *p)
{
    for (uint32_t i = p->n; i-- > 1;)
        if (p->list[i].changed)
            p->list[p->list[i].parent].changed = true;
    return p->n > 0 && p->list[0].changed;
}

static bool has_binary(const struct parts *p)
{
    for (uint32_t i = 0; i < p->n; i++)
        if (p->list[i].encoding == MIME_BINARY)
            return true;
    return false;
}

static enum downgrade_result find_result(enum parts_result found)
{
    static const enum downgrade_result map[] = {
        [PARTS_BROKEN] = DOWNGRADE_STRUCTURE, [PARTS_MANY] = DOWNGRADE_DEEP,
        [PARTS_MEMORY] = DOWNGRADE_SINK,
    };

    return map[found];
}

/* plan_make - FITS, DONE (it can be), or why not. A message without an octet that the
 * host could not take is never refused, and changed only where it says "binary" */

static enum downgrade_result plan_make(struct plan *p, const struct downgrade *d)
{
    enum downgrade_result result;
    enum parts_result found;
    bool fits;

    *p = (struct plan){ .d = d, .parts = { .max = DOWNGRADE_PARTS, .max_depth = DOWNGRADE_DEPTH } };
    p->unfit = CONTENT_BINARY | (d->target == DOWNGRADE_TO_7BIT ? CONTENT_8BIT : 0);
    fits = (facts_of(p, d->message) & p->unfit) == 0;
    found = parts_find(d->message, &p->parts);
    if (fits && (found != PARTS_OK || !has_binary(&p->parts)))
        return DOWNGRADE_FITS;
    if (found != PARTS_OK)
        return find_result(found);
    result = decide_each(p);
    if (result != DOWNGRADE_FITS)
        return fits ? DOWNGRADE_FITS : result;
    return changes_rise(&p->parts) ? DOWNGRADE_DONE : DOWNGRADE_FITS;
}

enum downgrade_result downgrade_check(const struct downgrade *d)
{
    struct plan p;
    enum downgrade_result result = plan_make(&p, d);

    parts_free(&p.parts);
    return result;
}

/* Writing. */

struct writer {
    const struct plan *p;
    downgrade_sink_f  *sink;
    void              *user;
    bool               stopped;
};

static void put(struct writer *w, struct slice piece)
{
    if (piece.n > 0 && !w->stopped)
        w->stopped = !w->sink(w->user, piece);
}

static void put_text(struct writer *w, const char *text)
{
    put(w, slice_cstr(text));
}

static void put_encoding(struct writer *w, const struct part *part)
{
    put_text(w, "Content-Transfer-Encoding: ");
    put_text(w, mime_encoding_text((enum mime_encoding)part->becomes));
    put_text(w, "\r\n");
}

/* header_fields_end - where the fields end and the empty line begins. A part that is
 * given new fields has one: a header without is either refused or has no body */

static size_t header_fields_end(const struct writer *w, const struct part *part)
{
    struct slice header = region(w->p, part->start, part->body);
    size_t n = header.n;

    if (n == 2 && memcmp(header.p, "\r\n", 2) == 0)
        return part->start;
    if (n >= 4 && memcmp(header.p + n - 4, "\r\n\r\n", 4) == 0)
        return part->body - 2;
    return part->body;
}

/* put_missing - what a message of the time before MIME lacks (RFC 1428 §3) */

static void put_missing(struct writer *w, const struct part *part)
{
    struct slice body = region(w->p, part->body, part->end);

    if (!part->message || part->mime)
        return;
    put_text(w, "MIME-Version: 1.0\r\n");
    if (part->type_end == 0 && part->becomes != MIME_UNNAMED)
        put_text(w, facts_of(w->p, body) & CONTENT_8BIT
                     ? "Content-Type: text/plain; charset=unknown-8bit\r\n"
                     : "Content-Type: text/plain; charset=us-ascii\r\n");
}

/* put_header - in the place of the old name of the encoding, else behind the type,
 * else at the end */

static void put_header(struct writer *w, const struct part *part)
{
    size_t fields = header_fields_end(w, part), at = part->start;
    bool named = part->named_end > 0;

    if (part->becomes != MIME_UNNAMED && (named || part->type_end > 0)) {
        size_t place = named ? part->named : part->type_end;

        put(w, region(w->p, at, place));
        put_encoding(w, part);
        at = named ? part->named_end : place;
    }
    put(w, region(w->p, at, fields));
    put_missing(w, part);
    if (part->becomes != MIME_UNNAMED && !named && part->type_end == 0)
        put_encoding(w, part);
    put(w, region(w->p, fields, part->body));
}

static void put_body(struct writer *w, const struct part *part)
{
    struct slice body = region(w->p, part->body, part->end);
    bool ends = part->end == w->p->d->message.n;

    if (part->becomes == MIME_QP)
        w->stopped = w->stopped || !encode_qp(body, ends, w->sink, w->user);
    else if (part->becomes == MIME_BASE64)
        w->stopped = w->stopped || !encode_base64(body, ends, w->sink, w->user);
    else
        put(w, body);
}

static enum downgrade_result write_all(const struct plan *p, downgrade_sink_f *sink, void *user)
{
    struct writer w = { .p = p, .sink = sink, .user = user };
    size_t at = 0;

    for (uint32_t i = 0; i < p->parts.n && !w.stopped; i++) {
        const struct part *part = &p->parts.list[i];

        put(&w, region(p, at, part->start));
        if (part->changed)
            put_header(&w, part);
        else
            put(&w, region(p, part->start, part->body));
        if (has_body(part))
            put_body(&w, part);
        at = has_body(part) ? part->end : part->body;
    }
    put(&w, region(p, at, p->d->message.n));
    return w.stopped ? DOWNGRADE_SINK : DOWNGRADE_DONE;
}

enum downgrade_result downgrade_write(const struct downgrade *d, downgrade_sink_f *sink, void *user)
{
    struct plan p;
    enum downgrade_result result = plan_make(&p, d);

    if (result == DOWNGRADE_DONE)
        result = write_all(&p, sink, user);
    parts_free(&p.parts);
    return result;
}

static bool count(void *user, struct slice piece)
{
    *(uint64_t *)user += piece.n;
    return true;
}

enum downgrade_result downgrade_length(const struct downgrade *d, uint64_t *octets)
{
    *octets = 0;
    return downgrade_write(d, count, octets);
}

void downgrade_status(enum downgrade_result result, unsigned status[3])
{
    memcpy(status, results[result].status, sizeof results[result].status);
}

const char *downgrade_text(enum downgrade_result result)
{
    return results[result].text;
}
