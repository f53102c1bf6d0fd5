/* floor_log.h - what clients say, appended to a file that is written already.
 *
 * Input is read from the sockets straight into the batch that will be written,
 * each read behind a small header, and from there the disk fetches it: nothing is
 * copied once it left the socket (O_DIRECT, where the file system has it). One thread writes and syncs one batch while the next fills. The
 * file is zeroed beforehand (an extent that was never written makes the first
 * sync after each append a change of metadata) and used as a ring: the oldest
 * mail is overwritten, as if it were delivered. There is no recovery.
 *
 * On the disk: batches, each on a multiple of 4096: u32 'FLOR', u32 octets that
 * follow, u64 number; then for each read u32 session, u32 octets, the octets.
 * All numbers as the machine has them. Replaying the sessions gives the mail.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct log;

/* What a batch makes durable. */
struct tally {
    uint64_t messages, recipients, octets;
};

/* log_open - make DIR/log and start the thread; direct: past the page cache; `event_fd` (to poll, edge-triggered,
 * never to read) tells that a batch is durable. Exits when it cannot. */
struct log *log_open(const char *dir, uint64_t size, bool direct, int *event_fd);
void        log_close(struct log *l);

/* log_room - where the next read may go, and how much: at least LOG_READ, unless
 * log_full says that log_begin and log_end must make room first */
enum { LOG_READ = 256 * 1024 };
char *log_room(struct log *l, size_t *room);
bool  log_full(const struct log *l);

/* log_took - so many octets of this session came in there */
void log_took(struct log *l, uint32_t session, size_t n);

/* log_tally - what the batch that is being filled makes durable, to add to */
struct tally *log_tally(struct log *l);

/* log_batch - the parity of the batch being filled */
unsigned log_batch(const struct log *l);

/* log_begin - give the thread what there is, if it is idle; log_end - has it
 * finished (waiting for it if `wait`)? Then *batch and *tally say what. */
void log_begin(struct log *l);
bool log_end(struct log *l, bool wait, unsigned *batch, struct tally *tally);

uint64_t log_syncs(const struct log *l);
