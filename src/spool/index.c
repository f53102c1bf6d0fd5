/* index.c - making, writing and believing index files. */
#include <endian.h>
#include <errno.h>
#include "base/crc32c.h"
#include "spool/index.h"

enum { MAGIC = 0x58444950, VERSION = 1, HEAD_BYTES = 28, AT_CRC = 4 };
enum { ENTRY_BYTES = 26 };

static void put_entry(struct wire *w, const struct record_view *r, uint32_t offset,
                      struct slice envelope)
{
    wire_put_u8(w, r->type);
    wire_put_u8(w, r->flags);
    wire_put_u32(w, offset);
    wire_put_u32(w, r->length);
    wire_put_u64(w, r->id);
    wire_put_u64(w, r->word);
    if (r->type == RECORD_MESSAGE)
        wire_put_bytes(w, envelope);
}

bool index_next(struct wire *w, struct index_entry *e)
{
    if (w->bad || w->in.n < ENTRY_BYTES)
        return false;
    *e = (struct index_entry){ 0 };
    e->type = wire_get_u8(w);
    e->flags = wire_get_u8(w);
    e->offset = wire_get_u32(w);
    e->length = wire_get_u32(w);
    e->id = wire_get_u64(w);
    e->word = wire_get_u64(w);
    if (e->type == RECORD_MESSAGE)
        e->envelope = wire_get_bytes(w);
    return !w->bad;
}

struct wire index_entries(const struct buf *image)
{
    return wire_reader(slice_from(buf_view(image), HEAD_BYTES));
}

static void put_head(struct buf *image, const struct index_head *h)
{
    struct wire w = wire_writer(image);

    wire_put_u32(&w, MAGIC);
    wire_put_u32(&w, 0);
    wire_put_u32(&w, VERSION);
    wire_put_u32(&w, h->number);
    wire_put_u32(&w, h->end);
    wire_put_u32(&w, h->count);
    wire_put_u32(&w, h->damaged);
}

static void seal(struct buf *image, const struct index_head *h)
{
    struct buf head = BUF(HEAD_BYTES);
    uint32_t crc;

    put_head(&head, h);
    if (head.full) {
        buf_clear(image);
        return;
    }
    memcpy(image->p + image->start, head.p, HEAD_BYTES);
    buf_free(&head);
    crc = htole32(crc32c(0, slice_from(buf_view(image), AT_CRC + 4)));
    memcpy(image->p + image->start + AT_CRC, &crc, sizeof crc);
}

static bool get_head(struct slice image, uint32_t number, struct index_head *h)
{
    struct wire w = wire_reader(image);
    uint32_t magic = wire_get_u32(&w), crc = wire_get_u32(&w), version = wire_get_u32(&w);

    h->number = wire_get_u32(&w);
    h->end = wire_get_u32(&w);
    h->count = wire_get_u32(&w);
    h->damaged = wire_get_u32(&w) != 0;
    return !w.bad && magic == MAGIC && version == VERSION && h->number == number
        && crc == crc32c(0, slice_from(image, AT_CRC + 4));
}

bool index_read(struct disk *disk, uint32_t number, struct buf *image, struct index_head *head)
{
    char name[NAME_MAX_BYTES], *p;
    int handle = disk->open(disk->ctx, index_name(number, name), DISK_READ);
    int64_t size;
    ssize_t n = -1;

    if (handle < 0)
        return false;
    buf_clear(image);
    size = disk->size(disk->ctx, handle);
    p = size >= HEAD_BYTES ? buf_room(image, (size_t)size) : NULL;
    if (p != NULL)
        n = disk->read(disk->ctx, handle, p, (size_t)size, 0);
    disk->close(disk->ctx, handle);
    if (n <= 0 || n != size)
        return false;
    buf_added(image, (size_t)n);
    return get_head(buf_view(image), number, head);
}

struct making {
    struct wire        w;
    struct index_head *head;
    uint32_t           end;     /* nothing at or behind it counts; 0: no limit */
};

static bool make_entry(void *user, const struct record_view *r, uint32_t offset)
{
    struct making *m = user;
    struct record_message text = { 0 };

    if (m->end != 0 && offset >= m->end)
        return true;
    if (r->type == RECORD_MESSAGE && !record_message(r->payload, &text))
        return true;
    put_entry(&m->w, r, offset, text.envelope);
    m->head->count++;
    return !m->w.bad;
}

int index_make(struct disk *disk, uint32_t number, uint32_t end, uint32_t durable,
               struct buf *image, struct index_head *head, struct segment_scan *scan)
{
    char name[NAME_MAX_BYTES];
    struct making m = { wire_writer(image), head, end };
    int handle = disk->open(disk->ctx, segment_name(number, name), DISK_READ), error;

    if (handle < 0)
        return handle;
    *head = (struct index_head){ .number = number };
    buf_clear(image);
    put_head(image, head);
    error = image->full ? -ENOMEM
                        : segment_scan(disk, handle, number, durable, make_entry, &m, scan);
    disk->close(disk->ctx, handle);
    if (error != 0)
        return error;
    head->end = end != 0 && end < scan->end ? end : scan->end;
    head->damaged = scan->damaged;
    seal(image, head);
    return image->n == 0 ? -ENOMEM : 0;
}

void index_begin(struct buf *image, struct index_head *head, uint32_t number)
{
    *head = (struct index_head){ .number = number };
    buf_clear(image);
    put_head(image, head);
}

void index_note(struct buf *image, struct index_head *head, struct slice records, uint32_t at)
{
    struct making m = { wire_writer(image), head, 0 };
    struct record_view r;

    while (records.n >= RECORD_HEADER && record_head(records.p, head->number, &r)) {
        r.payload = slice_of(records.p + RECORD_HEADER, r.length - RECORD_HEADER);
        if (!make_entry(&m, &r, at))
            return;
        at += record_room(r.length);
        records = slice_from(records, record_room(r.length));
    }
}

void index_end(struct buf *image, struct index_head *head, uint32_t end)
{
    head->end = end;
    seal(image, head);
}

int index_write(struct disk *disk, uint32_t number, const struct buf *image)
{
    char name[NAME_MAX_BYTES];
    int handle, error;

    disk->unlink(disk->ctx, index_name(number, name));
    handle = disk->open(disk->ctx, name, DISK_CREATE);
    if (handle < 0)
        return handle;
    error = disk_write_all(disk, handle, buf_view(image), 0);
    disk->close(disk->ctx, handle);
    if (error != 0)
        disk->unlink(disk->ctx, name);
    return error;
}
