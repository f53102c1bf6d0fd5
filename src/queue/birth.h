/* birth.h - the letter that a report becomes.
 *
 * Its MESSAGE and the OUTCOME of the failures it tells of are one unit, so that
 * after a crash there are both or neither.
 */
#pragma once
#include "queue/notice.h"

/* birth_write - write the report on what r->to is to know, to its readers, and go on
 * with the next return path; r may be gone then. False: not now, nothing was done. */
bool birth_write(struct queue *q, struct report *r, const struct readers *readers);

/* birth_nobody - there is nobody to tell; the failures are final all the same */
bool birth_nobody(struct queue *q, struct report *r);

/* birth_durable - the report is durable: it may go */
void birth_durable(struct queue *q, struct letter *report);
