/* expand.h - where mail for an address of ours goes, aliases followed.
 *
 * Pure: what is known is asked through functions, nothing waits. When one of
 * them cannot say yet, the expansion answers EXPAND_WAIT and is done again
 * once it can.
 *
 *   - an alias is looked for under the address, the local part, and, for
 *     user+detail, under user
 *   - an alias that names itself among its targets is delivered here too
 *   - "owner-NAME" beside an alias NAME is the return path of what NAME sends on;
 *     the innermost one holds
 *   - postmaster always exists (RFC 5321 §4.5.1): if nothing else is known of
 *     it, it is a mailbox of its own
 *   - a target of ours that nobody knows is left out and counted; if nothing is
 *     left, the address is unknown
 */
#pragma once
#include "base/arena.h"
#include "base/fate.h"
#include "table/table.h"

enum known { KNOWN_NO, KNOWN_YES, KNOWN_BASE /* as user of user+detail */, KNOWN_WAIT, KNOWN_TROUBLE };

struct expand_source {
    const void *user;
    /* Does an alias stand for exactly this canonical address? Its targets. */
    bool (*alias)(const void *user, struct slice address, struct slice *targets);
    /* Is there a mailbox (or does the domain take everyone)? */
    enum known (*mailbox)(const void *user, struct slice address);
    /* Is this domain one of ours? */
    bool (*ours)(const void *user, struct slice domain);
    /* Does its last mile understand user+detail itself (LMTP)? */
    bool (*keeps_detail)(const void *user, struct slice domain);
    unsigned depth;         /* aliases that lead to aliases, at most */
    size_t   results_max;
};

enum expand_result {
    EXPAND_OK,
    EXPAND_UNKNOWN,         /* no such user: NEVER */
    EXPAND_WAIT,            /* ask again later; nothing of `out` counts */
    EXPAND_TROUBLE,         /* a loop, too deep, too many, no answer: LATER; text says */
};

struct expansion_entry {
    struct slice address;       /* canonical */
    struct slice return_path;   /* empty: the envelope's */
};
struct expansion {
    struct expansion_entry *entries;
    size_t                  n, cap;
    size_t                  unknown;        /* targets left out */
    struct slice            first_unknown;
    struct slice            text;           /* for TROUBLE and UNKNOWN */
};

/* alias_expand - everything lives in the arena */
enum expand_result alias_expand(const struct expand_source *from, struct slice address,
                                struct arena *a, struct expansion *out);
