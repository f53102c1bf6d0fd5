/* bay.h - memory that the queue shares with this smtpd, where bodies are laid down: medium ones
 * in slots, small ones on a shelf.
 *
 *     slot      entered by                          left for
 *     free      bay_back, bay_landed                filling
 *     filling   bay_take: one session writes        told, free
 *     told      bay_tell: the queue was asked to    free
 *               make message `id` durable of it
 *
 * A slot that was told of is the queue's until it answers, even when nobody waits for the
 * answer any more: who wrote into it earlier would write another's text into that message.
 */
#pragma once
#include "ipc/messages.h"
#include "smtpd/session.h"
#include "smtpd/shelf.h"

struct bay {
    char    *p;                     /* NULL: there is none */
    uint64_t number;
    uint64_t owner[BAY_SLOTS];      /* 0: free; else being filled, or the id that was told */
    bool     used[BAY_SLOTS];       /* its memory is there */
    struct shelf shelf;             /* behind the slots */
};

/* bay_open - map what the queue shares; false: it is none. The descriptor stays the caller's. */
bool bay_open(struct bay *b, uint64_t number, int fd);

/* bay_close - the queue has gone; no session may hold a slot any more */
void bay_close(struct bay *b);

/* bay_take - a slot to fill, the one that was used last; false: none is free */
bool bay_take(struct bay *b, struct slot *slot);
void bay_back(struct bay *b, struct slot *slot);

/* bay_tell - from now on it holds the body of message `id`; bay_landed - the queue answered
 * for it, or will never be asked */
void bay_tell(struct bay *b, const struct slot *slot, uint64_t id);
void bay_landed(struct bay *b, uint64_t id);

/* bay_settle - the memory of free slots goes back to the system */
void bay_settle(struct bay *b);
