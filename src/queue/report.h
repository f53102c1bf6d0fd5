/* report.h - the sender is told: of failures, and of delay.
 *
 * Failures of one letter gather until nothing else of it is about to happen
 * (or 30 s), and go into one report for each return path. Until then they are
 * in no journal: after a crash the recipients are tried again. The report's
 * MESSAGE and the failures' OUTCOME are one unit. Nobody is told about a
 * letter without a sender: that is a double bounce, logged and dropped
 * (RFC 5321 §4.5.5).
 */
#pragma once
#include "queue/core.h"

struct failure {
    struct failure *next;
    uint32_t        index;
    bool            expired;
    uint16_t        code;
    int64_t         wall;       /* of the last attempt; 0: none */
    struct slice    return_path, address, original, status, text, host;
};

/* What waits to be told about one letter. */
struct report {
    uint64_t        id;         /* of the letter; first: names it in the roster */
    struct letter  *letter;
    struct arena    arena;      /* of the texts of the failures */
    struct failure *failures;   /* oldest first */
    bool            warn;       /* a delay is to be told */
    bool            asking;     /* lookup was asked where `to` goes */
    bool            warning;    /* what is being asked for is the warning */
    struct slice    to;         /* whom */
    int64_t         since;      /* mono ms of the first failure */
    int64_t         retry;      /* mono ms: ask again; 0: need not */
};

/* report_add - one more failure (texts are copied) */
void report_add(struct queue *q, struct letter *m, const struct failure *f);

/* report_warn - tell the sender that the letter is late */
void report_warn(struct queue *q, struct letter *m);

/* report_consider - is it time to write the report? */
void report_consider(struct queue *q, struct letter *m);

/* report_work - those whose time has come */
void report_work(struct queue *q);

/* report_resolved - lookup has answered; false: malformed */
bool report_resolved(struct queue *q, const struct msg_resolved *m);

/* report_lookup_gone - what was asked will not be answered */
void report_lookup_gone(struct queue *q);

/* report_forget - all is told, or a person removed the letter */
void report_forget(struct queue *q, struct letter *m);

static inline struct report *report_get(const struct queue *q, const struct letter *m)
{
    return roster_get(&q->reports, m->entry.id);
}
