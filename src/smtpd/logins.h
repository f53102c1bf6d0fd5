/* logins.h - what smtpd and the vault say to each other about logins: tickets, and the
 * sessions that wait for them. */
#pragma once
#include "ipc/child.h"
#include "smtpd/session.h"

struct logins {
    struct channel *vault;      /* NULL: there is none now */
    struct server  *server;
    struct map      open;       /* by ticket */
    uint64_t        last;
    void          (*go)(struct session *s);     /* an answer came: take input, flush */
};

void logins_begin(struct logins *l, struct server *server, void (*go)(struct session *s));

/* logins_vault - there is a new vault, or (NULL) none: every login that the one before had
 * open hears "later" */
void logins_vault(struct logins *l, struct channel *vault);

/* logins_receive - MECHANISMS, AUTH_SAY, AUTH_DONE. False: malformed, or none of them. */
bool logins_receive(struct logins *l, uint32_t type, struct wire *w);

/* For struct world. A step is false too when the vault that began the login has died. */
uint64_t logins_open(struct logins *l, struct session *s, struct slice mechanism, unsigned secure,
                     bool has_initial, struct slice initial);
bool logins_step(struct logins *l, uint64_t ticket, struct slice data);
void logins_cancel(struct logins *l, uint64_t ticket);
