/* screen.h - a message as it is shown on a terminal (SEND, SOML and SAML of RFC 821).
 *
 * Pure: bytes in, bytes out. Whatever the message holds, nothing of it can move the
 * cursor, change a colour, ring more than our one bell, turn the direction of writing,
 * or pass for a line of somebody else: controls are dropped, what is not UTF-8 becomes
 * a question mark, and each line of it stands behind "| ".
 */
#pragma once
#include "base/buf.h"

enum {
    SCREEN_COLUMNS = 79,
    SCREEN_TEXT    = 256 << 10,     /* bytes of a message that are looked at */
    SCREEN_MAX     = 1 << 20,       /* bytes shown */
};

struct screen {
    struct slice sender;        /* the real reverse-path, without <>; empty: null */
    struct slice client, helo;  /* who brought it */
    struct slice address;       /* the recipient */
    int64_t      now;           /* wall clock, ms */
    uint64_t     lines;         /* of the text, at most */
};

/* screen_write - append what is shown of the (beginning of a) message: a banner, From
 * and Subject, and the first part that is plain text. False: out is full. */
bool screen_write(const struct screen *s, struct slice message, struct buf *out);
