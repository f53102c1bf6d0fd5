/* life.c - what the master does when something happens.
 *
 * Starting: a child that gives up ends the server, since it would give up
 * again. Serving: a child that dies is started again, at once the first times,
 * then ever more slowly. Stopping goes in the order in which mail flows: first
 * those that take it in, then those that send it, the queue last.
 */
#include <errno.h>
#include <stdlib.h>
#include <sysexits.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/fate.h"
#include "ipc/child.h"
#include "log/log.h"
#include "master/master.h"

enum {
    SOON      = 1000,       /* ms after its start: a death that counts as hurried */
    PATIENCE  = 10,         /* hurried deaths before starting again waits */
    LONGEST   = 5000,       /* ms */
    PATIENCE_MS = 10000,    /* that a new generation may take before another is tried */
};

static struct worker *next_worker(struct master *m, struct list **at)
{
    *at = *at == NULL ? m->workers.next : (*at)->next;
    return *at == &m->workers ? NULL : LIST_OWNER(*at, struct worker, all);
}

/* ------------------------------------------------------------- starting -- */

void life_tell_parent(struct master *m, int status)
{
    unsigned char byte = (unsigned char)status;

    if (m->notify_fd < 0)
        return;
    if (write(m->notify_fd, &byte, 1) != 1)
        log_event(EVENT_BUG, LF_STR("why", "the parent does not listen"));
    close(m->notify_fd);
    m->notify_fd = -1;
}

/* counts - is it one of those that serve under the configuration in force? */

static bool counts(const struct master *m, const struct worker *w)
{
    return w->ready && !w->draining
        && (!worker_serves_sessions(w->role) || w->generation == m->generation);
}

static bool all_ready(struct master *m)
{
    struct list *at = NULL;
    struct worker *w;
    unsigned ready = 0, wanted = 0;

    while ((w = next_worker(m, &at)) != NULL)
        ready += counts(m, w);
    for (enum role role = ROLE_MASTER + 1; role < ROLE_COUNT; role++)
        wanted += workers_of(m->conf, role);
    return ready >= wanted;
}

/* serves_old_sessions - is it asked by sessions of its generation, to their end? */

static bool serves_old_sessions(enum role role)
{
    return role == ROLE_LOOKUP || role == ROLE_VAULT;
}

static void retire_old(struct master *m)
{
    struct list *at = NULL;
    struct worker *w;

    ports_retire(m, m->generation);
    while ((w = next_worker(m, &at)) != NULL)
        if (worker_serves_sessions(w->role) && w->generation != m->generation
            && !serves_old_sessions(w->role))
            worker_drain(w, MASTER_DRAIN);
}

/* dismiss_helpers - an old lookup or vault goes when nobody of its generation asks it */

static void dismiss_helpers(struct master *m)
{
    struct list *at = NULL, *in;
    struct worker *w, *s;

    while ((w = next_worker(m, &at)) != NULL) {
        bool asked = false;

        if (!serves_old_sessions(w->role) || w->generation == m->generation || w->draining)
            continue;
        for (in = NULL; (s = next_worker(m, &in)) != NULL;)
            asked = asked || (s->generation == w->generation
                              && (s->role == ROLE_SMTPD || s->role == ROLE_RELAY));
        if (!asked)
            worker_drain(w, MASTER_DRAIN);
    }
}

/* tell_console - a reload that a person asked for is done */

static void tell_console(struct master *m)
{
    struct list *at = NULL;
    struct worker *w;

    while (m->reload_asked && (w = next_worker(m, &at)) != NULL)
        if (w->role == ROLE_CONSOLE && w->channel != NULL)
            channel_send_msg_done(w->channel, &(struct msg_done){
                .ticket = m->reload_ticket, .fate = FATE_DONE, .count = 1 }, -1);
    m->reload_asked = false;
}

