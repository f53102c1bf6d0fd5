/* turn.h - TURN and ATRN: whoever fetches the mail of his domains gets it over his
 * own connection, roles reversed (RFC 2645).
 *
 *     TURN_ASK     smtpd    is there mail for these domains? The letters are looked at
 *     TURN_ANSWER  queue    so many; now the domains are his until it is over
 *     TURN_GO      smtpd    250 was said; the connection goes on to a relay
 *     DELIVER...   queue    to "turn:TICKET", a few at a time, only those domains'
 *                           recipients
 *     RESULT...    relay    only DONE takes a recipient out of the queue
 *     TURN_OVER             there is no more; or the connection has gone, or was never given
 *
 * A job that comes back without a word of the other side (or with a "later") is as it
 * was before: held, deferred until the same time, no attempt counted. A relay that
 * loses the connection sends its last RESULTs before TURN_OVER.
 */
#pragma once
#include "queue/dispatch.h"

/* False: malformed. *fd as in channel_receive_f; it stays the caller's. */
bool turns_ask(struct queue *q, struct peer *p, const struct msg_turn_ask *m);
bool turns_go(struct queue *q, struct peer *p, const struct msg_turn_go *m, int fd);
bool turns_over(struct queue *q, struct peer *p, const struct msg_turn_over *m);

/* turns_work - look for letters, hand out more; true: there is more to do at once */
bool turns_work(struct queue *q);

/* turns_peer_gone - its leases are back already */
void turns_peer_gone(struct queue *q, struct peer *p);
void turns_close(struct queue *q);

/* turns_lease_end - a lease of this turn is no more */
void turns_lease_end(struct queue *q, uint64_t ticket);
