/* own.c - copied from the configuration, in the order of names. */
#include "links/own.h"

enum { OWN_MAX = 256 << 10 };

static struct slice *spaces_copy(struct links_own *own, const struct slice *spaces, size_t n)
{
    struct slice *copy = arena_array(&own->arena, n + 1, sizeof *copy);

    for (size_t i = 0; copy != NULL && i < n; i++)
        copy[i] = arena_copy(&own->arena, spaces[i]);
    return copy;
}

/* insert - one more connector, in the order of names. False: two of one name. */

static bool insert(struct links_own *own, const struct links_connector *c)
{
    size_t at = own->nlinks;

    while (at > 0 && links_order(own->links[at - 1].name, c->name) > 0)
        at--;
    if (at > 0 && slice_eq(own->links[at - 1].name, c->name))
        return false;
    memmove(&own->links[at + 1], &own->links[at], (own->nlinks - at) * sizeof own->links[0]);
    own->links[at] = (struct link_spec){
        .name = arena_copy(&own->arena, c->name), .to = arena_copy(&own->arena, c->to),
        .cost = c->cost, .up = true, .spaces = spaces_copy(own, c->spaces, c->nspaces),
        .nspaces = c->nspaces };
    own->nlinks++;
    return true;
}

bool links_own_make(struct links_own *own, const struct slice *spaces, size_t nspaces,
                    const struct links_connector *connectors, size_t n)
{
    *own = (struct links_own){ .arena = ARENA(OWN_MAX), .nspaces = nspaces };
    own->spaces = spaces_copy(own, spaces, nspaces);
    own->links = arena_array(&own->arena, n + 1, sizeof *own->links);
    own->conns = arena_array(&own->arena, n + 1, sizeof *own->conns);
    for (size_t i = 0; i < n && !own->arena.spent; i++)
        if (!insert(own, &connectors[i]))
            return false;
    return !own->arena.spent;
}

struct conn *links_own_conn(const struct links_own *own, struct slice name)
{
    for (size_t i = 0; i < own->nlinks; i++)
        if (slice_eq(own->links[i].name, name))
            return &own->conns[i];
    return NULL;
}

void links_own_inherit(struct links_own *own, const struct links_own *old, int64_t now)
{
    for (size_t i = 0; i < own->nlinks; i++) {
        const struct conn *c = links_own_conn(old, own->links[i].name);

        if (c != NULL && slice_eq(old->links[c - old->conns].to, own->links[i].to))
            own->conns[i] = *c;
        else
            own->conns[i] = (struct conn){ .news = true, .next = now, .not_before = now };
    }
}

bool links_own_write(const struct links_own *own, struct slice self,
                     struct links_version version, struct buf *out)
{
    return entry_write(&(struct entry_spec){
        .name = self, .version = version, .spaces = own->spaces,
        .nspaces = own->nspaces, .links = own->links, .nlinks = own->nlinks }, out);
}
