/* master.h - the process that starts the others and never reads a stranger's byte.
 *
 *     STARTING --all ready--> SERVING --SIGHUP--> RELOADING --all ready--> SERVING
 *         |                      |                    |
 *         +--a child gives up----+------SIGTERM-------+--> STOPPING --all left--> gone
 *
 * Workers belong to a generation. A reload starts a new generation of those
 * that serve sessions on the same listening sockets and then asks the old one
 * to finish; queue and console live on and are given the new configuration.
 */
#pragma once
#include <uv.h>
#include "base/fate.h"
#include "base/list.h"
#include "conf/conf.h"
#include "ipc/channel.h"
#include "net/census.h"
#include "table/table.h"

enum {
    MASTER_CENSUS_SLOTS = 64,       /* smtpd processes have the slots below this */
    MASTER_PORTS        = 256,
    MASTER_DRAIN        = 300,      /* seconds an old generation may take to finish */
    MASTER_STOP         = 20,       /* seconds that stopping may take */
};

enum master_state { MASTER_STARTING, MASTER_SERVING, MASTER_RELOADING, MASTER_STOPPING };

/* A listening socket, kept over reloads. */
struct port {
    char     address[64];       /* as in the configuration: "0.0.0.0:25" */
    int      fd;
    unsigned generation;        /* that last asked for it */
};

/* A compiled table of the configuration in force. */
struct handed_table {
    char name[TABLE_NAME];      /* "aliases:example.org" */
    int  fd;
};

struct worker {
    struct list     all;        /* in master.workers */
    struct master  *master;
    enum role       role;
    unsigned        slot, generation, index;    /* index: which of its role */
    bool            ready, draining, dead;
    struct channel *channel;
    uv_process_t    process;
    int64_t         started;    /* monotonic ms */
};

struct master {
    uv_loop_t           *loop;
    const char          *conf_path;     /* NULL: embedded defaults */
    struct conf         *conf;
    int                  conf_fd;       /* sealed copy */
    enum master_state    state;
    unsigned             generation;
    struct port          ports[MASTER_PORTS];
    size_t               nports;
    struct handed_table *tables;
    size_t               ntables;
    int                  census_fd;
    struct census        census;
    struct list          workers;
    unsigned             hurry;         /* deaths in a row soon after the start */
    int64_t              began;         /* wall clock, ms */
    int                  exit_status;
    int                  notify_fd;     /* tells the parent of `-d` how it went; -1: nobody */
    bool                 reload_again;  /* another SIGHUP came during a reload */
    int64_t              reload_began;  /* monotonic, ms */
    bool                 reload_asked;  /* the console waits for the outcome... */
    uint64_t             reload_ticket; /* ...of this question */
    uv_signal_t          term, interrupt, hangup;
    uv_timer_t           deadline;
    uv_timer_t           watch;
    uint32_t             watch_known;   /* sum over the files of secrets at the last reload... */
    uint32_t             watch_last;    /* ...and at the last look */
};

/* master_run - everything until the server has stopped; the exit status.
 * notify_fd gets one byte, the status of starting; -1: nobody waits. */
int master_run(const char *conf_path, int notify_fd);

/* settle_users - decide as whom the children run; false and a line in `errors`:
 * a user that the configuration names does not exist */
bool settle_users(struct conf *conf, struct buf *errors);

/* --- ports.c: listening sockets ---------------------------------------- */

/* ports_open - have a socket for each listener of conf, opening what is missing.
 * False: could not; *why says which and what to do; nothing was changed. */
bool ports_open(struct master *m, const struct conf *conf, unsigned generation, struct why *why);
/* ports_retire - close the sockets that this generation does not use */
void ports_retire(struct master *m, unsigned generation);
int  ports_fd(const struct master *m, struct slice address);

/* --- tables.c: recipients and aliases, compiled ------------------------- */

bool tables_compile(const struct conf *conf, struct handed_table **tables, size_t *n,
                    struct buf *errors);
void tables_free(struct handed_table *tables, size_t n);

/* --- logfile.c: where lines go --------------------------------------------- */

/* logfile_open - for `to = file:PATH`, let standard error be that file. False: cannot. */
bool logfile_open(const struct conf *conf, struct why *why);

/* --- watch.c: certificates, keys and logins that change -------------------- */

void watch_begin(struct master *m);
void watch_again(struct master *m);     /* everything was just read */

/* --- worker.c: children -------------------------------------------------- */

/* workers_start - one generation of everything that has none yet */
void workers_start(struct master *m);
/* worker_start - one process; where that fails it is tried again later */
void worker_start(struct master *m, enum role role, unsigned index, unsigned generation);
void worker_drain(struct worker *w, unsigned seconds);
bool worker_serves_sessions(enum role role);    /* belongs to a generation */
unsigned workers_of(const struct conf *conf, enum role role);

/* --- life.c: what happens next -------------------------------------------- */

void life_ready(struct master *m);                          /* a worker is ready */
void life_tell_parent(struct master *m, int status);        /* who waits since `-d` */
void life_died(struct master *m, struct worker *w, int64_t status, int signal);
void life_start_later(struct master *m, enum role role, unsigned index, unsigned generation,
                      uint64_t wait);                       /* wait: ms */
void life_reload(struct master *m);
void life_stop(struct master *m, int status);
bool life_receive(struct channel *c, uint32_t type, struct wire *w, int *fd);
