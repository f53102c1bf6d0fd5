/* recover.h - after a restart: every living message goes on where it was. */
#pragma once
#include "queue/core.h"

/* recover_open - open the journal and enter what it holds; false and *why */
bool recover_open(struct queue *q, const struct queue_options *o, struct why *why);

/* recover_route - route a waiting letter again (another configuration) */
void recover_route(struct queue *q, struct letter *m);

/* recover_astray - find jobs for recipients that have none (memory was short) */
void recover_astray(struct queue *q, struct letter *m);
