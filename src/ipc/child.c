/* child.c - the life of every process but the master.
 *
 * Forget what was inherited, take what the master hands over, give up what is
 * not needed, loop. When the master is gone there is nobody to serve: leave.
 * Everything a child holds is safe to lose at any moment.
 */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sysexits.h>
#include <unistd.h>
#include "base/clock.h"
#include "ipc/child.h"
#include "log/log.h"

enum {
    WITHOUT_MS = 10000,     /* longer than the master waits with starting anyone again */
    IDLE_MS    = 20,        /* how often a draining process asks whether it may go */
};

/* A peer handed over before GO; it may speak only afterwards. */
struct early_peer {
    uint32_t role, slot;
    int      fd;
};

static struct early_peer early[CHILD_PEERS];
static size_t nearly;

/* ---------------------------------------------------------- privileges -- */

/* forget - what a terminal or a service manager may send is the master's business */

static void forget(enum role role)
{
    static const int ignored[] = { SIGINT, SIGTERM, SIGHUP, SIGPIPE, SIGQUIT };
    char name[16];

    for (size_t i = 0; i < sizeof ignored / sizeof ignored[0]; i++)
        signal(ignored[i], SIG_IGN);
    snprintf(name, sizeof name, "pr-%s", role_name(role));
    prctl(PR_SET_NAME, name);
}

/* groups_of - of a user: his own alone, but local may write to terminals that allow it */

static size_t groups_of(enum role role, const struct passwd *pw, gid_t groups[2])
{
    const struct group *tty = role == ROLE_LOCAL ? getgrnam("tty") : NULL;

    groups[0] = pw->pw_gid;
    if (tty != NULL)
        groups[1] = tty->gr_gid;
    return tty != NULL ? 2 : 1;
}

/* become - run as this user from now on; the supplementary groups go first */

static bool become(const char *user, enum role role)
{
    struct passwd *pw = getpwnam(user);
    gid_t groups[2];

    if (pw == NULL) {
        log_event(EVENT_CONFIG, LF_STR("why", "no such user"), LF_STR("user", user));
        return false;
    }
    if (setgroups(groups_of(role, pw, groups), groups) != 0
        || setresgid(pw->pw_gid, pw->pw_gid, pw->pw_gid) != 0
        || setresuid(pw->pw_uid, pw->pw_uid, pw->pw_uid) != 0) {
        log_event(EVENT_CONFIG, LF_STR("why", strerror(errno)), LF_STR("user", user));
        return false;
    }
    return true;
}

/* drop - give up the user and every way back to it */

static bool drop(struct child *child, struct slice user)
{
    char name[64];

    if (user.n > 0) {
        snprintf(name, sizeof name, "%.*s", SLICE(user));
        if (!become(name, child->role->role))
            return false;
        child->sandbox = SANDBOX_USER;
    }
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && child->sandbox < SANDBOX_NO_PRIVS)
        child->sandbox = SANDBOX_NO_PRIVS;
    return true;
}

/* ------------------------------------------------------- what is handed -- */

static int take(int *fd)
{
    int mine = *fd;

    *fd = -1;
    return mine;
}

static bool on_conf(struct child *child, struct wire *w, int *fd)
{
    struct msg_conf m;
    struct conf *conf;

    if (!msg_conf_get(w, &m) || *fd < 0 || (conf = conf_read(*fd)) == NULL)
        return false;
    child->old_conf = child->conf;
    child->conf = conf;
    child->generation = m.generation;
    conf_log(conf, role_name(child->role->role));
    if (child->begun && child->role->reconf != NULL)
        child->role->reconf(child);
    if (child->old_conf != NULL)
        conf_free(child->old_conf);
    child->old_conf = NULL;
    return true;
}

static bool on_table(struct child *child, struct wire *w, int *fd)
{
    struct msg_table m;
    char *name;

    if (!msg_table_get(w, &m) || *fd < 0 || child->ntables == CHILD_TABLES)
        return false;
    name = strndup(m.name.p, m.name.n);
    if (name == NULL)
        return false;
    child->tables[child->ntables++] = (struct child_table){ name, take(fd) };
    return true;
}

static bool on_listener(struct child *child, struct wire *w, int *fd)
{
    struct msg_listener m;

    if (!msg_listener_get(w, &m) || *fd < 0 || m.index >= CHILD_LISTENERS
        || child->listeners[m.index] >= 0)
        return false;
    child->listeners[m.index] = take(fd);
    return true;
}

