/* ehlo.h - what EHLO announces to this client, now. */
#pragma once
#include "smtpd/session.h"

/* ehlo_write - the lines of all features that are granted and have a row; returns REPLY_EHLO */
unsigned ehlo_write(const struct session *s, struct reply *r);
