/* roster.h - things found by a number of 64 bits, which they begin with.
 *
 * An open-addressing table of pointers, at most 3/4 full: 8 bytes a slot, and a tag of
 * one, so that looking for what is not there (as for every new commit) passes the members
 * of others without touching them.
 * Numbers may be chosen by strangers, so they are mixed with a secret. The
 * first member of whatever is put in must be its uint64_t number (or a struct
 * that begins with it). Owns none of its members.
 *
 * It is not a base/map.h, though both probe and close gaps alike: a map calls for each member's
 * key and hashes it by SipHash, and has no tags; with a million letters that is felt in each
 * commit, and a map of few names needs none of it.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct roster {
    void   **slots;
    uint8_t *tags;      /* behind them; 0: the slot is empty */
    size_t   n, cap;
    uint64_t secret;
};

void *roster_get(const struct roster *r, uint64_t number);     /* or NULL */
bool  roster_put(struct roster *r, void *member);              /* false: no memory; the number is not in it yet */
void *roster_take(struct roster *r, uint64_t number);          /* remove and return, or NULL */
void *roster_next(const struct roster *r, size_t *at);         /* as map_next */
void  roster_free(struct roster *r);
