/* ask.h - questions to lookup: about local recipients, and those of VRFY and EXPN.
 *
 * A question outlives the death of lookup (it is asked again) and of the
 * session (the answer is then thrown away). A session that tires of waiting
 * says so itself; here old questions are only swept up.
 */
#pragma once
#include "base/map.h"
#include "ipc/child.h"
#include "smtpd/commit.h"

/* The session of that number, or NULL: it has ended. */
typedef struct session *session_find_f(void *user, uint64_t number);

struct asks {
    struct child   *child;
    struct server  *server;
    session_find_f *find;
    session_go_f   *go;
    void           *user;
    struct channel *lookup;     /* NULL: there is none now */
    struct map      by_ticket;
    struct list     order;      /* oldest first */
    uint64_t        last;       /* ticket */
};

void asks_begin(struct asks *a, struct child *child, struct server *server,
                session_find_f *find, session_go_f *go, void *user);
void asks_lookup(struct asks *a, struct channel *lookup);
void asks_resolve(struct asks *a, struct session *s, uint32_t ticket, struct slice address);

/* asks_whois - VRFY or EXPN; the ticket for session_whois(), 0: no memory */
uint64_t asks_whois(struct asks *a, struct session *s, bool expn, bool utf8, struct slice text);
void asks_tick(struct asks *a);
