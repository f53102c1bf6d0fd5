/* inside.h - what the files of the journal share, and nobody else sees. */
#pragma once
#include "spool/index.h"

enum {
    SPARES_LEAST = 1,           /* made at once, so that no commit waits for one */
    SPARES_KEPT = 4,            /* made at rest, for the next burst; more are given back to the
                                 * file system */
    DISK_RESERVE = 2,           /* segments of the disk that mail leaves to outcomes and removals */
    SPARES_ROOM = 16,           /* segments that must be free on the disk for one made at rest */
    SPARES_WORTH = 8,           /* who appended less than such a part of a segment needs none */
    KEEP_RECOVERED_MS = 60000,  /* a found segment still answers repeated commits... */
    KEEP_RECOVERED = 6,         /* ...if it is among the newest: restarts must not fill the disk */
    CUT_PATIENCE_MS = 1000,     /* how long a cut waits for company */
    BULK_FLUSHES = 128,         /* a segment full after fewer took large ones: see bulk_note */
};

#define WAITING_MAX ((size_t)512 << 20)     /* bytes collected and not yet taken by a flush */
#define WAITING_KEEP ((size_t)4 << 20)      /* of which memory is kept for the next, unless that
                                             * is likely to need more */

/* Bits of journal_entry.flags that are the journal's own. */
enum {
    ENTRY_COPIED  = 1 << 2,     /* an older MESSAGE record of it may still exist */
    ENTRY_PENDING = 1 << 8,     /* from here up: how many records wait to be durable */
};

struct segment {
    uint32_t number;
    uint32_t end;               /* behind what is durable */
    uint32_t flushes;           /* that we wrote into it */
    uint32_t live;              /* living messages whose MESSAGE is here */
    uint64_t live_bytes;
    bool     indexed;
    bool     abandoned;         /* a write or sync failed: never touched again */
    bool     damaged;           /* holds something that could not be parsed */
    bool     unsure;            /* its end as a name may not be durable: never reuse */
    int64_t  keep_until;        /* wall ms; not reclaimed before */
    uint64_t tried;             /* reclaims when cleaning last brought nothing, plus one */
    struct buf image;           /* the index, as it grows with what we write; empty: made from the file */
    struct index_head head;
};

/* A record on its way to the disk. */
struct item {
    struct journal_entry *entry;    /* NULL: the journal's own, found by id */
    uint64_t              id;
    uint8_t               type;
    bool                  copy, chain_start;
    uint32_t              at, length;       /* in the batch's bytes */
    struct journal_place  place, before;    /* before: of the outcome it follows */
    uint64_t              large, large_length;
    uint32_t              large_crc;
    int                   lent;             /* handle of the lent file while it is being kept */
};

struct unit {
    void    *user;
    bool     own;               /* nobody waits for it */
    bool     copies;            /* of the cleaner */
    int      error;             /* it will not be written */
    uint32_t at, bytes;
    size_t   first, count;      /* of its items */
};

struct batch {
    struct buf   bytes;
    struct item *items;
    size_t       nitems, item_cap;
    struct unit *units;
    size_t       nunits, unit_cap;
};

/* Everything that journal_flush_work may touch. */
struct flush {
    bool         under_way;
    struct batch batch;
    uint32_t     number, start, synced;
    struct journal_place previous;  /* where the segment before ended, if fresh */
    bool         fresh;         /* begins a segment... */
    uint32_t     spare;         /* ...in this spare... */
    bool         make;          /* ...which must be made first... */
    bool         zeros;         /* ...and written with zeros */
    bool         named;         /* it may be known by its number now */
    uint64_t     size;
    int          handle;
    bool         done;
    struct why   why;
};

enum chore_kind { CHORE_NONE, CHORE_SPARE, CHORE_INDEX, CHORE_LOAD, CHORE_RETIRE };

/* Everything that journal_chore_work may touch. */
struct chore {
    enum chore_kind kind;
    bool            under_way;
    uint32_t        number, end, spare;
    bool            reuse, damaged;
    bool            made;       /* the image is there: only write it */
    bool            zeros;      /* a new spare is written with them */
    uint64_t        size;
    struct buf      image;
    struct index_head head;
    int             error;
};

/* The segment whose living records are being copied forward. */
struct cleaner {
    uint32_t    number;         /* 0: none */
    bool        loaded;
    bool        copying;        /* second and later passes; the first only counts */
    bool        again;          /* something was still needed: look once more */
    bool        clean;          /* nothing is: may be retired */
    unsigned    passes;         /* 0: counts; 1: copies; then only what is left */
    uint64_t    failures;       /* of flushes, when the copying began */
    size_t      pending;        /* its units that wait to be durable */
    uint64_t    needed;         /* bytes */
    struct buf  image;
    struct wire at;
};

