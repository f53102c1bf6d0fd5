/* main.c - the queue process: the core on the event loop.
 *
 * One timer lets the core work when its time has come; everything that comes
 * in lets it work at the end of the turn. The journal's flush runs on a thread
 * of its own, one at a time: what is appended meanwhile forms the next.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/thrift.h"
#include "ipc/child.h"
#include "log/log.h"
#include "queue/channels.h"
#include "queue/flusher.h"

enum {
    PATIENCE = 40,          /* looks at a lock that is held, 50 ms apart */
    SPARE    = 4 << 20,     /* bytes */
    LOOK     = 1000,        /* ms between looks at whether there is work */
};

static const uint64_t DRAIN_LOOK = 50;      /* ms between looks at whether all has ended */

struct shell {
    struct child *child;
    struct queue *queue;
    struct disk  *disk;
    uv_timer_t    timer;
    uv_timer_t    drain;
    uv_check_t    check;        /* after the loop has waited: work, flush. Not later: what is
                                 * said to peers goes out before it waits again */
    uv_idle_t     idle;         /* while there is more to do: the loop does not wait */
    struct flusher flusher;
    uv_work_t     chore;
    bool          chored, wanted, work;
    struct thrift thrift;
    int64_t       looked;       /* mono, ms: for it */
    int64_t       armed;        /* mono, ms: when the timer goes off; 0: it does not */
    int64_t       drain_until;
};

static struct shell shell;

static void now(struct shell *s)
{
    queue_at(s->queue, clock_mono(), clock_wall());
}

/* ---------------------------------------------------------------- flush -- */

static void flush_work(void *user)
{
    struct shell *s = user;

    journal_flush_work(s->queue->journal);
}

/* flush_start - what is waiting goes at once; what comes meanwhile forms the next */

static void flush_start(struct shell *s)
{
    if (!s->flusher.busy && journal_flush_begin(s->queue->journal))
        flusher_run(&s->flusher);
}

static void flush_done(void *user)
{
    struct shell *s = user;

    now(s);
    journal_flush_end(s->queue->journal);
    s->work = s->wanted = true;     /* the next begins at the end of this turn */
}

static void chore_work(uv_work_t *work)
{
    struct shell *s = work->data;

    journal_chore_work(s->queue->journal);
}

static void chore_done(uv_work_t *work, int status)
{
    struct shell *s = work->data;

    (void)status;
    s->chored = false;
    now(s);
    journal_chore_end(s->queue->journal);
    s->wanted = s->work = true;
}

static void chore_start(struct shell *s)
{
    if (s->chored || s->queue->draining || !journal_chore_begin(s->queue->journal))
        return;
    s->chored = true;
    s->chore.data = s;
    if (uv_queue_work(s->child->loop, &s->chore, chore_work, chore_done) != 0) {
        journal_chore_work(s->queue->journal);
        chore_done(&s->chore, 0);
    }
}

/* want_flush - at the end of this turn, so that all of its commits share it */

static void want_flush(void *user)
{
    ((struct shell *)user)->wanted = true;
}

static void want_work(void *user)
{
    ((struct shell *)user)->work = true;
}

/* ------------------------------------------------------------------ turns -- */

static void nothing(uv_idle_t *idle)
{
    (void)idle;                 /* the check handle does the work */
}

static void on_timer(uv_timer_t *timer)
{
    struct shell *s = timer->data;

    s->armed = 0;
    s->work = true;
    uv_idle_start(&s->idle, nothing);
}

/* settle - a million messages leave room between them that is worth having back */

static void settle(struct shell *s)
{
    struct journal_stats stats;

    if (s->queue->mono - s->looked < LOOK)
        return;
    s->looked = s->queue->mono;
    journal_stats(s->queue->journal, &stats);
    if (!thrift_quiet(&s->thrift, stats.flushes))
        return;
    journal_rest(s->queue->journal);
    thrift_return();
}

/* arm - the timer for the core's next work; most turns leave it as it is */

static void arm(struct shell *s)
{
    int64_t wake = queue_wake(s->queue), wait = wake - s->queue->mono;

    if (wake == s->armed)
        return;
    s->armed = wake;
    uv_timer_start(&s->timer, on_timer, wait > 0 ? (uint64_t)wait : 0, 0);
}

static void on_check(uv_check_t *check)
{
    struct shell *s = check->data;

    if (s->wanted) {
        s->wanted = false;
        flush_start(s);         /* first: the thread writes while the rest is done here */
    }
    if (s->work) {
        now(s);
        s->work = queue_work(s->queue);
        settle(s);
        chore_start(s);
        arm(s);
    }
    if (s->work || (s->wanted && !s->flusher.busy))
        uv_idle_start(&s->idle, nothing);
    else
        uv_idle_stop(&s->idle);
}

