/* pump.h - two streams joined: what comes from one goes to the other.
 *
 * Either may be TLS, so a secret connection can be handed to another process:
 * the owner makes a socket pair, gives one end away and pumps between the other
 * end and the connection. A slow reader slows the writer down: at most
 * PUMP_BYTES wait in each direction. When one side ends, the other is told so
 * after it has got everything; when both have ended, or one has failed, both are
 * closed. A failure reaches the other side as an end (to TLS: one without a
 * farewell). How long a pump may run or rest is the owner's to decide.
 */
#pragma once
#include "net/stream.h"

enum { PUMP_BYTES = 128 << 10 };

struct pump;
/* Both streams are closed and their memory is the owner's again; so is the pump's.
 * Each stream's own `closed` is not called. */
typedef void pump_done_f(struct pump *p);

struct pump {
    void          *user;
    pump_done_f   *done;
    struct stream *side[2];
    uint64_t       bytes[2];    /* plain text that came from side[i] */
    unsigned       over;        /* streams that have ended: the last one calls done */
    bool           ended[2];    /* side[i] sends no more */
    bool           told[2];     /* side[i] knows that the other one sends no more */
    int            error;       /* errno of the first failure, 0: both ended in order */
    char           why[160];    /* its words, for the log */
};

/* pump_join - from now on the pump owns both streams, with what they hold in `in`;
 * they are connected and, if at all, secure. The pump's memory is the owner's and
 * must live until done. May be called inside an event of either. */
void pump_join(struct pump *p, struct stream *a, struct stream *b,
               pump_done_f *done, void *user);

/* pump_stop - close both now; done comes from the loop */
void pump_stop(struct pump *p);