static bool on_census(struct child *child, struct wire *w, int *fd)
{
    struct msg_census m;

    if (!msg_census_get(w, &m) || *fd < 0 || child->census >= 0)
        return false;
    child->census = take(fd);
    child->census_slots = m.slots;
    return true;
}

static bool on_log(struct child *child, struct wire *w, int *fd)
{
    struct msg_log m;

    (void)child;
    log_flush();        /* into the old one */
    return msg_log_get(w, &m) && *fd >= 0 && dup2(*fd, STDERR_FILENO) >= 0;
}

/* silent - for channels whose role gives them no voice of their own */

static bool silent(struct channel *c, uint32_t type, struct wire *w, int *fd)
{
    (void)fd;
    return child_receive_common(c->user, c, type, w);
}

/* --- peers that are missed. The master introduces the successor of a process
 * that died within seconds. But a channel between two living ones may be cut
 * (a frame was wrong, or no descriptor was left for what it carried), and
 * nobody would ever join them again: the server would look alive and answer
 * "later" for good. Whoever misses the queue so long leaves, to be started
 * again with new channels. */

static struct child *self;

static unsigned needed(const struct child *child)
{
    switch (child->role->role) {
    case ROLE_QUEUE: return 0;
    case ROLE_SMTPD: return ROLE_BIT(QUEUE) | ROLE_BIT(LOOKUP);
    case ROLE_VAULT: return 0;
    default:         return ROLE_BIT(QUEUE);
    }
}

static bool is_missing(const struct child *child)
{
    for (unsigned role = 0; role < ROLE_COUNT; role++)
        if ((needed(child) & 1u << role) && child->peers[role] == 0)
            return true;
    return false;
}

static void on_without(uv_timer_t *timer)
{
    struct child *child = timer->data;

    if (child->draining || !is_missing(child))
        return;
    log_event(EVENT_CHANNEL, LF_STR("peer", role_name(child->peers[ROLE_QUEUE] == 0
                                                      ? ROLE_QUEUE : ROLE_LOOKUP)),
              LF_STR("why", "it has gone and nobody comes in its place"));
    child_leave(child, EX_UNAVAILABLE);
}

static void missed(struct channel *c, const char *why)
{
    (void)why;
    self->peers[c->peer]--;
    if ((needed(self) & 1u << c->peer) && self->peers[c->peer] == 0)
        uv_timer_start(&self->without, on_without, WITHOUT_MS, 0);
}

static void add_peer(struct child *child, uint32_t role, uint32_t slot, int fd)
{
    struct channel *c = channel_new(child->loop, fd, child->role->role,
                                    (enum role)role, slot, silent, NULL, child);

    if (c == NULL)
        return;
    child->peers[role]++;
    c->missed = missed;
    if (child->role->peer != NULL)
        child->role->peer(child, c);
}

static bool on_peer(struct child *child, struct wire *w, int *fd)
{
    struct msg_peer m;

    if (!msg_peer_get(w, &m) || *fd < 0 || m.role >= ROLE_COUNT)
        return false;
    if (child->begun)
        add_peer(child, m.role, m.slot, take(fd));
    else if (nearly < CHILD_PEERS)
        early[nearly++] = (struct early_peer){ m.role, m.slot, take(fd) };
    else
        return false;
    return true;
}

static void begin(struct child *child, struct slice user)
{
    log_event(EVENT_START, LF_NUM("slot", child->slot), LF_NUM("generation", child->generation));
    if (!drop(child, user) || (child->role->begin != NULL && !child->role->begin(child))) {
        child_leave(child, EX_SOFTWARE);
        return;
    }
    child->begun = true;
    for (size_t i = 0; i < nearly; i++)
        add_peer(child, early[i].role, early[i].slot, early[i].fd);
    nearly = 0;
    channel_send_msg_ready(child->master, &(struct msg_ready){ child->sandbox }, -1);
}

static bool on_go(struct child *child, struct wire *w, int *fd)
{
    struct msg_go m;

    (void)fd;
    if (!msg_go_get(w, &m) || child->gone_on || child->conf == NULL)
        return false;
    child->slot = m.slot;
    child->generation = m.generation;
    child->gone_on = true;
    begin(child, m.user);
    return true;
}

static bool on_drain(struct child *child, struct wire *w, int *fd)
{
    struct msg_drain m;

    (void)fd;
    if (!msg_drain_get(w, &m))
        return false;
    child->draining = true;
    if (child->begun && child->role->drain != NULL)
        child->role->drain(child, m.seconds);
    else
        child_leave(child, child->status);
    return true;
}

