/* links.h - the link-state routing of this server: the table, and who is asked.
 *
 * The queue owns the node (links/node.h). smtpd brings what neighbours say
 * (LINKSTATE), a relay asks them (EXCHANGE); deliveries over connectors tell
 * which of them are up. A recipient whose domain some node serves goes to
 * "link:NAME", NAME being the connector; to "link:" where no path is up.
 */
#pragma once
#include <jansson.h>
#include "queue/route.h"

/* queue_links_open - before anything is routed. Without memory or a proper hostname
 * there is no link-state routing. queue_links_close: free all of it. */
void queue_links_open(struct queue *q);
void queue_links_close(struct queue *q);

/* queue_links_reconf - another configuration is in force */
void queue_links_reconf(struct queue *q);

/* queue_links_work - announce, refresh, ask; routes again what moved */
void queue_links_work(struct queue *q);

/* LINKSTATE, EXCHANGED; false: malformed. A peer has gone. */
bool queue_links_heard(struct queue *q, struct peer *p, const struct msg_linkstate *m);
bool queue_links_asked(struct queue *q, struct peer *p, const struct msg_exchanged *m);
void queue_links_peer_gone(struct queue *q, struct peer *p);

/* queue_links_met - how a delivery to a destination ended */
void queue_links_met(struct queue *q, struct slice destination, enum trouble trouble);

/* route_rcpt - as route_hop, but links go first where they know a domain better than
 * the configuration's routes. */
struct hop route_rcpt(const struct queue *q, const struct envelope *e, const struct recipient *r,
                      unsigned how, struct buf *text);

/* links_extra - the envelope's extra as it goes to `destination` with a recipient whose
 * original is `original`: over a connector the neighbour hears where the message has been.
 * In `room`, or as it is. */
struct slice links_extra(const struct queue *q, const struct envelope *e, struct slice original,
                         struct slice destination, struct buf *room);

/* queue_links_rows - the table for people: a row for each node and each connector */
typedef void links_row_f(void *user, json_t *row);
uint64_t queue_links_rows(const struct queue *q, links_row_f *row, void *user);
