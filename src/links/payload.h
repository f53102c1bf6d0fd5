/* payload.h - what a payload of X-LINK2STATE says: our own grammar.
 *
 * docs/LINKSTATE.md is its text for people. A payload is printable ASCII,
 * records divided by ';', fields by one space. There is exactly one way to
 * write each thing (numbers without leading zeros, names in lower case, lists
 * in rising order), so that texts are equal if and only if meanings are, and
 * an entry can be passed on as it came.
 *
 *     payload = "DIGEST " 64HEX / "SEND" / "DONE" / "MORE" / "TABLE" *(";" node)
 *     node    = "NODE " age " " entry
 *     entry   = name " " major " " minor " " user " " spaces *(";" link)
 *     link    = "LINK " connector " " name " " cost " " ("up" / "down") " " spaces
 *     spaces  = "-" / space *("," space)          ; "branch.test", "*.branch.test", "*"
 */
#pragma once
#include "base/buf.h"

enum {
    LINKS_NODES      = 1000,            /* in a table */
    LINKS_CONNECTORS = 100,             /* of one node */
    LINKS_SPACES     = 200,             /* address spaces of one node, or of one connector */
    LINKS_NAME       = 253,             /* octets of a node's name */
    LINKS_CONNECTOR  = 253,             /* octets of a connector's name */
    LINKS_COST       = 100,             /* 1 .. 100 */
    LINKS_ENTRY      = 32 << 10,        /* octets of one entry */
    LINKS_TABLE      = (256 << 10) - 8, /* of all entries with their frames: one payload */
    LINKS_AGE        = 30 * 24 * 3600,  /* seconds: no entry is older */
    LINKS_DIGEST     = 64,              /* hexadecimal digits */
};

/* 999999999999999: the greatest number in a version; ms until the year 33658 */
#define LINKS_NUMBER ((uint64_t)999999999999999)

/* Newer is greater; major before minor before user. */
struct links_version {
    uint64_t major;     /* ms since 1970 when the node began, or changed its configuration */
    uint64_t minor;     /* connectors gone up or down */
    uint64_t user;      /* refreshments */
};

/* links_newer - below, equal to or above zero, as a is older, the same or newer */
int links_newer(struct links_version a, struct links_version b);

struct link_view {
    struct slice name, to;      /* connector; the node at its far end */
    unsigned     cost;          /* 1 .. 100 */
    bool         up;
    struct slice spaces;        /* as written; empty: none */
};

struct entry_view {
    struct slice         name;
    struct links_version version;
    struct slice         spaces;    /* as written; empty: none */
    struct slice         links;     /* its records: "LINK ...;LINK ..." */
    unsigned             nlinks;
};

enum payload_verb { PAYLOAD_BAD, PAYLOAD_DIGEST, PAYLOAD_SEND, PAYLOAD_DONE, PAYLOAD_MORE,
                    PAYLOAD_TABLE };

struct payload {
    enum payload_verb verb;
    struct slice      digest;       /* PAYLOAD_DIGEST */
    struct slice      nodes;        /* PAYLOAD_TABLE: for node_next */
    unsigned          nnodes;
};

/* payload_parse - all of `text`, checked to the last octet: grammar, order,
 * every bound. Slices point into it. */
struct payload payload_parse(struct slice text);

/* node_next - take one node from the front of p.nodes of a good payload: its
 * age in seconds, and its entry. False at the end. */
bool node_next(struct slice *nodes, unsigned *age, struct slice *entry);

/* entry_parse - all of `entry`, checked. False: malformed. */
bool entry_parse(struct slice entry, struct entry_view *e);

/* link_next - take one connector from the front of e.links; false at the end */
bool link_next(struct slice *links, struct link_view *l);

/* space_next - take one address space from the front of a list; false at the end */
bool space_next(struct slice *spaces, struct slice *space);

/* space_match - how well an address space fits a domain (lower case): 0 not at
 * all, 1 "*", 1 + n a suffix of n octets, 1000 the domain itself */
unsigned space_match(struct slice space, struct slice domain);

/* links_order - by octets, as in every list of a payload: below, equal to or above zero */
int links_order(struct slice a, struct slice b);

/* space_valid, node_name_valid, connector_valid - may it stand in a payload? */
bool space_valid(struct slice space);
bool node_name_valid(struct slice name);
bool connector_valid(struct slice name);

/* entry_write - append an entry. Lists may come in any order, and twice the
 * same; names must be valid (our own bug else). False: no room, or over a limit. */
struct link_spec {
    struct slice  name, to;
    unsigned      cost;
    bool          up;
    const struct slice *spaces;
    size_t        nspaces;
};
struct entry_spec {
    struct slice            name;
    struct links_version    version;
    const struct slice     *spaces;
    size_t                  nspaces;
    const struct link_spec *links;  /* in rising order of their names */
    size_t                  nlinks;
};
bool entry_write(const struct entry_spec *e, struct buf *out);
