/* journal.c - the journal as a whole: its segments, its room, open and close.
 *
 *     waiting   journal_append adds units here              batch.c
 *     flying    journal_flush_begin takes as many as fit
 *               into one segment                            flush.c
 *     durable   journal_flush_end fills in places and says
 *               done                                        verdict.c
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include "base/clock.h"
#include "spool/inside.h"

#define SEGMENT_SIZE ((uint64_t)64 << 20)

int64_t journal_wall(struct journal *j)
{
    return j->o.wall != NULL ? j->o.wall(j->o.owner) : clock_wall();
}

void journal_quarantined(struct journal *j, const char *what, const char *where)
{
    j->stats.quarantined++;
    if (j->o.quarantined != NULL)
        j->o.quarantined(j->o.owner, what, where);
}

void *grown(void *array, size_t n, size_t *cap, size_t size)
{
    size_t more = *cap > 0 ? *cap * 2 : 16;
    void *p;

    if (n < *cap)
        return array;
    p = reallocarray(array, more, size);
    if (p != NULL)
        *cap = more;
    return p;
}

/* --- segments ------------------------------------------------------------ */

/* segment_at - the place in the table of the first with this number or above */

static size_t segment_at(const struct journal *j, uint32_t number)
{
    size_t low = 0, high = j->nsegments, mid;

    while (low < high) {
        mid = low + (high - low) / 2;
        if (j->segments[mid]->number < number)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

struct segment *journal_segment(const struct journal *j, uint32_t number)
{
    size_t i = segment_at(j, number);

    return i < j->nsegments && j->segments[i]->number == number ? j->segments[i] : NULL;
}

struct segment *journal_segment_add(struct journal *j, uint32_t number)
{
    struct segment **table = grown(j->segments, j->nsegments, &j->segment_cap, sizeof *table);
    struct segment *s = calloc(1, sizeof *s);
    size_t i;

    if (table != NULL)
        j->segments = table;
    if (table == NULL || s == NULL) {
        free(s);
        return NULL;
    }
    s->number = number;
    s->end = SEGMENT_START;
    i = segment_at(j, number);
    memmove(&table[i + 1], &table[i], (j->nsegments - i) * sizeof *table);
    table[i] = s;
    j->nsegments++;
    return s;
}

void journal_segment_drop(struct journal *j, struct segment *s)
{
    size_t i = segment_at(j, s->number);

    if (j->reading == s->number)
        journal_reader_close(j);
    buf_free(&s->image);
    j->nsegments--;
    memmove(&j->segments[i], &j->segments[i + 1], (j->nsegments - i) * sizeof *j->segments);
    free(s);
}

/* --- the whole ----------------------------------------------------------- */

void journal_rest(struct journal *j)
{
    if (j->waiting.nunits == 0)
        batch_free(&j->waiting);
    if (!j->flush.under_way)
        batch_free(&j->flush.batch);
    j->resting = true;
}

/* room_in - what is left of the segment; if it is mostly dead, what will be left
 * of it when it is reclaimed, or an empty queue could count as full for ever */

static int64_t room_in(const struct segment *s, uint64_t size)
{
    uint64_t used = s->end - SEGMENT_START;

    return (int64_t)(size - (s->live_bytes * 4 < used ? s->live_bytes + SEGMENT_START : s->end));
}

int64_t journal_room(struct journal *j)
{
    const struct segment *s = journal_segment(j, j->active);
    int64_t size = (int64_t)j->o.segment_size, room = j->disk->free_bytes(j->disk->ctx);

    if (room < 0)
        room = 0;
    room += ((int64_t)j->nspares - DISK_RESERVE) * size;
    if (s != NULL)
        room += room_in(s, j->o.segment_size);
    return room > 0 ? room : 0;
}

void journal_stats(const struct journal *j, struct journal_stats *s)
{
    uint64_t used;

    *s = j->stats;
    s->segments = j->nsegments;
    s->spare = j->nspares;
    s->live_bytes = s->dead_bytes = 0;
    for (size_t i = 0; i < j->nsegments; i++) {
        used = j->segments[i]->end - SEGMENT_START;
        s->live_bytes += j->segments[i]->live_bytes;
        s->dead_bytes += used > j->segments[i]->live_bytes ? used - j->segments[i]->live_bytes : 0;
    }
}

static void journal_free(struct journal *j)
{
    journal_reader_close(j);
    while (j->nsegments > 0)
        journal_segment_drop(j, j->segments[j->nsegments - 1]);
    free(j->segments);
    free(j->cuts);
    batch_free(&j->waiting);
    batch_free(&j->flush.batch);
    buf_free(&j->chore.image);
    buf_free(&j->cleaner.image);
    free(j);
}

struct journal *journal_open(const struct journal_options *options, struct why *why)
{
    struct journal *j = calloc(1, sizeof *j);

    if (j == NULL) {
        errno = ENOMEM;
        why_errno(why, "open", "journal");
        return NULL;
    }
    j->o = *options;
    j->disk = options->disk;
    if (j->o.segment_size == 0)
        j->o.segment_size = SEGMENT_SIZE;
    assert(j->o.segment_size >= 4096 && j->o.segment_size <= (uint64_t)1 << 31
           && j->o.segment_size % SECTOR == 0);
    j->waiting.bytes = j->flush.batch.bytes = BUF_PAGED(WAITING_MAX);
    j->chore.image = j->cleaner.image = BUF(j->o.segment_size * 2);
    j->handle = -1;
    j->next_number = 1;
    if (recover(j, why))
        return j;
    journal_free(j);
    return NULL;
}

/* journal_close - what a restart would scan gets its index now */

void journal_close(struct journal *j)
{
    struct segment *s = journal_segment(j, j->active);

    assert(!j->flush.under_way && !j->chore.under_way);
    if (s != NULL) {
        j->disk->close(j->disk->ctx, j->handle);
        if (s->image.n > 0) {
            index_end(&s->image, &s->head, s->end);
            index_write(j->disk, s->number, &s->image);
        }
    }
    journal_free(j);
}
