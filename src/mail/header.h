/* header.h - the fields at the front of a message.
 *
 * The header ends before the first empty line, or before the first line that
 * is neither a field nor a continuation of one. All of it is read in one pass;
 * nothing is decoded (A097, A130).
 */
#pragma once
#include "base/buf.h"

struct header_field {
    struct slice name;      /* without colon, and without blanks before it */
    struct slice body;      /* behind the colon, as it is, without the last CRLF */
    struct slice whole;     /* the field with its CRLF */
};

/* header_next - take one field from the front of *rest; false at the end of the
 * header, where *rest is the empty line (if any) and the body */
bool header_next(struct slice *rest, struct header_field *f);

/* header_length - octets of the header, without the empty line after it */
size_t header_length(struct slice message);

/* header_find - the first field of that name (case ignored); false if none */
bool header_find(struct slice message, struct slice name, struct header_field *f);

/* header_count - how many fields of that name */
unsigned header_count(struct slice message, struct slice name);

/* header_without - append the header, less all fields of that name: to drop
 * Return-Path before ours goes on top (RFC 5321 §4.4). False: out is full. */
bool header_without(struct slice message, struct slice name, struct buf *out);

/* Fields that are counted while a message streams by: Received for loops (RFC 5321 §6.3),
 * TLS-Required because it is seldom there to be looked at. */
enum header_watched { WATCH_RECEIVED, WATCH_TLS_REQUIRED, WATCHED };
enum { WATCH_NAME = 12 };               /* octets of the longest of their names */

/* header_watch - the next piece of the message, in pieces as they come. All-zero to begin. */
struct header_watch {
    unsigned state;
    size_t   named;                     /* octets of this line's field name so far */
    char     name[WATCH_NAME];          /* the first of them */
    unsigned count[WATCHED];
};
void header_watch(struct header_watch *w, struct slice piece);
