/* session.h - one session of libgsasl: what server and client of sasl/ share. */
#pragma once
#include <gsasl.h>
#include "sasl/mechanism.h"

/* What libgsasl asks is answered by a function of the exchange that owns the
 * session: this is the exchange's first member. */
struct asked {
    int (*answer)(struct asked *owner, Gsasl_session *session, Gsasl_property property);
};

/* mechanism_session_begin - a library context whose questions go to the sessions' owners, or NULL */
Gsasl *mechanism_session_begin(void);

/* session_step - one step; `out` is cleared and gets the answer. The library's code;
 * an answer that does not fit is GSASL_MALLOC_ERROR. */
int session_step(Gsasl_session *session, struct slice in, struct buf *out);

/* session_result - a failure of the library as ours: LATER, FAILED or BROKEN */
enum sasl_result session_result(int code);

/* mechanism_session_end - wipe what can be reached and give the session back; sets *session to NULL */
void mechanism_session_end(Gsasl_session **session);
