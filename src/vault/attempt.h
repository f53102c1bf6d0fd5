/* attempt.h - the logins under way: who asked, how far they are, until when.
 *
 * No channel is known here: questions come by function call, answers leave by the
 * desk's two functions. Askers may be in hostile hands: exchanges, steps and time
 * are bounded, and a question that none of ours would ask makes its function
 * return false (then the channel is cut).
 *
 *     WAITS     for the other side's next message     attempt_step, _cancel, expiry
 *     CHECKS    a password, on a thread, or in line   checked
 *     HELD      "no" is said a little later            expiry
 */
#pragma once
#include <uv.h>
#include "base/list.h"
#include "base/map.h"
#include "ipc/messages.h"
#include "sasl/client.h"
#include "sasl/server.h"
#include "vault/throttle.h"

enum {
    ATTEMPTS_MAX   = 4096,     /* at the same time, of one asker */
    ATTEMPT_STEPS  = 20,
    CHECKS_AT_ONCE  = 3,        /* passwords on threads; one of libuv's four stays free */
    CHECKS_WAITING  = 1000,     /* in line; beyond: later */
};

/* A process that asks. */
struct asker {
    struct desk *desk;
    bool         relays;        /* we log in elsewhere for it; else clients log in here */
    size_t       n;
    struct map   by_ticket;
    void        *user;          /* the owner's */
};

/* What all askers share. */
struct desk {
    uv_loop_t         *loop;
    struct sasl        sasl;
    struct accounts    accounts;
    struct credentials credentials;
    struct throttle    throttle;
    int64_t            patience;        /* ms for one exchange */
    struct list        all;             /* every exchange of every asker */
    struct list        in_line;         /* those whose password waits for a thread */
    size_t             nin_line, checking;
    /* The answers; not called any more after asker_end. */
    void (*say)(struct asker *asker, const struct msg_auth_say *m);
    void (*done)(struct asker *asker, const struct msg_auth_done *m);
};

/* desk_begin - accounts, credentials, sasl, throttle, patience, say and done have been
 * set up by the owner */
void desk_begin(struct desk *desk, uv_loop_t *loop);

/* desk_tick - what is due now: call it a few times a second */
void desk_tick(struct desk *desk, int64_t now);

/* asker_begin, asker_end - a process comes and goes; its exchanges go with it */
void asker_begin(struct asker *asker, struct desk *desk, bool relays);
void asker_end(struct asker *asker);

bool attempt_open(struct asker *asker, const struct msg_auth *m, int64_t now);
bool attempt_step(struct asker *asker, const struct msg_auth_step *m, int64_t now);
bool attempt_cancel(struct asker *asker, const struct msg_auth_cancel *m);
