/* history.h - what happened to messages, kept a while after they are gone.
 *
 * JSON lines in history/N under the spool, at most queue.history bytes in all;
 * the oldest file goes when a new one is begun. Never synced, and trouble with
 * it never stops mail: what cannot be written is left out. The rows are those
 * that people.h promises for TRACE.
 */
#pragma once
#include "ipc/messages.h"
#include "log/log.h"

struct history;
struct queue;

/* history_open - NULL when it cannot be kept (logged); everything below then
 * does nothing */
struct history *history_open(struct slice spool, uint64_t max);
void history_close(struct history *h);

/* history_flush - write what has gathered; call once a second */
void history_flush(struct history *h);

struct history_attempt {
    enum event            event;    /* DELIVERED, DEFERRED, FAILED */
    struct slice          recipient, host, note;
    const struct outcome *outcome;
    unsigned              attempts;
    int64_t               next;     /* wall ms; 0: none */
};

void history_received(struct queue *q, uint64_t id, struct slice envelope, uint64_t size);
void history_attempt(struct queue *q, uint64_t id, const struct history_attempt *a);
void history_removed(struct queue *q, uint64_t id, const char *by);

/* history_note - EXPIRED (recipient, text), BOUNCED, NOTIFIED, WARNED, DOUBLE_BOUNCE (to,
 * report), HELD (text), RELEASED */
void history_note(struct queue *q, uint64_t id, enum event event, struct slice a, struct slice b);

/* history_trace - each line about a message (id != 0) or about all messages
 * with this address, oldest first; at most `limit`. each: false stops. Returns
 * how many messages were found; *living: ids found, for the caller to ask the
 * queue about (at most nliving). */
typedef bool history_each_f(void *user, struct slice json);
size_t history_trace(struct history *h, uint64_t id, struct slice address, size_t limit,
                     history_each_f *each, void *user);
