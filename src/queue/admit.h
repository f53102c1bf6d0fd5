/* admit.h - a message becomes ours. */
#pragma once
#include "queue/core.h"

enum { ADMIT_INLINE_MAX = 256 << 10, LENT_MAX = 1024 /* files lent to one smtpd */,
       LENT_FIRST = 2 };

/* A file lent to one smtpd and to nobody else. */
struct lent {
    uint64_t number;            /* first: names it in the roster */
    uint64_t peer;              /* serial */
};

/* A commit that was carried out and has left the queue since. */
struct gone {
    uint64_t id;                /* first */
    uint32_t nonce;
};

/* admit_commit - check, journal, answer (at once when it cannot be, or was done
 * before). False: malformed or not allowed. */
bool admit_commit(struct queue *q, struct peer *p, const struct msg_commit *m);

/* admit_done - the journal's answer */
void admit_done(struct queue *q, struct letter *m, uint64_t peer, enum fate fate,
                const struct why *why);

/* admit_gone - remember a commit whose message has left */
void admit_gone(struct queue *q, uint64_t id, uint32_t nonce);

bool admit_lend_more(struct queue *q, struct peer *p, uint32_t count);
bool admit_lend_back(struct queue *q, struct peer *p, uint64_t number);
/* admit_share - memory for its medium bodies; without it, those go into files */
void admit_share(struct peer *p);

/* admit_peer_gone - what it had been lent comes back */
void admit_peer_gone(struct queue *q, struct peer *p);

/* admit_room - look at the disk; tell every smtpd when it has changed */
void admit_room(struct queue *q);