void life_ready(struct master *m)
{
    if (m->state == MASTER_STOPPING || !all_ready(m))
        return;
    if (m->state == MASTER_STARTING) {
        log_event(EVENT_READY, LF_NUM("pid", getpid()), LF_TEXT("config", m->conf->file));
        life_tell_parent(m, EX_OK);
    } else if (m->state == MASTER_RELOADING) {
        retire_old(m);
        dismiss_helpers(m);
        log_event(EVENT_RELOAD, LF_NUM("generation", m->generation),
                  LF_TEXT("config", m->conf->file));
        tell_console(m);
    }
    m->state = MASTER_SERVING;
    if (m->reload_again) {
        m->reload_again = false;
        life_reload(m);
    }
}

/* ---------------------------------------------------------------- dying -- */

struct restart {
    uv_timer_t     timer;
    struct master *master;
    enum role      role;
    unsigned       index, generation;
};

static void restart_free(uv_handle_t *handle)
{
    free(handle->data);
}

static void on_restart(uv_timer_t *timer)
{
    struct restart *r = timer->data;
    struct master *m = r->master;

    uv_close((uv_handle_t *)timer, restart_free);
    if (m->state == MASTER_STOPPING
        || (worker_serves_sessions(r->role) && r->generation != m->generation))
        return;
    count_add(restarts, 1);
    worker_start(m, r->role, r->index, m->generation);
}

/* restart_after - how long to wait: hurried deaths in a row make it longer */

static uint64_t restart_after(struct master *m, const struct worker *w)
{
    uint64_t wait = 0;

    m->hurry = clock_mono() - w->started < SOON ? m->hurry + 1 : 0;
    if (m->hurry > PATIENCE) {
        wait = 20u << (m->hurry - PATIENCE < 9 ? m->hurry - PATIENCE : 9);
        wait = wait < LONGEST ? wait : LONGEST;
    }
    return wait;
}

void life_start_later(struct master *m, enum role role, unsigned index, unsigned generation,
                      uint64_t wait)
{
    struct restart *r = calloc(1, sizeof *r);

    if (r == NULL || uv_timer_init(m->loop, &r->timer) != 0) {
        free(r);
        life_stop(m, EX_OSERR);
        return;
    }
    r->master = m;
    r->role = role;
    r->index = index;
    r->generation = generation;
    r->timer.data = r;
    uv_timer_start(&r->timer, on_restart, wait, 0);
}

static void stop_in_order(struct master *m);

void life_died(struct master *m, struct worker *w, int64_t status, int signal)
{
    bool expected = w->draining || m->state == MASTER_STOPPING;

    log_event(expected ? EVENT_CHILD_LEFT : EVENT_CHILD_DIED,
              LF_STR("role", role_name(w->role)), LF_NUM("slot", w->slot),
              LF_NUM("pid", w->process.pid), LF_NUM("status", status),
              LF_NUM("signal", signal));
    if (m->state == MASTER_STOPPING) {
        stop_in_order(m);
    } else if (m->state == MASTER_STARTING && !w->ready && signal == 0) {
        life_stop(m, status != 0 ? (int)status : EX_SOFTWARE);
    } else if (!w->draining) {
        life_start_later(m, w->role, w->index, w->generation, restart_after(m, w));
    } else {
        dismiss_helpers(m);
    }
}

/* ------------------------------------------------------------- stopping -- */

/* Who leaves when: each step waits until the one before is empty. */
static const unsigned leaving[] = {
    ROLE_BIT(SMTPD),
    ROLE_BIT(RELAY) | ROLE_BIT(LOCAL),
    ROLE_BIT(QUEUE),
    ROLE_BIT(LOOKUP) | ROLE_BIT(VAULT) | ROLE_BIT(CONSOLE),
};

static bool drain_roles(struct master *m, unsigned roles)
{
    struct list *at = NULL;
    struct worker *w;
    bool any = false;

    while ((w = next_worker(m, &at)) != NULL)
        if (roles & (1u << w->role)) {
            w->draining = false;            /* it may be draining slowly: hurry it */
            worker_drain(w, MASTER_STOP / 4);
            any = true;
        }
    return any;
}

