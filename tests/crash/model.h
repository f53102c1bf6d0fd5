/* model.h - what was promised, and whether a recovered journal keeps it.
 *
 * The model hears of everything that is appended and of every answer. For each
 * record it knows how sure its effect is:
 *
 *     WAITING   appended, not answered     may be there after a crash
 *     DURABLE   answered done              must be there
 *     LATER     answered later             may be there until the next good flush
 *     VOID      later, and that flush was  must never be there again
 */
#pragma once
#include "base/id.h"
#include "disk_sim.h"
#include "spool/journal.h"

enum { MAILS_MAX = 1500, SAID_MAX = 12, SEGMENT_BYTES = 16384 };

enum sure { NOTHING, WAITING, DURABLE, LATER, VOID };

struct said {               /* an OUTCOME, HELD or RELEASED record */
    enum record_type type;
    unsigned         serial;
    enum sure        sure;
    uint64_t         bounce;    /* appended in the same unit, or 0 */
};

struct mail {
    struct journal_entry entry;     /* while it lives in the running journal */
    enum sure   sure, removal;
    bool        living;             /* the running owner knows it */
    bool        busy;               /* something is waiting for it */
    bool        is_bounce, spoiled;
    size_t      size;
    bool        large;
    struct said said[SAID_MAX];
    size_t      nsaid;
};

/* A unit on its way. */
struct job {
    bool       used;
    uint64_t   mail, bounce;        /* whose, 0: none */
    bool       accepts, removes;
    int        said;                /* index in mail's said, or -1 */
};

enum { JOBS_MAX = 512 };

struct model {
    struct mail mails[MAILS_MAX];   /* by id */
    uint64_t    next;
    struct job  jobs[JOBS_MAX];
    unsigned    serial;
    uint64_t    version;            /* changes whenever a promise is made */
    size_t      acked;
};

struct model *model_new(void);

uint64_t model_nonce(uint64_t id);
/* model_text, model_envelope - what message id must hold, into static memory */
struct slice model_envelope(const struct model *m, uint64_t id);
struct slice model_body(const struct model *m, uint64_t id);
struct slice model_said(const struct said *s);

/* model_answer - the journal answered this unit */
void model_answer(struct model *m, struct job *job, bool done);

/* model_check - recover the journal on this disk and compare. NULL: as
 * promised; else what is wrong. *dead: the disk died meanwhile, nothing said. */
const char *model_check(const struct model *m, struct sim *disk, int64_t now, bool *dead);

/* model_adopt - the process was killed and `j` recovered what is in `found`:
 * from now on that is promised, because the owner acts on it. */
struct found;
struct found *found_new(const struct model *m);
void found_options(struct found *f, struct journal_options *o);
void found_free(struct found *f);
const char *found_check(struct found *f, struct journal *j);
void model_adopt(struct model *m, struct found *f);
