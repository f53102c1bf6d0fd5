/* foreign.h - texts from outside, made fit to stand in a message of ours.
 *
 * Whatever they hold, they end no line, no field and no body part: control
 * bytes and octets above 127 become '?', and lines are folded (A153).
 */
#pragma once
#include "base/buf.h"

/* foreign_name - an address or a host, at most 320 octets of it, never folded */
void foreign_name(struct buf *out, struct slice s);

/* foreign_folded - a field's text, at most `max` octets of it: '\n' between its
 * lines becomes a blank; folded where it has blanks, or hard where it has none.
 * `column`: how much of the line is used already. */
void foreign_folded(struct buf *out, struct slice s, size_t column, size_t max);

/* foreign_name_in, foreign_folded_in - the same; with utf8, UTF-8 that may be shown
 * (base/utf8.h) stays */
void foreign_name_in(struct buf *out, struct slice s, bool utf8);
void foreign_folded_in(struct buf *out, struct slice s, size_t column, size_t max, bool utf8);

/* foreign_message - part of a message, with every line ended by CRLF; a bare CR,
 * a bare LF or a NUL becomes '?'. *eight_bit is set if octets above 127 are in it. */
void foreign_message(struct buf *out, struct slice s, bool *eight_bit);
