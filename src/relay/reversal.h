/* reversal.h - connections on which the roles were changed towards another host (TURN,
 * ATRN): it is the server now, and what waits for it goes over them.
 *
 *     GREETING..  TURN_GO came: its 220, EHLO              TURN_OVER to the queue if it dies
 *     free        ready, no job                            a job takes it; TURN_OVER: QUIT
 *     busy        a job has it; others wait in line        given back; dies: as above
 *
 * Jobs name it by the queue's ticket ("turn:TICKET").
 */
#pragma once
#include "relay/job.h"

/* A job that wants to use one. go: with the link, READY; or NULL, it is gone. */
struct reversal_waiter {
    struct list link;
    void      (*go)(void *user, struct link *link);
    void       *user;
};

/* reversal_begin - TURN_GO: takes the descriptor. False: malformed. */
bool reversal_begin(struct relay *relay, struct channel *channel, struct wire *w, int *fd);

/* reversal_over - TURN_OVER: say QUIT when the job that has it is done. False: malformed. */
bool reversal_over(struct relay *relay, struct wire *w);

/* reversal_use - go is called now or later, unless the waiter is taken out of its list */
void reversal_use(struct relay *relay, uint64_t ticket, struct reversal_waiter *waiter);

/* reversal_drain - end those that no job has; the others end with their jobs */
void reversal_drain(struct relay *relay);

/* reversal_forget - the queue that handed them over has gone */
void reversal_forget(struct relay *relay, struct channel *channel);
