/* load_login.h - AUTH (RFC 4954) on the connections of a load. */
#pragma once
#include "cli/load_session.h"

/* login_begin, login_step - the line to be said, and the next one after a challenge; valid
 * until the next of these calls for this session. Empty: it cannot be, and when that is true
 * of all sessions, load->hopeless says why. */
struct slice login_begin(struct load_session *s);
struct slice login_step(struct load_session *s, struct slice challenge);

/* login_free - of one session, wiped; NULL is harmless */
void login_free(struct load_login **l);
