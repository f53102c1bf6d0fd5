/* outcome.h - what became of a job: the answer of an agent, or none. */
#pragma once
#include "queue/dispatch.h"
#include "queue/bundle.h"
#include "queue/past.h"
#include "queue/report.h"

enum { OUTCOME_TEXT_MAX = 8192, OUTCOME_STATUS_MAX = 16, OUTCOME_HOST_MAX = 1024 };

/* outcome_result - an agent's answer. It may have spoken to hostile hosts, so
 * all of it is checked. False: malformed, or not its job. */
bool outcome_result(struct queue *q, struct peer *p, const struct msg_result *m);

/* outcome_no_answer - a lease is over: later, by the schedule */
void outcome_no_answer(struct queue *q, struct lease *l);

/* outcome_back - the agent has gone: ready again (or as `way` says), or held or removed
 * if a person said so */
void outcome_back(struct queue *q, struct job *job, const struct way *way);

/* outcome_reroute - a job of m is back that was away since there were `conf`
 * configurations: if there is another now, route the letter again */
void outcome_reroute(struct queue *q, struct letter *m, uint32_t conf);

/* outcome_expire - a waiting job is of age, or its time has passed: its recipients fail */
void outcome_expire(struct queue *q, struct job *job, enum failure why);

/* outcome_owed - after a restart: was recipient i delivered, and its sender not yet
 * told although he asked to be? Then it is reported. */
void outcome_owed(struct queue *q, struct letter *m, const struct envelope *e, uint32_t i,
                  const struct recipient *r, const struct past_rcpt *past);

/* letter_finish - if nothing of it is left, add REMOVED to the unit (NULL: a
 * unit of its own). */
void letter_finish(struct queue *q, struct letter *m, struct bundle *u);

/* letter_give_up - the same, by the word of a person */
void letter_give_up(struct queue *q, struct letter *m);

/* letter_expired - is it of age, and is the clock to be trusted? */
bool letter_expired(const struct queue *q, const struct letter *m);
