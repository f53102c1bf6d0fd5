/* sched.c - jobs moving between states, and destinations learning.
 *
 * move() is the only function that changes a job's state; settle() the only
 * one that decides whether a destination may take part in its lane's turns.
 */
#include <assert.h>
#include <stdlib.h>
#include "base/map.h"
#include "sched/sched.h"
#include "sched/wheel.h"

enum {
    WINDOW_FIRST = 5,               /* attempts at once to a destination never seen */
    BAD_SESSIONS = 3,               /* as many in a row count as trouble of the host */
    BACKOFF_MAX  = 30 * 60 * 1000,  /* ms: so that a host that is back is soon noticed */
    IDLE_MAX     = 4096,            /* destinations remembered without jobs */
    REASON_MAX   = 200,
    RETRY_MAX    = 64,
    TURN_BITS    = 0x0f,            /* of sched_job.turn */
    OWNER_BITS   = 0xf0,
};

struct sched {
    struct map    destinations;
    struct list   rings[SCHED_LANES][SCHED_LEVELS];    /* lowest level first */
    size_t        nactive[SCHED_LANES];     /* destinations in the rings of each */
    struct list   idle;             /* oldest first */
    size_t        nidle;
    struct heap   backoffs;
    struct wheel  wheel;
    int64_t       origin;           /* mono ms of tick 0 */
    int64_t       now;
    uint64_t      random;
    uint64_t      count[SCHED_STATES];
    int64_t       retry[RETRY_MAX];
    size_t        nretry;
    unsigned      jitter, concurrency[SCHED_LANES];
    int64_t       lifetime, warn;
};

static_assert(sizeof(struct sched_job) == 32, "a job is kept for every waiting message");

static struct slice dest_key(const void *member)
{
    const struct destination *d = member;

    return slice_of(d->text, d->n);
}

static struct sched_job *job_of(struct list *link)
{
    return LIST_OWNER(link, struct sched_job, link);
}

static uint32_t job_due(struct list *link)
{
    return job_of(link)->due;
}

/* draw - xorshift64*: enough to spread times, and the same again for a seed */

static uint64_t draw(struct sched *s)
{
    s->random ^= s->random >> 12;
    s->random ^= s->random << 25;
    s->random ^= s->random >> 27;
    return s->random * 0x2545f4914f6cdd1du;
}

/* ------------------------------------------------------------- options -- */

bool sched_reconf(struct sched *s, const struct sched_options *o)
{
    if (o->nretry == 0)
        return false;
    s->nretry = o->nretry < RETRY_MAX ? o->nretry : RETRY_MAX;
    memcpy(s->retry, o->retry, s->nretry * sizeof s->retry[0]);
    s->jitter = o->jitter < 90 ? o->jitter : 90;
    for (size_t i = 0; i < SCHED_LANES; i++)
        s->concurrency[i] = o->concurrency[i] > 0 ? o->concurrency[i] : 1;
    s->lifetime = o->lifetime;
    s->warn = o->warn;
    return true;
}

struct sched *sched_new(const struct sched_options *o, int64_t now)
{
    struct sched *s = calloc(1, sizeof *s);

    if (s == NULL || !sched_reconf(s, o)) {
        free(s);
        return NULL;
    }
    s->destinations = MAP(dest_key);
    for (size_t i = 0; i < SCHED_LANES; i++)
        for (size_t j = 0; j < SCHED_LEVELS; j++)
            list_init(&s->rings[i][j]);
    list_init(&s->idle);
    wheel_init(&s->wheel, job_due);
    s->origin = s->now = now;
    s->random = o->seed * 2 + 1;
    return s;
}

static void ring_leave(struct sched *s, struct destination *d)
{
    if (list_empty(&d->active))
        return;
    list_remove(&d->active);
    s->nactive[d->lane]--;
}

static void dest_free(struct sched *s, struct destination *d)
{
    struct rank *next;

    for (struct rank *r = d->ranks; r != NULL; r = next) {
        next = r->next;
        if (r != &d->usual)
            free(r);
    }
    ring_leave(s, d);
    list_remove(&d->idle);
    heap_remove(&s->backoffs, &d->backoff);
    free(d->reason);
    free(d);
}

