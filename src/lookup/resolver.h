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
    bool               terminals;       /* somebody may be granted SEND, SOML or SAML */
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

/* resolver_since - the canonical address has been the same person's since (wall clock,
 * s), as its recipients file says; 0: unknown */
int64_t resolver_since(const struct resolver *r, struct slice address);

/* resolver_user - the system's user whose mailbox this canonical address is, or NULL:
 * it is none, or he is not known now (users_recall). Only a domain whose recipients are
 * the system's has such mailboxes. */
const struct user_facts *resolver_user(const struct resolver *r, struct slice address);

/* resolver_terminal - is somebody of these logged in, with a terminal that takes messages? */
bool resolver_terminal(const struct resolver *r, const struct expansion *out);
