/* parts.c - a walk over headers and delimiters. */
#include <stdlib.h>
#include "mail/parts.h"
#include "base/ascii.h"

/* What is open, the outermost first. */
struct level {
    uint32_t     part;
    struct slice boundary;      /* of a multipart; else empty */
    bool         closed;        /* its last delimiter is past */
    bool         digest;        /* its children are messages, unless they say otherwise */
};

struct walk {
    struct slice       in;
    size_t             at;          /* the beginning of a line */
    struct parts      *parts;
    struct level       levels[PARTS_DEPTH];
    unsigned           depth;
    unsigned           boundaries;  /* levels that have one */
    bool               digest;      /* the next part is of a digest */
    bool               message;     /* the next part is a whole message */
    enum parts_result  result;
};

/* What comes next. */
enum step { STEP_HEADER, STEP_BODY, STEP_END };

static enum step stop(struct walk *w, enum parts_result result)
{
    w->result = result;
    return STEP_END;
}

static struct slice from(const struct walk *w, size_t at)
{
    return slice_from(w->in, at);
}

/* line_at - the line that begins there, without CRLF; *next: where the next begins */

static struct slice line_at(const struct walk *w, size_t at, size_t *next)
{
    struct slice rest = from(w, at);
    const char *crlf = rest.n > 0 ? memmem(rest.p, rest.n, "\r\n", 2) : NULL;
    size_t n = crlf != NULL ? (size_t)(crlf - rest.p) : rest.n;

    *next = at + n + (crlf != NULL ? 2 : 0);
    return slice_first(rest, n);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* Delimiters. */

enum match { MATCH_NONE, MATCH_NEXT, MATCH_LAST, MATCH_DOUBT };

static enum match delimiter_match(struct slice line, struct slice boundary)
{
    struct slice rest;
    enum match found = MATCH_NEXT;

    if (boundary.n == 0 || line.n < boundary.n + 2
        || !slice_eq(slice_first(slice_from(line, 2), boundary.n), boundary))
        return MATCH_NONE;
    rest = slice_from(line, boundary.n + 2);
    if (rest.n >= 2 && rest.p[0] == '-' && rest.p[1] == '-') {
        rest = slice_from(rest, 2);
        found = MATCH_LAST;
    }
    while (rest.n > 0 && is_blank(rest.p[0]))
        rest = slice_from(rest, 1);
    return rest.n == 0 ? found : MATCH_DOUBT;
}

/* delimiter_find - whose delimiter is this line? The innermost that it fits exactly */

static enum match delimiter_find(const struct walk *w, struct slice line, unsigned *level)
{
    enum match best = MATCH_NONE;

    if (w->boundaries == 0 || line.n < 2 || line.p[0] != '-' || line.p[1] != '-')
        return MATCH_NONE;
    for (*level = w->depth; *level > 0;) {
        const struct level *l = &w->levels[--*level];
        enum match m = delimiter_match(line, l->boundary);

        if (m == MATCH_NEXT || m == MATCH_LAST)
            return l->closed ? MATCH_DOUBT : m;
        if (m == MATCH_DOUBT)
            best = m;
    }
    return best;
}

/* Opening and closing. */

static struct part *part_of(const struct walk *w, unsigned level)
{
    return &w->parts->list[w->levels[level].part];
}

static struct part *part_add(struct parts *p)
{
    if (p->n == p->room) {
        uint32_t room = p->room > 0 ? 2 * p->room : 16;
        struct part *list = realloc(p->list, room * sizeof *list);

        if (list == NULL)
            return NULL;
        p->list = list;
        p->room = room;
    }
    p->list[p->n] = (struct part){ 0 };
    return &p->list[p->n++];
}

/* part_open - a part begins here; NULL: no more of them */

static struct part *part_open(struct walk *w)
{
    uint32_t index = w->parts->n;
    struct part *p;

