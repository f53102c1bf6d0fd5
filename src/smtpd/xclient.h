/* xclient.h - XCLIENT and XFORWARD, as Postfix defines them: a host that stands before
 * us says for whom it speaks. Only to listed ones (a peer's grants).
 *
 * XCLIENT changes who the client is: its network, its grants, its login. XFORWARD
 * changes nothing, and goes with the next message for the log and the next host.
 */
#pragma once
#include "smtpd/verbs.h"

verb_f on_xclient, on_xforward;
