/* job.h - one DELIVER: carried to one host after another, until every recipient
 * has a fate or there is nobody left to ask.
 *
 *     begin ---- kept link ----------------------------------+
 *       |                                                    v
 *       +-- resolve --> connect (next address) --> READY --> send --> READY, all
 *                ^          ^                                |        decided: RESULT
 *                |          +------ DEAD, some undecided ----+
 *                |          +------ READY, this host lacks something for some
 *                +----------------- DEAD, it was a kept link
 *
 * What has no positive proof is later. A recipient for which every host that was
 * reached lacks something that its sender insists on is never (client.h, unfit).
 */
#pragma once
#include "dns/hosts.h"
#include "ipc/channel.h"
#include "relay/pool.h"

/* What all jobs share. */
struct relay {
    uv_loop_t         *loop;
    const struct conf *conf;
    struct dns        *dns;
    struct own        *own;
    uint16_t           port;        /* of hosts found by MX */
    bool               loopback;    /* those may be on loopback */
    struct pool        pool;
    struct list        jobs;
    struct list        turns;       /* connections that were reversed towards others */
    struct list        fetches, exchanges;
    void             (*empty)(struct relay *);  /* the last job has ended */
};

/* job_begin - take a DELIVER and its descriptor (*fd is -1 then). False: malformed. */
bool job_begin(struct relay *relay, struct channel *channel, struct wire *w, int *fd);

/* job_forget - the queue that asked has gone: nobody would hear the result */
void job_forget(struct relay *relay, struct channel *channel);
