/* mime.c - words between comments. */
#include "mail/mime.h"
#include "base/cfws.h"

enum { BOUNDARY_MAX = 200 };    /* RFC 2046 says 70; some exceed it */

/* token_end - octets of a token (RFC 2045 §5.1) at the front of s */

static size_t token_end(struct slice s)
{
    size_t n = 0;

    while (n < s.n && s.p[n] > ' ' && s.p[n] <= '~' && strchr("()<>@,;:\\\"/[]?=", s.p[n]) == NULL)
        n++;
    return n;
}

/* take_token - a token with what surrounds it; false: there is none */

static bool take_token(struct slice *s, struct slice *token)
{
    if (!cfws_skip(s))
        return false;
    *token = slice_first(*s, token_end(*s));
    *s = slice_from(*s, token->n);
    return token->n > 0 && cfws_skip(s);
}

static bool take_char(struct slice *s, char c)
{
    if (s->n == 0 || s->p[0] != c)
        return false;
    *s = slice_from(*s, 1);
    return true;
}

static const struct slice encodings[] = {
    [MIME_7BIT] = SLICE_INIT("7bit"), [MIME_8BIT] = SLICE_INIT("8bit"),
    [MIME_BINARY] = SLICE_INIT("binary"), [MIME_QP] = SLICE_INIT("quoted-printable"),
    [MIME_BASE64] = SLICE_INIT("base64"),
};

enum mime_encoding mime_encoding_parse(struct slice body)
{
    struct slice token;

    if (!take_token(&body, &token) || body.n > 0)
        return MIME_OTHER;
    for (unsigned i = MIME_7BIT; i < MIME_OTHER; i++)
        if (slice_ieq(token, encodings[i]))
            return (enum mime_encoding)i;
    return MIME_OTHER;
}

const char *mime_encoding_text(enum mime_encoding encoding)
{
    return encoding > MIME_UNNAMED && encoding < MIME_OTHER ? encodings[encoding].p : "7bit";
}

/* take_quoted - "..." without anything that would need decoding */

static bool take_quoted(struct slice *s, struct slice *value)
{
    size_t n = 0;

    while (n < s->n && s->p[n] >= ' ' && s->p[n] <= '~' && s->p[n] != '"' && s->p[n] != '\\')
        n++;
    *value = slice_first(*s, n);
    *s = slice_from(*s, n);
    return take_char(s, '"') && cfws_skip(s);
}

/* take_bare - a value without quotes; many write characters in it that would need them */

static bool take_bare(struct slice *s, struct slice *value)
{
    size_t n = 0;

    while (n < s->n && s->p[n] > ' ' && s->p[n] <= '~' && strchr(";\"\\(),", s->p[n]) == NULL)
        n++;
    *value = slice_first(*s, n);
    *s = slice_from(*s, n);
    return n > 0 && cfws_skip(s) && (s->n == 0 || s->p[0] == ';');
}

/* skip_quoted - a value that does not matter, quoted pairs and folds allowed */

static bool skip_quoted(struct slice *s)
{
    size_t n = 0;

    for (; n < s->n && s->p[n] != '"'; n++)
        if (s->p[n] == '\\')
            n++;
    *s = slice_from(*s, n);
    return take_char(s, '"') && cfws_skip(s);
}

static bool take_value(struct slice *s, bool matters, struct slice *value)
{
    if (!take_char(s, '"'))
        return take_bare(s, value);
    return matters ? take_quoted(s, value) : skip_quoted(s);
}

static bool boundary_valid(struct slice b)
{
    return b.n > 0 && b.n <= BOUNDARY_MAX && b.p[b.n - 1] != ' ';
}

/* take_boundary - read all parameters; false: no certain boundary. Its pieces and
 * encoded forms (RFC 2231) count as doubt. */

static bool take_boundary(struct slice s, struct slice *boundary)
{
    static const struct slice wanted = SLICE_INIT("boundary");
    struct slice name, value = { 0 };

    *boundary = (struct slice){ 0 };
    while (s.n > 0) {
        if (!take_char(&s, ';') || !cfws_skip(&s))
            return false;
        if (s.n == 0 || s.p[0] == ';')
            continue;
        if (!take_token(&s, &name) || !take_char(&s, '=') || !cfws_skip(&s)
            || !take_value(&s, slice_ieq(name, wanted), &value))
            return false;
        if (!slice_istarts(name, wanted))
            continue;
        if (name.n != wanted.n || boundary->n > 0)
            return false;
        *boundary = value;
    }
    return boundary_valid(*boundary);
}

/* composite_word - does it begin as a composite type would? */

static bool composite_word(struct slice s)
{
    if (!cfws_skip(&s))
        return true;
    return slice_istarts(s, SLICE_LIT("multipart")) || slice_istarts(s, SLICE_LIT("message"));
}

enum mime_error mime_type_parse(struct slice body, struct mime_type *t)
{
    struct slice s = body;

    *t = (struct mime_type){ 0 };
    if (!take_token(&s, &t->type) || !take_char(&s, '/') || !take_token(&s, &t->subtype)) {
        *t = (struct mime_type){ 0 };
        return composite_word(body) ? MIME_DOUBT : MIME_PLAIN;
    }
    if (mime_is(t, "multipart", NULL) && !take_boundary(s, &t->boundary))
        return MIME_DOUBT;
    return MIME_OK;
}

bool mime_is(const struct mime_type *t, const char *type, const char *subtype)
{
    return slice_ieq(t->type, slice_cstr(type))
        && (subtype == NULL || slice_ieq(t->subtype, slice_cstr(subtype)));
}
