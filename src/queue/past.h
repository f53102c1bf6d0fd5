/* past.h - what was tried already: the owner's bytes of an OUTCOME record.
 *
 * The format, with base/wire.h: u8 version (1), u8 flags (enum past_flags),
 * u32 attempts, i64 next attempt (wall ms, 0: none), bytes destination,
 * bytes host, u32 count, and count outcomes (ipc/messages.h).
 */
#pragma once
#include "queue/core.h"

enum { PAST_VERSION = 1, PAST_HEAD_MAX = 4 << 20 };

enum past_flags {
    PAST_WARNED  = 1 << 0,      /* the sender was told of the delay */
    PAST_EXPIRED = 1 << 1,      /* the failures in it are of age */
    PAST_TOLD    = 1 << 2,      /* no new outcomes: the sender was told of these */
    PAST_BY      = 1 << 3,      /* the sender was told that DELIVERBY's time has passed */
};

struct past_head {
    uint8_t      flags;
    uint32_t     attempts;
    int64_t      next;
    struct slice destination, host;
    uint32_t     noutcomes;
    struct slice outcomes;      /* for outcome_next */
};

void past_put(struct wire *w, const struct past_head *h);
/* past_get - false: not ours, or broken */
bool past_get(struct slice bytes, struct past_head *h);

/* The newest that is known of one recipient. Texts are in the arena. */
struct past_rcpt {
    bool         known;
    bool         told;          /* the sender was told of its success, or of its expansion */
    bool         terminal;      /* it was tried at the terminals (SEND, SOML, SAML) */
    uint8_t      fate, how;     /* how: enum delivery_kind, of FATE_DONE */
    uint16_t     code;
    uint32_t     attempts;
    int64_t      next, wall;    /* of the next attempt; of this one */
    struct slice status, text, host;
};

struct past {
    struct past_rcpt *rcpts;
    size_t            n;
    bool              warned, warned_by, released;
};

/* past_read - all outcomes of a letter with n recipients, into the arena.
 * False: they could not be read, or the arena is spent. */
bool past_read(struct queue *q, struct letter *m, size_t n, struct arena *arena, struct past *p);
