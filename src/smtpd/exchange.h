/* exchange.h - XEXCH50: properties of a message that have no other form, from an
 * authorised peer. The octets are opaque: kept with the message, never looked into.
 *
 *     C: XEXCH50 1124 2        S: 354 Send binary data
 *     C: 1124 octets           S: 250 XEXCH50 OK
 *
 * Behind the command's line nothing may wait: without 354 the octets would be commands
 * (CVE-2003-0714 was a size that nobody checked).
 */
#pragma once
#include "smtpd/verbs.h"

verb_f on_xexch50;
