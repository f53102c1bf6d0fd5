/* reader.h - another server's replies, read by a client.
 *
 * Bounded: 64 lines and 8 KiB are kept of one reply, further lines are counted
 * and dropped up to 1,000; a code change inside a reply, a line without a code,
 * or one over 4 KiB is a protocol error, and that means later (A154).
 */
#pragma once
#include "base/buf.h"

struct reply_in {
    unsigned code;              /* 250 */
    unsigned status[3];         /* enhanced: class, subject, detail; all 0: none given */
    unsigned lines;
    size_t   len;               /* of text */
    char     text[8192];        /* lines joined by '\n', without codes; printable only */
};

enum reader_result { READER_MORE, READER_REPLY, READER_BAD };

struct reply_reader {
    struct reply_in reply;      /* under construction; valid after READER_REPLY */
    bool            begun;
};

/* reader_next - take lines from `in` until a reply is whole. *used: consumed. */
enum reader_result reader_next(struct reply_reader *r, struct slice in, size_t *used);

/* reader_line - one line of the reply's text (0: the first); false when there is none */
bool reader_line(const struct reply_in *r, unsigned n, struct slice *line);

/* What a host's EHLO reply offers. */
enum offer {
    HOST_EHLO       = 1 << 0, HOST_SIZE     = 1 << 1, HOST_8BITMIME = 1 << 2,
    HOST_PIPELINING = 1 << 3, HOST_ENHANCED = 1 << 4,
};
struct host_offers {
    unsigned flags;             /* enum offer */
    uint64_t size_max;          /* SIZE's argument; 0: no limit said */
};
void offers_read(const struct reply_in *ehlo, struct host_offers *o);
