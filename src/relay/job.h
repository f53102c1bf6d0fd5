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

/* --- the parts of a job that need no connection, for tests */

enum way { WAY_MX, WAY_HOST, WAY_UNIX, WAY_TURN };

struct destination {
    enum way     way;
    bool         lmtp;
    struct slice name;          /* domain, host, or path */
    struct ip    ip;            /* of a host or domain given as an address; else family 0 */
    uint16_t     port;          /* of a host */
    uint64_t     ticket;        /* of a connection that was handed over */
};

/* destination_parse - "mx:example.org", "mx:[192.0.2.1]", "host:[::1]:25",
 * "lmtp:/path", "lmtp:host:port", "turn:1234"; false: none of these */
bool destination_parse(struct slice text, struct destination *d);
