/* record.c - writing a record down and believing it only when it is whole. */
#include <endian.h>
#include "base/crc32c.h"
#include "base/wire.h"
#include "spool/record.h"

enum { MAGIC = 0x43455250 };    /* "PREC" */
enum { AT_CRC = 4, AT_BODY = 8, AT_TYPE = 8, AT_FLAGS = 9, AT_PART = 10, AT_LENGTH = 12,
       AT_GENERATION = 16, AT_SYNCED = 20, AT_ID = 24, AT_WALL = 32, AT_WORD = 40 };

/* Until a record is sealed: how many octets at its end were summed when it was put. Their sum
 * is where the whole one will be. */
enum { AT_AHEAD = AT_GENERATION };

enum { MESSAGE_HEAD = 16 };     /* bytes before the envelope */
enum { SUM_AHEAD = 16 << 10 };  /* a body of so many bytes or more is summed while it is copied */

static uint16_t get_u16(const char *p)
{
    uint16_t v;

    memcpy(&v, p, sizeof v);
    return le16toh(v);
}

static uint32_t get_u32(const char *p)
{
    uint32_t v;

    memcpy(&v, p, sizeof v);
    return le32toh(v);
}

static uint64_t get_u64(const char *p)
{
    uint64_t v;

    memcpy(&v, p, sizeof v);
    return le64toh(v);
}

static void set_u16(char *p, uint16_t v)
{
    v = htole16(v);
    memcpy(p, &v, sizeof v);
}

static void set_u32(char *p, uint32_t v)
{
    v = htole32(v);
    memcpy(p, &v, sizeof v);
}

static void set_u64(char *p, uint64_t v)
{
    v = htole64(v);
    memcpy(p, &v, sizeof v);
}

/* begin - room for a record of `length` bytes, its header written and its padding
 * zero; where its payload goes, or NULL */

static char *begin(struct buf *out, const struct record_view *r, size_t length)
{
    size_t padded = record_room((uint32_t)length);
    char *p = buf_room(out, padded);

    if (p == NULL)
        return NULL;
    memset(p, 0, RECORD_HEADER);
    memset(p + padded - RECORD_ALIGN, 0, RECORD_ALIGN);
    set_u32(p, MAGIC);
    p[AT_TYPE] = (char)r->type;
    p[AT_FLAGS] = (char)r->flags;
    set_u16(p + AT_PART, r->part);
    set_u32(p + AT_LENGTH, (uint32_t)length);
    set_u64(p + AT_ID, r->id);
    set_u64(p + AT_WALL, (uint64_t)r->wall_ms);
    set_u64(p + AT_WORD, r->word);
    buf_added(out, padded);
    return p + RECORD_HEADER;
}

static char *put_slice(char *p, struct slice s)
{
    return s.n > 0 ? (char *)memcpy(p, s.p, s.n) + s.n : p;
}

bool record_put(struct buf *out, const struct record_view *r)
{
    size_t length;
    char *p;

    if (__builtin_add_overflow(r->payload.n, RECORD_HEADER, &length)
        || length > UINT32_MAX - RECORD_ALIGN)
        return false;
    p = begin(out, r, length);
    if (p != NULL)
        put_slice(p, r->payload);
    return p != NULL;
}

/* put_summed - a long body is summed while it is at hand */

static void put_summed(char *record, char *p, struct slice body)
{
    set_u32(record + AT_CRC, crc32c_copy(p, body));
    set_u32(record + AT_AHEAD, (uint32_t)body.n);
}

bool record_put_message(struct buf *out, const struct record_view *r,
                        const struct record_message *m)
{
    size_t length;
    char *p, *record;

    if (__builtin_add_overflow(m->envelope.n, m->body.n, &length)
        || __builtin_add_overflow(length, RECORD_HEADER + MESSAGE_HEAD, &length)
        || length > UINT32_MAX - RECORD_ALIGN)
        return false;
    p = begin(out, r, length);
    if (p == NULL)
        return false;
    record = p - RECORD_HEADER;
    set_u32(p, (uint32_t)m->envelope.n);
    set_u32(p + 4, m->crc);
    set_u64(p + 8, m->length);
    p = put_slice(p + MESSAGE_HEAD, m->envelope);
    if (m->body.n < SUM_AHEAD)
        put_slice(p, m->body);
    else
        put_summed(record, p, m->body);
    return true;
}

static uint32_t checksum(const char *record, uint32_t length)
{
    return crc32c(0, slice_of(record + AT_BODY, length - AT_BODY));
}

void record_set_word(char *record, uint64_t word)
{
    set_u64(record + AT_WORD, word);
}

void record_set_copied(char *record)
{
    record[AT_FLAGS] = (char)(record[AT_FLAGS] | RECORD_COPY);
}

void record_seal(char *record, uint32_t generation, uint32_t synced)
{
    uint32_t ahead = get_u32(record + AT_AHEAD), sum;

    set_u32(record + AT_GENERATION, generation);
    set_u32(record + AT_SYNCED, synced);
    sum = checksum(record, get_u32(record + AT_LENGTH) - ahead);
    set_u32(record + AT_CRC,
            ahead > 0 ? crc32c_join(sum, get_u32(record + AT_CRC), ahead) : sum);
}

void record_void(char *record, uint32_t bytes)
{
    memset(record, 0, RECORD_HEADER);
    set_u32(record, MAGIC);
    record[AT_TYPE] = RECORD_VOID;
    record[AT_FLAGS] = RECORD_LAST;
    set_u32(record + AT_LENGTH, bytes);
}

bool record_head(const char header[RECORD_HEADER], uint32_t generation, struct record_view *r)
{
    if (get_u32(header) != MAGIC || get_u32(header + AT_GENERATION) != generation)
        return false;
    *r = (struct record_view){
        .type = (uint8_t)header[AT_TYPE], .flags = (uint8_t)header[AT_FLAGS],
        .part = get_u16(header + AT_PART), .length = get_u32(header + AT_LENGTH),
        .synced = get_u32(header + AT_SYNCED), .id = get_u64(header + AT_ID),
        .wall_ms = (int64_t)get_u64(header + AT_WALL), .word = get_u64(header + AT_WORD),
    };
    return r->type > 0 && r->type < RECORD_TYPE_COUNT
        && r->length >= RECORD_HEADER && r->length <= UINT32_MAX - RECORD_ALIGN;
}

bool record_whole(const char *record, struct record_view *r)
{
    struct record_message m;

    if (get_u32(record + AT_CRC) != checksum(record, r->length))
        return false;
    r->payload = slice_of(record + RECORD_HEADER, r->length - RECORD_HEADER);
    return r->type != RECORD_MESSAGE || record_message(r->payload, &m);
}

bool record_message(struct slice payload, struct record_message *m)
{
    struct wire w = wire_reader(payload);
    uint32_t n = wire_get_u32(&w);
    const char *p;

    m->crc = wire_get_u32(&w);
    m->length = wire_get_u64(&w);
    p = wire_take(&w, n);
    m->envelope = p != NULL ? slice_of(p, n) : (struct slice){ 0 };
    m->body = w.in;
    return !w.bad;
}

bool record_told(struct slice record, struct record_message *m)
{
    uint32_t length = record.n >= RECORD_HEADER ? get_u32(record.p + AT_LENGTH) : 0;

    return length >= RECORD_HEADER && length <= record.n && record.p[AT_TYPE] == RECORD_MESSAGE
        && record_message(slice_of(record.p + RECORD_HEADER, length - RECORD_HEADER), m);
}
