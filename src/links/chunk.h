/* chunk.h - a payload cut into lines of X-LINK2STATE, and put together again.
 *
 * On the wire (docs/LINKSTATE.md): each line is at most 1,024 octets with its
 * CRLF, both ways:
 *
 *     X-LINK2STATE [FIRST|NEXT|LAST] CHUNK={hhhhhhhh} data
 *     200 [FIRST|NEXT|LAST] CHUNK={hhhhhhhh} data      or      200 NEXT
 *
 * The eight hexadecimal digits are the length of data, exactly; data are
 * printable ASCII octets, at least one. A transfer is FIRST, then NEXT or
 * unlabelled chunks, then LAST; LAST alone is a whole transfer. FIRST always
 * begins anew. An unlabelled chunk of more than 520 octets is refused wherever
 * it stands (CVE-2005-0560).
 */
#pragma once
#include "base/buf.h"

enum {
    CHUNK_LINE       = 1024,        /* octets of a line, with verb or code, and CRLF */
    CHUNK_DATA       = 960,         /* octets of data that we send in one command */
    CHUNK_REPLY      = 450,         /* and in one reply: those have 512 (RFC 5321 §4.5.3.1.5) */
    CHUNK_UNLABELLED = 520,         /* of a chunk without label, at most */
    CHUNK_TOTAL      = 256 << 10,   /* of a whole payload */
    CHUNK_COUNT      = 1024,        /* chunks of one transfer */
};

enum chunk_label { CHUNK_BARE, CHUNK_FIRST, CHUNK_NEXT, CHUNK_LAST, CHUNK_LABELS };

struct chunk_line {
    enum chunk_label label;
    struct slice     data;          /* in the line it was read from */
};

enum chunk_result {
    CHUNK_MORE,         /* 200: taken, send the next */
    CHUNK_WHOLE,        /* 200: the payload is complete */
    CHUNK_SYNTAX,       /* 501: not a chunk, or its length is not that of the data */
    CHUNK_TOO_LONG,     /* 501: the line, or an unlabelled chunk */
    CHUNK_ORDER,        /* 503: not begun by FIRST, or spoilt by an earlier error */
    CHUNK_TOO_BIG,      /* 552: the transfer has too many octets or chunks */
    CHUNK_NO_MEMORY,    /* 451 */
    CHUNK_RESULTS,
};

/* chunk_code - the SMTP reply code of a result */
unsigned chunk_code(enum chunk_result result);

/* chunk_parse - everything behind the verb (or the code) and one space, without
 * CRLF. CHUNK_MORE: *c is good; else CHUNK_SYNTAX or CHUNK_TOO_LONG. */
enum chunk_result chunk_parse(struct slice argument, struct chunk_line *c);

/* A transfer being received. All-zero to begin. */
struct chunk_in {
    struct buf buf;
    unsigned   count;
    uint8_t    state;
};

/* chunk_take - the next line's argument. At CHUNK_WHOLE *whole is the payload,
 * until the next call. Any refusal spoils the transfer: only FIRST begins
 * another (a LAST behind it is refused once, not taken as a whole one). */
enum chunk_result chunk_take(struct chunk_in *in, struct slice argument, struct slice *whole);
void chunk_in_free(struct chunk_in *in);

/* A payload being sent: all of it, and how much of it has gone. */
struct chunk_out {
    struct slice rest;
    bool         begun;
};

/* chunk_put - append the next chunk of at most `most` octets of data, always labelled,
 * without verb and CRLF; the payload must be printable ASCII, not empty, and not end
 * with a blank: then no line does. True: it was the last. */
bool chunk_put(struct chunk_out *out, size_t most, struct buf *line);