typedef bool handed_f(struct child *child, struct wire *w, int *fd);

static bool from_master(struct channel *c, uint32_t type, struct wire *w, int *fd)
{
    static handed_f *const handed[MSG_COUNT] = {
        [MSG_CONF] = on_conf,     [MSG_TABLE] = on_table, [MSG_LISTENER] = on_listener,
        [MSG_CENSUS] = on_census, [MSG_PEER] = on_peer,   [MSG_GO] = on_go,
        [MSG_DRAIN] = on_drain,   [MSG_LOG] = on_log,
    };
    struct child *child = c->user;

    if (handed[type] != NULL)
        return handed[type](child, w, fd);
    return child->role->master != NULL && child->role->master(child, c, type, w);
}

static void master_gone(struct channel *c, const char *why)
{
    struct child *child = c->user;

    (void)why;
    child->master = NULL;
    child_leave(child, child->draining ? child->status : EX_UNAVAILABLE);
}

/* -------------------------------------------------------------- public -- */

struct msg_report child_report(struct child *child, uint64_t ticket, struct buf *values)
{
    struct wire out = wire_writer(values);

    if (child->role->gauge != NULL)
        child->role->gauge(child);
    for (size_t i = 0; i < COUNTER_COUNT; i++)
        wire_put_u64(&out, counters[i]);
    return (struct msg_report){
        .ticket = ticket, .pid = (uint32_t)getpid(), .role = child->role->role,
        .slot = child->slot, .generation = child->generation, .started = child->started,
        .sandbox = child->sandbox, .ncounters = COUNTER_COUNT,
        .counters = buf_view(values), .last = 1 };
}

const char *sandbox_name(uint32_t level)
{
    static const char *const names[] = {
#define S(NAME, text) [SANDBOX_##NAME] = text,
        SANDBOX_LEVELS(S)
#undef S
    };

    return level < sizeof names / sizeof names[0] ? names[level] : "unknown";
}

bool child_receive_common(struct child *child, struct channel *c, uint32_t type, struct wire *w)
{
    struct msg_status m;
    struct msg_report report;
    struct buf values = BUF(COUNTER_COUNT * sizeof(uint64_t));

    if (type != MSG_STATUS || !msg_status_get(w, &m))
        return false;
    report = child_report(child, m.ticket, &values);
    channel_send_msg_report(c, &report, -1);
    buf_free(&values);
    return true;
}

void child_leave(struct child *child, int status)
{
    child->status = status;
    uv_stop(child->loop);
}

static void on_leaving(uv_timer_t *timer)
{
    struct child *child = timer->data;

    if (uv_now(child->loop) >= child->leave_at || (child->idle != NULL && child->idle()))
        child_leave(child, EX_OK);
}

void child_leave_within(struct child *child, uint64_t ms, bool (*idle)(void))
{
    child->leave_at = uv_now(child->loop) + ms;
    child->idle = idle;
    uv_timer_start(&child->leaving, on_leaving, idle != NULL ? IDLE_MS : ms, IDLE_MS);
}

/* on_turn_end - before the loop waits: all that was logged in this turn, at once */

static void on_turn_end(uv_prepare_t *handle)
{
    (void)handle;
    log_flush();
}

static void loop_begin(struct child *child)
{
    child->loop = uv_default_loop();
    uv_timer_init(child->loop, &child->without);
    uv_timer_init(child->loop, &child->leaving);
    child->without.data = child->leaving.data = self = child;
    uv_prepare_init(child->loop, &child->turn_end);
    uv_prepare_start(&child->turn_end, on_turn_end);
    log_gather(true);
}

int child_run(const struct child_role *role)
{
    static struct child child;      /* one process, one life */

    child = (struct child){ .role = role, .census = -1, .started = clock_wall() };
    for (size_t i = 0; i < CHILD_LISTENERS; i++)
        child.listeners[i] = -1;
    forget(role->role);
    loop_begin(&child);
    child.master = channel_new(child.loop, CHILD_MASTER_FD, role->role, ROLE_MASTER, 0,
                               from_master, master_gone, &child);
    if (child.master == NULL)
        return EX_OSERR;
    uv_run(child.loop, UV_RUN_DEFAULT);
    uv_run(child.loop, UV_RUN_NOWAIT);      /* what was said last still has to go out */
    if (child.gone_on)
        log_event(EVENT_STOP, LF_NUM("status", child.status));
    log_gather(false);
    return child.status;
}
