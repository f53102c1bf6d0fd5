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

bool fetch_done(struct queue *q, struct peer *p, const struct msg_fetched *m);

/* fetch_adopt - on to a smtpd. fd stays the caller's. */
bool fetch_adopt(struct queue *q, struct peer *p, const struct msg_adopt *m, int fd);

/* fetch_work - once a second */
void fetch_work(struct queue *q);
void fetch_peer_gone(struct queue *q, struct peer *p);
void fetch_close(struct queue *q);
