/* command.c - what MAIL and RCPT say, parameters included. */
#include "smtp/command.h"
#include "base/ascii.h"
#include "base/date.h"
#include "base/utf8.h"

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

/* A command that is being read, by which its rows' functions know it. */
union command {
    struct mail_command mail;
    struct rcpt_command rcpt;
};

typedef enum param_error param_f(struct slice value, union command *c);

struct param_row {
    struct slice name;
    unsigned     offer;
    param_f     *read;
    bool         bare;          /* takes no value */
};

enum { ENVID_MAX = 100, ORCPT_MAX = 500, AUTH_MAX = 500 };

static enum param_error syntax(bool ok)
{
    return ok ? PARAM_OK : PARAM_SYNTAX;
}

/* upper_hex - a digit of xtext: RFC 3461 §4 has only upper-case ones */

static int upper_hex(char c)
{
    return c >= 'a' ? -1 : ascii_hex(c);
}

/* xtext_next - the next octet that the text stands for; -1: malformed */

static int xtext_next(struct slice *rest)
{
    int high, low;
    char c = rest->p[0];

    if (c != '+') {
        *rest = slice_from(*rest, 1);
        return c > ' ' && c <= '~' && c != '=' ? c : -1;
    }
    if (rest->n < 3 || (high = upper_hex(rest->p[1])) < 0 || (low = upper_hex(rest->p[2])) < 0)
        return -1;
    *rest = slice_from(*rest, 3);
    return high << 4 | low;
}

bool xtext_valid(struct slice text)
{
    while (text.n > 0) {
        int c = xtext_next(&text);

        if (c < ' ' || c > '~')
            return false;
    }
    return true;
}

struct slice xtext_decode(struct slice text, struct arena *a)
{
    char *value = arena_alloc(a, text.n + 1);
    size_t n = 0;

    while (value != NULL && text.n > 0) {
        int c = xtext_next(&text);

        if (c < 0)
            break;
        value[n++] = (char)c;
    }
    return slice_of(value, n);
}

/* on_size - RFC 1870 §4: 1 to 20 digits; what 64 bits cannot hold is no size */

static enum param_error on_size(struct slice value, union command *c)
{
    return syntax(value.n <= 20 && slice_u64(value, &c->mail.size));
}

/* on_body - RFC 6152 §3, RFC 3030 §3 */

static enum param_error on_body(struct slice value, union command *c)
{
    struct mail_command *m = &c->mail;

    m->has_body = true;
    m->body = slice_ieq(value, SLICE_LIT("8BITMIME")) ? BODY_8BITMIME
            : slice_ieq(value, SLICE_LIT("BINARYMIME")) ? BODY_BINARYMIME : BODY_7BIT;
    return m->body != BODY_7BIT || slice_ieq(value, SLICE_LIT("7BIT")) ? PARAM_OK : PARAM_VALUE;
}

static enum param_error on_ret(struct slice value, union command *c)
{
    c->mail.ret = slice_ieq(value, SLICE_LIT("FULL")) ? RET_FULL
                : slice_ieq(value, SLICE_LIT("HDRS")) ? RET_HDRS : RET_NONE;
    return syntax(c->mail.ret != RET_NONE);
}

static enum param_error on_envid(struct slice value, union command *c)
{
    c->mail.envid = value;
    return syntax(value.n <= ENVID_MAX && xtext_valid(value));
}

/* on_auth - a mailbox in xtext, or "<>" (RFC 4954 §5; CVE-2020-28021) */

static enum param_error on_auth(struct slice value, union command *c)
{
    c->mail.auth = value;
    return syntax(value.n <= AUTH_MAX && xtext_valid(value));
}

static enum param_error on_smtputf8(struct slice value, union command *c)
{
    (void)value;
    c->mail.utf8 = true;
    return PARAM_OK;
}

static enum param_error on_requiretls(struct slice value, union command *c)
{
    (void)value;
    c->mail.requiretls = true;
    return PARAM_OK;
}

/* by_time_read - ["-" / "+"] 1*9digit */

static bool by_time_read(struct slice text, int64_t *by)
{
    bool minus = text.n > 0 && text.p[0] == '-';
    struct slice digits = slice_from(text, minus || (text.n > 0 && text.p[0] == '+'));
    uint64_t v;

    if (digits.n > 9 || !slice_u64(digits, &v))
        return false;
    *by = minus ? -(int64_t)v : (int64_t)v;
    return true;
}

/* on_by - RFC 2852 §4: who wants it back must give it a time in the future */

static enum param_error on_by(struct slice value, union command *c)
{
    struct mail_command *m = &c->mail;
    struct slice time, mode;

