/* lent.c - files that another process fills with a large body.
 *
 *     lent/N   large/ID   record   meaning
 *       +         -         -      lent, or given up: removed at start-up
 *       -         +         -      being committed: removed at start-up
 *       -         +         +      the body of a message
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include "base/crc32c.h"
#include "base/id.h"
#include "spool/inside.h"

enum { PIECE = 1 << 16 };

static char *lent_name(uint64_t number, char name[NAME_MAX_BYTES])
{
    snprintf(name, NAME_MAX_BYTES, "lent/%" PRIx64, number);
    return name;
}

char *large_name(uint64_t id, char name[NAME_MAX_BYTES])
{
    char text[ID_TEXT + 1];

    snprintf(name, NAME_MAX_BYTES, "large/%s", id_text(id, text));
    return name;
}

int journal_lend(struct journal *j, uint64_t *number)
{
    char name[NAME_MAX_BYTES];
    int handle;

    do
        handle = j->disk->open(j->disk->ctx, lent_name(++j->next_lent, name), DISK_CREATE);
    while (handle == -EEXIST);
    *number = j->next_lent;
    return handle;
}

void journal_lend_back(struct journal *j, uint64_t number)
{
    char name[NAME_MAX_BYTES];

    j->disk->unlink(j->disk->ctx, lent_name(number, name));
}

/* content_check - is the file what the record will say it is? */

static int content_check(struct disk *disk, int handle, uint64_t length, uint32_t crc)
{
    int64_t size = disk->size(disk->ctx, handle);
    uint32_t sum = 0;
    ssize_t n = 1;
    char *piece;

    if (size < 0 || (uint64_t)size != length)
        return size < 0 ? (int)size : -EBADMSG;
    piece = malloc(PIECE);
    if (piece == NULL)
        return -ENOMEM;
    for (uint64_t at = 0; at < length && n > 0; at += (uint64_t)n) {
        n = disk->read(disk->ctx, handle, piece, PIECE, at);
        sum = crc32c(sum, slice_of(piece, n > 0 ? (size_t)n : 0));
    }
    free(piece);
    return n < 0 ? (int)n : sum == crc ? 0 : -EBADMSG;
}

/* lent_open - it begins its way to the disk, so that those of one flush go together */

int lent_open(struct disk *disk, struct item *item)
{
    char name[NAME_MAX_BYTES];

    item->lent = disk->open(disk->ctx, lent_name(item->large, name), DISK_WRITE);
    if (item->lent >= 0 && disk->sync_soon != NULL)
        disk->sync_soon(disk->ctx, item->lent);
    return item->lent < 0 ? item->lent : 0;
}

/* lent_keep - looks at the content while the disk is busy with it */

int lent_keep(struct disk *disk, const struct item *item)
{
    char from[NAME_MAX_BYTES], to[NAME_MAX_BYTES];
    int error = content_check(disk, item->lent, item->large_length, item->large_crc);

    if (error == 0)
        error = disk->sync(disk->ctx, item->lent);
    disk->close(disk->ctx, item->lent);
    return error != 0 ? error : disk->rename(disk->ctx, lent_name(item->large, from),
                                             large_name(item->id, to));
}

int journal_large_open(struct journal *j, const struct journal_entry *e, uint64_t *length)
{
    char name[NAME_MAX_BYTES];
    int handle = j->disk->open(j->disk->ctx, large_name(e->id, name), DISK_READ);
    int64_t size;

    if (handle < 0)
        return handle;
    size = j->disk->size(j->disk->ctx, handle);
    if (size < 0) {
        j->disk->close(j->disk->ctx, handle);
        return (int)size;
    }
    *length = (uint64_t)size;
    return handle;
}

static void forget_one(void *user, const char *file)
{
    struct disk *disk = user;
    char name[NAME_MAX_BYTES];

    if (snprintf(name, sizeof name, "lent/%s", file) < (int)sizeof name)
        disk->unlink(disk->ctx, name);
}

int lent_forget_all(struct disk *disk)
{
    return disk->list(disk->ctx, "lent", forget_one, disk);
}
