/* resolver.h - the answer to "where does mail for this address go?"
 *
 * From the configuration, the tables and the system's users. Knows no channel:
 * a question comes by function call and is answered by one, at once or later.
 */
#pragma once
#include "lookup/users.h"
#include "table/expand.h"

enum {
    RESOLVER_PENDING = 4096,        /* questions that wait for the system */
    RESOLVER_ARENA   = 16 << 20,    /* bytes for one answer */
    RESOLVER_ROUNDS  = 200,         /* system users that one question may wait for */
};

struct resolver {
    const struct conf *conf;
    struct table_set   tables;
    struct users       users;
    size_t             pending;
};

/* A question, part of the asker's own structure. */
struct question {
    /* Called once. `out` is valid during the call. */
    void (*answered)(struct question *q, enum fate fate, const struct expansion *out);
    struct slice       address;     /* canonical; lives as long as the question */
    struct resolver   *resolver;
    struct user_waiter waiter;
    unsigned           rounds;
    bool               waits;
};

/* resolver_begin - `find` NULL: ask the system; the tables are added by the caller */
void resolver_begin(struct resolver *r, const struct conf *conf, uv_loop_t *loop,
                    users_find_f *find);
void resolver_end(struct resolver *r);

/* resolver_ask - answer q (address and answered are set), perhaps before it returns */
void resolver_ask(struct resolver *r, struct question *q);