static void stop_in_order(struct master *m)
{
    for (size_t i = 0; i < sizeof leaving / sizeof leaving[0]; i++)
        if (drain_roles(m, leaving[i]))
            return;
    uv_stop(m->loop);
}

static void on_deadline(uv_timer_t *timer)
{
    struct master *m = timer->data;
    struct list *at = NULL;
    struct worker *w;

    while ((w = next_worker(m, &at)) != NULL) {
        log_event(EVENT_CHILD_DIED, LF_STR("role", role_name(w->role)),
                  LF_STR("why", "did not leave in time"));
        uv_process_kill(&w->process, SIGKILL);
    }
    uv_timer_start(timer, on_deadline, 1000, 0);
}

void life_stop(struct master *m, int status)
{
    if (m->state == MASTER_STOPPING)
        return;
    m->state = MASTER_STOPPING;
    m->exit_status = status;
    log_event(EVENT_STOP, LF_NUM("status", status));
    life_tell_parent(m, status);
    while (m->nports > 0)
        close(m->ports[--m->nports].fd);
    m->deadline.data = m;
    uv_timer_start(&m->deadline, on_deadline, MASTER_STOP * 1000, 0);
    stop_in_order(m);
}

/* ------------------------------------------------------------ reloading -- */

/* unchangeable - what only a restart can change; NULL: nothing of it differs */

static const char *unchangeable(const struct conf *a, const struct conf *b)
{
    if (!slice_eq(a->spool, b->spool))
        return "spool: cannot change while running; restart the server";
    if (!slice_eq(a->control, b->control))
        return "control: cannot change while running; restart the server";
    if (!slice_eq(a->user, b->user) || !slice_eq(a->queue_user, b->queue_user)
        || !slice_eq(a->vault_user, b->vault_user))
        return "user: cannot change while running; restart the server";
    return NULL;
}

static void refuse(const struct buf *errors)
{
    struct slice rest = buf_view(errors), line;

    while (rest.n > 0) {
        slice_cut(rest, '\n', &line, &rest);
        if (line.n > 0)
            log_event(EVENT_RELOAD_REFUSED, LF_TEXT("why", line));
    }
}

/* adopt - everything that can fail has succeeded: the new configuration is in force */

static void adopt(struct master *m, struct conf *conf, int conf_fd,
                  struct handed_table *tables, size_t ntables)
{
    struct list *at = NULL;
    struct worker *w;

    conf_free(m->conf);
    close(m->conf_fd);
    tables_free(m->tables, m->ntables);
    m->conf = conf;
    m->conf_fd = conf_fd;
    m->tables = tables;
    m->ntables = ntables;
    m->state = MASTER_RELOADING;
    m->reload_began = clock_mono();
    conf_log(conf, role_name(ROLE_MASTER));
    watch_again(m);
    while ((w = next_worker(m, &at)) != NULL)
        if (!worker_serves_sessions(w->role) && w->channel != NULL) {
            channel_send_msg_log(w->channel, &(struct msg_log){ m->generation }, STDERR_FILENO);
            channel_send_msg_conf(w->channel, &(struct msg_conf){ m->generation }, conf_fd);
        }
    workers_start(m);
}

/* take_over - from tables to ports, the steps that can fail; then adopt() */

static bool take_over(struct master *m, struct conf *conf, struct buf *errors)
{
    struct handed_table *tables;
    struct why why;
    size_t ntables;
    int fd;

    if (!tables_compile(conf, &tables, &ntables, errors))
        return false;
    fd = conf_write(conf);
    if (fd < 0) {
        buf_puts(errors, "the configuration could not be written down");
    } else if (!logfile_open(conf, &why) || !ports_open(m, conf, m->generation + 1, &why)) {
        buf_puts(errors, why.text);
        close(fd);
    } else {
        m->generation++;
        adopt(m, conf, fd, tables, ntables);
        return true;
    }
    tables_free(tables, ntables);
    return false;
}

