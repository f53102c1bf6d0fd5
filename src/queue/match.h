/* match.h - which letters a person means: filters, and the letter that is found.
 *
 * What the filters mean is told in people.h.
 */
#pragma once
#include "ipc/messages.h"
#include "queue/core.h"

/* What is known of a letter while it is looked at. */
struct view {
    struct letter  *letter;
    struct envelope e;
    uint64_t        size;
    struct job     *job;        /* the most lively one */
};

/* match_glob - does the text match? * and ? stand for others, case is ignored;
 * no pattern matches all */
bool match_glob(struct slice pattern, struct slice text);

/* match_state - as people see it: what waits for its destination is deferred */
enum sched_state match_state(const struct queue *q, const struct job *job);

/* match_state_name - the same as a word: "ready", "leased", "deferred", "held" */
const char *match_state_name(const struct queue *q, const struct job *job);

/* match_take - read what must be read; false: gone, unreadable, or filtered out */
bool match_take(struct queue *q, const struct msg_query *f, uint64_t id, struct view *v);