void sched_free(struct sched *s)
{
    struct destination *d;

    if (s == NULL)
        return;
    for (size_t at = 0; (d = map_next(&s->destinations, &at)) != NULL; )
        dest_free(s, d);
    map_free(&s->destinations);
    heap_free(&s->backoffs);
    free(s);
}

/* -------------------------------------------------------- destinations -- */

static uint32_t jobs_of(const struct destination *d)
{
    uint32_t n = 0;

    for (size_t i = 0; i < SCHED_STATES; i++)
        n += d->count[i];
    return n;
}

struct destination *sched_find(struct sched *s, struct slice text)
{
    return map_get(&s->destinations, text);
}

struct destination *sched_each(struct sched *s, size_t *at)
{
    return map_next(&s->destinations, at);
}

static void forget_oldest(struct sched *s)
{
    struct destination *d = LIST_OWNER(s->idle.next, struct destination, idle);

    map_take(&s->destinations, dest_key(d));
    dest_free(s, d);
    s->nidle--;
}

/* rest - a destination without jobs is remembered for a while */

static void rest(struct sched *s, struct destination *d)
{
    bool idle = d->idle.next != NULL && !list_empty(&d->idle);
    bool jobs = jobs_of(d) > 0;

    if (jobs && idle) {
        list_remove(&d->idle);
        s->nidle--;
    } else if (!jobs && !idle) {
        list_push(&s->idle, &d->idle);
        if (++s->nidle > IDLE_MAX)
            forget_oldest(s);
    }
}

static void rank_init(struct rank *r, int level)
{
    *r = (struct rank){ .level = level };
    for (size_t i = 0; i < SCHED_TURNS; i++)
        list_init(&r->ready[i]);
}

struct destination *sched_destination(struct sched *s, struct slice text, unsigned lane)
{
    struct destination *d = sched_find(s, text);

    assert(lane < SCHED_LANES);
    if (d != NULL)
        return d;
    d = calloc(1, sizeof *d + text.n + 1);
    if (d == NULL)
        return NULL;
    rank_init(&d->usual, 0);
    d->ranks = &d->usual;
    list_init(&d->active);
    list_init(&d->idle);
    d->n = text.n;
    memcpy(d->text, text.p, text.n);
    d->lane = (uint8_t)lane;
    d->window = s->concurrency[lane] < WINDOW_FIRST ? s->concurrency[lane] : WINDOW_FIRST;
    if (!map_put(&s->destinations, d)) {
        free(d);
        return NULL;
    }
    rest(s, d);
    return d;
}

/* rank_first - the highest with something ready, or NULL */

static struct rank *rank_first(const struct destination *d)
{
    for (struct rank *r = d->ranks; r != NULL; r = r->next)
        if (r->n > 0)
            return r;
    return NULL;
}

/* rank_of - that of a job's level. Without memory for it the job goes as usual. */

static struct rank *rank_of(struct destination *d, struct sched_job *job)
{
    struct rank **at = &d->ranks, *r;
    int level = sched_level(job);

    while (*at != NULL && (*at)->level > level)
        at = &(*at)->next;
    if (*at != NULL && (*at)->level == level)
        return *at;
    r = malloc(sizeof *r);
    if (r == NULL) {
        job->level = 0;
        return &d->usual;
    }
    rank_init(r, level);
    r->next = *at;
    return *at = r;
}

/* settle - may one more of this destination go? Then it is in a ring of its lane. */

static void settle(struct sched *s, struct destination *d)
{
    bool may = d->count[SCHED_READY] > 0 && d->until == 0 && d->count[SCHED_LEASED] < d->window;
    int level = may ? rank_first(d)->level : 0;

    if (!may || level != d->ring)
        ring_leave(s, d);
    if (may && list_empty(&d->active)) {
        list_push(&s->rings[d->lane][level - SCHED_LOWEST], &d->active);
        s->nactive[d->lane]++;
    }
    d->ring = level;
}

/* --------------------------------------------------------------- states -- */

static void count(struct sched *s, struct sched_job *job, int by)
{
    job->dest->count[job->state] += (uint32_t)by;
    s->count[job->state] += (uint64_t)(int64_t)by;
}

