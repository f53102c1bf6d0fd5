/* worker.c - one child process: executed, connected with its peers, buried.
 *
 * The links are a table; a worker is linked with every living worker of a
 * linked role that is of its own generation or of no generation at all.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/id.h"
#include "ipc/child.h"
#include "log/log.h"
#include "master/master.h"

enum { AGAIN = 1000 };      /* ms before what the system refused is tried again */

static const struct link { enum role a, b; } links[] = {
    { ROLE_SMTPD, ROLE_QUEUE },   { ROLE_SMTPD, ROLE_LOOKUP },
    { ROLE_QUEUE, ROLE_RELAY },   { ROLE_QUEUE, ROLE_LOCAL },
    { ROLE_QUEUE, ROLE_LOOKUP },  { ROLE_CONSOLE, ROLE_SMTPD },
    { ROLE_CONSOLE, ROLE_QUEUE }, { ROLE_CONSOLE, ROLE_RELAY },
    { ROLE_CONSOLE, ROLE_LOCAL }, { ROLE_CONSOLE, ROLE_LOOKUP },
    { ROLE_CONSOLE, ROLE_VAULT }, { ROLE_SMTPD, ROLE_VAULT },
    { ROLE_RELAY, ROLE_VAULT },
};

bool worker_serves_sessions(enum role role)
{
    return role != ROLE_QUEUE && role != ROLE_CONSOLE;
}

static bool linked_roles(enum role a, enum role b)
{
    for (size_t i = 0; i < sizeof links / sizeof links[0]; i++)
        if ((links[i].a == a && links[i].b == b) || (links[i].a == b && links[i].b == a))
            return true;
    return false;
}

/* reachable - a process whose channel has closed is as good as dead: its successor will be
 * introduced */

static bool reachable(const struct worker *w)
{
    return !w->dead && w->channel != NULL;
}

static bool linked(const struct worker *a, const struct worker *b)
{
    if (a == b || !reachable(a) || !reachable(b) || !linked_roles(a->role, b->role))
        return false;
    if (a->draining || b->draining)     /* a new queue is still told by old sessions */
        return a->role == ROLE_QUEUE || b->role == ROLE_QUEUE
            || a->role == ROLE_CONSOLE || b->role == ROLE_CONSOLE;
    return !worker_serves_sessions(a->role) || !worker_serves_sessions(b->role)
        || a->generation == b->generation;
}

