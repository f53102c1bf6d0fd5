/* record.h - one record of the journal, as bytes and as a value.
 *
 *     0  u32 magic        16  u32 generation   of the segment's life
 *     4  u32 crc          20  u32 synced       see below
 *     8  u8  type         24  u64 id
 *     9  u8  flags        32  i64 wall_ms      when it was first appended
 *    10  u16 part         40  u64 word         what it means depends on the type
 *    12  u32 length       48  payload
 *
 * The checksum (CRC32C) covers everything behind it. `part` counts the records
 * of a unit from 0, and the last one carries RECORD_LAST, so a unit is valid as
 * a whole or not at all. `synced` is the end of the flush before: everything of
 * the segment below it was durable before this record was written. So a hole
 * below some record's `synced` is damage, and any other hole is a torn write.
 */
#pragma once
#include "spool/journal.h"

enum { RECORD_HEADER = 48, RECORD_ALIGN = 8 };

enum record_flags {
    RECORD_LAST  = 1 << 0,  /* of its unit */
    RECORD_BIG   = 1 << 1,  /* MESSAGE: the body is in large/ID */
    RECORD_COPY  = 1 << 2,  /* copied forward; REMOVED: of a message that was */
};

/* Beside enum record_type, for the journal itself. */
enum {
    RECORD_CUT = RECORD_RELEASED + 1,   /* word: the place where a segment ends, whatever it holds */
    RECORD_VOID,                        /* a unit taken back before it was written */
    RECORD_TYPE_COUNT
};

struct record_view {
    uint8_t      type, flags;
    uint16_t     part;
    uint32_t     length;        /* with header, without what aligns the next */
    uint32_t     synced;
    uint64_t     id;
    int64_t      wall_ms;
    uint64_t     word;          /* MESSAGE: nonce; OUTCOME, HELD, RELEASED: the place of the one before;
                                   REMOVED: the place of the MESSAGE; CUT: a place */
    struct slice payload;
};

/* The payload of a MESSAGE. */
struct record_message {
    struct slice envelope, body;
    uint64_t     length;        /* of large/ID */
    uint32_t     crc;           /* of large/ID */
};

/* record_put - append a record with an empty checksum, padded. False: no room. */
bool record_put(struct buf *out, const struct record_view *r);
bool record_put_message(struct buf *out, const struct record_view *r,
                        const struct record_message *m);

/* record_seal - the last words before it is written: where and the checksum. Of a long body
 * it was taken when the record was put, so that must not change in between.
 * The word is set before; see record_set_word. */
void record_seal(char *record, uint32_t generation, uint32_t synced);
void record_set_word(char *record, uint64_t word);
void record_set_copied(char *record);

/* record_void - make so many bytes one record that means nothing */
void record_void(char *record, uint32_t bytes);

/* record_head - what the header says, if it can be one of this generation;
 * the checksum is not looked at, and the payload is not there yet */
bool record_head(const char header[RECORD_HEADER], uint32_t generation, struct record_view *r);

/* record_whole - is the record of r->length bytes what was written? Sets the payload. */
bool record_whole(const char *record, struct record_view *r);

bool record_message(struct slice payload, struct record_message *m);

/* record_told - the payload of a record that we wrote ourselves, checksum or not; false: no MESSAGE */
bool record_told(struct slice record, struct record_message *m);

static inline uint32_t record_room(uint32_t length)
{
    return (length + (RECORD_ALIGN - 1)) & ~(uint32_t)(RECORD_ALIGN - 1);
}

static inline uint64_t place_word(struct journal_place p)
{
    return (uint64_t)p.segment << 32 | p.offset;
}

static inline struct journal_place word_place(uint64_t word)
{
    return (struct journal_place){ (uint32_t)(word >> 32), (uint32_t)word };
}

/* record_in_chain - is it one of those that journal_history tells? */
static inline bool record_in_chain(unsigned type)
{
    return type == RECORD_OUTCOME || type == RECORD_HELD || type == RECORD_RELEASED;
}
