/* segment.h - one file of the journal.
 *
 * The first sector is the header; records begin at SEGMENT_START. A segment's
 * number is never used twice, and is also the generation that its records
 * carry: what a recycled file still holds of its former life has another.
 * Each flush begins on a sector of its own, so that a sector once durable is
 * never written again. Appending is the journal's; here is how to read.
 */
#pragma once
#include "spool/record.h"

enum { SECTOR = 512, SEGMENT_START = SECTOR, SEGMENT_VERSION = 1, NAME_MAX_BYTES = 64 };

static inline uint32_t sector_up(uint32_t at)
{
    return (at + (SECTOR - 1)) & ~(uint32_t)(SECTOR - 1);
}

/* segment_name, index_name, spare_name - relative to the spool; return name */
char *segment_name(uint32_t number, char name[NAME_MAX_BYTES]);
char *index_name(uint32_t number, char name[NAME_MAX_BYTES]);
char *spare_name(uint32_t spare, char name[NAME_MAX_BYTES]);

/* What a name in journal/ is. */
enum segment_file { FILE_OTHER, FILE_SEGMENT, FILE_INDEX, FILE_SPARE };
enum segment_file segment_file(const char *name, uint32_t *number);

/* segment_header - the first sector of segment `number`. It also tells where
 * the segment before it ended when it was begun: what is missing there below
 * that place is damage, even if nothing behind it proves it. */
void segment_header(char sector[SECTOR], uint32_t number, struct journal_place previous);

/* segment_check - is this the header of segment `number`? Sets *previous when good. */
enum segment_check { SEGMENT_GOOD, SEGMENT_BAD, SEGMENT_FOREIGN };  /* FOREIGN: of another version */
enum segment_check segment_check(const char sector[SECTOR], uint32_t number,
                                 struct journal_place *previous);

/* segment_record - the record at a place, whole: read into `to`, seen by *r.
 * 0 or a negative errno; -EBADMSG: what is there is not what was written. */
int segment_record(struct disk *disk, int handle, struct journal_place at,
                   struct buf *to, struct record_view *r);

/* segment_scan - every record of every whole unit, in order. Ends before the
 * first that is not whole, unless a later record proves that it was durable
 * once, or it is below `durable`, the end that is known from elsewhere (0: not
 * known): then the segment is damaged, and the scan goes on behind the hole. */
typedef bool segment_each_f(void *user, const struct record_view *r, uint32_t offset);
struct segment_scan {
    uint32_t end;           /* behind the last whole unit */
    uint32_t begun;         /* where its flush began: all before was durable once */
    bool     damaged;
    uint32_t hole, resumed; /* the first hole, if damaged */
};
int segment_scan(struct disk *disk, int handle, uint32_t number, uint32_t durable,
                 segment_each_f *each, void *user, struct segment_scan *result);
