/* load_loop.c - one thread, one epoll, and a clock.
 *
 * Sessions whose connection is over wait in a pile and connect again in the next turn, as
 * long as there are messages. Idle ones come first, a few at a time, so that no listen queue
 * overflows; what is measured begins when all of them are open.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>
#include "cli/load_loop.h"

enum {
    EVENTS = 256,
    OPENING_MAX = 100,          /* idle sessions that are being opened at a time */
    TICK = 100,                 /* ms between looks at the clock */
    GRACE = 10,                 /* s for what is on its way when time is up */
    HOPELESS = 200,             /* connections in a row that came to nothing: give up */
    SPARE_FILES = 64,
};
static const int64_t SECOND = 1000000000;

struct loop {
    struct load          *load;
    struct load_session  *idle, *active;
    size_t                n_idle, n_active;
    struct load_session **pile;         /* to connect in the next turn */
    size_t                piled;
    size_t                opened;       /* idle sessions that were begun */
    size_t                working;      /* active sessions that are not closed */
    bool                  measuring;    /* the active ones were let loose */
    bool                  ended;        /* nothing new any more */
    bool                  progress;     /* to be shown */
    uint64_t              fruitless;    /* connections in a row without a message */
    int64_t               begun, shown, until;
};

static volatile sig_atomic_t stopped;

static void on_signal(int number)
{
    (void)number;
    stopped = 1;
}

/* --- sessions ------------------------------------------------------------------------------- */

/* closed - a session is: it connects again in the next turn if there is work */

static void closed(struct loop *l, struct load_session *s)
{
    if (s->idle)
        return;
    l->working--;
    l->fruitless = s->begun > 0 ? 0 : l->fruitless + 1;
    if (l->load->left > 0)
        l->pile[l->piled++] = s;
}

static void begin(struct loop *l, struct load_session *s)
{
    if (!s->idle) {
        if (l->load->left == 0)
            return;
        l->load->left--;
        s->reserved = true;
        l->working++;
    }
    if (!session_begin(s))
        closed(l, s);
}

/* begin_piled - those that were there when the turn began: one that fails at once waits for
 * the next */

static void begin_piled(struct loop *l)
{
    size_t n = l->piled, kept = 0;

    for (size_t i = 0; i < n; i++)
        begin(l, l->pile[i]);
    for (size_t i = n; i < l->piled; i++)
        l->pile[kept++] = l->pile[i];
    l->piled = kept;
}

/* end - nothing new from now on; what is on its way may arrive */

static void end(struct loop *l)
{
    l->load->unsent |= l->load->left > 0;
    l->load->left = 0;
    l->ended = true;
}

/* watch_stdin - whose end is that of an idle load; a plain file or /dev/null cannot be watched */

static void watch_stdin(struct loop *l)
{
    struct epoll_event e = { .events = EPOLLIN };

    epoll_ctl(l->load->target.epoll, EPOLL_CTL_ADD, STDIN_FILENO, &e);
}

static void read_stdin(struct loop *l)
{
    char junk[256];

    if (read(STDIN_FILENO, junk, sizeof junk) == 0) {
        epoll_ctl(l->load->target.epoll, EPOLL_CTL_DEL, STDIN_FILENO, NULL);
        end(l);
    }
}

static void let_loose(struct loop *l, int64_t now)
{
    l->measuring = true;
    if (l->load->plan.idle && l->load->plan.messages == 0)
        watch_stdin(l);
    if (l->load->tally.warm == 0)
        tally_begin(&l->load->tally, now);
    for (size_t i = 0; i < l->n_active; i++)
        l->pile[l->piled++] = &l->active[i];
}

/* open_idle - some more, or all are open: say so */

static void open_idle(struct loop *l, int64_t now)
{
    struct load_tally *t = &l->load->tally;

    while (l->opened < l->n_idle && l->opened - t->open - t->lost < OPENING_MAX)
        begin(l, &l->idle[l->opened++]);
    if (l->measuring || t->open + t->lost < l->n_idle)
        return;
    t->opening = now - l->begun;
    if (l->load->plan.idle) {
        printf("open %llu\n", (unsigned long long)t->open);
        fflush(stdout);
    }
    let_loose(l, now);
}

/* --- how long ---------------------------------------------------------------------------------- */

static void show_progress(struct loop *l, int64_t now)
{
    const struct load_tally *t = &l->load->tally;
    uint64_t n = tally_counted(t);

    l->shown = now;
    fprintf(stderr, "\r%llu open, %llu done, %llu refused, %llu failed, %.0f a second  ",
            (unsigned long long)(l->working + t->open), (unsigned long long)n,
            (unsigned long long)t->count[LOAD_REFUSED], (unsigned long long)t->count[LOAD_FAILED],
            t->begun == 0 || now == t->begun ? 0
            : (double)n / ((double)(now - t->begun) / (double)SECOND));
}

