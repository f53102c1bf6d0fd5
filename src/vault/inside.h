/* inside.h - one attempt, for the files that make it. */
#pragma once
#include "vault/attempt.h"

enum state { WAITS, CHECKS, HELD };

struct attempt {
    struct list         link;           /* in desk->all */
    struct list         line;           /* in desk->in_line */
    struct asker       *asker;          /* NULL: it has gone, while a thread works */
    uint64_t            ticket;
    char                key[20];        /* of by_ticket */
    enum state          state;
    bool                on_thread;
    bool                cancelled;      /* nobody waits for the verdict any more */
    enum sasl_mechanism mechanism;
    struct sasl_server *server;         /* one of these two */
    struct sasl_client *client;
    unsigned            steps;
    int64_t             due;            /* WAITS: given up then. HELD: answered then */
    char                host[64];       /* the client's address */
    uv_work_t           work;
    struct desk        *desk;
};

/* attempt_new - NULL: no memory */
struct attempt *attempt_new(struct asker *asker, const struct msg_auth *m, int64_t now);

/* attempt_forget - the asker knows nothing of it any more; a thread may still hold it */
void attempt_forget(struct attempt *x);
void attempt_free(struct attempt *x);

/* attempt_tell - how a login has ended that never became an attempt; text NULL: the
 * usual words */
void attempt_tell(struct asker *asker, uint64_t ticket, unsigned fate, enum auth_why why,
                   const char *text);

/* attempt_finish - tell the verdict and free the attempt; text NULL: the usual words */
void attempt_finish(struct attempt *x, unsigned fate, enum auth_why why, const char *text);

/* attempt_say - send this; first: with the name of the mechanism */
void attempt_say(struct attempt *x, bool first, bool has_data, const struct buf *data);

/* --- serve.c: clients that log in here; login.c: we log in elsewhere --- */

void serve_open(struct asker *asker, const struct msg_auth *m, int64_t now);
void serve_step(struct attempt *x, struct slice data, int64_t now);
void login_open(struct asker *asker, const struct msg_auth *m, int64_t now);
void login_step(struct attempt *x, struct slice data);
