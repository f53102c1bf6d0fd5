/* bdat.h - messages in counted chunks (RFC 3030).
 *
 * Whatever becomes of a chunk, exactly the octets that it announced are taken for
 * it: none of them is ever a command, and none after them is ever swallowed. Where
 * its size cannot be understood nobody knows where the next command is, so the
 * session ends (CVE-2002-0055).
 *
 * A refused chunk ends the transaction: what is still on its way of the same message
 * is swallowed and refused, until RSET or MAIL.
 */
#pragma once
#include "smtpd/verbs.h"

verb_f on_bdat;

/* bdat_refuse - BDAT may not run now: swallow its octets, then say `id` */
unsigned bdat_refuse(struct session *s, struct slice args, enum reply_id id);