    w->result = PARTS_MANY;
    if (index >= w->parts->max || w->depth >= w->parts->max_depth || w->depth >= PARTS_DEPTH)
        return NULL;
    w->result = PARTS_MEMORY;
    p = part_add(w->parts);
    if (p == NULL)
        return NULL;
    w->result = PARTS_OK;
    p->start = p->body = p->end = w->at;
    p->parent = w->depth > 0 ? w->levels[w->depth - 1].part : 0;
    p->message = w->message;
    w->levels[w->depth++] = (struct level){ .part = index };
    return p;
}

/* close_to - end all parts above a level; the CRLF before a delimiter is not theirs */

static void close_to(struct walk *w, unsigned level, size_t end)
{
    while (w->depth > level) {
        struct part *p = part_of(w, --w->depth);

        p->end = end > p->start ? end : p->start;
        if (p->body > p->end)
            p->body = p->end;
        w->boundaries -= w->levels[w->depth].boundary.n > 0;
    }
}

/* Headers. */

struct fields {
    struct slice type;      /* body of Content-Type */
    bool         typed, named, versioned, twice;
};

/* field_name - octets before the colon; 0: the line is no field */

static size_t field_name(struct slice line)
{
    size_t n = 0, end;

    while (n < line.n && line.p[n] > ' ' && line.p[n] <= '~' && line.p[n] != ':')
        n++;
    for (end = n; end < line.n && is_blank(line.p[end]); end++)
        ;
    return end < line.n && line.p[end] == ':' ? n : 0;
}

/* field_end - behind the field whose first line ends before `next`: its folds too */

static size_t field_end(const struct walk *w, size_t next)
{
    while (next < w->in.n && is_blank(w->in.p[next]))
        line_at(w, next, &next);
    return next;
}

static void note_field(struct walk *w, struct part *p, struct fields *f, size_t name, size_t end)
{
    struct slice whole = slice_first(from(w, w->at), end - w->at), n = slice_first(whole, name);
    struct slice body = slice_from(whole, slice_chr(whole, ':') + 1);

    if (slice_ieq(n, SLICE_LIT("Content-Type"))) {
        f->twice |= f->typed;
        f->typed = true;
        f->type = body;
        p->type_end = end;
    } else if (slice_ieq(n, SLICE_LIT("Content-Transfer-Encoding"))) {
        f->twice |= f->named;
        f->named = true;
        p->named = w->at;
        p->named_end = end;
        p->encoding = (unsigned char)mime_encoding_parse(body);
    } else if (slice_ieq(n, SLICE_LIT("MIME-Version"))) {
        f->twice |= f->versioned && p->message;
        f->versioned = true;
        p->mime = p->message;
    }
}

/* read_fields - up to the empty line, a delimiter or the end. False: doubt */

static bool read_fields(struct walk *w, struct part *p, struct fields *f)
{
    unsigned level;
    size_t next, name;

    while (w->at < w->in.n) {
        struct slice line = line_at(w, w->at, &next);

        if (line.n == 0) {
            w->at = next;
            break;
        }
        if (delimiter_find(w, line, &level) != MATCH_NONE)
            break;
        name = field_name(line);
        if (name == 0)
            return false;
        next = field_end(w, next);
        note_field(w, p, f, name, next);
        w->at = next;
    }
    p->body = w->at;
    return !f->twice;
}

/* What the fields mean. */

static bool encodes(const struct part *p)
{
    return p->encoding == MIME_QP || p->encoding == MIME_BASE64 || p->encoding == MIME_OTHER;
}

/* boundary_open - false: it is already somebody's */

static bool boundary_open(struct walk *w, struct slice boundary)
{
    for (unsigned i = 0; i < w->depth; i++)
        if (slice_eq(w->levels[i].boundary, boundary))
            return false;
    w->levels[w->depth - 1].boundary = boundary;
    w->boundaries++;
    return true;
}

/* The message types that RFC 6532 and RFC 6533 let be encoded. */
static bool is_global(const struct mime_type *t)
{
    static const char *const subtypes[] = {
        "global", "global-headers", "global-delivery-status", "global-disposition-notification",
    };

    for (size_t i = 0; i < sizeof subtypes / sizeof subtypes[0]; i++)
        if (mime_is(t, "message", subtypes[i]))
            return true;
    return false;
}

static enum part_kind kind_of(const struct part *p, const struct mime_type *t)
{
    if (mime_is(t, "multipart", "signed") || mime_is(t, "multipart", "encrypted"))
        return PART_SIGNED;
    if (mime_is(t, "multipart", NULL))
        return encodes(p) ? PART_SEALED : PART_MULTIPART;
    if (mime_is(t, "message", "rfc822"))
        return encodes(p) ? PART_SEALED : PART_MESSAGE;
    if (mime_is(t, "message", NULL) && !is_global(t))
        return PART_SEALED;
    return PART_LEAF;
}

/* classify - false: doubt */

static bool classify(struct part *p, const struct fields *f, bool digest, struct mime_type *t)
{
    *t = (struct mime_type){ 0 };
    if (!f->typed && digest)
        *t = (struct mime_type){ SLICE_LIT("message"), SLICE_LIT("rfc822"), { 0 } };
    if (f->typed && mime_type_parse(f->type, t) == MIME_DOUBT)
        return false;
    p->kind = (unsigned char)kind_of(p, t);
    p->text = t->type.n == 0 || mime_is(t, "text", NULL) || mime_is(t, "message", NULL);
    return true;
}

static enum step enter(struct walk *w, const struct part *p, const struct mime_type *t)
{
    w->digest = false;
    w->message = p->kind == PART_MESSAGE;
    w->levels[w->depth - 1].digest = mime_is(t, "multipart", "digest");
    if (p->kind == PART_MULTIPART && !boundary_open(w, t->boundary))
        return stop(w, PARTS_BROKEN);
    return w->message ? STEP_HEADER : STEP_BODY;
}

static enum step walk_header(struct walk *w)
{
    struct part *p = part_open(w);
    struct fields f = { 0 };
    struct mime_type t;