static bool reload(struct master *m, struct buf *errors)
{
    struct conf *conf = conf_parse(m->conf_path, errors);
    const char *fixed;

    if (conf == NULL)
        return false;
    if (!settle_users(conf, errors)) {
        conf_free(conf);
        return false;
    }
    fixed = unchangeable(m->conf, conf);
    if (fixed != NULL)
        buf_puts(errors, fixed);
    else if (take_over(m, conf, errors))
        return true;
    conf_free(conf);
    return false;
}

/* busy - one generation at a time; but one that cannot begin must not keep a
 * better configuration out for ever */

static bool busy(const struct master *m)
{
    return m->state == MASTER_STARTING
        || (m->state == MASTER_RELOADING && clock_mono() - m->reload_began < PATIENCE_MS);
}

void life_reload(struct master *m)
{
    struct buf errors = BUF(64 << 10);

    if (busy(m))
        m->reload_again = true;
    else if (m->state != MASTER_STOPPING && !reload(m, &errors))
        refuse(&errors);
    buf_free(&errors);
}

/* ------------------------------------------------- what the children say -- */

static bool on_ready(struct worker *w, struct channel *c, struct wire *in)
{
    struct msg_ready ready;

    (void)c;
    if (!msg_ready_get(in, &ready))
        return false;
    w->ready = true;
    life_ready(w->master);
    return true;
}

static bool on_status(struct worker *w, struct channel *c, struct wire *in)
{
    struct msg_status ask;
    struct buf values = BUF(COUNTER_COUNT * sizeof(uint64_t));
    struct wire out = wire_writer(&values);

    if (!msg_status_get(in, &ask))
        return false;
    for (size_t i = 0; i < COUNTER_COUNT; i++)
        wire_put_u64(&out, counters[i]);
    channel_send_msg_report(c, &(struct msg_report){
        .ticket = ask.ticket, .pid = (uint32_t)getpid(), .role = ROLE_MASTER,
        .generation = w->master->generation, .ncounters = COUNTER_COUNT,
        
        .started = w->master->began, .counters = buf_view(&values), .last = 1 }, -1);
    buf_free(&values);
    return true;
}

/* on_reload - answered when the new generation is ready, or at once if it is refused */

static bool on_reload(struct worker *w, struct channel *c, struct wire *in)
{
    struct master *m = w->master;
    struct msg_reload ask;
    struct buf errors = BUF(4000);

    if (!msg_reload_get(in, &ask))
        return false;
    if (!busy(m) && m->state != MASTER_STOPPING && reload(m, &errors)) {
        m->reload_asked = true;
        m->reload_ticket = ask.ticket;
    } else {
        if (errors.n == 0)
            buf_puts(&errors, "busy starting, reloading or stopping: try again in a moment");
        refuse(&errors);
        channel_send_msg_done(c, &(struct msg_done){
            .ticket = ask.ticket, .fate = FATE_NEVER,
            .text = slice_trim(buf_view(&errors)) }, -1);
    }
    buf_free(&errors);
    return true;
}

static bool on_stop(struct worker *w, struct channel *c, struct wire *in)
{
    struct msg_stop ask;

    if (!msg_stop_get(in, &ask))
        return false;
    channel_send_msg_done(c, &(struct msg_done){
        .ticket = ask.ticket, .fate = FATE_DONE, .count = 1 }, -1);
    life_stop(w->master, EX_OK);
    return true;
}

typedef bool said_f(struct worker *w, struct channel *c, struct wire *in);

bool life_receive(struct channel *c, uint32_t type, struct wire *in, int *fd)
{
    static said_f *const said[MSG_COUNT] = {
        [MSG_READY] = on_ready,   [MSG_STATUS] = on_status,
        [MSG_RELOAD] = on_reload, [MSG_STOP] = on_stop,
    };

    (void)fd;
    return said[type] != NULL && said[type](c->user, c, in);
}
