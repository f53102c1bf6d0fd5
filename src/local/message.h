/* message.h - what is written into a mailbox for one recipient.
 *
 * A message with binary parts (RFC 3030) is re-encoded first, so that no octet of
 * their content is lost. Return-Path and Delivered-To stand in front (RFC 5321 §4.4), Return-Path
 * fields that came with the message are gone, and lines end with LF as every
 * reader of Maildir expects. Nothing else of the message is changed.
 */
#pragma once
#include "base/buf.h"
#include "base/fate.h"

/* Where the text of a message is: in memory, or `length` bytes from `offset` of a file. */
struct message_body {
    struct slice text;
    int          fd;            /* -1: in memory */
    uint64_t     offset, length;
    bool         binary;        /* BINARYMIME: it is re-encoded before its lines may change */
};

struct message_front {
    struct slice sender;        /* reverse-path without <>; may be empty */
    struct slice address;       /* the recipient */
    struct slice original;      /* what the sender asked for; empty: the same */
};

enum { FILTER_NAME = 12 };      /* "return-path:" */

/* The change from the wire's form to the mailbox's, piece by piece. All-zero
 * is the beginning of a message. */
struct message_filter {
    bool   body;                /* the header is over */
    bool   inside;              /* within a line: its field is decided */
    bool   dropping;            /* this field is a Return-Path */
    bool   cr;                  /* a CR whose next byte is not here yet */
    size_t held;                /* bytes of a field name that may become Return-Path */
    char   name[FILTER_NAME];
};

/* message_filter - append `in` to out as the mailbox wants it */
void message_filter(struct message_filter *f, struct buf *out, struct slice in);

/* message_filter_end - append what was still undecided */
void message_filter_end(struct message_filter *f, struct buf *out);

/* message_front - append the lines in front; control bytes become '?' */
void message_front(const struct message_front *front, struct buf *out);

/* message_write - all of it to a file. False and *why on any trouble; then the file holds
 * a part and must not be kept. It is later, but never (error EILSEQ) for a binary message
 * that cannot be re-encoded. */
bool message_write(int fd, const struct message_front *front,
                   const struct message_body *body, struct why *why);
