/* batch.c - write all, sync all, publish all, sync each new/.
 *
 * What a message costs was measured on ext4, 100 Maildirs, 4 KiB each, batches of 128:
 *
 *                                                         CPU, us   flushes
 *     fdatasync of each, fsync of each new/                   105       1.6
 *     writeback begun on all, then the same                    75       1.6
 *     syncfs, then fsync of each new/                          70       0.6
 *     syncfs, syncfs                                           45       0.02
 *
 * The last one writes neighbouring files in one go, too. So a file system that
 * is known to do it well is synced as a whole (volume.h), unless there is
 * little to sync.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include "base/ascii.h"
#include "base/map.h"
#include "local/batch.h"
#include "local/volume.h"

/* A Maildir that this batch delivers to, open once for all of its deliveries. */
struct box {
    struct maildir_path path;
    struct maildir      dir;
    struct volume      *volume;         /* or NULL */
    bool                open;
    bool                unsynced;       /* published since new/ was synced */
    struct why          why;            /* of what failed for the whole box */
};

/* Deliveries that wait for the disk together. */
struct batch {
    struct map     boxes;
    struct volumes volumes;
    bool           small;           /* not worth syncing anything whole */
};

static struct slice box_key(const void *box)
{
    const struct box *b = box;

    return slice_of(b->path.text, b->path.n);
}

/* What a failed system call means to the sender (RFC 3463). */
static const struct meaning {
    int         error;
    const char *status;
    bool        host;           /* everybody's mailboxes are concerned */
} meanings[] = {
    { EDQUOT, "4.2.2", false }, { EFBIG,  "4.2.2", false },
    { ENOSPC, "4.3.1", true  }, { EIO,    "4.3.0", true  },
    { EROFS,  "4.3.0", true  }, { EMFILE, "4.3.2", true  },
    { ENFILE, "4.3.2", true  }, { ENOMEM, "4.3.2", true  },
    { EACCES, "4.2.1", false }, { EPERM,  "4.2.1", false },
    { EILSEQ, "5.6.3", false },     /* never: a binary message that cannot be re-encoded */
    { ELOOP,  "4.2.1", false }, { ENOTDIR, "4.2.1", false },
};

static const struct meaning *meaning_find(int error)
{
    static const struct meaning other = { 0, "4.3.0", false };

    for (size_t i = 0; i < sizeof meanings / sizeof meanings[0]; i++)
        if (meanings[i].error == error)
            return &meanings[i];
    return &other;
}

static void clean(char *text)
{
    for (; *text != '\0'; text++)
        if (ascii_control(*text) || (unsigned char)*text > 126)
            *text = '?';
}

static void settle(struct delivery *d, enum fate fate, const char *status, const char *text)
{
    d->fate = fate;
    snprintf(d->status, sizeof d->status, "%s", status);
    snprintf(d->text, sizeof d->text, "%s", text);
    clean(d->text);
}

/* fail - the delivery is over: nothing of it stays visible */

static void fail(struct delivery *d, const struct why *why)
{
    const struct meaning *m = meaning_find(why->error);

    if (d->box != NULL && d->box->open)
        draft_abandon(&d->draft, &d->box->dir);
    settle(d, why->fate, why->fate == FATE_NEVER && why->error == 0 ? "5.1.1" : m->status,
           why->text);
    d->host = why->fate != FATE_NEVER && m->host;
    d->box = NULL;
}

static void finish(struct delivery *d)
{
    char text[DELIVERY_TEXT];

    snprintf(text, sizeof text, "saved in %.*s", 230, d->box->path.text);
    settle(d, FATE_DONE, "2.0.0", text);
    d->box = NULL;
}

/* --- the steps, each over all that are still alive ------------------------ */

static struct box *box_new(struct batch *batch, const struct maildir_path *path)
{
    struct box *b = calloc(1, sizeof *b);

    if (b == NULL)
        return NULL;
    b->path = *path;
    if (!map_put(&batch->boxes, b)) {
        free(b);
        return NULL;
    }
    b->open = maildir_open(&b->dir, path, &b->why);
    if (b->open && !batch->small)
        b->volume = volume_find(&batch->volumes, b->dir.new);
    return b;
}

