/* job.h - one DELIVER frame, kept until its RESULT is sent. */
#pragma once
#include "base/list.h"
#include "ipc/messages.h"
#include "local/batch.h"

struct job {
    struct list         link;
    void               *from;           /* the channel to answer on; NULL: it has gone */
    uint64_t            number;         /* the queue's */
    uint64_t            id;             /* of the message */
    struct slice        destination;
    char               *memory;         /* what the slices point into */
    size_t              size;
    struct message_body body;
    struct delivery    *deliveries;
    size_t              n;
};

/* local_job_new - check a frame and copy what is needed. Takes *fd when the body is in
 * it (stores -1). NULL with *malformed set, or without: no memory. */
struct job *local_job_new(const struct msg_deliver *m, int *fd, bool *malformed);

/* local_job_fail - every recipient later: this was not a destination of ours, or there is no room */
void local_job_fail(struct job *job, const char *status, const char *text, bool host);

/* local_job_result - the answer. `outcomes` holds the bytes that *m points into. */
bool local_job_result(const struct job *job, struct buf *outcomes, struct msg_result *m);

void local_job_free(struct job *job);