/* leave - take it from where its state keeps it; enter - put it where a state keeps it */

static void leave(struct sched *s, struct sched_job *job)
{
    if (job->state == SCHED_DEFERRED)
        wheel_remove(&s->wheel, &job->link);
    else
        list_remove(&job->link);
    if (job->state == SCHED_READY)
        rank_of(job->dest, job)->n--;
    count(s, job, -1);
}

static void enter(struct sched *s, struct sched_job *job, enum sched_state to, bool front)
{
    struct rank *r = to == SCHED_READY ? rank_of(job->dest, job) : NULL;

    job->state = to & 7;
    count(s, job, 1);
    if (to == SCHED_DEFERRED)
        wheel_insert(&s->wheel, &job->link);
    if (r == NULL)
        return;
    r->n++;
    if (front)
        list_push_front(&r->ready[job->turn & TURN_BITS], &job->link);
    else
        list_push(&r->ready[job->turn & TURN_BITS], &job->link);
}

static void move(struct sched *s, struct sched_job *job, enum sched_state to, bool front)
{
    leave(s, job);
    enter(s, job, to, front);
    settle(s, job->dest);
}

void sched_attach(struct sched *s, struct sched_job *job, struct destination *d, uint64_t sender)
{
    assert(job->dest == NULL);
    list_init(&job->link);
    job->dest = d;
    job->state = SCHED_PARKED & 7;
    job->turn = (uint8_t)((job->turn & OWNER_BITS) | (sender % SCHED_TURNS));
    count(s, job, 1);
    rest(s, d);
}

void sched_detach(struct sched *s, struct sched_job *job)
{
    struct destination *d = job->dest;

    if (d == NULL)
        return;
    move(s, job, SCHED_PARKED, false);
    count(s, job, -1);
    job->dest = NULL;
    rest(s, d);
}

void sched_rank(struct sched_job *job, int level)
{
    assert(job->dest == NULL || job->state != SCHED_READY);
    level = level < SCHED_LOWEST ? SCHED_LOWEST : level > SCHED_HIGHEST ? SCHED_HIGHEST : level;
    job->level = (unsigned)level & 31u;
}

void sched_lease(struct sched *s, struct sched_job *job)
{
    move(s, job, SCHED_LEASED, false);
}

void sched_ready(struct sched *s, struct sched_job *job)
{
    move(s, job, SCHED_READY, false);
}

void sched_hold(struct sched *s, struct sched_job *job)
{
    move(s, job, SCHED_HELD, false);
}

void sched_park(struct sched *s, struct sched_job *job)
{
    move(s, job, SCHED_PARKED, false);
}

void sched_again(struct sched *s, struct sched_job *job)
{
    move(s, job, SCHED_READY, true);
}

/* ---------------------------------------------------------------- times -- */

/* tick_of - the first tick that is not before `when`, and after this one */

static uint32_t tick_of(const struct sched *s, int64_t when)
{
    int64_t tick = (when - s->origin + WHEEL_TICK - 1) / WHEEL_TICK;

    if (tick <= (int64_t)s->wheel.tick)
        return s->wheel.tick + 1;
    return tick < UINT32_MAX ? (uint32_t)tick : UINT32_MAX - 1;
}

static int64_t time_of(const struct sched *s, uint32_t tick)
{
    return s->origin + (int64_t)tick * WHEEL_TICK;
}

/* spread - an interval made up to `jitter` per cent shorter or longer */

static int64_t spread(struct sched *s, int64_t interval)
{
    int64_t width = interval / 100 * (int64_t)s->jitter;

    return width > 0 ? interval - width + (int64_t)(draw(s) % (uint64_t)(2 * width + 1))
                     : interval;
}

static int64_t nth_interval(const struct sched *s, uint64_t n)
{
    return s->retry[n == 0 ? 0 : n <= s->nretry ? n - 1 : s->nretry - 1];
}

int64_t sched_delay(struct sched *s, unsigned attempts)
{
    return spread(s, nth_interval(s, attempts));
}

int64_t sched_defer(struct sched *s, struct sched_job *job, int64_t now)
{
    int64_t due;

    if (job->attempts < UINT16_MAX)
        job->attempts++;
    due = now + sched_delay(s, job->attempts);
    sched_defer_until(s, job, due);
    return due;
}

