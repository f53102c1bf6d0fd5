/* own.h - what the configuration says of this node, and what is known of its connectors. */
#pragma once
#include "base/arena.h"
#include "links/node.h"

enum talking { SILENT, SAID_DIGEST, SAID_TABLE };

/* What we know of a connector of ours, beside its place in the entry. */
struct conn {
    struct watch watch;
    uint8_t      talking;       /* enum talking */
    bool         news;          /* the neighbour should be asked at once */
    int64_t      next;          /* when it is asked the next time anyway */
    int64_t      not_before;    /* after an exchange that led to nothing */
};

/* What the configuration says, in memory that goes with it. */
struct links_own {
    struct arena         arena;
    struct slice        *spaces;
    size_t               nspaces;
    struct link_spec    *links;
    struct conn         *conns;     /* one for each link */
    size_t               nlinks;
};

/* links_own_make - a copy of it all. False: no memory, or two connectors of one name; free
 * its arena all the same. */
bool links_own_make(struct links_own *own, const struct slice *spaces, size_t nspaces,
                    const struct links_connector *connectors, size_t n);

/* links_own_inherit - connectors of the same name and neighbour go on as they were;
 * others are new */
void links_own_inherit(struct links_own *own, const struct links_own *old, int64_t now);

/* links_own_write - our entry under this version. False: no room, or over a limit. */
bool links_own_write(const struct links_own *own, struct slice self,
                     struct links_version version, struct buf *out);

/* links_own_conn - a connector by its name, or NULL */
struct conn *links_own_conn(const struct links_own *own, struct slice name);
