/* path.c - Dijkstra's algorithm from ourselves, around what has been visited. */
#include <assert.h>
#include <stdlib.h>
#include "base/heap.h"
#include "base/list.h"
#include "links/path.h"

/* Nodes of equal cost settle in the order of their names, which is that of
 * their places: the key of the heap holds both. */
enum { PLACES = 1024 };
static_assert((int)PLACES >= (int)LINKS_NODES, "a place fits into a key");

struct step {
    struct heap_node   heap;
    const struct link *first;       /* of ours, with which the path begins; NULL: no path, or us */
    unsigned           cost;
    bool               reached;
    bool               barred;      /* the message has been there */
};

struct search {
    const struct link_table *t;
    struct step        *steps;      /* one for each origin */
    struct heap         open;
    size_t              self;
    const struct slice *visited;
    size_t              nvisited;
    struct slice        domain;
};

/* -------------------------------------------------------------- walking -- */

static bool was_visited(const struct search *s, struct slice name)
{
    for (size_t i = 0; i < s->nvisited; i++)
        if (slice_ieq(s->visited[i], name))
            return true;
    return false;
}

static bool reach(struct search *s, size_t at, unsigned cost, const struct link *first)
{
    struct step *step = &s->steps[at];

    if (step->barred || (step->reached && step->cost <= cost))
        return true;
    step->reached = true;
    step->cost = cost;
    step->first = first;
    return heap_insert(&s->open, &step->heap, (int64_t)cost * PLACES + (int64_t)at);
}

static bool leave(struct search *s, size_t at)
{
    const struct origin *o = s->t->origins[at];

    for (unsigned i = 0; i < o->nlinks; i++) {
        const struct link *l = &o->links[i];
        size_t to = l->up ? link_table_index(s->t, l->to) : s->t->n;

        if (to < s->t->n && !reach(s, to, s->steps[at].cost + l->cost,
                                   at == s->self ? l : s->steps[at].first))
            return false;
    }
    return true;
}

/* walk - all paths of least cost. False: no memory. */

static bool walk(struct search *s)
{
    struct heap_node *top;
    bool ok;

    for (size_t i = 0; i < s->t->n; i++)
        s->steps[i].barred = i != s->self && was_visited(s, s->t->origins[i]->name);
    ok = reach(s, s->self, 0, NULL);
    while (ok && (top = heap_top(&s->open)) != NULL) {
        heap_remove(&s->open, top);
        ok = leave(s, (size_t)(LIST_OWNER(top, struct step, heap) - s->steps));
    }
    heap_free(&s->open);
    return ok;
}

/* ------------------------------------------------------------- far ends -- */

static unsigned match(struct slice spaces, struct slice domain)
{
    struct slice space;
    unsigned best = 0, m;

    while (space_next(&spaces, &space))
        if ((m = space_match(space, domain)) > best)
            best = m;
    return best;
}

/* best_match - how specifically anyone serves the domain. Whether a path is up
 * does not matter here: mail waits for who serves it best. */

static unsigned best_match(const struct search *s)
{
    unsigned best = 0, m;

    for (size_t i = 0; i < s->t->n; i++) {
        const struct origin *o = s->t->origins[i];

        if ((m = match(o->spaces, s->domain)) > best)
            best = m;
        for (unsigned j = 0; j < o->nlinks; j++)
            if ((m = match(o->links[j].spaces, s->domain)) > best)
                best = m;
    }
    return best;
}

/* is_here - do we serve it that well ourselves, or does a connector that does lead to us? */

static bool is_here(const struct search *s, unsigned best)
{
    struct slice self = slice_cstr(s->t->self);

    if (match(s->t->origins[s->self]->spaces, s->domain) == best)
        return true;
    for (size_t i = 0; i < s->t->n; i++)
        for (unsigned j = 0; j < s->t->origins[i]->nlinks; j++) {
            const struct link *l = &s->t->origins[i]->links[j];

            if (slice_eq(l->to, self) && match(l->spaces, s->domain) == best)
                return true;
        }
    return false;
}

static void offer(struct links_hop *hop, const struct link *first, unsigned cost,
                  struct slice target)
{
    if (hop->way == LINKS_VIA && (hop->cost < cost
        || (hop->cost == cost && links_order(hop->target, target) <= 0)))
        return;
    hop->way = LINKS_VIA;
    hop->link = first;
    hop->cost = cost;
    hop->target = target;
}

/* offer_node - what the origin at that place serves itself, and by its connectors */

static void offer_node(const struct search *s, size_t at, struct links_hop *hop)
{
    const struct origin *o = s->t->origins[at];
    const struct step *step = &s->steps[at];

    if (!step->reached)
        return;
    if (match(o->spaces, s->domain) == hop->match)
        offer(hop, step->first, step->cost, o->name);
    for (unsigned i = 0; i < o->nlinks; i++) {
        const struct link *l = &o->links[i];

        if (l->up && match(l->spaces, s->domain) == hop->match && !was_visited(s, l->to))
            offer(hop, at == s->self ? l : step->first, step->cost + l->cost, l->to);
    }
}

static void choose(struct search *s, struct links_hop *hop)
{
    hop->match = best_match(s);
    if (hop->match == 0)
        return;
    hop->way = is_here(s, hop->match) ? LINKS_HERE : LINKS_WAIT;
    if (hop->way == LINKS_HERE || !walk(s))
        return;
    for (size_t i = 0; i < s->t->n; i++)
        offer_node(s, i, hop);
}

struct links_hop links_next(const struct link_table *t, struct slice domain,
                            const struct slice *visited, size_t nvisited)
{
    struct search s = { .t = t, .self = link_table_index(t, slice_cstr(t->self)),
                        .visited = visited, .nvisited = nvisited, .domain = domain };
    struct links_hop hop = { .way = LINKS_NONE };

    if (s.self >= t->n || domain.n == 0 || domain.p[0] == '[')
        return hop;
    s.steps = calloc(t->n, sizeof *s.steps);
    if (s.steps == NULL)
        return (struct links_hop){ .way = LINKS_WAIT };
    choose(&s, &hop);
    free(s.steps);
    return hop;
}