void sched_defer_until(struct sched *s, struct sched_job *job, int64_t due)
{
    sched_park(s, job);
    job->due = tick_of(s, due);
    move(s, job, SCHED_DEFERRED, false);
}

int64_t sched_due(const struct sched *s, const struct sched_job *job)
{
    int64_t own = job->state == SCHED_DEFERRED ? time_of(s, job->due) : 0;
    int64_t dest = job->state == SCHED_DEFERRED || job->state == SCHED_READY
                   ? job->dest->until : 0;

    return own > dest ? own : dest;
}

bool sched_expired(const struct sched *s, int64_t arrived, int64_t wall)
{
    return wall - arrived >= s->lifetime;
}

bool sched_warn_due(const struct sched *s, int64_t arrived, int64_t wall)
{
    return s->warn > 0 && wall - arrived >= s->warn;
}

/* ---------------------------------------------------------------- turns -- */

static struct sched_job *take_turn(struct destination *d)
{
    struct rank *r = rank_first(d);

    for (unsigned i = 0; r != NULL && i < SCHED_TURNS; i++) {
        struct list *l = &r->ready[r->turn];

        r->turn = (r->turn + 1) % SCHED_TURNS;
        if (!list_empty(l))
            return job_of(l->next);
    }
    return NULL;
}

/* ring_first - the ring of the highest level of a lane that somebody is in, or NULL */

static const struct list *ring_first(const struct sched *s, unsigned lane)
{
    for (size_t i = SCHED_LEVELS; i-- > 0; )
        if (!list_empty(&s->rings[lane][i]))
            return &s->rings[lane][i];
    return NULL;
}

bool sched_pending(const struct sched *s, unsigned lane)
{
    return s->nactive[lane] > 0;
}

struct sched_job *sched_next(struct sched *s, unsigned lane)
{
    const struct list *ring = s->nactive[lane] > 0 ? ring_first(s, lane) : NULL;
    struct destination *d;
    struct sched_job *job;

    if (ring == NULL)
        return NULL;
    d = LIST_OWNER(ring->next, struct destination, active);
    ring_leave(s, d);
    job = take_turn(d);
    assert(job != NULL && job->dest == d);
    move(s, job, SCHED_LEASED, false);      /* goes to the end of the ring, if it may */
    return job;
}

/* ------------------------------------------------------------- learning -- */

static void set_reason(struct destination *d, struct slice reason)
{
    free(d->reason);
    d->reason = reason.n > 0 ? strndup(reason.p, reason.n < REASON_MAX ? reason.n : REASON_MAX)
                             : NULL;
}

static enum sched_change learn_good(struct sched *s, struct destination *d)
{
    bool was_down = d->failures > 0;

    d->good = true;
    d->failures = 0;
    d->bad_sessions = 0;
    d->until = 0;
    heap_remove(&s->backoffs, &d->backoff);
    if (d->window < s->concurrency[d->lane])
        d->window++;
    set_reason(d, (struct slice){ 0 });
    return was_down ? SCHED_UP : SCHED_SAME;
}

static void back_off(struct sched *s, struct destination *d, int64_t now)
{
    int64_t interval, most = BACKOFF_MAX > s->retry[0] ? BACKOFF_MAX : s->retry[0];

    d->failures++;
    interval = nth_interval(s, d->failures);
    d->until = now + spread(s, interval < most ? interval : most);
    d->window = 1;
    if (!heap_insert(&s->backoffs, &d->backoff, d->until))
        d->until = 0;       /* no memory to remember it: window 1 has to do */
}

/* learn_bad - trouble of the whole destination. One success since the last
 * trouble shows that it is alive: then it only gets less at once. */

static enum sched_change learn_bad(struct sched *s, struct destination *d, struct slice reason,
                                   int64_t now)
{
    bool was_up = d->failures == 0, alive = d->good && d->window > 1;

    if (d->until != 0)
        return SCHED_SAME;      /* more of the same trouble */
    d->good = false;
    d->bad_sessions = 0;
    set_reason(d, reason);
    if (alive) {
        d->window /= 2;
        return SCHED_SAME;
    }
    back_off(s, d, now);
    return was_up ? SCHED_DOWN : SCHED_SAME;
}

