/* bundle.h - what the queue writes into the journal at once.
 *
 * A unit about a letter that is already ours is never given up: when the
 * journal could not make it durable, it is appended again a while later, so
 * that memory (which has moved on) and disk agree in the end. It keeps its own
 * copies of what it writes. A COMMIT is different: its client is told "later".
 */
#pragma once
#include "queue/core.h"

enum { BUNDLE_RECORDS = 16, BUNDLE_BORN = 4, BUNDLE_ROOM = 1024 };

/* The records, and our copies of what they point to: in `room` while there is any. */
struct pack {
    struct record records[BUNDLE_RECORDS];
    char         *held[BUNDLE_RECORDS][2];
    size_t        used;             /* bytes of room */
    char          room[BUNDLE_ROOM];
};

struct bundle {
    struct list    link;            /* among those in the journal's hands, or the stalled */
    struct letter *letter;
    uint64_t       peer;            /* serial of the smtpd of a COMMIT; 0: not a commit */
    bool           removes;         /* has a REMOVED record for the letter */
    const char    *by;              /* who removes: "delivery", "person" */
    struct letter *born[BUNDLE_BORN]; /* reports that begin to exist with it */
    size_t         nborn;
    size_t         n;               /* records */
    struct pack   *pack;            /* NULL: of a COMMIT nothing is kept but who asked */
};

/* bundle_new - NULL: no memory */
struct bundle *bundle_new(struct queue *q, struct letter *m);
void bundle_free(struct queue *q, struct bundle *u);
void bundles_free(struct queue *q);     /* all, at the end */

/* bundle_add - a record about m with a copy of head. bundle_add_report - the
 * MESSAGE of a report; head and body are copied. False: no room, no memory. */
bool bundle_add(struct bundle *u, enum record_type type, struct letter *m, struct slice head);
bool bundle_add_report(struct bundle *u, struct letter *report, struct slice envelope,
                     struct slice body);

/* bundle_append - hand it to the journal; one that is empty (or NULL) just ends */
void bundle_append(struct queue *q, struct bundle *u);

/* bundle_commit - append the MESSAGE of a COMMIT; false: no memory */
bool bundle_commit(struct queue *q, struct letter *m, uint64_t peer, const struct record *message);

/* bundle_done - the journal's answer (journal_done_f; owner is the queue) */
void bundle_done(void *owner, void *unit, enum fate fate, const struct why *why);

/* bundles_again - append the stalled ones once more, if it is time */
void bundles_again(struct queue *q);
