/* asked.c - reading the extras. */
#include "base/ascii.h"
#include "queue/asked.h"

static const char *const verbs[ASKED_VERBS] = {
    [ASKED_MAIL] = "MAIL", [ASKED_SEND] = "SEND", [ASKED_SOML] = "SOML", [ASKED_SAML] = "SAML",
};

const char *asked_verb_name(enum asked_verb verb)
{
    return verbs[verb];
}

/* wall - a moment in ms; 0: none that we believe */

static int64_t wall(struct slice text)
{
    uint64_t v = 0;

    return slice_u64(text, &v) && v < (uint64_t)INT64_MAX / 2 ? (int64_t)v : 0;
}

static void read_by(struct slice value, struct asked *a)
{
    struct slice when, mode;

    slice_cut(value, ' ', &when, &mode);
    if (mode.n == 0 || mode.n > 2 || (mode.p[0] != 'R' && mode.p[0] != 'N'))
        return;
    a->by = wall(when);
    a->by_return = mode.p[0] == 'R';
    a->by_trace = mode.n == 2 && mode.p[1] == 'T';
}

static int priority(struct slice value)
{
    bool minus = value.n > 0 && value.p[0] == '-';
    struct slice digits = slice_from(value, minus);
    int v = digits.n == 1 && ascii_digit(digits.p[0]) ? digits.p[0] - '0' : 0;

    return minus ? -v : v;
}

static enum asked_verb verb(struct slice value)
{
    for (enum asked_verb v = ASKED_SEND; v < ASKED_VERBS; v++)
        if (slice_ieq(value, slice_cstr(verbs[v])))
            return v;
    return ASKED_MAIL;
}

struct asked asked_of(struct slice extra)
{
    struct asked a = { 0 };
    struct slice value;

    if (extra.n == 0)
        return a;
    if (extra_get(extra, EXTRA_HOLD, &value))
        a.hold = wall(value);
    if (extra_get(extra, EXTRA_BY, &value))
        read_by(value, &a);
    if (extra_get(extra, EXTRA_PRIORITY, &value))
        a.priority = priority(value);
    if (extra_get(extra, EXTRA_VERB, &value))
        a.verb = verb(value);
    return a;
}

enum asked_origin asked_origin(struct slice extra)
{
    struct slice value;

    if (extra.n == 0 || !extra_get(extra, EXTRA_EXPANDED, &value))
        return ASKED_ITSELF;
    return slice_ieq(value, SLICE_LIT("list")) ? ASKED_BY_LIST : ASKED_BY_ALIAS;
}

unsigned asked_notify(struct slice extra)
{
    struct slice value;
    unsigned notify = 0;

    if (extra.n == 0 || !extra_get(extra, EXTRA_NOTIFY, &value) || !notify_parse(value, &notify))
        return 0;
    return notify;
}

unsigned asked_notify_here(struct slice extra)
{
    unsigned notify = asked_notify(extra);

    switch (asked_origin(extra)) {
    case ASKED_BY_ALIAS: return notify_decide(NOTIFY_EXPANDED, notify, false).notify;
    case ASKED_BY_LIST:  return 0;
    default:             return notify;
    }
}

bool asked_parameters(const struct envelope *e)
{
    struct wire w = wire_reader(e->rcpts);
    struct recipient r;
    struct slice value;

    if (extra_get(e->extra, EXTRA_RET, &value) || extra_get(e->extra, EXTRA_ENVID, &value))
        return true;
    while (recipient_next(&w, &r))
        if (extra_get(r.extra, EXTRA_NOTIFY, &value) || extra_get(r.extra, EXTRA_ORCPT, &value))
            return true;
    return false;
}

/* decode - one octet of xtext; false: malformed */

static bool decode(struct slice *rest, char *octet)
{
    int high, low;

    *octet = rest->p[0];
    if (*octet != '+') {
        *rest = slice_from(*rest, 1);
        return true;
    }
    if (rest->n < 3 || (high = ascii_hex(rest->p[1])) < 0 || (low = ascii_hex(rest->p[2])) < 0)
        return false;
    *octet = (char)(high << 4 | low);
    *rest = slice_from(*rest, 3);
    return true;
}

struct slice asked_xtext(struct slice extra, enum envelope_extra name, struct arena *arena)
{
    struct slice rest;
    size_t n = 0;
    char *text;

    if (!extra_get(extra, name, &rest) || (text = arena_alloc(arena, rest.n + 1)) == NULL)
        return (struct slice){ 0 };
    while (rest.n > 0) {
        if (!decode(&rest, &text[n]) || ascii_control(text[n]))
            return (struct slice){ 0 };
        n++;
    }
    return slice_of(text, n);
}

int64_t asked_rrvs(struct slice extra)
{
    struct slice value, seconds, rest;
    int64_t since;

    if (!extra_get(extra, EXTRA_RRVS, &value))
        return 0;
    slice_cut(value, ' ', &seconds, &rest);
    since = wall(seconds);
    return since < INT64_MAX / 1000 ? since * 1000 : 0;
}