    m->has_by = slice_cut(value, ';', &time, &mode) && by_time_read(time, &m->by);
    m->by_mode = mode.n > 0 && ascii_lower(mode.p[0]) == 'r' ? 'R' : 'N';
    m->by_trace = mode.n == 2 && ascii_lower(mode.p[1]) == 't';
    return syntax(m->has_by && mode.n == (m->by_trace ? 2u : 1u)
                  && (m->by_mode == 'R' ? m->by > 0 : ascii_lower(mode.p[0]) == 'n'));
}

static enum param_error on_hold_for(struct slice value, union command *c)
{
    return syntax(c->mail.hold_until == 0 && value.n <= 9
                  && slice_u64(value, &c->mail.hold_for) && c->mail.hold_for > 0);
}

static enum param_error on_hold_until(struct slice value, union command *c)
{
    return syntax(c->mail.hold_for == 0 && date_parse_stamp(value, &c->mail.hold_until)
                  && c->mail.hold_until > 0);
}

static enum param_error on_priority(struct slice value, union command *c)
{
    bool minus = value.n > 0 && value.p[0] == '-';
    struct slice digit = slice_from(value, minus);

    c->mail.has_priority = digit.n == 1 && ascii_digit(digit.p[0]);
    if (c->mail.has_priority)
        c->mail.priority = minus ? '0' - digit.p[0] : digit.p[0] - '0';
    return syntax(c->mail.has_priority);
}

static enum param_error on_solicit(struct slice value, union command *c)
{
    c->mail.solicit = value;
    return PARAM_OK;
}

/* on_linkpath - at most LINKPATH_NODES names of hosts, "," between (docs/LINKSTATE.md) */

static enum param_error on_linkpath(struct slice value, union command *c)
{
    struct slice name, rest = value;
    bool more = true, ok = value.n <= LINKPATH_MAX;

    for (unsigned n = 0; ok && more; n++) {
        more = slice_cut(rest, ',', &name, &rest);
        ok = n < LINKPATH_NODES && domain_valid(name);
    }
    c->mail.linkpath = value;
    return syntax(ok);
}

static enum param_error on_notify(struct slice value, union command *c)
{
    c->rcpt.notify = value;
    return PARAM_OK;
}

/* utf8_address_valid - of an ORCPT of type utf-8 (RFC 6533 §3), leniently: what shows,
 * and nothing that could be taken for another parameter */

static bool utf8_address_valid(struct slice text)
{
    for (size_t i = 0; i < text.n; i++)
        if (text.p[i] == '=' || text.p[i] == ' ')
            return false;
    return utf8_printable(text);
}

/* on_orcpt - addr-type ";" xtext (RFC 3461 §4.2) */

static enum param_error on_orcpt(struct slice value, union command *c)
{
    struct slice type, address;
    bool ok = slice_cut(value, ';', &type, &address) && type.n > 0 && address.n > 0
           && value.n <= ORCPT_MAX;

    c->rcpt.orcpt = value;
    for (size_t i = 0; ok && i < type.n; i++)
        ok = ascii_alnum(type.p[i]) || type.p[i] == '-';
    return syntax(ok && (slice_ieq(type, SLICE_LIT("utf-8")) ? utf8_address_valid(address)
                                                            : xtext_valid(address)));
}

/* on_rrvs - date-time [";" ("C" / "R")] (RFC 7293 §3.1) */

static enum param_error on_rrvs(struct slice value, union command *c)
{
    struct slice when, action;
    bool more = slice_cut(value, ';', &when, &action);

    c->rcpt.has_rrvs = true;
    c->rcpt.rrvs_reject = !more || slice_ieq(action, SLICE_LIT("R"));     /* R when not said (§5.1.1) */
    return syntax(date_parse_stamp(when, &c->rcpt.rrvs)
                  && (!more || c->rcpt.rrvs_reject || slice_ieq(action, SLICE_LIT("C"))));
}

static const struct param_row mail_params[] = {
    { SLICE_INIT("SIZE"),        OFFER_SIZE,          on_size,       false },
    { SLICE_INIT("BODY"),        OFFER_8BITMIME | OFFER_BINARYMIME, on_body, false },
    { SLICE_INIT("RET"),         OFFER_DSN,           on_ret,        false },
    { SLICE_INIT("ENVID"),       OFFER_DSN,           on_envid,      false },
    { SLICE_INIT("SMTPUTF8"),    OFFER_SMTPUTF8,      on_smtputf8,   true },
    { SLICE_INIT("AUTH"),        OFFER_AUTH,          on_auth,       false },
    { SLICE_INIT("BY"),          OFFER_DELIVERBY,     on_by,         false },
    { SLICE_INIT("HOLDFOR"),     OFFER_FUTURERELEASE, on_hold_for,   false },
    { SLICE_INIT("HOLDUNTIL"),   OFFER_FUTURERELEASE, on_hold_until, false },
    { SLICE_INIT("MT-PRIORITY"), OFFER_MT_PRIORITY,   on_priority,   false },
    { SLICE_INIT("REQUIRETLS"),  OFFER_REQUIRETLS,    on_requiretls, true },
    { SLICE_INIT("SOLICIT"),     OFFER_SOLICIT,       on_solicit,    false },
    { SLICE_INIT("XLINKPATH"),   OFFER_LINK2STATE,    on_linkpath,   false },
};

