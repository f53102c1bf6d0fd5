/* report.h - the sender is told: of failures, of delay, and of success if he asked.
 *
 * Tidings of one letter gather until nothing else of it is about to happen
 * (or 30 s), and go into one report for each return path. Until then failures are
 * in no journal: after a crash the recipients are tried again. The report's
 * MESSAGE and the failures' OUTCOME are one unit. Successes are in the journal
 * at once; that they were told of is in the unit of the report, and the letter
 * stays until then, so that after a crash they are told of still. Nobody is told
 * about a letter without a sender: a failure of it is a double bounce, logged and
 * dropped (RFC 5321 §4.5.5). Who is told what: mail/notify.h.
 */
#pragma once
#include "mail/dsn.h"
#include "queue/core.h"

/* Why a recipient failed. */
enum failure { FAILURE_SAID /* somebody said never */, FAILURE_EXPIRED /* lifetime */,
               FAILURE_BY /* DELIVERBY's time has passed */ };

/* What is to be told of one recipient. */
struct tiding {
    struct tiding *next;
    uint32_t       index;
    enum dsn_kind  kind;        /* EXPANDED, and DELIVERED of a list: `index` is its first member */
    enum failure   failure;     /* of DSN_FAILED */
    bool           quiet;       /* the sender wants to hear nothing of it: only record it */
    uint16_t       code;
    int64_t        wall;        /* of the last attempt; 0: none */
    struct slice   return_path, address, original, status, text, host;
};

enum report_warn { WARN_LATE = 1 << 0, WARN_BY = 1 << 1 /* DELIVERBY's time has passed */ };

/* What waits to be told about one letter. */
struct report {
    uint64_t        id;         /* of the letter; first: names it in the roster */
    struct letter  *letter;
    struct arena    arena;      /* of the texts of the tidings */
    struct tiding  *tidings;    /* oldest first */
    unsigned        warn;       /* enum report_warn: a delay is to be told */
    bool            asking;     /* lookup was asked where `to` goes */
    bool            warning;    /* what is being asked for is the warning */
    struct slice    to;         /* whom */
    bool            quiet;      /* nobody: those that are quiet */
    int64_t         since;      /* mono ms of the first of them */
    int64_t         retry;      /* mono ms: ask again; 0: need not */
};

/* report_add - one more (texts are copied) */
void report_add(struct queue *q, struct letter *m, const struct tiding *t);

/* report_expansions - the sender of a letter may want to hear of aliases and lists
 * that were resolved; told (or NULL): by index, those who were spoken of before */
void report_expansions(struct queue *q, struct letter *m, const struct envelope *e,
                       const bool *told);

/* report_warn - tell the sender that the letter is late, and why (enum report_warn) */
void report_warn(struct queue *q, struct letter *m, enum report_warn why);

/* report_of - is this tiding part of the report being written? */
static inline bool report_of(const struct report *r, const struct tiding *t)
{
    return t->quiet == r->quiet && (t->quiet || slice_eq(t->return_path, r->to));
}

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