static bool find_box(struct batch *batch, struct delivery *d, struct why *why)
{
    struct maildir_path path;
    struct box *b;

    if (!maildir_path(d->template, d->front.address, &path, why))
        return false;
    b = map_get(&batch->boxes, slice_of(path.text, path.n));
    if (b == NULL)
        b = box_new(batch, &path);
    if (b == NULL) {
        errno = ENOMEM;
        return why_errno(why, "open", path.text);
    }
    if (!b->open)
        *why = b->why;
    else
        d->box = b;
    return b->open;
}

static void wait_in(struct volume *v)
{
    if (v != NULL)
        v->waiting++;
}

static bool write_draft(struct delivery *d, struct why *why)
{
    if (!draft_create(&d->draft, &d->box->dir, why)
        || !message_write(d->draft.fd, &d->front, d->body, why))
        return false;
    if (d->box->volume == NULL || !d->box->volume->whole)
        draft_start_sync(&d->draft);
    wait_in(d->box->volume);
    return true;
}

static void begin(struct batch *batch, struct delivery *d)
{
    struct why why = { 0 };

    d->box = NULL;
    d->draft = (struct draft){ .fd = -1 };
    if (d->template.n == 0)
        settle(d, FATE_DONE, "2.0.0", "discarded");
    else if (!find_box(batch, d, &why) || !write_draft(d, &why))
        fail(d, &why);
}

static bool is_synced(const struct box *b)
{
    return b->volume != NULL && b->volume->synced;
}

static bool sync_draft(struct delivery *d, struct why *why)
{
    return (is_synced(d->box) || draft_sync(&d->draft, why)) && draft_close(&d->draft, why);
}

static void sync_drafts(struct batch *batch, struct delivery *const *list, size_t n)
{
    struct why why;

    volumes_sync(&batch->volumes);
    for (size_t i = 0; i < n; i++)
        if (list[i]->box != NULL && !sync_draft(list[i], &why))
            fail(list[i], &why);
}

static void note_unsynced(struct box *b)
{
    if (!b->unsynced)
        wait_in(b->volume);
    b->unsynced = true;
}

static void publish_drafts(struct delivery *const *list, size_t n)
{
    struct why why;

    for (size_t i = 0; i < n; i++) {
        if (list[i]->box == NULL)
            continue;
        if (draft_publish(&list[i]->draft, &list[i]->box->dir, &why))
            note_unsynced(list[i]->box);
        else
            fail(list[i], &why);
    }
}

/* sync_boxes - the point of no return. When it fails, what was published is
 * taken back; a reader may have seen it already, but mail twice beats mail lost. */

static void sync_boxes(struct batch *batch, struct delivery *const *list, size_t n)
{
    struct box *b;
    size_t at = 0;

    volumes_sync(&batch->volumes);
    while ((b = map_next(&batch->boxes, &at)) != NULL)
        if (b->unsynced && (is_synced(b) || maildir_sync(&b->dir, &b->why)))
            b->unsynced = false;
    for (size_t i = 0; i < n; i++) {
        if (list[i]->box == NULL)
            continue;
        if (list[i]->box->unsynced)
            fail(list[i], &list[i]->box->why);
        else
            finish(list[i]);
    }
}

static void boxes_free(struct map *boxes)
{
    struct box *b;
    size_t at = 0;

    while ((b = map_next(boxes, &at)) != NULL) {
        if (b->open)
            maildir_close(&b->dir);
        free(b);
    }
    map_free(boxes);
}

static void deliver_some(struct delivery *const *list, size_t n)
{
    struct batch batch = { .boxes = MAP(box_key), .small = n < VOLUME_WORTH };

    for (size_t i = 0; i < n; i++)
        begin(&batch, list[i]);
    sync_drafts(&batch, list, n);
    publish_drafts(list, n);
    sync_boxes(&batch, list, n);
    boxes_free(&batch.boxes);
}

/* at_once - how many deliveries may have their files open: each may be to a Maildir of
 * its own, and there are other batches */

static size_t at_once(void)
{
    struct rlimit limit;
    size_t n = BATCH_FILES;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur / BATCH_SHARE < n)
        n = (size_t)limit.rlim_cur / BATCH_SHARE;
    return n > 0 ? n : 1;
}

void batch_deliver(struct delivery *const *list, size_t n)
{
    size_t most = at_once(), some;

    for (; n > 0; list += some, n -= some) {
        some = n < most ? n : most;
        deliver_some(list, some);
    }
}
