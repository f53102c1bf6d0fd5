/* node.c - versions of our own entry, news for the neighbours, and who is asked when.
 *
 * What happens                           our version        the neighbours hear of it
 * configuration read or changed          major = now        at once
 * connectors gone up or down             minor + 1          at once, then once in `damping`
 * somebody shows us above our version    major above it     at once, once in HEAL_MS
 * our entry is `refresh` old             user + 1           when each is asked the next time
 * somebody's entry is news               -                  at once
 */
#include <stdlib.h>
#include "base/ascii.h"
#include "links/own.h"

enum { HEAL_MS = 5000 };

struct links_node {
    struct links_settings s;
    struct link_table          table;
    struct links_own            own;
    struct links_version  version;
    int64_t               refreshed;    /* when our entry was last made */
    int64_t               told;         /* when ups and downs were last told */
    struct links_version  above;        /* what somebody else holds of us */
    int64_t               healed;
    bool                  ill;          /* our version must rise above that */
    bool                  stale;        /* our entry could not be made: no memory */
    uint64_t              generation;
};

/* --------------------------------------------------------------- birth -- */

static struct slice to_lower(struct slice s, char to[LINKS_NAME])
{
    if (s.n > LINKS_NAME)
        return (struct slice){ 0 };
    for (size_t i = 0; i < s.n; i++)
        to[i] = ascii_lower(s.p[i]);
    return slice_of(to, s.n);
}

static int64_t age_seconds(const struct links_settings *s)
{
    int64_t age = s->age / 1000;

    return age < 1 ? 1 : age < LINKS_AGE ? age : LINKS_AGE;
}

struct links_node *links_new(struct slice self, const struct links_settings *s, int64_t now,
                             int64_t wall)
{
    char text[LINKS_NAME];
    struct slice name = to_lower(self, text);
    struct links_node *l;

    if (!node_name_valid(name) || (l = calloc(1, sizeof *l)) == NULL)
        return NULL;
    l->s = *s;
    l->version.major = wall > 0 ? (uint64_t)wall : 0;
    l->told = now - s->watch.damping;
    l->healed = now - HEAL_MS;
    link_table_init(&l->table, name, age_seconds(s));
    return l;
}

void links_free(struct links_node *l)
{
    if (l == NULL)
        return;
    link_table_free(&l->table);
    arena_free(&l->own.arena);
    free(l);
}

/* ------------------------------------------------------- our own entry -- */

/* live - for our own paths a connector counts as it is, not as we told it */

static void live(struct links_node *l)
{
    struct origin *o = link_table_find(&l->table, slice_cstr(l->table.self));

    for (size_t i = 0; o != NULL && i < o->nlinks; i++)
        o->links[i].up = watch_up(&l->own.conns[i].watch);
    l->generation++;
}

/* publish - our entry again, under the version that it has now */

static void publish(struct links_node *l, int64_t now)
{
    struct buf text = BUF(LINKS_ENTRY);

    for (size_t i = 0; i < l->own.nlinks; i++)
        l->own.links[i].up = !l->own.conns[i].watch.told_down;
    l->stale = !links_own_write(&l->own, slice_cstr(l->table.self), l->version, &text)
            || !link_table_own(&l->table, buf_view(&text), now / 1000);
    l->refreshed = now;
    buf_free(&text);
    live(l);
}

/* spread - every neighbour should hear of it, but `except` who told us */

static void spread(struct links_node *l, const struct conn *except)
{
    for (size_t i = 0; i < l->own.nlinks; i++)
        if (&l->own.conns[i] != except)
            l->own.conns[i].news = true;
}

static void raise_major(struct links_node *l, uint64_t above, int64_t wall)
{
    uint64_t now = wall > 0 ? (uint64_t)wall : 0;

    l->version = (struct links_version){ .major = now > above ? now : above + 1 };
}

/* ------------------------------------------------------- configuration -- */

/* differs - would our entry say something else? *ok: it can be said at all. */

static bool differs(const struct links_node *l, const struct links_own *own, bool *ok)
{
    struct buf a = BUF(LINKS_ENTRY), b = BUF(LINKS_ENTRY);
    struct slice self = slice_cstr(l->table.self);
    struct entry_view e;
    bool other;

    for (size_t i = 0; i < l->own.nlinks; i++)
        l->own.links[i].up = true;
    links_own_write(&l->own, self, (struct links_version){ 0 }, &a);
    *ok = links_own_write(own, self, (struct links_version){ 0 }, &b)
       && entry_parse(buf_view(&b), &e);
    other = link_table_find(&l->table, self) == NULL
         || !slice_eq(buf_view(&a), buf_view(&b));
    buf_free(&a);
    buf_free(&b);
    return other;
}

