/* destination.h - where a job goes, as the queue writes it. */
#pragma once
#include "base/ip.h"

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
