/* dial.h - a connection to a host that the configuration names: found, made secure,
 * logged in at, one address after another until one is READY.
 *
 * For what is not mail from the queue: fetching ours, exchanging link states.
 */
#pragma once
#include "relay/job.h"

struct dial;

/* READY: link is the owner's, with its event and user set as dial_begin was told. NULL:
 * there is none; why. Then the dial is gone. */
typedef void dial_done_f(void *user, struct link *link, const struct client_problem *why);

struct dial_to {
    struct slice host;          /* name or address; lives as long as the dial */
    uint16_t     port;
    enum tls_use tls;
    struct slice account;
};

/* dial_begin - NULL: no memory. done is never called before it returns. */
struct dial *dial_begin(struct relay *relay, const struct dial_to *to, dial_done_f *done,
                        void *user);
void dial_cancel(struct dial *d);