static void settings_set(struct links_node *l, const struct links_settings *s)
{
    l->s = *s;
    l->table.age = age_seconds(s);
}

bool links_configure(struct links_node *l, const struct links_settings *s,
                     const struct slice *spaces, size_t nspaces,
                     const struct links_connector *connectors, size_t n,
                     int64_t now, int64_t wall)
{
    struct links_own own;
    bool ok = links_own_make(&own, spaces, nspaces, connectors, n);
    bool change = ok && differs(l, &own, &ok);

    if (!ok || !change) {
        arena_free(&own.arena);
        if (ok)
            settings_set(l, s);
        return ok;
    }
    links_own_inherit(&own, &l->own, now);
    arena_free(&l->own.arena);
    l->own = own;
    settings_set(l, s);
    raise_major(l, l->version.major, wall);
    publish(l, now);
    spread(l, NULL);
    return true;
}

/* ------------------------------------------------- what connectors met -- */

static void failed(struct links_node *l, struct conn *c, int64_t now)
{
    if (watch_failed(&c->watch, &l->s.watch, now))
        live(l);
}

static void worked(struct links_node *l, struct conn *c)
{
    if (!watch_worked(&c->watch))
        return;
    c->news = true;             /* it may have missed some */
    live(l);
}

void links_failed(struct links_node *l, struct slice connector, int64_t now)
{
    struct conn *c = links_own_conn(&l->own, connector);

    if (c != NULL)
        failed(l, c, now);
}

void links_worked(struct links_node *l, struct slice connector, int64_t now)
{
    struct conn *c = links_own_conn(&l->own, connector);

    (void)now;
    if (c != NULL)
        worked(l, c);
}

/* ------------------------------------------------------------ exchanges -- */

static void heal(struct links_node *l, int64_t now, int64_t wall)
{
    if (!l->ill || now < l->healed + HEAL_MS)
        return;
    l->ill = false;
    l->healed = now;
    if (links_newer(l->above, l->version) < 0)
        return;
    raise_major(l, l->above.major, wall);
    publish(l, now);
    spread(l, NULL);
}

static void merge(struct links_node *l, struct slice nodes, const struct conn *from,
                  int64_t now, int64_t wall)
{
    struct link_table_news news = link_table_merge(&l->table, nodes, now / 1000, wall);

    if (news.moved > 0) {
        l->generation++;
        spread(l, from);
    }
    if (news.impostor) {
        l->ill = true;
        l->above = news.ours;
        heal(l, now, wall);
    }
}

static bool same_digest(const struct links_node *l, struct slice digest)
{
    char ours[LINKS_DIGEST + 1];

    link_table_digest(&l->table, ours);
    return slice_eq(digest, slice_cstr(ours));
}

/* hear_table - take what is newer, and answer with what they lack */

static bool hear_table(struct links_node *l, struct slice nodes, int64_t now, int64_t wall,
                       struct buf *answer)
{
    struct buf table = BUF(LINKS_TABLE + 8);
    size_t n = 0;
    bool ok;

    merge(l, nodes, NULL, now, wall);
    ok = link_table_put(&l->table, nodes, now / 1000, &table, &n);
    ok = ok && (n > 0 ? buf_put_slice(answer, buf_view(&table)) : buf_puts(answer, "DONE"));
    buf_free(&table);
    return ok;
}

bool links_heard(struct links_node *l, struct slice payload, int64_t now, int64_t wall,
                 struct buf *answer)
{
    struct payload p = payload_parse(payload);

    switch (p.verb) {
    case PAYLOAD_DIGEST:
        return buf_puts(answer, same_digest(l, p.digest) ? "DONE" : "SEND");
    case PAYLOAD_TABLE:
        return hear_table(l, p.nodes, now, wall, answer);
    default:
        return false;
    }
}

bool links_ask(const struct links_node *l, struct buf *payload)
{
    char digest[LINKS_DIGEST + 1];

    link_table_digest(&l->table, digest);
    return buf_printf(payload, "DIGEST %s", digest);
}

static bool over(struct conn *c, int64_t not_before)
{
    c->talking = SILENT;
    c->not_before = not_before;
    return false;
}

