/* segment.c - reading a segment, and believing nothing that is not proved. */
#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include "base/crc32c.h"
#include "base/wire.h"
#include "spool/segment.h"

static const char segment_magic[8] = "POSTSEG\n";
enum { HEADER_BYTES = 32, HEADER_FIELDS = 6, WINDOW = 1 << 18 };

char *segment_name(uint32_t number, char name[NAME_MAX_BYTES])
{
    snprintf(name, NAME_MAX_BYTES, "journal/%08x", number);
    return name;
}

char *index_name(uint32_t number, char name[NAME_MAX_BYTES])
{
    snprintf(name, NAME_MAX_BYTES, "journal/%08x.index", number);
    return name;
}

char *spare_name(uint32_t spare, char name[NAME_MAX_BYTES])
{
    snprintf(name, NAME_MAX_BYTES, "journal/spare.%08x", spare);
    return name;
}

static bool hex8(const char *p, uint32_t *number)
{
    *number = 0;
    for (int i = 0; i < 8; i++) {
        const char *digits = "0123456789abcdef", *at = p[i] ? strchr(digits, p[i]) : NULL;

        if (at == NULL)
            return false;
        *number = *number << 4 | (uint32_t)(at - digits);
    }
    return true;
}

enum segment_file segment_file(const char *name, uint32_t *number)
{
    if (strncmp(name, "spare.", 6) == 0)
        return hex8(name + 6, number) && name[14] == '\0' ? FILE_SPARE : FILE_OTHER;
    if (!hex8(name, number) || *number == 0)
        return FILE_OTHER;
    if (name[8] == '\0')
        return FILE_SEGMENT;
    return strcmp(name + 8, ".index") == 0 ? FILE_INDEX : FILE_OTHER;
}

void segment_header(char sector[SECTOR], uint32_t number, struct journal_place previous)
{
    uint32_t fields[HEADER_FIELDS] = {
        htole32(SEGMENT_VERSION), htole32(number), htole32(number),
        htole32(previous.segment), htole32(previous.offset),
    };
    uint32_t *crc = &fields[HEADER_FIELDS - 1];

    memset(sector, 0, SECTOR);
    memcpy(sector, segment_magic, 8);
    memcpy(sector + 8, fields, sizeof fields);
    *crc = htole32(crc32c(0, slice_of(sector, HEADER_BYTES - 4)));
    memcpy(sector + 8, fields, sizeof fields);
}

enum segment_check segment_check(const char sector[SECTOR], uint32_t number,
                                 struct journal_place *previous)
{
    struct wire w = wire_reader(slice_of(sector + 8, HEADER_BYTES - 8));
    uint32_t version = wire_get_u32(&w), named = wire_get_u32(&w);
    uint32_t generation = wire_get_u32(&w), before = wire_get_u32(&w);
    uint32_t end = wire_get_u32(&w), crc = wire_get_u32(&w);

    *previous = (struct journal_place){ before, end };
    if (memcmp(sector, segment_magic, 8) != 0
        || crc != crc32c(0, slice_of(sector, HEADER_BYTES - 4)))
        return SEGMENT_BAD;
    if (version != SEGMENT_VERSION)
        return SEGMENT_FOREIGN;
    return named == number && generation == number ? SEGMENT_GOOD : SEGMENT_BAD;
}

static int read_exactly(struct disk *disk, int handle, char *to, size_t n, uint64_t at)
{
    ssize_t got = disk->read(disk->ctx, handle, to, n, at);

    return got < 0 ? (int)got : (size_t)got == n ? 0 : -EBADMSG;
}

int segment_record(struct disk *disk, int handle, struct journal_place at,
                   struct buf *to, struct record_view *r)
{
    char header[RECORD_HEADER], *p;
    int64_t size = disk->size(disk->ctx, handle);
    int error = read_exactly(disk, handle, header, sizeof header, at.offset);

    if (size < 0 || error != 0)
        return size < 0 ? (int)size : error;
    if (!record_head(header, at.segment, r) || r->length > (uint64_t)size - at.offset)
        return -EBADMSG;
    buf_clear(to);
    p = buf_room(to, r->length);
    if (p == NULL)
        return -ENOMEM;
    error = read_exactly(disk, handle, p, r->length, at.offset);
    if (error != 0)
        return error;
    buf_added(to, r->length);
    return record_whole(p, r) ? 0 : -EBADMSG;
}

/* A piece of the file in memory, moved along with the scan. */
struct window {
    struct disk *disk;
    int          handle, error;
    uint32_t     number, size;
    uint32_t     durable;       /* the least where the segment ends, or 0 */
    uint32_t     at, n;         /* what is in memory */
    char        *p;
    uint32_t     cap;
};

static bool window_fill(struct window *w, uint32_t at, uint32_t n)
{
    uint32_t want = n < WINDOW ? WINDOW : n;
    ssize_t got;

    if (want > w->size - at)
        want = w->size - at;
    if (want > w->cap) {
        free(w->p);
        w->cap = 0;
        w->p = malloc(want);
        if (w->p == NULL) {
            w->error = -ENOMEM;
            return false;
        }
        w->cap = want;
    }
    got = w->disk->read(w->disk->ctx, w->handle, w->p, want, at);
    if (got < 0)
        w->error = (int)got;
    w->at = at;
    w->n = got < 0 ? 0 : (uint32_t)got;
    return w->n >= n;
}

