/* wants.h - parameters that the sender gave, read out of the envelope's extras. */
#pragma once
#include "mail/envelope.h"

/* BY (RFC 2852). */
struct want_by {
    int64_t seconds;    /* that are left now; negative: that have passed */
    char    mode;       /* 'R' or 'N' */
    bool    trace;
};

/* want_by - false: not asked for, or nonsense. wall: now, ms. */
bool want_by(struct slice extra, int64_t wall, struct want_by *by);

/* RRVS (RFC 7293). */
struct want_rrvs {
    int64_t since;      /* wall clock, s */
    char    action;     /* 'C', 'R', or 0: not said */
};
bool want_rrvs(struct slice extra, struct want_rrvs *r);

/* want_rrvs_insists - must a host that has no RRVS not get this (§5.1.1)? */
bool want_rrvs_insists(struct slice extra);
