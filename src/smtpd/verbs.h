/* verbs.h - the server's commands, as rows of one table. */
#pragma once
#include "smtpd/session.h"

/* Instead of a reply: */
#define REPLY_NONE  REPLY_COUNT             /* it comes later, or was lined up */
#define REPLY_STALL (REPLY_COUNT + 1)       /* cannot run yet: keep the line */

/* verb_run - carry out one command line: the reply's name, REPLY_NONE or
 * REPLY_STALL. *r has its text. */
unsigned verb_run(struct session *s, struct slice line, struct reply *r);

/* verb_queues - may this line's reply wait behind earlier ones (RCPT)? */
bool verb_queues(struct slice line);

/* verb_foreign - is this the first line of another protocol (A028)? Looks at
 * what is there, be it a whole line or not. */
bool verb_foreign(struct slice in);
