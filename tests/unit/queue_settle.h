/* queue_settle.h - a queue that works until it rests, for tests without its threads. */
#pragma once
#include <cmocka.h>
#include "queue/core.h"

/* queue_settle - all that is to do now, flushes included, in so many turns at most; then
 * what the queue holds agrees with itself */

static inline void queue_settle(struct queue *q, int turns)
{
    struct why why = { 0 };
    bool more;

    for (int i = 0; i < turns; i++) {
        more = queue_work(q);
        while (journal_flush_begin(q->journal)) {
            journal_flush_work(q->journal);
            journal_flush_end(q->journal);
            more = true;
        }
        if (!more)
            break;
    }
    if (!queue_check(q, &why))
        fail_msg("%s", why.text);
}
