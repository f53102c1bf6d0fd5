/* intake.h - the text of a message on its way in. */
#pragma once
#include "smtpd/session.h"

/* intake_begin - DATA was accepted: name the message, begin with our Received field */
void intake_begin(struct session *s);

/* intake_read - take text; returns bytes used (0: waiting for a file) */
size_t intake_read(struct session *s, struct slice in);

/* intake_release - give back the file, if there is one */
void intake_release(struct session *s);