struct cut {
    struct journal_place place;     /* the segment is void from here; segment 0: only the orphans */
    uint64_t             orphan;    /* a large file to remove afterwards, or 0 */
};

struct journal {
    struct journal_options o;
    struct disk     *disk;
    struct segment **segments;      /* ascending by number */
    size_t           nsegments, segment_cap;
    uint32_t         active;        /* appended to; 0: none yet */
    int              handle;        /* of it, for writing */
    uint32_t         reading;       /* the segment that was read last; 0: none */
    int              reader;        /* handle of it */
    uint32_t         next_number, next_spare;
    uint32_t         spares[SPARES_KEPT];
    size_t           nspares;
    int64_t          spare_again;   /* wall ms; after one could not be made */
    uint64_t         appended;      /* bytes, since it was opened */
    bool             resting;       /* nothing was appended since journal_rest() */
    bool             bulk;          /* flushes are large */
    struct batch     waiting;
    struct flush     flush;
    struct chore     chore;
    struct cleaner   cleaner;
    struct cut      *cuts;
    size_t           ncuts, cut_cap;
    int64_t          failed_at;     /* wall ms of the last failed flush */
    uint64_t         reclaims;
    uint64_t         next_lent;
    struct slice     told;          /* the record of the unit whose owner is being told, if it is one */
    struct journal_stats stats;
};

/* journal.c */
int64_t journal_wall(struct journal *j);
struct segment *journal_segment(const struct journal *j, uint32_t number);     /* or NULL */
struct segment *journal_segment_add(struct journal *j, uint32_t number);       /* NULL: no memory */
void journal_segment_drop(struct journal *j, struct segment *s);
void journal_quarantined(struct journal *j, const char *what, const char *where);

/* grown - room for one more element; NULL and nothing changed without memory */
void *grown(void *array, size_t n, size_t *cap, size_t size);

/* batch.c */
void batch_clear(struct batch *b);
void batch_free(struct batch *b);

/* batch_move - append units [first, end) of one batch to another; false: no
 * memory, and some of them may be there */
bool batch_move(struct batch *to, struct batch *from, size_t first, size_t end);

/* A unit of the journal's own: begin, add, end. False: no memory, nothing stays. */
struct unit *unit_begin(struct journal *j, struct batch *b, void *user);
bool unit_add(struct batch *b, struct unit *u, struct item item, const struct record_view *r,
              const struct record_message *m);
bool unit_end(struct journal *j, struct batch *b, struct unit *u);
struct journal_entry *item_entry(struct journal *j, const struct item *item);  /* or NULL */

/* cut.c */
void cut_add(struct journal *j, struct journal_place place, uint64_t orphan);
bool cuts_take(struct journal *j);      /* in front of what waits; false: not now */
void cuts_done(struct journal *j);      /* they are durable */

/* read.c */
void journal_reader_close(struct journal *j);
int  journal_read_record(struct journal *j, struct journal_place at, struct buf *to,
                         struct record_view *r);

/* recover.c */
bool recover(struct journal *j, struct why *why);

/* lent.c */
char *large_name(uint64_t id, char name[NAME_MAX_BYTES]);

/* From a lent file to a durable large/ID: all files of a flush are opened, so that the disk
 * begins with them, before the first is kept. Whoever fails closes. */
int lent_open(struct disk *disk, struct item *item);
int lent_keep(struct disk *disk, const struct item *item);      /* and closes it */
int lent_forget_all(struct disk *disk);

/* quarantine.c */
int quarantine_move(struct disk *disk, const char *from, const char *as);
bool quarantine_copy(struct journal *j, const char *as, struct slice bytes);

/* cleaner.c */

/* cleaner_choose - the segment to clean now, whose index it needs; NULL: none, or it has one */
struct segment *cleaner_choose(struct journal *j);

/* cleaner_begin - here is the index; another buffer is given for it */
void cleaner_begin(struct journal *j, struct buf *image);
bool cleaner_step(struct journal *j);       /* look at some records; false: nothing to do now */
void cleaner_stop(struct journal *j);
void cleaner_give_up(struct journal *j);    /* and not this segment before another was reclaimed */

/* chore.c */
bool spare_make(struct disk *disk, uint32_t spare, uint64_t size, bool zeros, int *handle,
                int *error);
