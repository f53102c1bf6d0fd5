/* desk.h - what smtpd and the queue say to each other beside commits: ETRN, TURN and
 * ATRN, link states, and connections that we adopt.
 */
#pragma once
#include "smtpd/client.h"

/* For struct world: a ticket, or 0 while there is no queue. */
uint64_t desk_kick(struct smtpd *d, unsigned kind, struct slice name);
uint64_t desk_linkstate(struct smtpd *d, const struct session *s, struct slice payload);
uint64_t desk_turn(struct smtpd *d, const struct session *s, uint32_t ndomains,
                   struct slice domains);

/* desk_go - 250 to TURN or ATRN has gone out: the connection is the queue's */
void desk_go(struct client *c);

/* desk_turn_over - a turn that was granted comes to nothing */
void desk_turn_over(struct smtpd *d, uint64_t ticket);

/* desk_receive - a message of the queue that is no part of commits; false: malformed */
bool desk_receive(struct smtpd *d, struct channel *queue, uint32_t type, struct wire *w, int *fd);
