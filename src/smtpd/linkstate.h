/* linkstate.h - X-LINK2STATE: a neighbour tells of the links that it knows (docs/LINKSTATE.md).
 *
 * The chunks are put together here (links/talk.h); what they say goes to the queue,
 * whose answer goes back in as many chunks as it takes.
 */
#pragma once
#include "base/fate.h"
#include "smtpd/verbs.h"

verb_f on_link2state;

/* session_linkstate - the answer to world.linkstate. NEVER: the payload made no sense. */
void session_linkstate(struct session *s, uint64_t ticket, enum fate fate, struct slice answer);

/* linkstate_end - forget what was begun */
void linkstate_end(struct session *s);
