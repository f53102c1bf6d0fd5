/* verdicts.h - what an agent says of the recipients of a lease, checked.
 *
 * Each recipient has one verdict: the agent's, or "later" when nobody spoke of him. An
 * agent may have spoken to hostile hosts: it is believed of recipients that it was given,
 * once of each, and within the limits of outcome.h.
 */
#pragma once
#include "queue/dispatch.h"

struct verdict {
    struct outcome outcome;
    struct slice   address, original, extra;
    bool           said;        /* by the agent; else later, because nobody spoke of it */
};

struct verdicts {
    struct verdict *v;
    uint32_t        n;
    struct slice    note;       /* the agent's, for the trace */
};

/* verdicts_begin - every recipient of the lease, later until said otherwise. False: no memory. */
bool verdicts_begin(struct verdicts *all, const struct lease *l, struct arena *arena);

/* verdicts_read - what the agent says; the texts stay its message's. False: malformed. */
bool verdicts_read(struct verdicts *all, const struct msg_result *m);