static const struct param_row rcpt_params[] = {
    { SLICE_INIT("NOTIFY"),      OFFER_DSN,           on_notify,     false },
    { SLICE_INIT("ORCPT"),       OFFER_DSN,           on_orcpt,      false },
    { SLICE_INIT("RRVS"),        OFFER_RRVS,          on_rrvs,       false },
};

enum {
    MAIL_PARAMS = sizeof mail_params / sizeof mail_params[0],
    RCPT_PARAMS = sizeof rcpt_params / sizeof rcpt_params[0],
};

static bool keyword_valid(struct slice name)
{
    for (size_t i = 0; i < name.n; i++)
        if (!ascii_alnum(name.p[i]) && (name.p[i] != '-' || i == 0))
            return false;
    return name.n > 0;
}

/* value_valid - esmtp-value: printable, without "=" and space (§4.1.2); with SMTPUTF8
 * octets above 127 too (RFC 6531 §3.3) */

static bool value_valid(struct slice value, bool utf8)
{
    for (size_t i = 0; i < value.n; i++) {
        unsigned char c = (unsigned char)value.p[i];

        if (c <= ' ' || c == 127 || c == '=' || (c > 127 && !utf8))
            return false;
    }
    return value.n > 0 && (!utf8 || utf8_printable(value));
}

static bool param_split(struct slice text, bool utf8, struct param *p)
{
    p->has_value = slice_cut(text, '=', &p->name, &p->value);
    return keyword_valid(p->name) && (!p->has_value || value_valid(p->value, utf8));
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
    union command          *command;
};

static enum param_error param_read(struct params *ps, struct slice text)
{
    struct param p;
    size_t row;

    if (!param_split(text, ps->offers & OFFER_SMTPUTF8, &p))
        return PARAM_SYNTAX;
    row = row_find(ps->rows, ps->n, p.name, ps->offers);
    if (row == ps->n)
        return PARAM_UNKNOWN;
    if ((ps->seen & 1u << row) || p.has_value == ps->rows[row].bare)
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

static enum command_error path_read(struct slice args, struct slice intro, bool utf8,
                                    struct arena *a, struct mailbox *m, struct slice *rest,
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
    why->address = path_parse_utf8(args, reverse, utf8, a, m, rest);
    if (why->address != ADDRESS_OK)
        return COMMAND_ADDRESS;
    return rest->n == 0 || rest->p[0] == ' ' ? COMMAND_OK : COMMAND_SYNTAX;
}

/* path_and_params - all that stands behind MAIL or RCPT */

static enum command_error path_and_params(struct slice args, struct slice intro, struct params *ps,
                                          struct arena *a, struct mailbox *m,
                                          struct command_problem *why)
{
    struct slice rest;
    enum command_error error = path_read(args, intro, ps->offers & OFFER_SMTPUTF8, a, m, &rest, why);

    if (error != COMMAND_OK)
        return error;
    why->param = params_read(ps, rest, &why->where);
    return why->param == PARAM_OK ? COMMAND_OK : COMMAND_PARAM;
}

/* mail_settle - what depends on two parameters, or on the address and one */

static enum command_error mail_settle(const struct mail_command *m, unsigned offers,
                                      struct command_problem *why)
{
    if (!m->utf8 && !utf8_ascii(m->sender.text)) {
        why->address = ADDRESS_UTF8;
        return COMMAND_ADDRESS;
    }
    if ((m->body == BODY_BINARYMIME && !(offers & OFFER_BINARYMIME))
        || (m->body == BODY_8BITMIME && !(offers & OFFER_8BITMIME))) {
        why->param = PARAM_VALUE;
        return COMMAND_PARAM;
    }
    return COMMAND_OK;
}

enum command_error mail_parse(struct slice args, unsigned offers, struct arena *a,
                              struct mail_command *m, struct command_problem *why)
{
    union command command = { 0 };
    struct params ps = { mail_params, MAIL_PARAMS, offers, 0, &command };
    enum command_error error = path_and_params(args, SLICE_LIT("FROM:"), &ps, a,
                                               &command.mail.sender, why);

    if (error == COMMAND_OK)
        error = mail_settle(&command.mail, offers, why);
    *m = command.mail;
    return error;
}

enum command_error rcpt_parse(struct slice args, unsigned offers, struct arena *a,
                              struct rcpt_command *r, struct command_problem *why)
{
    union command command = { 0 };
    struct params ps = { rcpt_params, RCPT_PARAMS, offers, 0, &command };
    enum command_error error = path_and_params(args, SLICE_LIT("TO:"), &ps, a,
                                               &command.rcpt.rcpt, why);

    *r = command.rcpt;
    return error;
}
