/* table.h - what one node knows of all: the newest entry of each origin.
 *
 * Merging takes of each origin what is newer (at the same version, of two
 * different texts the greater one), so that tables which have seen the same
 * entries are equal, whatever the order. Nobody else's word about ourselves is
 * ever taken: a version of us that is not older than ours and not the same is
 * reported, and the owner announces a higher one (as OSPF does, RFC 2328
 * §13.4). An entry carries its age with it, rounded up, so passing it on never
 * prolongs its life: it dies everywhere `age` after its origin last refreshed it.
 *
 * Times are seconds of the owner's monotonic clock; the wall clock is for one
 * check only, of versions from the future.
 */
#pragma once
#include "links/payload.h"

struct link {
    struct slice name, to, spaces;
    unsigned     cost;
    bool         up;
};

struct origin {
    struct slice         name;
    struct links_version version;
    struct slice         spaces;
    struct slice         text;      /* the entry as it travels, without age */
    int64_t              born;      /* second at which its age was 0 */
    struct link         *links;     /* in order of their names */
    unsigned             nlinks;
};

struct link_table {
    char            self[LINKS_NAME + 1];
    struct origin **origins;        /* in order of their names */
    size_t          n, cap;
    int64_t         age;            /* s without refreshment after which an entry is gone */
    size_t          bytes;          /* of the TABLE that holds all of them */
};

/* What a merge did. */
struct link_table_news {
    unsigned taken;         /* entries that were newer than ours, or unknown */
    unsigned moved;         /* of those, changed in more than `user`, or unknown, or rarely refreshed */
    unsigned refused;       /* no room, or dated more than a day ahead */
    struct links_version ours;      /* the highest of us that somebody else holds; ... */
    bool     impostor;      /* ... and ours must rise above it */
};

/* link_table_init - self: valid name of this node, lower case; age: s, at most LINKS_AGE */
void link_table_init(struct link_table *t, struct slice self, int64_t age);
void link_table_free(struct link_table *t);

/* link_table_own - put our own entry in (entry_write's text), age 0. False: no
 * memory, or malformed. */
bool link_table_own(struct link_table *t, struct slice entry, int64_t now);

/* link_table_merge - a good PAYLOAD_TABLE's nodes. now: s, monotonic; wall: ms since 1970. */
struct link_table_news link_table_merge(struct link_table *t, struct slice nodes, int64_t now,
                                        int64_t wall);

/* link_table_expire - drop entries that are too old, never our own; how many */
unsigned link_table_expire(struct link_table *t, int64_t now);

/* link_table_expiry - the second at which the first one will be too old; INT64_MAX: none */
int64_t link_table_expiry(const struct link_table *t);

/* link_table_find - an origin by its name, or NULL; link_table_index - its place, or t->n */
struct origin *link_table_find(const struct link_table *t, struct slice name);
size_t link_table_index(const struct link_table *t, struct slice name);

/* link_table_digest - SHA-256 of all entries without their ages, as 64 hexadecimal
 * digits and a NUL */
void link_table_digest(const struct link_table *t, char digest[LINKS_DIGEST + 1]);

/* link_table_put - append the payload TABLE with every entry; has (or empty): nodes of a
 * TABLE that the reader has; what is there, and not older than ours, is left out.
 * *n: how many entries. False: no room. */
bool link_table_put(const struct link_table *t, struct slice has, int64_t now, struct buf *out,
                    size_t *n);