/* ------------------------------------------------------------------- life -- */

/* open_patiently - the queue of a server that was just killed may still be
 * letting go of the lock */

static struct queue *open_patiently(struct shell *s, uint64_t seed, struct why *why)
{
    static const struct timespec moment = { .tv_nsec = 50 * 1000 * 1000 };
    struct queue *q = NULL;

    for (int i = 0; i < PATIENCE && q == NULL; i++) {
        if (i > 0)
            nanosleep(&moment, NULL);
        q = queue_open(&(struct queue_options){
            .conf = s->child->conf, .disk = s->disk, .seed = seed,
            .mono = clock_mono(), .wall = clock_wall(), .history = true, .flush = want_flush,
            .user = s }, why);
        if (q == NULL && why->error != EWOULDBLOCK)
            break;
    }
    return q;
}

static bool open_spool(struct shell *s)
{
    char spool[4096];
    struct slice path = s->child->conf->spool;
    struct why why = { 0 };
    uint64_t seed = 0;
    int error = 0;

    if (getrandom(&seed, sizeof seed, 0) != (ssize_t)sizeof seed)
        return false;           /* no secret: every table would be predictable */
    if (path.n >= sizeof spool)
        return false;
    memcpy(spool, path.p, path.n);
    spool[path.n] = '\0';
    s->disk = disk_real(spool, &error);
    if (s->disk == NULL) {
        log_event(EVENT_SPOOL, LF_TEXT("spool", path), LF_STR("why", strerror(error)));
        return false;
    }
    s->queue = open_patiently(s, seed, &why);
    if (s->queue == NULL)
        log_event(EVENT_SPOOL, LF_TEXT("spool", path), LF_STR("why", why.text));
    return s->queue != NULL;
}

static bool begin(struct child *child)
{
    struct shell *s = &shell;

    thrift_begin(SPARE);
    *s = (struct shell){ .child = child, .work = true, .wanted = true, .thrift.busy = true };
    child->user = s;
    if (!open_spool(s))
        return false;
    uv_timer_init(child->loop, &s->timer);
    uv_timer_init(child->loop, &s->drain);
    uv_check_init(child->loop, &s->check);
    uv_idle_init(child->loop, &s->idle);
    uv_idle_start(&s->idle, nothing);
    flusher_start(&s->flusher, child->loop, flush_work, flush_done, s);
    s->timer.data = s->drain.data = s->check.data = s;
    uv_check_start(&s->check, on_check);
    return true;
}

static bool common(struct channel *c, uint32_t type, struct wire *w, int *fd)
{
    (void)fd;
    return child_receive_common(shell.child, c, type, w);
}

static void peer(struct child *child, struct channel *c)
{
    struct shell *s = child->user;

    channels_add(s->queue, c, want_work, s, common);
}

static void reconf(struct child *child)
{
    struct shell *s = child->user;

    now(s);
    queue_reconf(s->queue, child->conf);
    s->work = true;
}

static void look_drain(uv_timer_t *timer)
{
    struct shell *s = timer->data;

    now(s);
    if (!(queue_idle(s->queue) && !s->flusher.busy && !s->chored) && clock_mono() < s->drain_until)
        return;
    if (s->flusher.busy || s->chored)
        return;                 /* never leave while a thread is writing */
    uv_timer_stop(timer);
    uv_check_stop(&s->check);
    child_leave(s->child, EX_OK);
}

static void drain(struct child *child, unsigned seconds)
{
    struct shell *s = child->user;

    queue_drain(s->queue);
    s->drain_until = clock_mono() + (int64_t)seconds * 1000;
    uv_timer_start(&s->drain, look_drain, 0, DRAIN_LOOK);
}

static void gauge(struct child *child)
{
    queue_gauge(((struct shell *)child->user)->queue);
}

int queue_main(void)
{
    static const struct child_role role = {
        .role = ROLE_QUEUE, .begin = begin, .reconf = reconf, .peer = peer, .drain = drain,
        .gauge = gauge,
    };

    int status = child_run(&role);

    /* only now: until the loop has ended a peer may still speak */
    if (shell.queue != NULL && !shell.flusher.busy && !shell.chored) {
        flusher_stop(&shell.flusher);
        queue_close(shell.queue);
        disk_real_free(shell.disk);
    }
    return status;
}
