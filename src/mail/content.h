/* content.h - what a message contains, octet by octet: what decides by which
 * extensions it may travel.
 */
#pragma once
#include "base/slice.h"

enum content_fact {
    CONTENT_8BIT    = 1 << 0,   /* octets above 127: 8BITMIME (RFC 6152) */
    CONTENT_8HEADER = 1 << 1,   /* ... in its header: SMTPUTF8 (RFC 6531) */
    CONTENT_LONG    = 1 << 2,   /* a line of more than 998 octets without its CRLF */
    CONTENT_NUL     = 1 << 3,
    CONTENT_BARE    = 1 << 4,   /* CR without LF, or LF without CR */
    CONTENT_OPEN    = 1 << 5,   /* the last line has no CRLF (not yet, while it streams) */
};

/* What only BINARYMIME can carry (RFC 3030 §3). */
enum { CONTENT_BINARY = CONTENT_LONG | CONTENT_NUL | CONTENT_BARE };

enum { CONTENT_LINE = 998 };    /* RFC 5321 §4.5.3.1.6, without CRLF */

/* Looking at a message while it streams by, in pieces as they come. All-zero to
 * begin; bodies of parts (no header) begin with .in_body = true. */
struct content_scan {
    unsigned facts;     /* so far */
    size_t   line;      /* octets of the current line so far */
    size_t   line_max;  /* for CONTENT_LONG; 0: CONTENT_LINE */
    bool     cr;        /* the last octet was CR */
    bool     in_body;   /* the empty line after the header is past */
};
void content_scan(struct content_scan *c, struct slice piece);

/* content_end - the facts, when there is nothing more to come */
unsigned content_end(struct content_scan *c);

/* content_facts - of a whole message at once */
unsigned content_facts(struct slice message);
