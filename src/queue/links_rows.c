/* links_rows.c - the link-state routing as the JSON that people get. */
#include "queue/links_inside.h"
#include "queue/rows.h"

static const char *state_of(const struct queue *q, const struct origin *o, const struct link *l)
{
    static const char *const states[WATCH_STATES] = {
        [WATCH_UP] = "up", [WATCH_GLITCH] = "retry", [WATCH_DOWN] = "down" };
    const struct watch *w = links_watch(q->links->node, l->name);
    bool ours = slice_eq(o->name, slice_cstr(links_table(q->links->node)->self));

    return ours && w != NULL ? states[w->state] : l->up ? "up" : "down";
}

static json_t *row_new(const char *kind, const struct origin *o)
{
    json_t *row = json_object();

    row_put(row, "kind", slice_cstr(kind));
    row_put(row, "node", o->name);
    return row;
}

/* row_node - an origin: whence its mail goes there from here, and what it has told */

static json_t *row_node(const struct queue *q, const struct origin *o)
{
    struct slice first = { 0 }, spaces = o->spaces, space;
    json_t *row = row_new("node", o);
    struct links_hop hop = { .way = LINKS_NONE };

    space_next(&spaces, &space);
    if (o->spaces.n > 0 && space.p[0] != '*')
        hop = links_route(q->links->node, space, NULL, 0);
    if (hop.way == LINKS_VIA)
        first = hop.link->name;
    row_put(row, "domains", o->spaces);
    row_put(row, "via", first);
    if (hop.way == LINKS_VIA)
        row_put_number(row, "cost", hop.cost);
    row_put_number(row, "major", o->version.major);
    row_put_number(row, "minor", o->version.minor);
    row_put_number(row, "user", o->version.user);
    row_put_number(row, "age", (uint64_t)(q->mono / 1000 > o->born ? q->mono / 1000 - o->born : 0));
    return row;
}

static json_t *row_link(const struct queue *q, const struct origin *o, const struct link *l)
{
    json_t *row = row_new("connector", o);

    row_put(row, "connector", l->name);
    row_put(row, "to", l->to);
    row_put_number(row, "cost", l->cost);
    row_put(row, "state", slice_cstr(state_of(q, o, l)));
    row_put(row, "domains", l->spaces);
    return row;
}

uint64_t queue_links_rows(const struct queue *q, links_row_f *row, void *user)
{
    const struct link_table *t = q->links != NULL ? links_table(q->links->node) : NULL;

    for (size_t i = 0; t != NULL && i < t->n; i++) {
        row(user, row_node(q, t->origins[i]));
        for (unsigned j = 0; j < t->origins[i]->nlinks; j++)
            row(user, row_link(q, t->origins[i], &t->origins[i]->links[j]));
    }
    return t != NULL ? t->n : 0;
}
