/* letter.h - what the queue keeps in memory for each message.
 *
 * 104 bytes for a message with one recipient, and its share of the roster: the
 * journal's entry and its first job are inside. Recipients and bodies are read
 * from the journal when they are needed.
 */
#pragma once
#include "sched/sched.h"
#include "spool/journal.h"

struct letter;

/* Some recipients of one message for one destination and one return path. */
struct job {
    struct sched_job sched;
    struct letter  *letter;
    struct job      *next;      /* of the same message */
    union {
        uint32_t  one;          /* number of the recipient */
        uint32_t *many;         /* JOB_MANY: how many, then their numbers, ascending */
    } rcpt;
};

enum { JOB_USED = 0x10, JOB_MANY = 0x20, JOB_EMPTY = 0x40 };  /* in the owner's half of sched.turn */

enum letter_flags {
    LETTER_DURABLE   = 1 << 0,     /* ours: the MESSAGE record is on disk */
    LETTER_HELD      = 1 << 1,     /* a person holds it */
    LETTER_RELEASED  = 1 << 2,     /* a person let it go: no route holds it any more */
    LETTER_WARNED    = 1 << 3,     /* its sender knows that it is late */
    LETTER_BOUNCE    = 1 << 4,     /* a report, or without a sender: nobody to tell */
    LETTER_REMOVING  = 1 << 5,     /* a REMOVED record is on its way */
    LETTER_CANCELLED = 1 << 6,     /* a person removed it while an agent had it */
    LETTER_FAILING   = 1 << 7,     /* failures wait for their report */
    LETTER_ASTRAY    = 1 << 9,     /* some recipients are in no job (no memory): never finish it, route again */
    LETTER_REMOVED   = 1 << 8,     /* durably removed; only units under way keep it */
    LETTER_STALLED   = 1 << 10,    /* a unit of it waits to be appended again */
    LETTER_TELLS     = 1 << 11,    /* its sender may want to hear of success */
    LETTER_TIMED     = 1 << 12,    /* it has a time of its own (times.h) */
    LETTER_MAILBOX   = 1 << 13,    /* SOML, SAML: the terminals were tried, now the mailbox */
};

struct letter {
    struct journal_entry entry;     /* first: its id names it in the roster */
    int64_t              arrived;   /* wall ms */
    uint32_t             nonce;     /* folded, of its commit */
    uint16_t             units;     /* in the journal's hands: it must stay in place */
    uint16_t             flags;
    struct job           job;       /* the first; more hang on job.next */
};

/* Memory for messages, in pages; pages are kept for the next ones. */
struct pages {
    struct page    *first;
    struct letter *free;
    size_t          used;
};

struct letter *letter_new(struct pages *p);      /* zeroed; NULL: no memory */
void letter_free(struct pages *p, struct letter *m);  /* its jobs are detached already */
void pages_free(struct pages *p);

static inline uint32_t nonce_fold(uint64_t nonce)
{
    return (uint32_t)(nonce ^ nonce >> 32);
}

/* job_new - a job for one recipient in the chain of m; NULL: no memory */
struct job *job_new(struct letter *m, uint32_t index);
/* job_free - take it out of the chain; it is detached already */
void job_free(struct job *job);
/* job_next - walk the jobs of a message: start with NULL */
struct job *job_next(struct letter *m, struct job *job);

static inline struct job *job_of_sched(struct sched_job *s)
{
    return (struct job *)(void *)s;
}

uint32_t job_count(const struct job *job);
uint32_t job_rcpt(const struct job *job, uint32_t i);
bool job_add(struct job *job, uint32_t index);      /* false: no memory; never after a drop */
bool job_drop(struct job *job, uint32_t index);     /* false: not in it */
bool job_has(const struct job *job, uint32_t index);

/* letter_pending - recipients in jobs */
uint32_t letter_pending(struct letter *m);
