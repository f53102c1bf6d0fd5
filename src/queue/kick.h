/* kick.h - ETRN: mail for somebody who is there now goes now (RFC 1985).
 *
 * What waits for a wanted domain is made ready, and its destination's back-off is
 * forgotten; what a route holds goes to where it would go without that route, and is
 * held again if it cannot be delivered. It goes over connections of our own. The
 * letters are looked at a slice at a time; the answer comes when all have been, or
 * after a few seconds.
 */
#pragma once
#include "queue/core.h"

/* kick_ask - false: malformed */
bool kick_ask(struct queue *q, struct peer *p, const struct msg_kick *m);

/* kick_work - go on; true: there is more to do at once */
bool kick_work(struct queue *q);

void kick_peer_gone(struct queue *q, struct peer *p);
void kick_close(struct queue *q);

/* kick_returns - a job that was sent on its way by ETRN has come back: if a route
 * holds mail for its domain, it is held again. False: it has nothing to do with it. */
bool kick_returns(struct queue *q, struct job *job);

/* kick_kicked - is it such a job? */
bool kick_kicked(const struct queue *q, const struct job *job);
