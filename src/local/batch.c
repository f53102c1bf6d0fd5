/* batch.c - write all, sync all, publish all, sync each new/ once.
 *
 * How to sync many files was measured on ext4 (8 KiB each, ms for a batch):
 *
 *     files                              1     16     64    256
 *     fdatasync of each                0.6    3.4   13.9   58.1
 *     writeback begun on all, then
 *       fdatasync of each              0.9    2.8    9.6   39.7
 *     one syncfs                       0.6    2.1    7.6   26.3
 *
 * syncfs gains a third at most, and waits for everything that anybody else
 * has written to that file system, the queue's journal included; so it is the
 * second row.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include "base/ascii.h"
#include "base/map.h"
#include "local/batch.h"

/* A Maildir that this batch delivers to, open once for all of its deliveries. */
struct box {
    struct maildir_path path;
    struct maildir      dir;
    bool                open;
    bool                unsynced;       /* published since new/ was synced */
    struct why          why;            /* of what failed for the whole box */
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

static struct box *box_new(struct map *boxes, const struct maildir_path *path)
{
    struct box *b = calloc(1, sizeof *b);

    if (b == NULL)
        return NULL;
    b->path = *path;
    if (!map_put(boxes, b)) {
        free(b);
        return NULL;
    }
    b->open = maildir_open(&b->dir, path, &b->why);
    return b;
}

static bool find_box(struct map *boxes, struct delivery *d, struct why *why)
{
    struct maildir_path path;
    struct box *b;

    if (!maildir_path(d->template, d->front.address, &path, why))
        return false;
    b = map_get(boxes, slice_of(path.text, path.n));
    if (b == NULL)
        b = box_new(boxes, &path);
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

static bool write_draft(struct delivery *d, struct why *why)
{
    if (!draft_create(&d->draft, &d->box->dir, why)
        || !message_write(d->draft.fd, &d->front, d->body, why))
        return false;
    draft_start_sync(&d->draft);
    return true;
}

static void begin(struct map *boxes, struct delivery *d)
{
    struct why why = { 0 };

    d->box = NULL;
    d->draft = (struct draft){ .fd = -1 };
    if (d->template.n == 0)
        settle(d, FATE_DONE, "2.0.0", "discarded");
    else if (!find_box(boxes, d, &why) || !write_draft(d, &why))
        fail(d, &why);
}

static void sync_drafts(struct delivery *const *list, size_t n)
{
    struct why why;

    for (size_t i = 0; i < n; i++)
        if (list[i]->box != NULL && !draft_sync(&list[i]->draft, &why))
            fail(list[i], &why);
}

static void publish_drafts(struct delivery *const *list, size_t n)
{
    struct why why;

    for (size_t i = 0; i < n; i++) {
        if (list[i]->box == NULL)
            continue;
        if (draft_publish(&list[i]->draft, &list[i]->box->dir, &why))
            list[i]->box->unsynced = true;
        else
            fail(list[i], &why);
    }
}

/* sync_boxes - the point of no return. When it fails, what was published is
 * taken back; a reader may have seen it already, but mail twice beats mail lost. */

static void sync_boxes(struct map *boxes, struct delivery *const *list, size_t n)
{
    struct box *b;
    size_t at = 0;

    while ((b = map_next(boxes, &at)) != NULL)
        if (b->unsynced && maildir_sync(&b->dir, &b->why))
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
    struct map boxes = MAP(box_key);

    for (size_t i = 0; i < n; i++)
        begin(&boxes, list[i]);
    sync_drafts(list, n);
    publish_drafts(list, n);
    sync_boxes(&boxes, list, n);
    boxes_free(&boxes);
}

void batch_deliver(struct delivery *const *list, size_t n)
{
    size_t some;

    for (; n > 0; list += some, n -= some) {
        some = n < BATCH_FILES ? n : BATCH_FILES;
        deliver_some(list, some);
    }
}
