/* notice.h - the text of a report, and its envelope. */
#pragma once
#include "queue/report.h"

enum { READERS = 100 };

/* Whom a report goes to: addresses for its envelope. */
struct readers {
    struct slice to[READERS];
    size_t       n;
};

/* notice_write - the whole report into `out`: of the failures with the return
 * path r->to, or of who still waits. e, body: of the letter; id: of the report.
 * False: there is nothing to tell, no memory, or the original cannot be read now. */
bool notice_write(struct queue *q, struct report *r, const struct envelope *e, struct slice body,
                  uint64_t id, struct buf *out, bool *eight_bit);

/* notice_address - the envelope of the report, of a letter with envelope `of`.
 * A report about mail in the sink stays in the sink. */
bool notice_address(struct queue *q, const struct envelope *of, const struct readers *readers,
                    bool eight_bit, struct buf *out);
