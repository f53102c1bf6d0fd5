/* payload.c - reading and checking what a payload says, record by record. */
#include "base/ascii.h"
#include "links/payload.h"
#include "smtp/address.h"

enum { NUMBER_DIGITS = 15, EXACT = 1000 };

static const struct slice NODE = SLICE_INIT("NODE "), LINK = SLICE_INIT("LINK "),
                          NOTHING = SLICE_INIT("-");

int links_newer(struct links_version a, struct links_version b)
{
    if (a.major != b.major)
        return a.major < b.major ? -1 : 1;
    if (a.minor != b.minor)
        return a.minor < b.minor ? -1 : 1;
    return a.user < b.user ? -1 : a.user > b.user;
}

/* --------------------------------------------------------------- words -- */

static bool starts(struct slice s, struct slice with)
{
    return s.n >= with.n && memcmp(s.p, with.p, with.n) == 0;
}

/* number - decimal, 1 to 15 digits, no leading zero */

static bool number(struct slice s, uint64_t *value)
{
    return s.n <= NUMBER_DIGITS && (s.n == 1 || (s.n > 1 && s.p[0] != '0')) && slice_u64(s, value);
}

static bool lower_case(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] != ascii_lower(s.p[i]))
            return false;
    return true;
}

bool node_name_valid(struct slice name)
{
    return name.n <= LINKS_NAME && lower_case(name) && domain_valid(name);
}

bool space_valid(struct slice space)
{
    if (slice_eq(space, SLICE_LIT("*")))
        return true;
    if (starts(space, SLICE_LIT("*.")))
        space = slice_from(space, 2);
    return node_name_valid(space);
}

bool connector_valid(struct slice name)
{
    if (name.n == 0 || name.n > LINKS_CONNECTOR)
        return false;
    for (size_t i = 0; i < name.n; i++)
        if (!ascii_alnum(name.p[i]) && memchr("._-", name.p[i], 3) == NULL)
            return false;
    return true;
}

int links_order(struct slice a, struct slice b)
{
    size_t n = a.n < b.n ? a.n : b.n;
    int d = n > 0 ? memcmp(a.p, b.p, n) : 0;

    return d != 0 ? d : a.n < b.n ? -1 : a.n > b.n;
}

/* -------------------------------------------------------------- spaces -- */

bool space_next(struct slice *spaces, struct slice *space)
{
    if (spaces->n == 0)
        return false;
    slice_cut(*spaces, ',', space, spaces);
    return true;
}

/* spaces_parse - "-" (then *list is empty) or a list in rising order */

static bool spaces_parse(struct slice text, struct slice *list)
{
    struct slice space, rest = text, last = { 0 };
    unsigned n = 0;

    *list = (struct slice){ 0 };
    if (slice_eq(text, NOTHING))
        return true;
    if (text.n == 0 || text.p[text.n - 1] == ',')
        return false;
    for (; space_next(&rest, &space); last = space)
        if (!space_valid(space) || (n > 0 && links_order(last, space) >= 0) || ++n > LINKS_SPACES)
            return false;
    *list = text;
    return true;
}

unsigned space_match(struct slice space, struct slice domain)
{
    if (slice_eq(space, domain))
        return EXACT;
    if (slice_eq(space, SLICE_LIT("*")))
        return 1;
    if (!starts(space, SLICE_LIT("*.")) || domain.n < space.n)
        return 0;
    space = slice_from(space, 1);
    return slice_eq(space, slice_from(domain, domain.n - space.n)) ? (unsigned)space.n + 1 : 0;
}

/* --------------------------------------------------------------- links -- */

static bool word(struct slice *s, struct slice *w)
{
    return slice_cut(*s, ' ', w, s) && w->n > 0;
}

static bool state_parse(struct slice s, bool *up)
{
    *up = slice_eq(s, SLICE_LIT("up"));
    return *up || slice_eq(s, SLICE_LIT("down"));
}

static bool link_parse(struct slice record, struct link_view *l)
{
    struct slice cost, state;
    uint64_t n = 0;

    if (!starts(record, LINK))
        return false;
    record = slice_from(record, LINK.n);
    if (!word(&record, &l->name) || !word(&record, &l->to) || !word(&record, &cost)
        || !word(&record, &state))
        return false;
    if (!number(cost, &n) || n == 0 || n > LINKS_COST)
        return false;
    l->cost = (unsigned)n;
    return connector_valid(l->name) && node_name_valid(l->to) && state_parse(state, &l->up)
        && spaces_parse(record, &l->spaces);
}

