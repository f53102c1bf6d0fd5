/* notice.h - the text of a report, and its envelope. */
#pragma once
#include "queue/report.h"

enum { READERS = 100 };

/* Whom a report goes to: addresses for its envelope. */
struct readers {
    struct slice to[READERS];
    size_t       n;
};

/* notice_is_late - is recipient i of the letter somebody whose sender is to hear, by
 * the warning r->warn, that it still waits? */
bool notice_is_late(const struct report *r, uint32_t i, const struct recipient *rcpt);

/* notice_write - the whole report into `out`: of the tidings that report_of() names,
 * or of who still waits. e, body: of the letter; id: of the report. *flags: enum
 * envelope_flags that the report needs. False: there is nothing to tell, no memory,
 * or the original cannot be read now. */
bool notice_write(struct queue *q, struct report *r, const struct envelope *e, struct slice body,
                  uint64_t id, struct buf *out, uint32_t *flags);

/* notice_address - the envelope of the report, of a letter with envelope `of`.
 * A report about mail in the sink stays in the sink; one about mail that must go
 * over TLS goes over TLS (RFC 8689 §5), and as urgently (RFC 6710 §4.6). */
bool notice_address(struct queue *q, const struct envelope *of, const struct readers *readers,
                    uint32_t flags, struct buf *out);
