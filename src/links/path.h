/* path.h - the way of least cost through the table.
 *
 * Who serves a domain most specifically decides the far end: a node that lists
 * an address space as its own, or a connector that lists one for what lies
 * behind it. Among several, the one of least total cost over connectors that
 * are up. Ties: the node whose name comes first.
 *
 * No loops while tables differ: `visited` are the nodes that the message has
 * passed, and no path leads through any of them. So however wrong the tables
 * are, a message sees each node at most once, and there are only finitely many
 * of them; where no other path remains it waits for the tables to change.
 */
#pragma once
#include "links/table.h"

enum links_way {
    LINKS_NONE,         /* nobody serves it: route as without links */
    LINKS_HERE,         /* we are the far end: route as without links */
    LINKS_VIA,          /* by a connector of ours */
    LINKS_WAIT,         /* somebody serves it, but no path is up (or left): later */
};

struct links_hop {
    enum links_way     way;
    const struct link *link;        /* LINKS_VIA: of our own entry */
    unsigned           cost;        /* LINKS_VIA: of the whole path */
    unsigned           match;       /* how specific (space_match); 0: LINKS_NONE */
    struct slice       target;      /* the node at the far end, or the foreign host */
};

/* links_next - where mail for `domain` (lower case) goes from here */
struct links_hop links_next(const struct link_table *t, struct slice domain,
                            const struct slice *visited, size_t nvisited);
