/* fetch.h - our mail that waits elsewhere: FETCH by the queue, one section of the
 * configuration, one answer.
 *
 *     verb   said                          250                         otherwise
 *     ETRN   ETRN domain, for each         FETCHED; the mail comes by itself
 *     ATRN   ATRN domain,domain            ADOPT: the connection, of   FETCHED with the words
 *     TURN   TURN                          which we are the server now (450 451 453 ...)
 */
#pragma once
#include "relay/dial.h"

/* fetch_begin - False: malformed */
bool fetch_begin(struct relay *relay, struct channel *channel, struct wire *w);

/* fetch_forget - the queue that asked has gone */
void fetch_forget(struct relay *relay, struct channel *channel);
