/* lives.h - what the records of a journal tell of each id.
 *
 * The records may be learned in any order: an id that was removed stays removed, and of
 * places the newest counts. An id of which nothing is told but its MESSAGE takes no
 * room here.
 */
#pragma once
#include "spool/index.h"

struct life {
    uint64_t id;
    uint64_t outcome;       /* place of the newest of the chain, as a word */
    uint64_t hold;          /* place of the newest HELD or RELEASED */
    uint64_t copy;          /* place of the newest copy of the MESSAGE */
    bool     removed, held, used;
};

struct lives {
    struct life *rows;
    size_t       n, cap;    /* cap: a power of two */
};

/* lives_learn - one record, and its place as a word. False: no memory. */
bool lives_learn(struct lives *l, const struct index_entry *e, uint64_t here);
const struct life *lives_find(const struct lives *l, uint64_t id);     /* or NULL */
void lives_free(struct lives *l);
