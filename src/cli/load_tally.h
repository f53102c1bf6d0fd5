/* load_tally.h - what became of a load: counted as it happens, told at the end.
 *
 * The first --warmup messages are sent but not counted; time and CPU begin to run when
 * the last of them is over.
 */
#pragma once
#include <jansson.h>
#include "base/slice.h"
#include "cli/histogram.h"
#include "cli/load_plan.h"

enum load_fate {
    LOAD_ACCEPTED,              /* the last reply was 2xx, for every recipient */
    LOAD_REFUSED,               /* the server said no, to all of it or to a recipient */
    LOAD_FAILED,                /* connection, TLS or login failed, or it made no sense */
    LOAD_FATES,
};

struct load_tally {
    uint64_t         warm;              /* to be passed over still */
    uint64_t         count[LOAD_FATES];
    uint64_t         connections, lost; /* begun; idle ones that the server closed */
    uint64_t         open, resumed;     /* sessions now open in --idle; TLS handshakes cut short */
    int64_t          begun, ended;      /* ns: of what is counted; begun 0: not yet */
    int64_t          cpu;               /* ns used when it began; after tally_end: in all */
    int64_t          opening;           /* ns until all idle sessions were open */
    bool             interrupted;       /* by a signal */
    char             trouble[200];      /* the first refusal or failure, clean */
    struct histogram message;           /* of what was accepted: MAIL written to its last reply; of a handshake:
                                         * connect(2) to TLS open, or to the greeting */
    struct histogram connection;        /* from connect(2) to the first message's last reply */
};

/* tally_begin - time runs from now on */
void tally_begin(struct load_tally *t, int64_t now);

/* tally_end - what comes now (hanging up) is no part of it */
void tally_end(struct load_tally *t);

/* tally_done - one message is over. took: ns; since_connect: -1 unless it was the first of
 * its connection */
void tally_done(struct load_tally *t, enum load_fate fate, int64_t now, int64_t took,
                int64_t since_connect);

/* tally_trouble - remember the first that went wrong: what was said or done, and the answer */
void tally_trouble(struct load_tally *t, const char *doing, struct slice why);

uint64_t tally_counted(const struct load_tally *t);

/* tally_print, tally_json - for people; for programs */
void tally_print(const struct load_tally *t, const struct load_plan *p);
json_t *tally_json(const struct load_tally *t, const struct load_plan *p);

/* load_clock - monotonic ns */
int64_t load_clock(void);
