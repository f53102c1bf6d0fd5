/* node.h - one node of the link-state network: all that it knows and decides.
 *
 * Its owner hands in time, what deliveries met, and what neighbours said; and
 * asks whom to talk to, where mail goes, and when something will be due. The
 * same code runs in the queue process and, many times over, in the simulation.
 */
#pragma once
#include "links/path.h"
#include "links/watch.h"

struct links_settings {
    struct watch_options watch;
    int64_t refresh;        /* ms: how often our entry is refreshed, and each neighbour asked */
    int64_t age;            /* ms: an origin not refreshed for so long is forgotten */
};

/* an initialiser */
#define LINKS_USUAL { .watch = WATCH_USUAL, .refresh = 300000, .age = 3600000 }

/* A connector of ours, as the configuration has it. All names must be valid
 * (node_name_valid, connector_valid, space_valid). */
struct links_connector {
    struct slice        name, to;
    unsigned            cost;
    const struct slice *spaces;
    size_t              nspaces;
};

struct links_node;

/* links_new - self: our name (any case). wall: ms since 1970. NULL: no memory, or a bad name. */
struct links_node *links_new(struct slice self, const struct links_settings *s, int64_t now,
                             int64_t wall);
void links_free(struct links_node *l);

/* links_configure - our own address spaces and connectors, in any order; copied.
 * Connectors known by the same name and neighbour keep their state. A major
 * change only if something differs. False: no memory, or over a limit; nothing changed. */
bool links_configure(struct links_node *l, const struct links_settings *s,
                     const struct slice *spaces, size_t nspaces,
                     const struct links_connector *connectors, size_t n,
                     int64_t now, int64_t wall);

/* links_failed, links_worked - what a delivery (or an exchange) over a connector met:
 * a connection that could not be used, or one that could, whatever was said of the mail. */
void links_failed(struct links_node *l, struct slice connector, int64_t now);
void links_worked(struct links_node *l, struct slice connector, int64_t now);

/* links_heard - a neighbour, as client, sent this payload; append the answer.
 * False: not a payload that a client may send (501), or no room. */
bool links_heard(struct links_node *l, struct slice payload, int64_t now, int64_t wall,
                 struct buf *answer);

/* links_ask - append the payload with which an exchange as client begins */
bool links_ask(const struct links_node *l, struct buf *payload);

/* How an exchange as client ended. */
enum links_outcome {
    LINKS_EXCHANGED,        /* `answer` is what the other side said */
    LINKS_UNSPOKEN,         /* connected, but the other side has no link state for us */
    LINKS_UNREACHED,        /* no connection */
    LINKS_CUT,              /* our own side gave up: says nothing about the other */
};

/* links_asked - what became of a payload sent over a connector. True: the payload
 * appended to `next` is to be sent now; false: the exchange is over. */
bool links_asked(struct links_node *l, struct slice connector, enum links_outcome outcome,
                 struct slice answer, int64_t now, int64_t wall, struct buf *next);

/* links_advance - it is `now`: announce, refresh, expire what is due */
void links_advance(struct links_node *l, int64_t now, int64_t wall);

/* links_due - a connector over which an exchange should begin now, or empty. It is
 * then under way until links_asked says false. Call it until it is empty. */
struct slice links_due(struct links_node *l, int64_t now);

/* links_wake - when links_advance and links_due have something to do; INT64_MAX: never */
int64_t links_wake(const struct links_node *l);

/* links_route - as links_next, from here; our own connectors as they are, told or not */
struct links_hop links_route(const struct links_node *l, struct slice domain,
                             const struct slice *visited, size_t nvisited);

/* links_generation - rises whenever links_route may answer something else */
uint64_t links_generation(const struct links_node *l);

/* For showing it to people. */
const struct link_table *links_table(const struct links_node *l);
const struct watch *links_watch(const struct links_node *l, struct slice connector);