bool link_next(struct slice *links, struct link_view *l)
{
    struct slice record;

    if (links->n == 0)
        return false;
    slice_cut(*links, ';', &record, links);
    return link_parse(record, l);
}

static bool links_parse(struct slice links, unsigned *n)
{
    struct slice last = { 0 };
    struct link_view l;

    for (*n = 0; links.n > 0; last = l.name)
        if (!link_next(&links, &l) || (*n > 0 && links_order(last, l.name) >= 0)
            || ++*n > LINKS_CONNECTORS)
            return false;
    return true;
}

/* --------------------------------------------------------------- entries -- */

static bool version_parse(struct slice *s, struct links_version *v)
{
    struct slice major, minor, user;

    return word(s, &major) && word(s, &minor) && word(s, &user) && number(major, &v->major)
        && number(minor, &v->minor) && number(user, &v->user);
}

bool entry_parse(struct slice entry, struct entry_view *e)
{
    struct slice head, rest = entry;

    if (entry.n > LINKS_ENTRY || (entry.n > 0 && entry.p[entry.n - 1] == ';'))
        return false;
    slice_cut(entry, ';', &head, &e->links);
    rest = head;
    return word(&rest, &e->name) && node_name_valid(e->name) && version_parse(&rest, &e->version)
        && spaces_parse(rest, &e->spaces) && links_parse(e->links, &e->nlinks);
}

/* next_node - where the next record "NODE " begins in s, at or behind `from`; s.n: nowhere */

static size_t next_node(struct slice s, size_t from)
{
    while (from < s.n) {
        size_t at = from + slice_chr(slice_from(s, from), ';');

        if (at >= s.n || starts(slice_from(s, at + 1), NODE))
            return at;
        from = at + 1;
    }
    return s.n;
}

bool node_next(struct slice *nodes, unsigned *age, struct slice *entry)
{
    struct slice text, digits;
    uint64_t n = 0;
    size_t end;

    if (nodes->n == 0 || !starts(*nodes, NODE))
        return false;
    end = next_node(*nodes, 0);
    text = slice_from(slice_first(*nodes, end), NODE.n);
    *nodes = slice_from(*nodes, end + 1);
    if (!slice_cut(text, ' ', &digits, entry) || !number(digits, &n) || n > LINKS_AGE)
        return false;
    *age = (unsigned)n;
    return true;
}

/* ------------------------------------------------------------- payloads -- */

static struct payload digest_parse(struct slice hex)
{
    struct payload p = { .verb = PAYLOAD_DIGEST, .digest = hex };

    if (hex.n != LINKS_DIGEST)
        return (struct payload){ 0 };
    for (size_t i = 0; i < hex.n; i++)
        if (ascii_hex(hex.p[i]) < 0 || hex.p[i] != ascii_lower(hex.p[i]))
            return (struct payload){ 0 };
    return p;
}

static struct payload table_parse(struct slice nodes)
{
    struct payload p = { .verb = PAYLOAD_TABLE, .nodes = nodes };
    struct slice entry, last = { 0 };
    struct entry_view e = { 0 };
    unsigned age;

    if (nodes.n > 0 && nodes.p[nodes.n - 1] == ';')
        return (struct payload){ 0 };
    for (; nodes.n > 0; last = e.name)
        if (!node_next(&nodes, &age, &entry) || !entry_parse(entry, &e)
            || (p.nnodes > 0 && links_order(last, e.name) >= 0) || ++p.nnodes > LINKS_NODES)
            return (struct payload){ 0 };
    return p;
}

struct payload payload_parse(struct slice text)
{
    static const struct { struct slice text; enum payload_verb verb; } verbs[] = {
        { SLICE_INIT("SEND"), PAYLOAD_SEND }, { SLICE_INIT("DONE"), PAYLOAD_DONE },
        { SLICE_INIT("MORE"), PAYLOAD_MORE }, { SLICE_INIT("TABLE"), PAYLOAD_TABLE },
    };

    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++)
        if (slice_eq(text, verbs[i].text))
            return (struct payload){ .verb = verbs[i].verb };
    if (starts(text, SLICE_LIT("DIGEST ")))
        return digest_parse(slice_from(text, 7));
    if (starts(text, SLICE_LIT("TABLE;")) && text.n > 6)
        return table_parse(slice_from(text, 6));
    return (struct payload){ 0 };
}
