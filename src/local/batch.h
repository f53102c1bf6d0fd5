/* batch.h - many deliveries whose waits for the disk are shared.
 *
 * All drafts are written, then all are synced, then all are published, then
 * all that was published is synced; only after that is anything done. It
 * blocks, so it runs on a worker thread and touches nothing but its arguments.
 */
#pragma once
#include "local/maildir.h"
#include "local/message.h"

enum {
    BATCH_FILES = 512,          /* deliveries at once; more are done in turns */
    BATCH_SHARE = 16,           /* one delivery at once for so many files that may be open */
};

enum { DELIVERY_TEXT = 256, DELIVERY_STATUS = 8 };

/* One recipient of one message. */
struct delivery {
    struct slice               template;    /* of the Maildir; empty: discard */
    struct message_front       front;
    const struct message_body *body;
    struct slice               client, helo;    /* who brought it, for terminals */
    uint32_t                   index;       /* the recipient's number in its envelope */

    /* the outcome */
    enum fate                  fate;
    bool                       host;        /* the whole destination is in trouble */
    char                       status[DELIVERY_STATUS];     /* "4.3.1" */
    char                       text[DELIVERY_TEXT];         /* printable */

    /* of batch.c */
    struct box                *box;
    struct draft               draft;
};

/* batch_deliver - carry out n deliveries, each with an outcome afterwards */
void batch_deliver(struct delivery *const *list, size_t n);
