/* fetch.h - ETRN, TURN and ATRN: the client wants mail that waits here.
 *
 * ETRN (RFC 1985) only tells the schedule. TURN (RFC 821 §3.8) and ATRN (RFC 2645)
 * hand the living connection over, so who asks must have logged in, and every domain
 * must be his: mail for none is sent if one is not. Each reply is one line, for
 * fetchmail reads no more.
 */
#pragma once
#include "smtpd/verbs.h"

verb_f on_etrn, on_turn, on_atrn;

/* session_kicked - the answer to world.kick */
void session_kicked(struct session *s, uint64_t ticket, enum fate fate, uint64_t count);

/* session_turned - the answer to world.turn. early: octets have come behind the command,
 * which would be taken for the greeting of the reversed connection. True: 250 was said
 * and session.wait is WAIT_TURN: when it has gone out, the connection is the queue's.
 * False: the queue must be told that the ticket is not used. */
bool session_turned(struct session *s, uint64_t ticket, enum fate fate, uint64_t count,
                    bool early);
