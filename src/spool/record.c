/* record.c - writing a record down and believing it only when it is whole. */
#include <endian.h>
#include "base/crc32c.h"
#include "base/wire.h"
#include "spool/record.h"

enum { MAGIC = 0x43455250 };    /* "PREC" */
enum { AT_CRC = 4, AT_BODY = 8, AT_GENERATION = 16, AT_SYNCED = 20, AT_WORD = 40 };
enum { MESSAGE_HEAD = 16 };     /* bytes before the envelope */

static void put_header(struct wire *w, const struct record_view *r, size_t length)
{
    wire_put_u32(w, MAGIC);
    wire_put_u32(w, 0);
    wire_put_u8(w, r->type);
    wire_put_u8(w, r->flags);
    wire_put_u16(w, r->part);
    wire_put_u32(w, (uint32_t)length);
    wire_put_u32(w, 0);
    wire_put_u32(w, 0);
    wire_put_u64(w, r->id);
    wire_put_i64(w, r->wall_ms);
    wire_put_u64(w, r->word);
}

static bool put_padding(struct wire *w, size_t length)
{
    static const char zeros[RECORD_ALIGN];

    if (!buf_put(w->out, zeros, record_room((uint32_t)length) - length))
        w->bad = true;
    return !w->bad;
}

bool record_put(struct buf *out, const struct record_view *r)
{
    struct wire w = wire_writer(out);
    size_t length;

    if (__builtin_add_overflow(r->payload.n, RECORD_HEADER, &length)
        || length > UINT32_MAX - RECORD_ALIGN)
        return false;
    put_header(&w, r, length);
    if (!buf_put_slice(out, r->payload))
        w.bad = true;
    return put_padding(&w, length);
}

bool record_put_message(struct buf *out, const struct record_view *r,
                        const struct record_message *m)
{
    struct wire w = wire_writer(out);
    size_t length;

    if (__builtin_add_overflow(m->envelope.n, m->body.n, &length)
        || __builtin_add_overflow(length, RECORD_HEADER + MESSAGE_HEAD, &length)
        || length > UINT32_MAX - RECORD_ALIGN)
        return false;
    put_header(&w, r, length);
    wire_put_u32(&w, (uint32_t)m->envelope.n);
    wire_put_u32(&w, m->crc);
    wire_put_u64(&w, m->length);
    if (!buf_put_slice(out, m->envelope) || !buf_put_slice(out, m->body))
        w.bad = true;
    return put_padding(&w, length);
}

static uint32_t get_u32(const char *p)
{
    uint32_t v;

    memcpy(&v, p, sizeof v);
    return le32toh(v);
}

static void set_u32(char *p, uint32_t v)
{
    v = htole32(v);
    memcpy(p, &v, sizeof v);
}

static uint32_t checksum(const char *record, uint32_t length)
{
    return crc32c(0, slice_of(record + AT_BODY, length - AT_BODY));
}

void record_set_word(char *record, uint64_t word)
{
    word = htole64(word);
    memcpy(record + AT_WORD, &word, sizeof word);
}

void record_set_copied(char *record)
{
    record[9] = (char)(record[9] | RECORD_COPY);
}

void record_seal(char *record, uint32_t generation, uint32_t synced)
{
    set_u32(record + AT_GENERATION, generation);
    set_u32(record + AT_SYNCED, synced);
    set_u32(record + AT_CRC, checksum(record, get_u32(record + 12)));
}

void record_void(char *record, uint32_t bytes)
{
    memset(record, 0, RECORD_HEADER);
    set_u32(record, MAGIC);
    record[8] = RECORD_VOID;
    record[9] = RECORD_LAST;
    set_u32(record + 12, bytes);
}

bool record_head(const char header[RECORD_HEADER], uint32_t generation, struct record_view *r)
{
    struct wire w = wire_reader(slice_of(header, RECORD_HEADER));

    if (wire_get_u32(&w) != MAGIC || get_u32(header + AT_GENERATION) != generation)
        return false;
    wire_get_u32(&w);
    *r = (struct record_view){ 0 };
    r->type = wire_get_u8(&w);
    r->flags = wire_get_u8(&w);
    r->part = wire_get_u16(&w);
    r->length = wire_get_u32(&w);
    wire_get_u32(&w);
    r->synced = wire_get_u32(&w);
    r->id = wire_get_u64(&w);
    r->wall_ms = wire_get_i64(&w);
    r->word = wire_get_u64(&w);
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
