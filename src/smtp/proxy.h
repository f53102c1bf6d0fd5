/* proxy.h - the line with which a load balancer says for whom it connects: PROXY
 * protocol, version 1 (text) and 2 (binary).
 */
#pragma once
#include "base/ip.h"

enum proxy_result {
    PROXY_MORE,     /* not yet whole */
    PROXY_OK,       /* *used octets were it */
    PROXY_BAD,      /* it is none */
};

struct proxy {
    bool     known;             /* false: the balancer cannot say, or: */
    bool     itself;            /* it speaks for itself, looking whether we live */
    struct ip source, target;
    uint16_t source_port, target_port;
};

enum { PROXY_MAX = 2048 };      /* octets of it, additions included */

/* proxy_read - from the front of `in`. Reads no octet behind it, and at most PROXY_MAX. */
enum proxy_result proxy_read(struct slice in, struct proxy *p, size_t *used);
