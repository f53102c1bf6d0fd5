/* index.h - what a sealed segment holds, without the bodies.
 *
 * A cache: an index that is missing or wrong is made again from the segment.
 * An image is the bytes of the index file: a header with a checksum over all
 * of it, then the entries in the order of the records.
 */
#pragma once
#include "base/wire.h"
#include "spool/segment.h"

struct index_entry {
    uint8_t      type, flags;       /* as in the record */
    uint32_t     offset, length;
    uint64_t     id, word;
    struct slice envelope;          /* MESSAGE */
};

struct index_head {
    uint32_t number, end;           /* of the segment: behind its last unit */
    uint32_t count;
    bool     damaged;               /* something in it could not be parsed */
};

/* index_read - the file beside segment `number`, if it is whole. False: make it. */
bool index_read(struct disk *disk, uint32_t number, struct buf *image, struct index_head *head);

/* index_make - from the segment itself, up to `end` (0: as far as it is whole);
 * `durable` as in segment_scan. 0 or a negative errno; *scan tells what was found. */
int index_make(struct disk *disk, uint32_t number, uint32_t end, uint32_t durable,
               struct buf *image, struct index_head *head, struct segment_scan *scan);

/* The same while the segment is written: index_begin; index_note for each run of
 * whole records, as they stand in the segment from `at`; index_end before it is
 * written. Without memory image->full is set, and the image is worth nothing. */
void index_begin(struct buf *image, struct index_head *head, uint32_t number);
void index_note(struct buf *image, struct index_head *head, struct slice records, uint32_t at);
void index_end(struct buf *image, struct index_head *head, uint32_t end);

/* index_write - put the image beside the segment. Not synced: it is a cache. */
int index_write(struct disk *disk, uint32_t number, const struct buf *image);

/* index_entries, index_next - read an image from the beginning */
struct wire index_entries(const struct buf *image);
bool index_next(struct wire *w, struct index_entry *e);
