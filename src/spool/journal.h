/* journal.h - the only thing between a client's 250 and the mail.
 *
 * Records are appended in units: a unit is durable as a whole or not at all.
 * Appending is asynchronous and in three steps, so that one sync serves all
 * units that came while the last one was under way, on whatever thread the
 * owner likes, and so that a simulator can run it in one:
 *
 *     journal_append...            collect units              (owner's thread)
 *     journal_flush_begin          take what was collected    (owner's thread)
 *     journal_flush_work           write and sync             (any one thread)
 *     journal_flush_end            answer every unit          (owner's thread)
 *
 * The journal keeps no memory per message: the owner keeps a `struct
 * journal_entry` for each and hands it in. See docs/ARCHITECTURE.md for the
 * format of segments, records and index files and for the table of states.
 */
#pragma once
#include "base/fate.h"
#include "base/buf.h"
#include "spool/disk.h"

struct journal;

/* Where a record is. All zero: nowhere. */
struct journal_place {
    uint32_t segment;       /* number of the segment, never reused */
    uint32_t offset;
};

/* What the owner keeps for each message (32 bytes, inside its own structure). */
struct journal_entry {
    uint64_t             id;
    struct journal_place message;   /* the MESSAGE record */
    struct journal_place outcome;   /* the newest OUTCOME or HELD/RELEASED record, which links to the one before */
    uint32_t             length;    /* bytes of the MESSAGE record */
    uint32_t             flags;     /* enum journal_flags */
};
enum journal_flags { JOURNAL_LARGE = 1 << 0, JOURNAL_HELD = 1 << 1 };

/* A record to append. Slices must live until journal_append returns. */
enum record_type {
    RECORD_MESSAGE = 1, RECORD_OUTCOME, RECORD_REMOVED, RECORD_HELD, RECORD_RELEASED,
};
struct record {
    enum record_type      type;
    struct journal_entry *entry;    /* its id names the message; places are filled in when durable */
    struct slice          head;     /* MESSAGE: the encoded envelope; OUTCOME: the owner's bytes; HELD: why */
    struct slice          body;     /* MESSAGE: the text, unless it is large */
    uint64_t              nonce;    /* MESSAGE: of the transaction, for repeated commits */
    uint64_t              large;    /* MESSAGE: the number of the lent file that becomes large/ID; 0: inline */
    uint64_t              length;   /* large: of its content */
    uint32_t              crc;      /* large: CRC32C of its content */
};

/* A unit is durable (done) or was not made durable and never will be (later).
 * For later, why->error is ENOSPC when the disk is full. */
typedef void journal_done_f(void *owner, void *unit, enum fate fate, const struct why *why);

/* Recovery found a message that is not removed. Its outcome records, oldest
 * first, are read with journal_history. False: stop, no memory. */
typedef bool journal_found_f(void *owner, uint64_t id, const struct journal_entry *e,
                             uint64_t nonce, struct slice envelope);

/* Recovery found the commit of a message since removed (for repeated commits). */
typedef void journal_gone_f(void *owner, uint64_t id, uint64_t nonce);

/* Compaction asks for the entry of a message, or NULL if it is removed. */
typedef struct journal_entry *journal_entry_f(void *owner, uint64_t id);

struct journal_options {
    struct disk       *disk;
    uint64_t           segment_size;    /* bytes; 0: 64 MiB */
    void              *owner;
    journal_done_f    *done;
    journal_found_f   *found;
    journal_gone_f    *gone;
    journal_entry_f   *entry;
    void             (*quarantined)(void *owner, const char *what, const char *where);
    int64_t          (*wall)(void *owner);  /* milliseconds since 1970; NULL: the machine's clock */
};

struct journal_stats {
    uint64_t segments, spare, live_bytes, dead_bytes;
    uint64_t units, records, flushes, sync_failures, compacted, quarantined;
    uint64_t index_used, index_rebuilt;     /* at recovery */
    uint64_t last_id;                       /* the greatest ever seen */
};

/* journal_open - lock, recover (calling `found` for every living message), and
 * be ready to append. NULL and *why when the spool is in use by another server
 * (says its pid; why->error is EWOULDBLOCK), of an unknown format, or unreadable. */
struct journal *journal_open(const struct journal_options *options, struct why *why);
void journal_close(struct journal *j);

/* journal_append - one unit of n records. `unit` comes back in done(), never
 * before journal_flush_end. Entries must stay where they are until then. A
 * MESSAGE with `large` set must be alone in its unit. False: no memory, or too
 * much is waiting already; nothing was taken and done() will not be called. */
bool journal_append(struct journal *j, const struct record *records, size_t n, void *unit);

/* journal_flush_begin - is there anything to write, and no flush under way? */
bool journal_flush_begin(struct journal *j);
void journal_flush_work(struct journal *j);
void journal_flush_end(struct journal *j);

/* journal_read - the envelope and body of a message. `to` holds both; for a
 * large message *body is empty and journal_large_open gives the file. */
bool journal_read(struct journal *j, const struct journal_entry *e, struct buf *to,
                  struct slice *envelope, struct slice *body, struct why *why);

/* journal_told - within done(), of a unit that is one MESSAGE: what it says, from
 * memory. False: look with journal_read. */
bool journal_told(const struct journal *j, struct slice *envelope, struct slice *body);

/* journal_large_open - a handle of disk->open for large/ID, and its length; the
 * owner closes it. Or a negative errno. */
int journal_large_open(struct journal *j, const struct journal_entry *e, uint64_t *length);

/* journal_history - the message's OUTCOME, HELD and RELEASED records, newest
 * first; each(…) false stops. */
typedef bool journal_history_f(void *user, enum record_type type, int64_t wall_ms, struct slice head);
bool journal_history(struct journal *j, const struct journal_entry *e,
                     journal_history_f *each, void *user, struct why *why);

/* journal_tidy - a little housekeeping: recycle, compact, write index files.
 * To be called now and then between flushes; appends units of its own. True
 * while there is more to do. */
bool journal_tidy(struct journal *j);

/* journal_chore_begin, _work, _end - one slow step of journal_tidy in three, so
 * that its syncs and reads can be on another thread. _work may run beside
 * journal_flush_work. journal_tidy is the three in a row. */
bool journal_chore_begin(struct journal *j);
void journal_chore_work(struct journal *j);
void journal_chore_end(struct journal *j);

/* Lent files: empty files for large bodies, written by another process.
 * journal_lend gives a number and a handle, which the owner closes
 * (disk->close) when it was passed on, or a negative errno; journal_lend_back
 * removes a file that is not needed after all. A MESSAGE record with `large` set syncs the file, checks length and CRC32C,
 * and makes it large/ID. Lent files found at recovery are removed. */
int  journal_lend(struct journal *j, uint64_t *number);
void journal_lend_back(struct journal *j, uint64_t number);

/* journal_rest - nothing will be appended soon: give up memory that is kept for it, and let
 * journal_tidy make segments for the next burst, if there was one */
void journal_rest(struct journal *j);

/* journal_room - bytes that may still be appended before the disk counts as full */
int64_t journal_room(struct journal *j);

void journal_stats(const struct journal *j, struct journal_stats *s);
