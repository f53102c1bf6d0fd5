/* exchange.h - link states exchanged with the neighbour of a connector, for the queue.
 *
 * EXCHANGE brings a payload, EXCHANGED the neighbour's answer; both may go back and
 * forth over one connection, until an empty payload or trouble ends it.
 */
#pragma once
#include "relay/dial.h"

/* exchange_take - EXCHANGE, the first of a ticket or a further one. False: malformed */
bool exchange_take(struct relay *relay, struct channel *channel, struct wire *w);

/* exchange_forget - the queue that asked has gone */
void exchange_forget(struct relay *relay, struct channel *channel);
