/* command.c - what MAIL and RCPT say, parameters included. */
#include "smtp/command.h"
#include "base/ascii.h"

static struct slice without_spaces(struct slice s)
{
    while (s.n > 0 && s.p[0] == ' ')
        s = slice_from(s, 1);
    while (s.n > 0 && s.p[s.n - 1] == ' ')
        s.n--;
    return s;
}

void command_split(struct slice line, struct slice *verb, struct slice *args)
{
    slice_cut(line, ' ', verb, args);
    *args = without_spaces(*args);
}

/* Parameters.
 *
 * Each is a row: its name, when it is offered, and what reads its value into
 * the command. To add one: a row here, a flag in enum param_offer. */

struct param {
    struct slice name, value;
    bool         has_value;
};

typedef enum param_error param_f(struct slice value, void *command);

struct param_row {
    struct slice name;
    unsigned     offer;
    param_f     *read;
};

/* on_size - RFC 1870 §4: 1 to 20 digits; what 64 bits cannot hold is no size */

static enum param_error on_size(struct slice value, void *command)
{
    struct mail_command *m = command;

    return value.n <= 20 && slice_u64(value, &m->size) ? PARAM_OK : PARAM_SYNTAX;
}

/* on_body - RFC 6152 §3 */

static enum param_error on_body(struct slice value, void *command)
{
    struct mail_command *m = command;

    m->has_body = true;
    m->body = slice_ieq(value, SLICE_LIT("8BITMIME")) ? BODY_8BITMIME : BODY_7BIT;
    return m->body == BODY_8BITMIME || slice_ieq(value, SLICE_LIT("7BIT"))
         ? PARAM_OK : PARAM_VALUE;
}

static const struct param_row mail_params[] = {
    { SLICE_INIT("SIZE"), OFFER_SIZE,     on_size },
    { SLICE_INIT("BODY"), OFFER_8BITMIME, on_body },
};

enum { MAIL_PARAMS = sizeof mail_params / sizeof mail_params[0] };

static bool keyword_valid(struct slice name)
{
    for (size_t i = 0; i < name.n; i++)
        if (!ascii_alnum(name.p[i]) && (name.p[i] != '-' || i == 0))
            return false;
    return name.n > 0;
}

/* value_valid - esmtp-value: printable, without "=" and space (§4.1.2) */

static bool value_valid(struct slice value)
{
    for (size_t i = 0; i < value.n; i++)
        if (value.p[i] <= ' ' || value.p[i] > '~' || value.p[i] == '=')
            return false;
    return value.n > 0;
}

static bool param_split(struct slice text, struct param *p)
{
    p->has_value = slice_cut(text, '=', &p->name, &p->value);
    return keyword_valid(p->name) && (!p->has_value || value_valid(p->value));
}

static size_t row_find(const struct param_row *rows, size_t n, struct slice name, unsigned offers)
{
    size_t i = 0;

    while (i < n && !((rows[i].offer & offers) && slice_ieq(rows[i].name, name)))
        i++;
    return i;
}

/* A command's parameters, with the rows that may read them. */
struct params {
    const struct param_row *rows;
    size_t                  n;
    unsigned                offers;
    unsigned                seen;       /* a bit for each row */
    void                   *command;
};

static enum param_error param_read(struct params *ps, struct slice text)
{
    struct param p;
    size_t row;

    if (!param_split(text, &p))
        return PARAM_SYNTAX;
    row = row_find(ps->rows, ps->n, p.name, ps->offers);
    if (row == ps->n)
        return PARAM_UNKNOWN;
    if ((ps->seen & 1u << row) || !p.has_value)
        return PARAM_SYNTAX;
    ps->seen |= 1u << row;
    return ps->rows[row].read(p.value, ps->command);
}

static enum param_error params_read(struct params *ps, struct slice text,
                                    struct slice *where)
{
    enum param_error error = PARAM_OK;

    while (error == PARAM_OK && text.n > 0) {
        slice_cut(text, ' ', where, &text);
        if (where->n > 0)
            error = param_read(ps, *where);
    }
    return error;
}

/* path_read - "FROM:<...>" or "TO:<...>"; *rest: the parameters */

static enum command_error path_read(struct slice args, struct slice intro, struct arena *a,
                                    struct mailbox *m, struct slice *rest,
                                    struct command_problem *why)
{
    bool reverse = intro.p[0] == 'F';

    *why = (struct command_problem){ .where = args };
    if (!slice_istarts(args, intro))
        return COMMAND_SYNTAX;
    args = slice_from(args, intro.n);
    if (args.n == 0 || args.p[0] != '<')
        return COMMAND_SYNTAX;
    why->where = args;
    why->address = path_parse(args, reverse, a, m, rest);
    if (why->address != ADDRESS_OK)
        return COMMAND_ADDRESS;
    return rest->n == 0 || rest->p[0] == ' ' ? COMMAND_OK : COMMAND_SYNTAX;
}

enum command_error mail_parse(struct slice args, unsigned offers, struct arena *a,
                              struct mail_command *m, struct command_problem *why)
{
    struct params ps = { mail_params, MAIL_PARAMS, offers, 0, m };
    enum command_error error;
    struct slice rest;

    *m = (struct mail_command){ 0 };
    error = path_read(args, SLICE_LIT("FROM:"), a, &m->sender, &rest, why);
    if (error != COMMAND_OK)
        return error;
    why->param = params_read(&ps, rest, &why->where);
    return why->param == PARAM_OK ? COMMAND_OK : COMMAND_PARAM;
}

enum command_error rcpt_parse(struct slice args, unsigned offers, struct arena *a,
                              struct rcpt_command *r, struct command_problem *why)
{
    struct params ps = { NULL, 0, offers, 0, r };
    enum command_error error;
    struct slice rest;

    *r = (struct rcpt_command){ 0 };
    error = path_read(args, SLICE_LIT("TO:"), a, &r->rcpt, &rest, why);
    if (error != COMMAND_OK)
        return error;
    why->param = params_read(&ps, rest, &why->where);
    return why->param == PARAM_OK ? COMMAND_OK : COMMAND_PARAM;
}
