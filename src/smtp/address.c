/* address.c - one pass over a path, from "<" to ">". */
#include "smtp/address.h"
#include "base/ascii.h"
#include "base/utf8.h"

enum { LOCAL_MAX = 64, DOMAIN_MAX = 255, PATH_OCTETS = 256 };

/* A parse under way: `in` is what is left, and the first error stays. */
struct parse {
    struct slice       in;
    struct arena      *arena;
    bool               utf8;        /* octets above 127 may stand where letters may */
    enum address_error error;
};

static bool fail(struct parse *p, enum address_error error)
{
    if (p->error == ADDRESS_OK)
        p->error = error;
    return false;
}

/* wrong - what stands here cannot; octets above 127 have their own answer */

static bool wrong(struct parse *p)
{
    bool eight = !p->utf8 && p->in.n > 0 && (unsigned char)p->in.p[0] > 127;

    return fail(p, eight ? ADDRESS_UTF8 : ADDRESS_SYNTAX);
}

static bool next_is(const struct parse *p, char c)
{
    return p->in.n > 0 && p->in.p[0] == c;
}

static void skip(struct parse *p, size_t n)
{
    p->in = slice_from(p->in, n);
}

static bool expect(struct parse *p, char c)
{
    if (!next_is(p, c))
        return wrong(p);
    skip(p, 1);
    return true;
}

/* is_atext - RFC 5322 §3.2.3 */

static bool is_atext(char c)
{
    return ascii_alnum(c) || (c != '\0' && strchr("!#$%&'*+-/=?^_`{|}~", c) != NULL);
}

/* shown_length - octets of the UTF-8 character in front of s that can be shown; 0: none */

static size_t shown_length(struct slice s)
{
    struct slice rest = s;
    uint32_t point;

    return s.n > 0 && (unsigned char)s.p[0] > 127 && utf8_next(&rest, &point) && utf8_shows(point)
         ? s.n - rest.n : 0;
}

static size_t atom_length(struct slice s, bool utf8)
{
    size_t n = 0, more = 1;

    for (; n < s.n && more > 0; n += more)
        more = is_atext(s.p[n]) ? 1 : utf8 ? shown_length(slice_from(s, n)) : 0;
    return n;
}

/* dot_length - how much of the front of s is a Dot-string; 0 if none */

static size_t dot_length(struct slice s, bool utf8)
{
    size_t n = atom_length(s, utf8), more;

    while (n > 0 && n < s.n && s.p[n] == '.') {
        more = atom_length(slice_from(s, n + 1), utf8);
        if (more == 0)
            return n;
        n += 1 + more;
    }
    return n;
}

static bool dot_string(struct parse *p, struct slice *local)
{
    size_t n = dot_length(p->in, p->utf8);

    if (n == 0)
        return wrong(p);
    if (n > LOCAL_MAX)
        return fail(p, ADDRESS_TOO_LONG);
    *local = arena_copy(p->arena, slice_first(p->in, n));
    skip(p, n);
    return true;
}

/* qtext_length - octets of what stands here in a quoted string; 0: it may not */

static size_t qtext_length(const struct parse *p)
{
    if (p->in.n == 0)
        return 0;
    if (p->in.p[0] >= ' ' && p->in.p[0] <= '~')
        return 1;
    return p->utf8 ? shown_length(p->in) : 0;
}

/* gather - n octets at the front of the input belong to the meaning */

static void gather(struct parse *p, char meaning[LOCAL_MAX], size_t *have, size_t n)
{
    for (size_t i = 0; i < n && *have < LOCAL_MAX; i++)
        meaning[(*have)++] = p->in.p[i];
    skip(p, n);
}

/* quoted_string - its meaning goes to *local, unless it is too long for one */

static bool quoted_string(struct parse *p, struct slice *local)
{
    char meaning[LOCAL_MAX];
    size_t n = 0, spelled = 2, more;

    skip(p, 1);
    while (!next_is(p, '"')) {
        if (next_is(p, '\\')) {
            skip(p, 1);
            spelled++;
        }
        more = qtext_length(p);
        if (more == 0)
            return wrong(p);
        gather(p, meaning, &n, more);
        spelled += more;
    }
    skip(p, 1);
    if (spelled > LOCAL_MAX)
        return fail(p, ADDRESS_TOO_LONG);
    *local = arena_copy(p->arena, slice_of(meaning, n));
    return true;
}

static bool local_part(struct parse *p, struct slice *local)
{
    return next_is(p, '"') ? quoted_string(p, local) : dot_string(p, local);
}

/* domain_length - how far the next domain or literal reaches */

static size_t domain_length(struct slice s, bool utf8)
{
    size_t n = 0, more = 1;

    if (s.n > 0 && s.p[0] == '[') {
        n = slice_chr(s, ']');
        return n < s.n ? n + 1 : 0;
    }
    for (; n < s.n && more > 0; n += more)
        more = ascii_alnum(s.p[n]) || s.p[n] == '-' || s.p[n] == '.' ? 1
             : utf8 ? shown_length(slice_from(s, n)) : 0;
    return n;
}

/* literal_copy - one spelling for each address, so that texts can be compared */

static bool literal_copy(struct parse *p, struct slice text, struct mailbox *m)
{
    char canonical[IP_TEXT + 8];

    if (!literal_parse(text, &m->literal)) {
        m->literal = (struct ip){ 0 };
        return wrong(p);
    }
    m->domain = arena_copy(p->arena, slice_cstr(ip_literal(&m->literal, canonical)));
    return true;
}

/* u_labels - no label empty, none with a hyphen at its ends */

