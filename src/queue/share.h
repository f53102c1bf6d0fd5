/* share.h - memory shared with one smtpd, which lays bodies down there.
 *
 * We make it, so its size cannot change under us, and we only read. What is in it the
 * other side may change at any time: so a body is copied once, by the journal, and
 * nothing is concluded from what is read here.
 */
#pragma once
#include "base/slice.h"

struct share {
    const char *p;          /* NULL: there is none */
    uint64_t    number;     /* no two lives of a queue have the same */
};

/* share_open - returns the descriptor to pass on, which is the caller's, or -1: then there is none */
int share_open(struct share *b);
void share_close(struct share *b);

/* share_holds - does a body of this length lie within? */
bool share_holds(uint64_t place, uint64_t length);

/* share_view - a body that share_holds() */
struct slice share_view(const struct share *b, uint64_t place, uint64_t length);
