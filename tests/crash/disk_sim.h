/* disk_sim.h - a disk in memory that remembers what was never synced.
 *
 * Two pictures of the disk: what the running system sees (the cache), and what
 * would be there after a power cut. Between them is an ordered list of changes
 * not yet durable: pieces of files by sectors, sizes, and names. sim_cut makes
 * the disk after a power cut from any subset of that list.
 *
 * What is assumed: a sector is written whole or not at all; a rename is one
 * change, durable with the sync of the directory that it goes to (and perhaps
 * earlier); after a failed sync the pages count as clean, so that no later
 * sync writes them, though they may be on the disk.
 */
#pragma once
#include "spool/disk.h"

enum { SIM_SECTOR = 512 };

/* Why the journal calls, as the test knows it. */
enum sim_phase { SIM_OTHER, SIM_FLUSH, SIM_CHORE, SIM_RECOVERY };

/* Every place in the journal that syncs, told apart by what is synced when. */
#define SIM_SYNCS(S)                                                          \
    S(APPEND,      "segment data, appending")                                 \
    S(FRESH,       "segment data, before a new segment gets its number")      \
    S(NAMED,       "journal/, after a new segment got its number")            \
    S(SPARE,       "spare, after it was made")                                \
    S(RETIRED,     "journal/, after a segment was retired")                   \
    S(RETIRED_BAD, "quarantine/, after a damaged segment was retired")        \
    S(LENT,        "lent file, before it becomes large/ID")                   \
    S(LARGE,       "large/, after lent files became large/ID")                \
    S(FOUND,       "segment data, found by recovery")                         \
    S(FOUND_NAMES, "journal/, found by recovery")                             \
    S(DIRS,        "spool, after its directories were made")

enum sim_sync {
#define S(name, text) SIM_SYNC_##name,
    SIM_SYNCS(S)
#undef S
    SIM_SYNC_COUNT
};
const char *sim_sync_text(enum sim_sync site);

struct sim;
typedef void sim_hook_f(void *user);

struct sim *sim_new(void);
void sim_free(struct sim *s);
struct disk *sim_disk(struct sim *s);

void sim_phase(struct sim *s, enum sim_phase phase);
/* sim_hook - called before every change */
void sim_hook(struct sim *s, sim_hook_f *hook, void *user);
/* sim_drop - this sync says that it is done and does nothing; SIM_SYNC_COUNT: none */
void sim_drop(struct sim *s, enum sim_sync site);
/* sim_fail - the n-th change or sync from now fails with error; 0: none */
void sim_fail(struct sim *s, unsigned n, int error, bool only_syncs);
/* sim_kill - the process dies before its n-th change from now */
void sim_kill(struct sim *s, unsigned n);
bool sim_dead(const struct sim *s);
/* sim_revive - a new process: no handles, no lock, the cache as it was */
void sim_revive(struct sim *s);
/* sim_room - bytes left, as free_bytes tells and reserve obeys */
void sim_room(struct sim *s, int64_t room);

/* sim_flip - change a bit in what is durable and in the cache */
bool sim_flip(struct sim *s, const char *name, uint64_t at);
/* sim_forget - remove a name, durably */
void sim_forget(struct sim *s, const char *name);
bool sim_has(const struct sim *s, const char *name);

size_t sim_pending(const struct sim *s);
/* sim_cut - the disk after a power cut that kept keep[i] of the pending changes */
struct sim *sim_cut(const struct sim *s, const bool *keep);
uint64_t sim_fingerprint(const struct sim *s);
unsigned sim_syncs(const struct sim *s, enum sim_sync site);    /* how often it was called */
unsigned sim_slow(const struct sim *s);     /* commits that waited for a spare's zeros */