/* window_view - n bytes of the file in one piece; NULL: there are no such */

static const char *window_view(struct window *w, uint32_t at, uint32_t n)
{
    if (w->error != 0 || at > w->size || n > w->size - at)
        return NULL;
    if ((at < w->at || at - w->at > w->n || n > w->n - (at - w->at)) && !window_fill(w, at, n))
        return NULL;
    return w->p + (at - w->at);
}

/* whole_at - is there a whole record? */

static bool whole_at(struct window *w, uint32_t at, struct record_view *r)
{
    const char *p = window_view(w, at, RECORD_HEADER);

    if (p == NULL || !record_head(p, w->number, r))
        return false;
    p = window_view(w, at, r->length);
    return p != NULL && record_whole(p, r);
}

/* unit_at - is there a whole unit of a flush that began when `synced` was
 * durable? Its end, or 0 */

static uint32_t unit_at(struct window *w, uint32_t at, uint32_t synced)
{
    struct record_view r;

    for (uint16_t part = 0; whole_at(w, at, &r); part++) {
        if (r.part != part || r.synced != synced)
            return 0;
        if (r.length > w->size - at || record_room(r.length) > w->size - at)
            return 0;
        at += record_room(r.length);
        if (r.flags & RECORD_LAST)
            return at;
    }
    return 0;
}

static bool unit_tell(struct window *w, uint32_t at, uint32_t end,
                      segment_each_f *each, void *user)
{
    struct record_view r;
    const char *p;

    while (at < end) {
        p = window_view(w, at, RECORD_HEADER);
        if (p == NULL || !record_head(p, w->number, &r))
            return false;
        p = window_view(w, at, r.length);
        if (p == NULL)
            return false;
        r.payload = slice_of(p + RECORD_HEADER, r.length - RECORD_HEADER);
        if (!each(user, &r, at))
            return false;
        at += record_room(r.length);
    }
    return true;
}

/* skip_zeros - the first place from `at`, within what is in memory, that is not all
 * zeros: a record begins with its magic, and most of a young segment is empty */

static uint32_t skip_zeros(const struct window *w, uint32_t at)
{
    static const char zeros[RECORD_ALIGN];

    while (at >= w->at && at + 2 * RECORD_HEADER <= w->at + w->n
           && memcmp(w->p + (at - w->at), zeros, RECORD_ALIGN) == 0)
        at += RECORD_ALIGN;
    return at;
}

/* proof_beyond - was the hole durable, as a record behind it or `durable` says?
 * True: *resume is the first unit behind the hole, of the flush *synced. */

static bool proof_beyond(struct window *w, uint32_t hole, uint32_t *resume, uint32_t *synced)
{
    struct record_view r;

    *resume = 0;
    for (uint32_t at = hole + RECORD_ALIGN; at <= w->size - RECORD_HEADER; at += RECORD_ALIGN) {
        at = skip_zeros(w, at);
        if (!whole_at(w, at, &r) || r.synced > at)
            continue;
        if (r.part == 0 && *resume == 0) {
            *resume = at;
            *synced = r.synced;
        }
        if (*resume != 0 && (r.synced > hole || w->durable > hole))
            return true;
        at += record_room(r.length) - RECORD_ALIGN;
    }
    return false;
}

/* next_unit - where the unit after `at` begins and ends: in the same flush, or
 * on the next sector in the flush that followed */

static uint32_t next_unit(struct window *w, uint32_t *at, uint32_t *synced)
{
    uint32_t next = sector_up(*at), end = *synced != 0 ? unit_at(w, *at, *synced) : 0;

    if (end == 0) {
        end = unit_at(w, next, *at);
        if (end != 0) {
            *synced = *at;
            *at = next;
        }
    }
    return end;
}

static void hole(struct segment_scan *s, uint32_t at, uint32_t resume)
{
    if (!s->damaged) {
        s->hole = at;
        s->resumed = resume;
    }
    s->damaged = true;
}

static int scan(struct window *w, segment_each_f *each, void *user, struct segment_scan *s)
{
    uint32_t at = SEGMENT_START, synced = 0, end, resume;

    for (;;) {
        end = next_unit(w, &at, &synced);
        if (end == 0 && w->error == 0 && proof_beyond(w, at, &resume, &synced)) {
            hole(s, at, resume);
            at = resume;
            continue;
        }
        if (end == 0 && at < w->durable)
            hole(s, at, w->durable);
        if (end == 0 || w->error != 0)
            return w->error;
        if (!unit_tell(w, at, end, each, user))
            return w->error != 0 ? w->error : -ENOMEM;
        at = s->end = end;
        s->begun = sector_up(synced);
    }
}

int segment_scan(struct disk *disk, int handle, uint32_t number, uint32_t durable,
                 segment_each_f *each, void *user, struct segment_scan *result)
{
    int64_t size = disk->size(disk->ctx, handle);
    struct window w = { .disk = disk, .handle = handle, .number = number,
                        .durable = durable };
    int error;

    *result = (struct segment_scan){ .end = SEGMENT_START, .begun = SEGMENT_START };
    if (size < 0)
        return (int)size;
    if (size < SEGMENT_START + RECORD_HEADER) {
        result->damaged = durable > SEGMENT_START;
        return 0;
    }
    w.size = size > UINT32_MAX - SECTOR ? UINT32_MAX - SECTOR : (uint32_t)size;
    error = scan(&w, each, user, result);
    free(w.p);
    return error;
}