static void look_at_clock(struct loop *l, int64_t now)
{
    if (!l->ended && (now >= l->until || l->load->hopeless != NULL))
        end(l);
    if (!l->ended && l->fruitless >= HOPELESS) {
        l->load->hopeless = "200 connections in a row came to nothing";
        end(l);
    }
    if (l->progress && now - l->shown >= SECOND)
        show_progress(l, now);
}

static bool done(const struct loop *l, int64_t now)
{
    const struct load_plan *p = &l->load->plan;

    if (stopped || (l->ended && (now >= l->until + GRACE * SECOND || !l->measuring)))
        return true;
    if (!l->measuring || l->working > 0 || l->piled > 0)
        return false;
    return !p->idle || p->messages > 0 || l->ended;
}

static void turn(struct loop *l)
{
    struct epoll_event events[EVENTS];
    int n = epoll_wait(l->load->target.epoll, events, EVENTS, l->piled > 0 ? 0 : TICK);

    for (int i = 0; i < n; i++) {
        struct load_session *s = events[i].data.ptr;

        if (s == NULL)
            read_stdin(l);
        else if (!session_event(s))
            closed(l, s);
    }
}

static void work(struct loop *l)
{
    int64_t now = load_clock();

    l->begun = l->shown = now;
    l->until = now + l->load->plan.time * (SECOND / 1000);
    while (!done(l, now)) {
        if (!l->ended)
            open_idle(l, now);
        begin_piled(l);
        turn(l);
        now = load_clock();
        look_at_clock(l, now);
    }
    tally_end(&l->load->tally);
    l->load->tally.interrupted = stopped;
    for (size_t i = 0; i < l->n_active; i++)
        session_end(&l->active[i], stopped ? NULL : "no answer in time");
    for (size_t i = 0; i < l->n_idle; i++)
        session_end(&l->idle[i], NULL);
    if (l->progress)
        fputs("\r\033[K", stderr);
}

/* --- beginning and end --------------------------------------------------------------------------- */

/* raise_limit - a descriptor for each session */

static bool raise_limit(size_t sessions)
{
    struct rlimit r;
    rlim_t allowed;

    if (getrlimit(RLIMIT_NOFILE, &r) < 0 || r.rlim_cur >= sessions + SPARE_FILES)
        return true;
    allowed = r.rlim_max;
    r.rlim_cur = sessions + SPARE_FILES;
    if (r.rlim_max < r.rlim_cur)
        r.rlim_max = r.rlim_cur;        /* who may, may */
    if (setrlimit(RLIMIT_NOFILE, &r) == 0)
        return true;
    fprintf(stderr, "postrider load: %zu sessions need as many descriptors, and no more than %llu"
            " are allowed (ulimit -Hn); run it several times at once\n", sessions,
            (unsigned long long)allowed);
    return false;
}

static void watch_signals(void)
{
    struct sigaction a = { .sa_handler = on_signal };

    stopped = 0;
    sigaction(SIGINT, &a, NULL);
    sigaction(SIGTERM, &a, NULL);
}

static bool watch(struct loop *l)
{
    l->load->target.epoll = epoll_create1(EPOLL_CLOEXEC);
    watch_signals();
    return l->load->target.epoll >= 0;
}

static bool make(struct loop *l)
{
    const struct load_plan *p = &l->load->plan;

    l->n_idle = p->idle ? p->sessions : 0;
    l->n_active = p->idle ? p->active : p->sessions;
    l->idle = sessions_new(l->load, l->n_idle + 1);
    l->active = sessions_new(l->load, l->n_active);
    l->pile = calloc(2 * l->n_active, sizeof *l->pile);
    for (size_t i = 0; l->idle != NULL && i < l->n_idle; i++)
        l->idle[i].idle = true;
    return l->idle != NULL && l->active != NULL && l->pile != NULL;
}

bool load_run(struct load *load)
{
    struct loop l = { .load = load, .progress = !load->plan.quiet && isatty(STDERR_FILENO) };
    bool ok = false;

    load->target.epoll = -1;
    load->left = load->plan.messages + load->plan.warmup;
    load->tally.warm = load->plan.warmup;
    errno = ENOMEM;
    if (make(&l) && raise_limit(l.n_idle + l.n_active) && watch(&l)) {
        work(&l);
        ok = true;
    }
    sessions_free(l.idle, l.n_idle + 1);
    sessions_free(l.active, l.n_active);
    free(l.pile);
    if (load->target.epoll >= 0)
        close(load->target.epoll);
    return ok;
}