    if (p == NULL)
        return STEP_END;
    if (!read_fields(w, p, &f) || !classify(p, &f, w->digest, &t))
        return stop(w, PARTS_BROKEN);
    return enter(w, p, &t);
}

/* Bodies. */

/* next_dashes - the next line from here on that begins with "--" */

static bool next_dashes(struct walk *w)
{
    struct slice rest = from(w, w->at);
    const char *found;

    if (w->boundaries == 0)
        return false;
    if (rest.n >= 2 && rest.p[0] == '-' && rest.p[1] == '-')
        return true;
    found = rest.n > 0 ? memmem(rest.p, rest.n, "\r\n--", 4) : NULL;
    if (found != NULL)
        w->at = (size_t)(found - w->in.p) + 2;
    return found != NULL;
}

/* delimiter_pass - the line at `at` is a delimiter of that level */

static enum step delimiter_pass(struct walk *w, unsigned level, bool last, size_t next)
{
    close_to(w, level + 1, w->at >= 2 ? w->at - 2 : 0);
    w->at = next;
    w->levels[level].closed = last;
    w->digest = w->levels[level].digest;
    w->message = false;
    return last ? STEP_BODY : STEP_HEADER;
}

/* walk_body - to the next delimiter: of a leaf, a preamble or an epilogue */

static enum step walk_body(struct walk *w)
{
    unsigned level;
    size_t next;

    while (next_dashes(w)) {
        struct slice line = line_at(w, w->at, &next);
        enum match m = delimiter_find(w, line, &level);

        if (m == MATCH_DOUBT)
            return stop(w, PARTS_BROKEN);
        if (m != MATCH_NONE)
            return delimiter_pass(w, level, m == MATCH_LAST, next);
        w->at = next;
    }
    close_to(w, 0, w->in.n);
    return STEP_END;
}

enum parts_result parts_find(struct slice message, struct parts *p)
{
    struct walk w = { .in = message, .parts = p, .message = true };
    enum step step = STEP_HEADER;

    while (step != STEP_END)
        step = step == STEP_HEADER ? walk_header(&w) : walk_body(&w);
    return w.result;
}

void parts_free(struct parts *p)
{
    free(p->list);
    p->list = NULL;
    p->n = p->room = 0;
}