static bool u_labels(struct slice domain)
{
    struct slice label;
    bool more = true;

    while (more) {
        more = slice_cut(domain, '.', &label, &domain);
        if (label.n == 0 || label.p[0] == '-' || label.p[label.n - 1] == '-')
            return false;
    }
    return true;
}

static bool domain_copy(struct parse *p, struct slice text, struct mailbox *m)
{
    char lower[DOMAIN_MAX];

    if (text.n > sizeof lower)
        return fail(p, ADDRESS_TOO_LONG);
    if (utf8_ascii(text) ? !domain_valid(text) : !u_labels(text))
        return wrong(p);
    for (size_t i = 0; i < text.n; i++)
        lower[i] = ascii_lower(text.p[i]);
    m->domain = arena_copy(p->arena, slice_of(lower, text.n));
    return true;
}

static bool domain_part(struct parse *p, struct mailbox *m)
{
    struct slice text = slice_first(p->in, domain_length(p->in, p->utf8));

    if (text.n == 0)
        return wrong(p);
    if (text.p[0] == '[' ? !literal_copy(p, text, m) : !domain_copy(p, text, m))
        return false;
    skip(p, text.n);
    return true;
}

static size_t quoted_put(char *to, struct slice local)
{
    size_t n = 0;

    to[n++] = '"';
    for (size_t i = 0; i < local.n; i++) {
        if (local.p[i] == '"' || local.p[i] == '\\')
            to[n++] = '\\';
        to[n++] = local.p[i];
    }
    to[n++] = '"';
    return n;
}

/* text_make - the canonical spelling of the whole */

static bool text_make(struct mailbox *m, struct arena *arena)
{
    char local[2 * LOCAL_MAX + 2], *whole;
    size_t n = m->local.n, at;

    if (n > 0 && dot_length(m->local, true) == n)
        memcpy(local, m->local.p, n);
    else
        n = quoted_put(local, m->local);
    at = m->domain.n > 0;
    whole = arena_alloc(arena, n + at + m->domain.n + 1);
    if (whole == NULL)
        return false;
    memcpy(whole, local, n);
    if (at) {
        whole[n] = '@';
        memcpy(whole + n + 1, m->domain.p, m->domain.n);
    }
    m->text = slice_of(whole, n + at + m->domain.n);
    return !arena->spent;
}

static bool text_put(struct parse *p, struct mailbox *m)
{
    return text_make(m, p->arena) || fail(p, ADDRESS_NO_MEMORY);
}

struct slice address_domain(struct slice address)
{
    return slice_from(address, slice_rchr(address, '@') + 1);
}

bool mailbox_domain(struct mailbox *m, struct slice domain, struct arena *a)
{
    m->domain = arena_copy(a, domain);
    return text_make(m, a);
}

static bool mailbox(struct parse *p, struct mailbox *m)
{
    return local_part(p, &m->local) && expect(p, '@') && domain_part(p, m)
        && text_put(p, m);
}

/* postmaster - the one name that needs no domain (RFC 5321 §4.1.1.3) */

static bool postmaster(struct parse *p, struct mailbox *m)
{
    size_t n = sizeof "postmaster" - 1;

    if (!slice_istarts(p->in, SLICE_LIT("postmaster>")))
        return false;
    m->local = arena_copy(p->arena, slice_first(p->in, n));
    skip(p, n);
    return text_put(p, m);
}

/* route - "@one,@two:" is read, must be well formed, and is forgotten */

static bool route(struct parse *p)
{
    struct mailbox ignored = { 0 };

    if (!next_is(p, '@'))
        return true;
    while (expect(p, '@') && domain_part(p, &ignored)) {
        if (!next_is(p, ','))
            return expect(p, ':');
        skip(p, 1);
    }
    return false;
}

static bool path_inside(struct parse *p, bool null_ok, struct mailbox *m)
{
    if (next_is(p, '>') && null_ok) {
        m->null = true;
        return true;
    }
    if (!null_ok && postmaster(p, m))
        return true;
    return p->error == ADDRESS_OK && route(p) && mailbox(p, m);
}

enum address_error path_parse_utf8(struct slice in, bool null_ok, bool utf8, struct arena *a,
                                   struct mailbox *m, struct slice *rest)
{
    struct parse p = { .in = in, .arena = a, .utf8 = utf8 };

    *m = (struct mailbox){ 0 };
    *rest = in;
    if (!expect(&p, '<') || !path_inside(&p, null_ok, m) || !expect(&p, '>'))
        return p.error;
    if (in.n - p.in.n > PATH_OCTETS)
        return ADDRESS_TOO_LONG;
    *rest = p.in;
    return ADDRESS_OK;
}

enum address_error path_parse(struct slice in, bool null_ok, struct arena *a,
                              struct mailbox *m, struct slice *rest)
{
    return path_parse_utf8(in, null_ok, false, a, m, rest);
}

enum address_error mailbox_parse_utf8(struct slice in, bool utf8, struct arena *a,
                                      struct mailbox *m)
{
    struct parse p = { .in = in, .arena = a, .utf8 = utf8 };

    *m = (struct mailbox){ 0 };
    if (!mailbox(&p, m))
        return p.error;
    if (p.in.n > 0)
        wrong(&p);
    else if (in.n > PATH_OCTETS - 2)
        fail(&p, ADDRESS_TOO_LONG);
    return p.error;
}

enum address_error mailbox_parse(struct slice in, struct arena *a, struct mailbox *m)
{
    return mailbox_parse_utf8(in, false, a, m);
}
