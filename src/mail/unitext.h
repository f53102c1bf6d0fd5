/* unitext.h - an address of type "utf-8" where not every octet may stand (RFC 6533 §3).
 *
 * "\x{E9}" stands for U+00E9; so do blanks, controls, '\', '+' and '='.
 */
#pragma once
#include "base/buf.h"

/* unitext_put - append the address; utf8: the place takes UTF-8 (utf-8-addr-unitext),
 * else all of it is ASCII (utf-8-addr-xtext). What is no UTF-8 becomes '?'. */
void unitext_put(struct buf *out, struct slice address, bool utf8);

/* unitext_get - append what the text stands for. False: it is malformed, or stands for
 * a control; then nothing was added. */
bool unitext_get(struct buf *out, struct slice text);
