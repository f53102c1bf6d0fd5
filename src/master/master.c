/* master.c - from the configuration to a running server, and to its end. */
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>
#include "base/clock.h"
#include "log/log.h"
#include "master/master.h"

/* complain - tell the one who started us, who may not be reading the log; ends `errors` */

static int complain(struct master *m, int terminal, struct buf *errors, int status)
{
    struct slice text = slice_trim(buf_view(errors));

    if (text.n > 0)
        dprintf(terminal >= 0 ? terminal : STDERR_FILENO, "%.*s\n", SLICE(text));
    buf_free(errors);
    life_tell_parent(m, status);
    return status;
}

/* many_files - every session is a descriptor, in us and in our children */

static void many_files(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static void census_begin(struct master *m)
{
    m->census_fd = memfd_create("census", MFD_CLOEXEC);
    if (m->census_fd >= 0
        && ftruncate(m->census_fd, (off_t)census_bytes(MASTER_CENSUS_SLOTS)) == 0
        && census_open(&m->census, m->census_fd, MASTER_CENSUS_SLOTS, 0))
        return;
    if (m->census_fd >= 0)
        close(m->census_fd);
    m->census_fd = -1;
}

/* make_place - a directory that one of our users must be able to write to */

static void make_place(struct slice path, struct slice user, mode_t mode)
{
    char name[4096], owner[64];
    struct passwd *pw;

    if (path.n == 0 || path.n >= sizeof name)
        return;
    snprintf(name, sizeof name, "%.*s", SLICE(path));
    if (mkdir(name, mode) != 0 || geteuid() != 0 || user.n == 0)
        return;         /* there already, or ours, or whoever needs it will say */
    snprintf(owner, sizeof owner, "%.*s", SLICE(user));
    pw = getpwnam(owner);
    if (pw != NULL && chown(name, pw->pw_uid, pw->pw_gid) != 0)
        log_event(EVENT_CONFIG, LF_STR("why", "cannot give away"), LF_TEXT("path", path));
}

static void make_places(const struct conf *conf)
{
    make_place(conf->spool, conf->queue_user, 0700);
    make_place(slice_first(conf->control, slice_rchr(conf->control, '/')), conf->user, 0755);
}

/* settle_user - as root, a user that the configuration names must exist; the
 * default one may be missing: then we run as root, and say so */

static bool settle_user(struct slice *user, const char *setting, const char *by_default,
                        struct buf *errors)
{
    char name[64];

    snprintf(name, sizeof name, "%.*s", SLICE(*user));
    if (geteuid() != 0) {
        *user = (struct slice){ 0 };    /* only root can become somebody else */
        return true;
    }
    if (getpwnam(name) != NULL)
        return true;
    if (strcmp(name, by_default) != 0) {
        buf_printf(errors, "%s = \"%s\": no such user; make it with: useradd --system %s",
                   setting, name, name);
        return false;
    }
    log_event(EVENT_CONFIG, LF_STR("why", "no such user: this part runs as root"),
              LF_STR("setting", setting), LF_STR("user", name));
    *user = (struct slice){ 0 };
    return true;
}

bool settle_users(struct conf *conf, struct buf *errors)
{
    return settle_user(&conf->user, "user", "postrider", errors)
        && settle_user(&conf->queue_user, "queue_user", "postriderq", errors)
        && settle_user(&conf->vault_user, "vault_user", "postriderv", errors);
}

/* ---------------------------------------------------------------- signals -- */

static void on_stop_signal(uv_signal_t *handle, int signum)
{
    (void)signum;
    life_stop(handle->data, EX_OK);
}

static void on_hangup(uv_signal_t *handle, int signum)
{
    (void)signum;
    life_reload(handle->data);
}

static void listen_to(struct master *m, uv_signal_t *handle, uv_signal_cb cb, int signum)
{
    uv_signal_init(m->loop, handle);
    handle->data = m;
    uv_signal_start(handle, cb, signum);
}

/* ------------------------------------------------------------------ life -- */

/* open_patiently - a server that was killed may not have let go of its ports yet */

static bool open_patiently(struct master *m, struct why *why)
{
    static const struct timespec moment = { .tv_nsec = 50 * 1000 * 1000 };

    for (int i = 0; i < 20; i++) {
        if (ports_open(m, m->conf, m->generation, why))
            return true;
        if (why->error != EADDRINUSE)
            return false;
        nanosleep(&moment, NULL);
    }
    return false;
}

/* prepare - all that can be wrong with a configuration shows here */

static bool prepare(struct master *m, struct buf *errors, int *status)
{
    struct why why;

    *status = EX_CONFIG;
    m->conf = conf_parse(m->conf_path, errors);
    if (m->conf == NULL || !tables_compile(m->conf, &m->tables, &m->ntables, errors))
        return false;
    *status = EX_CANTCREAT;
    if (!logfile_open(m->conf, &why))
        return buf_puts(errors, why.text) && false;
    conf_log(m->conf, role_name(ROLE_MASTER));
    *status = EX_CONFIG;
    if (!settle_users(m->conf, errors))
        return false;
    *status = EX_OSERR;
    m->conf_fd = conf_write(m->conf);
    if (m->conf_fd < 0)
        return buf_puts(errors, "the configuration could not be written down") && false;
    *status = EX_UNAVAILABLE;
    return open_patiently(m, &why) || (buf_puts(errors, why.text) && false);
}

static void serve(struct master *m)
{
    listen_to(m, &m->term, on_stop_signal, SIGTERM);
    listen_to(m, &m->interrupt, on_stop_signal, SIGINT);
    listen_to(m, &m->hangup, on_hangup, SIGHUP);
    signal(SIGPIPE, SIG_IGN);
    uv_timer_init(m->loop, &m->deadline);
    watch_begin(m);
    workers_start(m);
    uv_run(m->loop, UV_RUN_DEFAULT);
}

int master_run(const char *conf_path, int notify_fd)
{
    static struct master m;
    struct buf errors = BUF(64 << 10);
    int terminal = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
    int status;

    m = (struct master){ .loop = uv_default_loop(), .conf_path = conf_path,
                         .conf_fd = -1, .census_fd = -1, .notify_fd = notify_fd,
                         .generation = 1, .began = clock_wall() };
    list_init(&m.workers);
    log_setup(&(struct log_conf){ .level = LOG_INFORM, .process = "master" });
    many_files();
    if (!prepare(&m, &errors, &status))
        return complain(&m, terminal, &errors, status);
    if (terminal >= 0)
        close(terminal);
    buf_free(&errors);
    make_places(m.conf);
    census_begin(&m);
    serve(&m);
    return m.exit_status;
}
