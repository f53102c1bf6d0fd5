/* links_inside.h - what the queue's files of the link-state routing share. */
#pragma once
#include "links/node.h"
#include "queue/links.h"

/* One connector of the configuration: an exchange over it, and what was last seen of it. */
struct ask {
    uint64_t ticket;        /* 0: none under way */
    uint64_t relay;         /* serial */
    int64_t  since;         /* mono ms */
    bool     ended;         /* one has ended since the start, whatever it brought */
    bool     down;
    char     name[LINKS_NAME + 1];
};

struct links {
    struct links_node *node;
    uint64_t           seen;        /* generation that everything was routed by */
    int64_t            begun;
    bool               settled;     /* each neighbour was asked, or had its time */
    int64_t            next;        /* when there may be something to do (mono ms) */
    size_t             nasks;
    struct ask         asks[LINKS_CONNECTORS];
};
