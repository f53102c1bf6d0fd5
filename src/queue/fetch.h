/* fetch.h - mail that waits for us elsewhere: timers of the fetch sections, and the
 * connections that come of it.
 *
 * When a section's time has come a relay is asked to fetch (FETCH); it is not asked
 * again before it has answered (FETCHED). With ATRN and TURN the connection is
 * reversed then: the relay hands it over (ADOPT), and a smtpd serves it like that of
 * a stranger.
 */
#pragma once
#include "queue/core.h"

bool fetches_done(struct queue *q, struct peer *p, const struct msg_fetched *m);

/* fetches_adopt - on to a smtpd. fd stays the caller's. */
bool fetches_adopt(struct queue *q, struct peer *p, const struct msg_adopt *m, int fd);

/* fetches_work - once a second */
void fetches_work(struct queue *q);
void fetches_peer_gone(struct queue *q, struct peer *p);
void fetches_close(struct queue *q);
