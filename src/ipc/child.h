/* child.h - how every process but the master begins and ends.
 *
 * child_run() takes the channel to the master (descriptor 3), gathers what the
 * master hands over until GO, drops privileges, and runs the loop. The role
 * gives functions for what it cares about; NULL ones are ignored.
 */
#pragma once
#include "conf/conf.h"
#include "ipc/channel.h"

enum {
    CHILD_TABLES    = 2048,
    CHILD_LISTENERS = 256,
    CHILD_PEERS     = 512,      /* handed over before GO */
    CHILD_MASTER_FD = 3,        /* where the channel to the master is */
};

struct child;

/* A compiled table (table/table.h), as the master handed it over. */
struct child_table {
    char *name;         /* "aliases:example.org" */
    int   fd;
};

struct child_role {
    enum role role;
    /* Everything is here, privileges are dropped: set up. False: exit with status 70
     * (the log says why). */
    bool (*begin)(struct child *);
    /* A new configuration came while running (queue and console only). */
    void (*reconf)(struct child *);
    /* A peer is there: make it speak with channel->receive/gone/user. Called
     * for those handed over before GO right after begin, later ones as they come. */
    void (*peer)(struct child *, struct channel *);
    /* Take nothing new; call child_leave() when the rest is finished, or when so
     * many seconds are over. May be said again, with fewer seconds. */
    void (*drain)(struct child *, unsigned seconds);
    /* A frame from the master that is none of the above (the console's answers).
     * False: malformed. */
    bool (*master)(struct child *, struct channel *, uint32_t type, struct wire *w);
    /* Fill in gauges before a report (log/counters.h). */
    void (*gauge)(struct child *);
};

struct child {
    const struct child_role *role;
    uv_loop_t               *loop;
    struct channel          *master;
    struct conf             *conf;      /* in force; replaced before reconf(), the old one freed after it */
    struct conf             *old_conf;  /* during reconf() */
    unsigned                 slot;      /* base/id.h */
    unsigned                 generation;
    int64_t                  started;
    int                      listeners[CHILD_LISTENERS];    /* by index in conf; -1: none */
    struct child_table       tables[CHILD_TABLES];
    size_t                   ntables;
    int                      census;    /* descriptor, or -1 */
    unsigned                 census_slots;
    bool                     draining;
    bool                     gone_on, begun;    /* GO was said; the role has begun */
    unsigned                 sandbox;   /* level reached: enum sandbox_level */
    unsigned                 peers[ROLE_COUNT];     /* channels open to each role */
    uv_timer_t               without;   /* runs while a peer that we need is missing */
    uv_timer_t               leaving;   /* see child_leave_within */
    uint64_t                 leave_at;  /* loop time */
    bool                   (*idle)(void);
    uv_prepare_t             turn_end;  /* writes what was logged in this turn */
    int                      status;    /* exit status */
    void                    *user;      /* the role's own state */
};

/* How much a process has given up. */
#define SANDBOX_LEVELS(S)                                                   \
    S(NONE,      "none")            /* runs as the caller, root included */ \
    S(NO_PRIVS,  "no-new-privs")    /* can never gain a privilege */        \
    S(USER,      "own-user")        /* and runs as a user of its own */
enum sandbox_level {
#define S(NAME, text) SANDBOX_##NAME,
    SANDBOX_LEVELS(S)
#undef S
};

/* child_run - the whole life; returns the exit status */
int child_run(const struct child_role *role);

/* child_leave - stop the loop and exit with status */
void child_leave(struct child *child, int status);

/* child_leave_within - after DRAIN: so many ms from now at the latest, and before when idle()
 * says so, which is asked every few ms, but not at once: answers still go out. NULL: the role
 * itself sees when all is done, and calls child_leave(). Said again, the new time counts. */
void child_leave_within(struct child *child, uint64_t ms, bool (*idle)(void));

/* sandbox_name - a level as people read it */
const char *sandbox_name(uint32_t level);

/* child_report - what this process has to report now; the counters are encoded
 * into `values`, which the report points to */
struct msg_report child_report(struct child *child, uint64_t ticket, struct buf *values);

/* child_receive_common - answers STATUS from the console; other messages: false.
 * A role's receive function calls it for what it does not know. */
bool child_receive_common(struct child *child, struct channel *c, uint32_t type, struct wire *w);
