/* changes.h - what a person may do to a letter.
 *
 * What the verbs mean is told in people.h. True: the letter was changed.
 */
#pragma once
#include "queue/core.h"

/* change_hold - nothing of it is tried until it is released */
bool change_hold(struct queue *q, struct letter *m);

/* change_broken - its record can be read no more: hold it, so that a person decides */
void change_broken(struct queue *q, struct letter *m);

/* change_release - let go what a person, a route or its sender holds */
bool change_release(struct queue *q, struct letter *m);

/* change_retry - try now what waits; what a person or its sender holds stays held */
bool change_retry(struct queue *q, struct letter *m);

/* change_remove - give it up, and tell nobody */
bool change_remove(struct queue *q, struct letter *m);
