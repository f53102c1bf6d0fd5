/* secure.h - STARTTLS, as far as the session is concerned. */
#pragma once
#include "smtpd/verbs.h"

verb_f on_starttls;

/* session_secured - the handshake is done: everything that was said before it is
 * forgotten, the login too (RFC 3207 §4.2). note: what was agreed, for the trace. */
void session_secured(struct session *s, struct slice note);
