/* credentials.c - the file of credentials, line by line. */
#include <stdlib.h>
#include "base/ascii.h"
#include "sasl/credentials.h"
#include "sasl/mechanism.h"

enum { ERRORS_MAX = 20 };

/* take_credential - one line. NULL, or what is wrong. */

static const char *take_credential(struct credential *c, struct slice line)
{
    struct slice rest;

    for (size_t i = 0; i < line.n; i++)
        if (ascii_control(line.p[i]))
            return line.p[i] == '\r' ? "lines end in LF alone" : "a control character";
    if (!slice_cut(line, ' ', &c->name, &rest) || c->name.n == 0 || c->name.n > SASL_NAME_MAX)
        return "expected NAME USER PASSWORD, or NAME @";
    c->kerberos = slice_eq(rest, SLICE_LIT("@"));
    if (c->kerberos)
        return NULL;
    if (!slice_cut(rest, ' ', &c->user, &c->password) || c->user.n == 0 || c->password.n == 0)
        return "expected NAME USER PASSWORD, or NAME @";
    return c->user.n > SASL_NAME_MAX || c->password.n > SASL_PASSWORD_MAX ? "too long" : NULL;
}

static const char *keep(struct credentials *c, const struct credential *one, size_t *cap)
{
    if (credentials_find(c, one->name) != NULL)
        return "this name has come before";
    if (c->n == CREDENTIALS_MAX)
        return "too many lines";
    if (c->n == *cap) {
        size_t more = *cap > 0 ? *cap * 2 : 16;
        struct credential *all = reallocarray(c->all, more, sizeof *all);

        if (all == NULL)
            return "no memory";
        c->all = all;
        *cap = more;
    }
    c->all[c->n++] = *one;
    return NULL;
}

static const char *take_line(struct credentials *c, struct slice line, unsigned number, size_t *cap)
{
    struct credential one = { .line = number };
    const char *why;

    if (line.n == 0 || line.p[0] == '#')
        return NULL;
    why = take_credential(&one, line);
    return why != NULL ? why : keep(c, &one, cap);
}

bool credentials_parse(struct credentials *c, char *text, size_t n, const char *file,
                       struct buf *errors)
{
    struct credentials found = { .text = text, .ntext = n };
    struct slice rest = slice_of(text, n), line;
    unsigned number = 0, wrong = 0;
    size_t cap = 0;

    while (rest.n > 0 && wrong < ERRORS_MAX) {
        const char *why;

        slice_cut(rest, '\n', &line, &rest);
        why = take_line(&found, line, ++number, &cap);
        if (why != NULL && ++wrong > 0)
            buf_printf(errors, "%s:%u: %s\n", file, number, why);
    }
    if (wrong > 0) {
        free(found.all);
        return false;
    }
    credentials_free(c);
    *c = found;
    return true;
}

const struct credential *credentials_find(const struct credentials *c, struct slice name)
{
    for (size_t i = 0; i < c->n; i++)
        if (slice_eq(c->all[i].name, name))
            return &c->all[i];
    return NULL;
}

void credentials_free(struct credentials *c)
{
    free(c->all);
    private_free(c->text, c->ntext);
    *c = (struct credentials){ 0 };
}
