/* read.c - a message and its history, from the disk. */
#include <errno.h>
#include <stdio.h>
#include "base/id.h"
#include "spool/inside.h"

void journal_reader_close(struct journal *j)
{
    if (j->reading != 0)
        j->disk->close(j->disk->ctx, j->reader);
    j->reading = 0;
}

/* journal_read_record - by a handle that is kept: what is read next is mostly near */

int journal_read_record(struct journal *j, struct journal_place at, struct buf *to,
                        struct record_view *r)
{
    char name[NAME_MAX_BYTES];
    int handle;

    if (j->reading != at.segment) {
        handle = j->disk->open(j->disk->ctx, segment_name(at.segment, name), DISK_READ);
        if (handle < 0)
            return handle;
        journal_reader_close(j);
        j->reading = at.segment;
        j->reader = handle;
    }
    return segment_record(j->disk, j->reader, at, to, r);
}

/* unreadable - what was durable once and is not now is kept for a person */

static bool unreadable(struct journal *j, const struct journal_entry *e, int error,
                       const struct buf *to, struct why *why)
{
    char id[ID_TEXT + 1], what[80];

    id_text(e->id, id);
    if (error == -EBADMSG) {
        snprintf(what, sizeof what, "message %s cannot be read", id);
        if (quarantine_copy(j, id, buf_view(to)))
            journal_quarantined(j, what, "quarantine");
    }
    errno = -error;
    return why_errno(why, "read message", id);
}

bool journal_read(struct journal *j, const struct journal_entry *e, struct buf *to,
                  struct slice *envelope, struct slice *body, struct why *why)
{
    struct record_view r;
    struct record_message m;
    int error = journal_read_record(j, e->message, to, &r);

    if (error == 0 && (r.type != RECORD_MESSAGE || r.id != e->id
                       || !record_message(r.payload, &m)))
        error = -EBADMSG;
    if (error != 0)
        return unreadable(j, e, error, to, why);
    *envelope = m.envelope;
    *body = m.body;
    return true;
}

bool journal_told(const struct journal *j, struct slice *envelope, struct slice *body)
{
    struct record_message m;

    if (!record_told(j->told, &m))
        return false;
    *envelope = m.envelope;
    *body = m.body;
    return true;
}

/* durable_outcome - the newest record of the chain that is on the disk already */

static struct journal_place durable_outcome(const struct journal *j,
                                            const struct journal_entry *e)
{
    const struct batch *b = &j->flush.batch;

    for (size_t i = 0; i < b->nitems && j->flush.under_way; i++)
        if (b->items[i].id == e->id && record_in_chain(b->items[i].type)
            && b->items[i].place.segment != 0)
            return b->items[i].before;
    return e->outcome;
}

bool journal_history(struct journal *j, const struct journal_entry *e,
                     journal_history_f *each, void *user, struct why *why)
{
    struct journal_place at = durable_outcome(j, e), before;
    struct buf b = BUF(j->o.segment_size);
    struct record_view r;
    char id[ID_TEXT + 1];
    int error = 0;

    while (at.segment != 0) {
        error = journal_read_record(j, at, &b, &r);
        if (error == 0 && (r.id != e->id || !record_in_chain(r.type)))
            error = -EBADMSG;
        if (error != 0 || !each(user, (enum record_type)r.type, r.wall_ms, r.payload))
            break;
        before = word_place(r.word);
        if (place_word(before) >= place_word(at))
            error = -EBADMSG;       /* links only go back */
        if (error != 0)
            break;
        at = before;
    }
    buf_free(&b);
    if (error == 0)
        return true;
    errno = -error;
    return why_errno(why, "read the history of", id_text(e->id, id));
}