static enum sched_change learn_session(struct sched *s, struct destination *d,
                                       struct slice reason, int64_t now)
{
    if (++d->bad_sessions >= BAD_SESSIONS || d->failures > 0)
        return learn_bad(s, d, reason, now);
    if (d->window > 1)
        d->window--;
    return SCHED_SAME;
}

enum sched_change sched_result(struct sched *s, struct sched_job *job, enum sched_news news,
                               struct slice reason, int64_t now)
{
    struct destination *d = job->dest;
    enum sched_change change;

    assert(job->state == SCHED_LEASED);
    change = news == SCHED_GOOD ? learn_good(s, d)
           : news == SCHED_BAD_HOST ? learn_bad(s, d, reason, now)
           : learn_session(s, d, reason, now);
    move(s, job, SCHED_PARKED, false);
    return change;
}

void sched_forgive(struct sched *s, struct destination *d)
{
    d->until = 0;
    heap_remove(&s->backoffs, &d->backoff);
    settle(s, d);
}

/* -------------------------------------------------------------- the time -- */

static void fire(void *user, struct list *link)
{
    struct sched *s = user;
    struct sched_job *job = job_of(link);

    count(s, job, -1);          /* it has left the wheel already */
    enter(s, job, SCHED_READY, false);
    settle(s, job->dest);
}

void sched_advance(struct sched *s, int64_t now)
{
    struct heap_node *first;

    s->now = now;
    if (now > s->origin)
        wheel_advance(&s->wheel, (uint32_t)((now - s->origin) / WHEEL_TICK), fire, s);
    while ((first = heap_top(&s->backoffs)) != NULL && first->key <= now) {
        struct destination *d = LIST_OWNER(first, struct destination, backoff);

        sched_forgive(s, d);
    }
}

int64_t sched_wake(const struct sched *s)
{
    struct heap_node *first = heap_top(&s->backoffs);
    uint32_t tick = wheel_next(&s->wheel);
    int64_t wake = tick == UINT32_MAX ? INT64_MAX : time_of(s, tick);

    return first != NULL && first->key < wake ? first->key : wake;
}

/* ---------------------------------------------------------------- checks -- */

void sched_counts(const struct sched *s, uint64_t counts[SCHED_STATES])
{
    memcpy(counts, s->count, sizeof s->count);
}

static bool rank_check(const struct destination *d, const struct rank *r)
{
    uint32_t n = 0;

    for (size_t i = 0; i < SCHED_TURNS; i++)
        for (struct list *l = r->ready[i].next; l != &r->ready[i]; l = l->next, n++)
            if (job_of(l)->dest != d || job_of(l)->state != SCHED_READY
                || sched_level(job_of(l)) != r->level)
                return false;
    return n == r->n && (r->next == NULL || r->next->level < r->level);
}

static bool dest_check(const struct destination *d, uint64_t sums[SCHED_STATES])
{
    uint32_t ready = 0;
    bool active = !list_empty(&d->active);

    for (const struct rank *r = d->ranks; r != NULL; r = r->next) {
        if (!rank_check(d, r))
            return false;
        ready += r->n;
    }
    for (size_t i = 0; i < SCHED_STATES; i++)
        sums[i] += d->count[i];
    return ready == d->count[SCHED_READY] && (d->until != 0) == (d->backoff.at != 0)
        && active == (ready > 0 && d->until == 0 && d->count[SCHED_LEASED] < d->window)
        && (!active || d->ring == rank_first(d)->level)
        && list_empty(&d->idle) == (jobs_of(d) > 0);
}

bool sched_check(struct sched *s)
{
    uint64_t sums[SCHED_STATES] = { 0 };
    size_t active[SCHED_LANES] = { 0 };
    struct destination *d;

    for (size_t at = 0; (d = sched_each(s, &at)) != NULL; ) {
        if (!dest_check(d, sums))
            return false;
        active[d->lane] += !list_empty(&d->active);
    }
    return memcmp(active, s->nactive, sizeof active) == 0
        && memcmp(sums, s->count, sizeof sums) == 0 && s->count[SCHED_DEFERRED] == s->wheel.n;
}
