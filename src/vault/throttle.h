/* throttle.h - how many wrong passwords one client, one account, one of both may cost.
 *
 * Pure: `now` comes in, a decision goes out. Counts leak away with time. Memory is
 * fixed: when it is crowded, what would be forgotten first goes first. An account is
 * never closed to its owner: who has logged in from a place is, from there, not
 * held up by the failures of others.
 */
#pragma once
#include "base/slice.h"

enum { THROTTLE_SLOTS = 16384 };    /* of each kind */

/* Failures per time: `many` at once, then one each `per` / `many`. */
struct throttle_rate {
    int64_t many, per;              /* per: ms */
};

struct throttle_slot {
    uint64_t key;                   /* 0: free */
    int64_t  until;                 /* monotonic ms: when nothing of it is left */
};

struct throttle {
    struct throttle_rate client, account, both;
    struct throttle_slot *slots;    /* clients, accounts, pairs of both, pairs that have succeeded */
};

/* throttle_begin - false: no memory. client, account: the rates of failures. */
bool throttle_begin(struct throttle *t, struct throttle_rate client, struct throttle_rate account);
void throttle_end(struct throttle *t);

/* throttle_allows - may this client try this account now? Does not depend on whether
 * the account exists. */
bool throttle_allows(const struct throttle *t, struct slice client, struct slice account, int64_t now);

/* throttle_failed - count it; returns the ms to wait before it is told */
int64_t throttle_failed(struct throttle *t, struct slice client, struct slice account, int64_t now);

/* throttle_succeeded - this client and this account belong together, for 30 days */
void throttle_succeeded(struct throttle *t, struct slice client, struct slice account, int64_t now);
