/* accounts.c - the file of accounts, line by line. */
#include <gsasl.h>
#include <stdlib.h>
#include "base/ascii.h"
#include "sasl/accounts.h"
#include "sasl/mechanism.h"

enum { ERRORS_MAX = 20 };

/* A file being read. */
struct reading {
    struct accounts *to;
    const char      *file;
    struct buf      *errors;
    unsigned         line, wrong;
    size_t           cap;
};

static struct slice name_of(const void *account)
{
    return ((const struct account *)account)->name;
}

/* --- names ----------------------------------------------------------------- */

/* prepared - does SASLprep leave it as it is? (ASCII without controls always) */

static bool prepared(struct slice name)
{
    char as_is[SASL_NAME_MAX + 1], *out = NULL;
    bool same;

    memcpy(as_is, name.p, name.n);
    as_is[name.n] = '\0';
    same = gsasl_saslprep(as_is, GSASL_ALLOW_UNASSIGNED, &out, NULL) == GSASL_OK
        && slice_eq(slice_cstr(out), name);
    gsasl_free(out);
    return same;
}

bool account_name_ok(struct slice name)
{
    bool ascii = true;

    if (name.n == 0 || name.n > SASL_NAME_MAX || name.p[0] == '#')
        return false;
    for (size_t i = 0; i < name.n; i++) {
        char c = name.p[i];

        if (ascii_control(c) || c == ' ' || c == ':' || c == '|')
            return false;
        ascii = ascii && (unsigned char)c < 128;
    }
    return ascii || prepared(name);
}

/* --- one line ---------------------------------------------------------------- */

static bool clear_ok(struct slice text)
{
    char to[SASL_PASSWORD_MAX + 1];
    bool ok = password_prepare(text, false, to) && slice_eq(slice_cstr(to), text);

    explicit_bzero(to, sizeof to);
    return ok;
}

static bool scram_ok(struct slice text)
{
    struct scram v;

    return scram_parse(text, &v);
}

/* The schemes. The value of one that comes last reaches to the end of the line. */
static const struct scheme {
    struct slice name;
    size_t       at;                    /* in struct secret */
    bool       (*ok)(struct slice);
    bool         last;
    const char  *why;                   /* what is wrong when it is not ok */
} schemes[] = {
    { SLICE_INIT("crypt"), offsetof(struct secret, crypt), hash_ok, false,
      "not a hash that crypt(3) knows" },
    { SLICE_INIT("SCRAM-SHA-256"), offsetof(struct secret, scram), scram_ok, false,
      "not ITERATIONS:SALT$STOREDKEY:SERVERKEY" },
    { SLICE_INIT("clear"), offsetof(struct secret, clear), clear_ok, true,
      "not a password in its prepared form (RFC 4013)" },
};

static const struct scheme *scheme_find(struct slice name)
{
    for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++)
        if (slice_ieq(schemes[i].name, name))
            return &schemes[i];
    return NULL;
}

/* take_scheme - one "{scheme}value" off the front of *rest. NULL, or what is wrong. */

static const char *take_scheme(struct secret *secret, struct slice *rest)
{
    const struct scheme *scheme;
    struct slice name, value, *place;

    if (rest->p[0] != '{' || !slice_cut(slice_from(*rest, 1), '}', &name, &value))
        return "expected {scheme}";
    scheme = scheme_find(name);
    if (scheme == NULL)
        return "unknown scheme: known are {crypt}, {SCRAM-SHA-256} and {clear}";
    place = (struct slice *)(void *)((char *)secret + scheme->at);
    if (place->n > 0)
        return "a scheme stands twice";
    *rest = slice_from(value, scheme->last ? value.n : slice_chr(value, '{'));
    *place = slice_first(value, value.n - rest->n);
    return place->n > 0 && scheme->ok(*place) ? NULL : scheme->why;
}

static const char *take_account(struct account *a, struct slice line)
{
    const char *why = NULL;
    struct slice rest;

    if (!slice_cut(line, ':', &a->name, &rest))
        return "expected NAME:{scheme}value";
    if (!account_name_ok(a->name))
        return "not a name: UTF-8 in its prepared form (RFC 4013), without spaces, ':' and '|'";
    if (rest.n == 0)
        return "expected {scheme} after the name";
    while (rest.n > 0 && why == NULL)
        why = take_scheme(&a->secret, &rest);
    return why;
}

/* --- the file ---------------------------------------------------------------- */

static bool wrong(struct reading *r, const char *why)
{
    if (r->wrong++ < ERRORS_MAX)
        buf_printf(r->errors, "%s:%u: %s\n", r->file, r->line, why);
    return false;
}

static bool keep(struct reading *r, const struct account *account)
{
    struct accounts *a = r->to;

    if (a->n == ACCOUNTS_MAX)
        return wrong(r, "too many accounts");
    if (a->n == r->cap) {
        size_t cap = r->cap > 0 ? r->cap * 2 : 64;
        struct account *all = reallocarray(a->all, cap, sizeof *all);

        if (all == NULL)
            return wrong(r, "no memory");
        a->all = all;
        r->cap = cap;
    }
    a->all[a->n++] = *account;
    a->any_clear |= account->secret.clear.n > 0;
    a->any_scram |= account->secret.scram.n > 0;
    return true;
}

static bool take_line(struct reading *r, struct slice line)
{
    struct account account = { .line = r->line };
    const char *why;

    if (line.n > ACCOUNTS_LINE_MAX)
        return wrong(r, "the line is too long");
    if (line.n == 0 || line.p[0] == '#')
        return true;
    for (size_t i = 0; i < line.n; i++)
        if (ascii_control(line.p[i]))
            return wrong(r, line.p[i] == '\r' ? "lines end in LF alone" : "a control character");
    why = take_account(&account, line);
    return why == NULL ? keep(r, &account) : wrong(r, why);
}

/* index_names - after the last line, when the array moves no more */

static bool index_names(struct reading *r)
{
    struct accounts *a = r->to;

    a->by_name = MAP(name_of);
    for (size_t i = 0; i < a->n && r->wrong < ERRORS_MAX; i++) {
        r->line = a->all[i].line;
        if (map_get(&a->by_name, a->all[i].name) != NULL)
            wrong(r, "this name has come before");
        else if (!map_put(&a->by_name, &a->all[i]))
            wrong(r, "no memory");
    }
    return r->wrong == 0;
}

static void drop(struct accounts *a)
{
    free(a->all);
    map_free(&a->by_name);
}

bool accounts_parse(struct accounts *a, char *text, size_t n, const char *file, struct buf *errors)
{
    struct accounts found = { .text = text, .ntext = n };
    struct reading r = { .to = &found, .file = file, .errors = errors };
    struct slice rest = slice_of(text, n), line;

    while (rest.n > 0 && r.wrong < ERRORS_MAX) {
        r.line++;
        slice_cut(rest, '\n', &line, &rest);
        take_line(&r, line);
    }
    if (r.wrong > 0 || !index_names(&r)) {
        drop(&found);
        return false;
    }
    accounts_free(a);
    *a = found;
    return true;
}

const struct account *accounts_find(const struct accounts *a, struct slice name)
{
    return a->n > 0 ? map_get(&a->by_name, name) : NULL;
}

void accounts_free(struct accounts *a)
{
    drop(a);
    private_free(a->text, a->ntext);
    *a = (struct accounts){ 0 };
}
