/* main.c - local: carries mail over the last step, into mailboxes and onto terminals.
 *
 * Jobs come from the queue, gather while batches for their destination are
 * under way on worker threads, and form the next batch; so the busier it is,
 * the more messages share each wait for the disk. Two batches of a destination
 * may be under way, so that one is written while the other waits for the disk;
 * but no more, so that a file system that hangs holds up only its own mail. Every job is answered once, with a fate for each recipient. What is
 * not answered (this process died) is later.
 *
 * The place of the privileged part: batch_deliver() is called with deliveries
 * of one user at a time by a process that forked and became that user; the
 * request to it is the struct job, in fixed form.
 */
#include <signal.h>
#include <stdlib.h>
#include "ipc/child.h"
#include "local/job.h"
#include "local/show.h"
#include "log/log.h"

enum {
    LANES         = 4,              /* batches at once: libuv has as many threads */
    LANES_EACH    = 2,              /* of them for one destination */
    BATCH_RCPTS   = 512,            /* deliveries of one batch, at least one job */
    WAITING_BYTES = 256 << 20,      /* bodies in memory; beyond it: later */
    LEAVE_MS      = 20,             /* how often a draining process asks whether it may go */
};

/* One batch under way, of one destination. */
struct lane {
    uv_work_t         work;
    struct list       jobs;
    bool              busy;
    struct delivery **batch;        /* the deliveries of all jobs, flat */
    size_t            n;
};

static struct local {
    struct child *child;
    struct list   waiting;          /* jobs, oldest first */
    size_t        waiting_bytes;
    struct lane   lanes[LANES];
    uv_timer_t    leave;
    int64_t       leave_at;         /* loop time when to give up */
} self;

static void lanes_start(void);

/* --- answers -------------------------------------------------------------- */

static void log_trouble(const struct job *job)
{
    for (size_t i = 0; i < job->n; i++) {
        const struct delivery *d = &job->deliveries[i];

        if (d->fate == FATE_LATER)
            log_event(EVENT_MAILBOX, LF_ID("id", job->id),
                      LF_TEXT("recipient", d->front.address),
                      LF_STR("status", d->status), LF_STR("text", d->text));
    }
}

/* answer - send the RESULT, if somebody still waits for it, and forget the job */

static void answer(struct job *job)
{
    struct buf outcomes = BUF(CHANNEL_FRAME_MAX / 2);
    struct msg_result m;

    log_trouble(job);
    if (job->from != NULL && local_job_result(job, &outcomes, &m))
        channel_send_msg_result(job->from, &m, -1);
    buf_free(&outcomes);
    local_job_free(job);
}

/* --- batches -------------------------------------------------------------- */

static struct job *job_of(struct list *node)
{
    return LIST_OWNER(node, struct job, link);
}

static bool is_terminal(struct slice destination)
{
    return slice_eq(destination, SLICE_LIT("terminal:"));
}

static void work(uv_work_t *req)
{
    struct lane *lane = req->data;

    if (is_terminal(job_of(lane->jobs.next)->destination))
        show_all(self.child->conf, lane->batch, lane->n);
    else
        batch_deliver(lane->batch, lane->n);
}

static void work_done(uv_work_t *req, int status)
{
    struct lane *lane = req->data;
    struct list *node;

    (void)status;
    while ((node = list_pop(&lane->jobs)) != NULL)
        answer(LIST_OWNER(node, struct job, link));
    free(lane->batch);
    lane->batch = NULL;
    lane->busy = false;
    lanes_start();
}

/* may_begin - may one more lane work for this destination? If not, its next batch
 * waits for one to end, and grows meanwhile. Terminals are shown on one by one. */

static bool may_begin(struct slice destination)
{
    size_t n = is_terminal(destination) ? 1 : LANES_EACH;

    for (size_t i = 0; i < LANES; i++)
        if (self.lanes[i].busy
            && slice_eq(job_of(self.lanes[i].jobs.next)->destination, destination))
            n--;
    return n > 0;
}

static struct job *first_free(void)
{
    for (struct list *node = self.waiting.next; node != &self.waiting; node = node->next)
        if (may_begin(job_of(node)->destination))
            return job_of(node);
    return NULL;
}

/* lane_take - move waiting jobs of one destination into the lane, in order */

static void lane_take(struct lane *lane, struct slice destination)
{
    lane->n = 0;
    for (struct list *node = self.waiting.next, *next; node != &self.waiting; node = next) {
        struct job *job = job_of(node);

        next = node->next;
        if (!slice_eq(job->destination, destination))
            continue;
        if (lane->n > 0 && lane->n + job->n > BATCH_RCPTS)
            break;
        list_remove(node);
        list_push(&lane->jobs, node);
        self.waiting_bytes -= job->size;
        lane->n += job->n;
    }
}

static void lane_lay_out(struct lane *lane)
{
    size_t at = 0;

    lane->batch = calloc(lane->n, sizeof(struct delivery *));
    if (lane->batch == NULL) {
        lane->n = 0;                /* no memory: everything stays later, its first fate */
        return;
    }
    for (struct list *node = lane->jobs.next; node != &lane->jobs; node = node->next)
        for (size_t i = 0; i < job_of(node)->n; i++)
            lane->batch[at++] = &job_of(node)->deliveries[i];
}

