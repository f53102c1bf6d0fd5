/* data.h - the text between DATA and the final dot.
 *
 * Strict: a line ends only with CRLF, the text only with CRLF.CRLF (the CRLF
 * of the DATA line counts as the first). A bare CR, a bare LF or a NUL makes
 * the message BAD, and stays so; where it would end is still decided by the
 * true terminator alone, so nothing smuggled is ever a command (A001 to A019).
 */
#pragma once
#include "base/buf.h"

enum data_fault {
    DATA_BARE   = 1 << 0,   /* bare CR, bare LF or NUL was seen: refuse, close */
    DATA_LONG   = 1 << 1,   /* a line over the limit was seen */
    DATA_8BIT   = 1 << 2,   /* not a fault: octets above 127 were seen */
};

enum data_result { DATA_MORE, DATA_END };

struct data_reader {
    unsigned state;
    unsigned faults;        /* enum data_fault */
    size_t   line;          /* octets of the current line so far */
    size_t   line_max;      /* set by data_begin */
    uint64_t size;          /* octets of the message so far, dots removed */
};

void data_begin(struct data_reader *d, size_t line_max);

/* A piece of the message, as found in the input: append it. */
typedef void data_sink_f(void *user, struct slice piece);

/* data_read - take text from `in`: pieces of message go to `sink` (as large as
 * can be; dots removed; the last CRLF belongs to the message, the final dot not).
 * *used: bytes consumed, all of `in` unless DATA_END. */
enum data_result data_read(struct data_reader *d, struct slice in, size_t *used,
                           data_sink_f *sink, void *user);

/* data_holds - was an octet kept back, that the next piece may have to begin with? */
bool data_holds(const struct data_reader *d);

/* data_scan - text that comes in counted chunks (BDAT, RFC 3030): no dots, no end; only
 * its faults and its size are noted. A CRLF may be cut by the end of a chunk. */
void data_scan(struct data_reader *d, struct slice in);

/* data_scan_end - there are no more chunks: a last CR was a bare one */
void data_scan_end(struct data_reader *d);

/* The other direction: text made ready to be sent (dots doubled). */
struct data_writer { unsigned state; };

/* data_write - append `text` with dots doubled; it has CRLF lines only: a bare CR
 * or LF or a NUL in it is a bug of ours and makes false (A023) */
bool data_write(struct data_writer *w, struct buf *out, struct slice text);

/* data_finish - CRLF if the text did not end with it, and the final dot */
bool data_finish(struct data_writer *w, struct buf *out);
