/* load_say.h - what a session of a load says, and what that comes to. Only for load_session.c.
 *
 * Each function that says something returns whether the connection is still there; when it is
 * not, all that was on it has been counted.
 */
#pragma once
#include "cli/load_session.h"

/* session_window - messages that may be on their way at the same time: by BDAT several; by DATA
 * the text of one and the envelope of the next, which may go together (RFC 2920 §3.1) */
unsigned session_window(const struct load_plan *p);

/* session_room - octets that each of them needs for an envelope of its own */
size_t session_room(const struct load_plan *p);

/* session_fail - all that is on the connection has failed, and it is gone; session_lost - for the
 * reason that the system or TLS gives */
bool session_fail(struct load_session *s, const char *why);
bool session_lost(struct load_session *s);

/* session_refuse - the oldest message, or one of its recipients, by this reply: true;
 * session_refuse_all - a connection that comes to nothing, with the message it had: false */
bool session_refuse(struct load_session *s, struct slice text);
bool session_refuse_all(struct load_session *s, struct slice text);

/* say_flush - what has been put together; say_line - one thing, whose reply is awaited next */
bool say_flush(struct load_session *s);
bool say_line(struct load_session *s, enum load_phase phase, struct slice line);

/* say_next - begin as many messages as may be on their way; QUIT when there are none left */
bool say_next(struct load_session *s);

/* say_rcpt - the next one; say_after_rcpts - DATA, or the text, when every recipient is answered;
 * say_text - it, and by pipelining the envelope of the next message */
bool say_rcpt(struct load_session *s);
bool say_after_rcpts(struct load_session *s);
bool say_text(struct load_session *s);

/* message_over - the oldest one; count it and go on. spoilt: the server may still be in the
 * middle of it. */
bool message_over(struct load_session *s, bool spoilt);
