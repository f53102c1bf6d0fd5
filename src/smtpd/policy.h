/* policy.h - who may send to whom: the decision about one recipient.
 *
 * Replies to recipients stay in the order of the commands, though some need
 * an answer from lookup: those, and what comes behind them, are lined up.
 */
#pragma once
#include "smtpd/session.h"

/* rcpt_add - a RCPT command. The reply's name, or REPLY_NONE: lined up. */
unsigned rcpt_add(struct session *s, const struct rcpt_command *r);

/* tx_no_rcpts - what a message without recipients is answered: 554, were there any that
 * were refused; LMTP knows only 503 (RFC 2033 §4.2) */
enum reply_id tx_no_rcpts(const struct session *s);

/* rcpt_line_up - put the reply to a bad RCPT behind those that wait. False:
 * nothing waits, say it at once. */
bool rcpt_line_up(struct session *s, enum reply_id id);

/* rcpt_settle - tell what is decided, in order */
void rcpt_settle(struct session *s);

/* rcpt_give_up - lookup did not answer in time: "later" for all who wait */
void rcpt_give_up(struct session *s);
