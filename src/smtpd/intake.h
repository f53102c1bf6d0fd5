/* intake.h - the text of a message on its way in. */
#pragma once
#include "smtpd/session.h"

/* intake_begin - DATA or the first BDAT was accepted: name the message, begin with our
 * Received field, and enter `stage` */
void intake_begin(struct session *s, enum stage stage);

/* intake_chunk - take octets of a chunk, as they are; returns how many (0: waiting for a
 * file) */
size_t intake_chunk(struct session *s, struct slice in);

/* intake_finish - the last chunk is whole: the message is handed over, or refused */
void intake_finish(struct session *s);

/* intake_read - take text; returns bytes used (0: waiting for a file) */
size_t intake_read(struct session *s, struct slice in);

/* intake_place - where text that comes next is best read to: it need not be copied then; and
 * how many octets. NULL: wherever. */
char *intake_place(const struct session *s, size_t *room);

/* intake_release - give back the file, if there is one */
void intake_release(struct session *s);
