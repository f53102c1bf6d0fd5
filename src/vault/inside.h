/* inside.h - one exchange, for the files that make it. */
#pragma once
#include "vault/exchange.h"

enum state { WAITS, CHECKS, HELD };

struct exchange {
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

/* exchange_new - NULL: no memory */
struct exchange *exchange_new(struct asker *asker, const struct msg_auth *m, int64_t now);

/* exchange_forget - the asker knows nothing of it any more; a thread may still hold it */
void exchange_forget(struct exchange *x);
void exchange_free(struct exchange *x);

/* exchange_tell - how a login has ended that never became an exchange; text NULL: the
 * usual words */
void exchange_tell(struct asker *asker, uint64_t ticket, unsigned fate, enum auth_why why,
                   const char *text);

/* exchange_finish - tell the verdict and free the exchange; text NULL: the usual words */
void exchange_finish(struct exchange *x, unsigned fate, enum auth_why why, const char *text);

/* exchange_say - send this; first: with the name of the mechanism */
void exchange_say(struct exchange *x, bool first, bool has_data, const struct buf *data);

/* --- serve.c: clients that log in here; login.c: we log in elsewhere --- */

void serve_open(struct asker *asker, const struct msg_auth *m, int64_t now);
void serve_step(struct exchange *x, struct slice data, int64_t now);
void login_open(struct asker *asker, const struct msg_auth *m, int64_t now);
void login_step(struct exchange *x, struct slice data);