static int pair(int ends[2])
{
    int size = 1 << 20;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
        return -1;
    for (int i = 0; i < 2; i++) {
        fcntl(ends[i], F_SETFL, O_NONBLOCK);
        setsockopt(ends[i], SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    }
    return 0;
}

static void introduce(struct worker *a, struct worker *b)
{
    int ends[2];

    if (pair(ends) != 0) {
        log_event(EVENT_BUG, LF_STR("why", "no socket pair"), LF_STR("error", strerror(errno)));
        return;
    }
    channel_send_msg_peer(a->channel, &(struct msg_peer){ b->role, b->slot }, ends[0]);
    channel_send_msg_peer(b->channel, &(struct msg_peer){ a->role, a->slot }, ends[1]);
    close(ends[0]);
    close(ends[1]);
}

/* ------------------------------------------------------------ handing over -- */

/* Whose each table is; secrets are for the vault alone. */
static const struct { const char *kind; unsigned roles; } handed[] = {
    { "recipients:",  ROLE_BIT(SMTPD) | ROLE_BIT(LOOKUP) },
    { "aliases:",     ROLE_BIT(SMTPD) | ROLE_BIT(LOOKUP) },
    { "certificate:", ROLE_BIT(SMTPD) | ROLE_BIT(VAULT) },
    { "key:",         ROLE_BIT(VAULT) },
    { "accounts",     ROLE_BIT(VAULT) },
    { "credentials",  ROLE_BIT(VAULT) },
    { "keytab",       ROLE_BIT(VAULT) },
};

static bool is_for(const char *table, enum role role)
{
    for (size_t i = 0; i < sizeof handed / sizeof handed[0]; i++)
        if (strncmp(table, handed[i].kind, strlen(handed[i].kind)) == 0)
            return handed[i].roles & (1u << role);
    return false;
}

static void hand_tables(struct worker *w)
{
    const struct master *m = w->master;

    for (size_t i = 0; i < m->ntables; i++)
        if (is_for(m->tables[i].name, w->role))
            channel_send_msg_table(w->channel,
                &(struct msg_table){ slice_cstr(m->tables[i].name) }, m->tables[i].fd);
}

static void hand_listeners(struct worker *w)
{
    const struct master *m = w->master;

    if (w->role != ROLE_SMTPD)
        return;
    for (size_t i = 0; i < m->conf->nlistens; i++) {
        int fd = ports_fd(m, m->conf->listens[i].address);

        if (fd >= 0)
            channel_send_msg_listener(w->channel, &(struct msg_listener){ (uint32_t)i }, fd);
    }
    if (m->census_fd >= 0)
        channel_send_msg_census(w->channel, &(struct msg_census){ MASTER_CENSUS_SLOTS },
                                m->census_fd);
}

static void hand_over(struct worker *w)
{
    struct master *m = w->master;

    hand_tables(w);
    channel_send_msg_conf(w->channel, &(struct msg_conf){ w->generation }, m->conf_fd);
    hand_listeners(w);
    for (struct list *l = m->workers.next; l != &m->workers; l = l->next) {
        struct worker *other = LIST_OWNER(l, struct worker, all);

        if (linked(w, other))
            introduce(w, other);
    }
    channel_send_msg_go(w->channel, &(struct msg_go){ w->slot, w->generation,
        w->role == ROLE_QUEUE ? m->conf->queue_user
        : w->role == ROLE_VAULT ? m->conf->vault_user : m->conf->user }, -1);
}

/* ---------------------------------------------------------------- beginning -- */

/* free_slot - smtpd have the low slots, which the census counts; 0: none free */

static unsigned free_slot(const struct master *m, enum role role)
{
    unsigned from = role == ROLE_SMTPD ? 1 : MASTER_CENSUS_SLOTS;
    unsigned to = role == ROLE_SMTPD ? MASTER_CENSUS_SLOTS : ID_SLOTS;
    bool used[ID_SLOTS] = { false };

    for (struct list *l = m->workers.next; l != &m->workers; l = l->next)
        used[LIST_OWNER(l, struct worker, all)->slot] = true;
    for (unsigned i = from; i < to; i++)
        if (!used[i])
            return i;
    return 0;
}

static void worker_free(uv_handle_t *handle)
{
    free(handle->data);
}

/* bury - both the process and its channel must be gone */

static void bury(struct worker *w)
{
    if (w->dead && w->channel == NULL)
        uv_close((uv_handle_t *)&w->process, worker_free);
}

static void on_channel_gone(struct channel *c, const char *why)
{
    struct worker *w = c->user;

    (void)why;
    w->channel = NULL;
    if (!w->dead)
        uv_process_kill(&w->process, SIGKILL);  /* it cannot hear us any more */
    bury(w);
}

static void on_death(uv_process_t *process, int64_t status, int signal)
{
    struct worker *w = process->data;
    struct master *m = w->master;

    w->dead = true;
    list_remove(&w->all);
    if (w->role == ROLE_SMTPD)
        census_forget(&m->census, w->slot);
    if (w->channel != NULL)
        channel_close(w->channel, NULL);
    life_died(m, w, status, signal);
    bury(w);
}

static int execute(struct worker *w, int end)
{
    char *args[] = { (char *)"postriderd", (char *)(uintptr_t)role_name(w->role), NULL };
    uv_stdio_container_t io[4] = {
        { .flags = UV_IGNORE },
        { .flags = UV_INHERIT_FD, .data.fd = 1 },
        { .flags = UV_INHERIT_FD, .data.fd = 2 },
        { .flags = UV_INHERIT_FD, .data.fd = end },
    };
    uv_process_options_t options = {
        .file = "/proc/self/exe", .args = args, .stdio = io, .stdio_count = 4,
        .exit_cb = on_death,
    };

    w->process.data = w;
    return uv_spawn(w->master->loop, &w->process, &options);
}

static bool begin(struct master *m, enum role role, unsigned index, unsigned generation)
{
    struct worker *w = calloc(1, sizeof *w);
    int ends[2], error;

    if (w == NULL || pair(ends) != 0) {
        free(w);
        return false;
    }
    *w = (struct worker){ .master = m, .role = role, .index = index,
                          .generation = generation, .slot = free_slot(m, role),
                          .started = clock_mono() };
    error = w->slot != 0 ? execute(w, ends[1]) : UV_EAGAIN;
    close(ends[1]);
    if (error != 0) {
        log_event(EVENT_CHILD_DIED, LF_STR("role", role_name(role)),
                  LF_STR("why", uv_strerror(error)));
        close(ends[0]);
        if (w->slot != 0)
            uv_close((uv_handle_t *)&w->process, worker_free);
        else
            free(w);
        return false;
    }
    list_push(&m->workers, &w->all);
    w->channel = channel_new(m->loop, ends[0], ROLE_MASTER, role, w->slot,
                             life_receive, on_channel_gone, w);
    if (w->channel == NULL)
        uv_process_kill(&w->process, SIGKILL);  /* and on_death() starts another */
    else
        hand_over(w);
    return true;
}

void worker_start(struct master *m, enum role role, unsigned index, unsigned generation)
{
    if (!begin(m, role, index, generation))
        life_start_later(m, role, index, generation, AGAIN);
}

unsigned workers_of(const struct conf *conf, enum role role)
{
    static const enum role_count how_many[] = {
#define R(NAME, name, count, help) [ROLE_##NAME] = count,
        ROLES(R)
#undef R
    };

    return how_many[role] == PER_SMTPD ? conf_processes(conf->processes.smtpd)
         : how_many[role] == PER_RELAY ? conf_processes(conf->processes.relay) : 1;
}

void workers_start(struct master *m)
{
    for (enum role role = ROLE_MASTER + 1; role < ROLE_COUNT; role++) {
        if (m->generation > 1 && !worker_serves_sessions(role))
            continue;
        for (unsigned i = 0; i < workers_of(m->conf, role); i++)
            worker_start(m, role, i, m->generation);
    }
}

void worker_drain(struct worker *w, unsigned seconds)
{
    if (w->draining || w->channel == NULL)
        return;
    w->draining = true;
    channel_send_msg_drain(w->channel, &(struct msg_drain){ seconds }, -1);
}