static void lanes_start(void)
{
    for (size_t i = 0; i < LANES; i++) {
        struct lane *lane = &self.lanes[i];
        struct job *first = lane->busy ? NULL : first_free();

        if (first == NULL)
            continue;
        lane_take(lane, first->destination);
        lane_lay_out(lane);
        lane->busy = true;
        uv_queue_work(self.child->loop, &lane->work, work, work_done);  /* fails without `work` only */
    }
}

static bool idle(void)
{
    for (size_t i = 0; i < LANES; i++)
        if (self.lanes[i].busy)
            return false;
    return list_empty(&self.waiting);
}

/* --- the queue ------------------------------------------------------------ */

static bool ours(struct slice destination)
{
    return slice_istarts(destination, SLICE_LIT("maildir:"))
        || slice_eq(destination, SLICE_LIT("discard:")) || is_terminal(destination);
}

static void take_job(struct job *job)
{
    if (!ours(job->destination)) {
        local_job_fail(job, "4.3.5", "local does not know this kind of destination", true);
        answer(job);
    } else if (self.waiting_bytes + job->size > WAITING_BYTES) {
        local_job_fail(job, "4.3.2", "too much mail is waiting for local delivery", true);
        answer(job);
    } else {
        self.waiting_bytes += job->size;
        list_push(&self.waiting, &job->link);
        if (may_begin(job->destination))
            lanes_start();
    }
}

/* give_back - not begun: another process may deliver it now */

static void give_back(struct job *job)
{
    channel_send_msg_result(job->from, &(struct msg_result){
        .job = job->number, .trouble = TROUBLE_LEAVING }, -1);
    local_job_free(job);
}

static bool on_deliver(struct channel *c, struct wire *w, int *fd)
{
    struct msg_deliver m;
    struct job *job;
    bool malformed;

    if (!msg_deliver_get(w, &m))
        return false;
    job = local_job_new(&m, fd, &malformed);
    if (job == NULL && !malformed)  /* no memory: an answer without outcomes is later for all */
        return channel_send_msg_result(c, &(struct msg_result){ .job = m.job }, -1) || true;
    if (job == NULL)
        return false;
    job->from = c;
    if (self.child->draining)
        give_back(job);
    else
        take_job(job);
    return true;
}

static bool receive(struct channel *c, uint32_t type, struct wire *w, int *fd)
{
    if (type == MSG_DELIVER)
        return on_deliver(c, w, fd);
    return child_receive_common(self.child, c, type, w);
}

/* forget - the queue has gone: jobs not begun are its again, the others are not answered */

static void forget(struct list *jobs, struct channel *c, bool begun)
{
    for (struct list *node = jobs->next, *next; node != jobs; node = next) {
        struct job *job = LIST_OWNER(node, struct job, link);

        next = node->next;
        if (job->from != c)
            continue;
        job->from = NULL;
        if (!begun) {
            list_remove(node);
            self.waiting_bytes -= job->size;
            local_job_free(job);
        }
    }
}

static void gone(struct channel *c, const char *why)
{
    (void)why;
    forget(&self.waiting, c, false);
    for (size_t i = 0; i < LANES; i++)
        forget(&self.lanes[i].jobs, c, true);
}

static void peer(struct child *child, struct channel *c)
{
    c->user = child;
    c->receive = receive;
    c->gone = gone;
}

/* --- life ----------------------------------------------------------------- */

static bool begin(struct child *child)
{
    self.child = child;
    list_init(&self.waiting);
    for (size_t i = 0; i < LANES; i++) {
        list_init(&self.lanes[i].jobs);
        self.lanes[i].work.data = &self.lanes[i];
    }
    maildir_host(child->conf->hostname);
    signal(SIGXFSZ, SIG_IGN);       /* a full mailbox is an error to answer, not our death (A196) */
    return uv_timer_init(child->loop, &self.leave) == 0;
}

static void leave_if_idle(uv_timer_t *timer)
{
    bool late = (int64_t)uv_now(self.child->loop) >= self.leave_at;

    (void)timer;
    if (late || idle())
        child_leave(self.child, 0);
}

/* drain - what was begun is delivered, or it would come twice; the rest is the
 * queue's again. A turn of the loop in between lets answers go. */

static void drain(struct child *child, unsigned seconds)
{
    struct list *node;

    while ((node = list_pop(&self.waiting)) != NULL)
        give_back(job_of(node));
    self.waiting_bytes = 0;
    self.leave_at = (int64_t)uv_now(child->loop) + (int64_t)seconds * 1000;
    uv_timer_start(&self.leave, leave_if_idle, LEAVE_MS, LEAVE_MS);
}

int local_main(void)
{
    static const struct child_role role = {
        .role = ROLE_LOCAL, .begin = begin, .peer = peer, .drain = drain,
    };

    return child_run(&role);
}