/* answered - what the neighbour said to our digest, or to our table */

static bool answered(struct links_node *l, struct conn *c, struct slice answer, int64_t now,
                     int64_t wall, struct buf *next)
{
    struct payload p = payload_parse(answer);
    size_t n;

    if (c->talking == SAID_DIGEST && p.verb == PAYLOAD_SEND) {
        c->talking = SAID_TABLE;
        return link_table_put(&l->table, (struct slice){ 0 }, now / 1000, next, &n)
            || over(c, now + l->s.refresh);
    }
    if (c->talking == SAID_TABLE && p.verb == PAYLOAD_TABLE)
        merge(l, p.nodes, c, now, wall);
    else if (p.verb != PAYLOAD_DONE)
        return over(c, now + l->s.refresh);
    return over(c, now);
}

bool links_asked(struct links_node *l, struct slice connector, enum links_outcome outcome,
                 struct slice answer, int64_t now, int64_t wall, struct buf *next)
{
    struct conn *c = links_own_conn(&l->own, connector);

    if (c == NULL || c->talking == SILENT)
        return false;
    if (outcome == LINKS_UNREACHED)
        failed(l, c, now);
    else if (outcome != LINKS_CUT)
        worked(l, c);
    if (outcome == LINKS_EXCHANGED)
        return answered(l, c, answer, now, wall, next);
    c->news = true;
    return over(c, now + (outcome == LINKS_UNSPOKEN ? l->s.refresh : l->s.watch.retry));
}

/* ----------------------------------------------------------------- time -- */

static bool untold(const struct links_node *l)
{
    for (size_t i = 0; i < l->own.nlinks; i++)
        if (watch_untold(&l->own.conns[i].watch))
            return true;
    return false;
}

static void announce(struct links_node *l, int64_t now)
{
    if (now < l->told + l->s.watch.damping || !untold(l))
        return;
    for (size_t i = 0; i < l->own.nlinks; i++)
        watch_told(&l->own.conns[i].watch);
    l->told = now;
    l->version.minor++;
    publish(l, now);
    spread(l, NULL);
}

static void refresh(struct links_node *l, int64_t now)
{
    if (now < l->refreshed + l->s.refresh && !l->stale)
        return;
    l->version.user++;
    publish(l, now);
}

void links_advance(struct links_node *l, int64_t now, int64_t wall)
{
    heal(l, now, wall);
    announce(l, now);
    refresh(l, now);
    if (link_table_expire(&l->table, now / 1000) > 0)
        l->generation++;
}

/* due_at - when an exchange over c should begin */

static int64_t due_at(const struct conn *c)
{
    int64_t at = c->news ? c->not_before : c->next;

    if (c->talking != SILENT)
        return INT64_MAX;
    if (c->watch.state != WATCH_UP)
        return watch_due(&c->watch);
    return at > c->not_before ? at : c->not_before;
}

struct slice links_due(struct links_node *l, int64_t now)
{
    for (size_t i = 0; i < l->own.nlinks; i++) {
        struct conn *c = &l->own.conns[i];

        if (due_at(c) > now)
            continue;
        c->talking = SAID_DIGEST;
        c->news = false;
        c->next = now + l->s.refresh;
        return l->own.links[i].name;
    }
    return (struct slice){ 0 };
}

static int64_t sooner(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

int64_t links_wake(const struct links_node *l)
{
    int64_t at = l->refreshed + l->s.refresh, expiry = link_table_expiry(&l->table);

    if (expiry != INT64_MAX)
        at = sooner(at, expiry * 1000);
    if (l->ill)
        at = sooner(at, l->healed + HEAL_MS);
    if (untold(l))
        at = sooner(at, l->told + l->s.watch.damping);
    for (size_t i = 0; i < l->own.nlinks; i++)
        at = sooner(at, due_at(&l->own.conns[i]));
    return at;
}

/* ------------------------------------------------------------ questions -- */

struct links_hop links_route(const struct links_node *l, struct slice domain,
                             const struct slice *visited, size_t nvisited)
{
    return links_next(&l->table, domain, visited, nvisited);
}

uint64_t links_generation(const struct links_node *l)
{
    return l->generation;
}

const struct link_table *links_table(const struct links_node *l)
{
    return &l->table;
}

const struct watch *links_watch(const struct links_node *l, struct slice connector)
{
    const struct conn *c = links_own_conn(&l->own, connector);

    return c != NULL ? &c->watch : NULL;
}
