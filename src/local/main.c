/* main.c - local: carries mail over the last step, into mailboxes and onto terminals.
 *
 * Jobs come from the queue, gather while batches for their destination are
 * under way on worker threads, and form the next batch; so the busier it is,
 * the more messages share each wait for the disk. When much waits, two batches
 * of a destination are under way, so that one is written while the other waits
 * for the disk; no more, so that a file system that hangs holds up only its own
 * mail. Every job is answered once, with a fate for each recipient. What is not
 * answered (this process died) is later.
 *
 * The place of the privileged part: batch_deliver() is called with deliveries
 * of one user at a time by a process that forked and became that user; the
 * request to it is the struct job, in fixed form.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include "ipc/child.h"
#include "local/job.h"
#include "local/show.h"
#include "log/log.h"

enum {
    LANES         = 4,              /* batches at once: libuv has as many threads */
    LANES_EACH    = 2,              /* of them for one destination */
    SECOND_LANE   = 128,            /* recipients that must wait before it gets the second */
    BATCH_RCPTS   = 512,            /* deliveries of one batch, at least one job */
    WAITING_BYTES = 256 << 20,      /* bodies in memory; beyond it: later */
};

/* What waits for one destination. They are few: each is a line of the configuration. */
struct line {
    struct list link;
    struct list jobs;               /* oldest first */
    size_t      recipients;         /* of these jobs */
    unsigned    lanes;              /* that work for it now */
    size_t      n;
    char        name[];
};

/* One batch under way. */
struct lane {
    uv_work_t         work;
    struct line      *line;         /* whose jobs these are; NULL: idle */
    struct list       jobs;
    struct delivery **batch;        /* the deliveries of all jobs, flat */
    size_t            n;
};

static struct local {
    struct child *child;
    struct list   lines;            /* the one that was served longest ago first */
    size_t        waiting_bytes;
    struct lane   lanes[LANES];
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

/* --- lines ---------------------------------------------------------------- */

static struct job *job_of(struct list *node)
{
    return LIST_OWNER(node, struct job, link);
}

static struct line *line_of(struct list *node)
{
    return LIST_OWNER(node, struct line, link);
}

static bool is_terminal(struct slice destination)
{
    return slice_eq(destination, SLICE_LIT("terminal:"));
}

/* line_find - that of a destination, made when it is missing; NULL: no memory */

static struct line *line_find(struct slice destination)
{
    struct line *line;

    for (struct list *node = self.lines.next; node != &self.lines; node = node->next)
        if (slice_eq(slice_of(line_of(node)->name, line_of(node)->n), destination))
            return line_of(node);
    line = calloc(1, sizeof *line + destination.n);
    if (line == NULL)
        return NULL;
    line->n = destination.n;
    memcpy(line->name, destination.p, destination.n);
    list_init(&line->jobs);
    list_push(&self.lines, &line->link);
    return line;
}

static void line_put(struct line *line, struct job *job)
{
    list_push(&line->jobs, &job->link);
    line->recipients += job->n;
    self.waiting_bytes += job->size;
}

static void line_take(struct line *line, struct job *job)
{
    list_remove(&job->link);
    line->recipients -= job->n;
    self.waiting_bytes -= job->size;
}

/* line_may_begin - is there something to do, and a lane for it? If not, the next batch
 * waits for one to end, and grows meanwhile. Terminals are shown on one by one. */

static bool line_may_begin(const struct line *line)
{
    if (list_empty(&line->jobs))
        return false;
    if (line->lanes == 0)
        return true;
    return line->lanes < LANES_EACH && line->recipients >= SECOND_LANE
        && !is_terminal(slice_of(line->name, line->n));
}

static void line_end_if_idle(struct line *line)
{
    if (!list_empty(&line->jobs) || line->lanes > 0)
        return;
    list_remove(&line->link);
    free(line);
}

/* --- batches -------------------------------------------------------------- */

static void work(uv_work_t *req)
{
    struct lane *lane = req->data;

    if (is_terminal(slice_of(lane->line->name, lane->line->n)))
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
    lane->line->lanes--;
    line_end_if_idle(lane->line);
    lane->line = NULL;
    lanes_start();
}

/* line_next - the next one that may begin, which goes to the end; or NULL */

static struct line *line_next(void)
{
    for (struct list *node = self.lines.next; node != &self.lines; node = node->next)
        if (line_may_begin(line_of(node))) {
            list_remove(node);
            list_push(&self.lines, node);
            return line_of(node);
        }
    return NULL;
}

/* lane_take - move waiting jobs of the line into the lane, in order */

static void lane_take(struct lane *lane, struct line *line)
{
    lane->line = line;
    line->lanes++;
    lane->n = 0;
    while (!list_empty(&line->jobs)) {
        struct job *job = job_of(line->jobs.next);

        if (lane->n > 0 && lane->n + job->n > BATCH_RCPTS)
            break;
        line_take(line, job);
        list_push(&lane->jobs, &job->link);
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
        struct line *line = lane->line != NULL ? NULL : line_next();

        if (line == NULL)
            continue;
        lane_take(lane, line);
        lane_lay_out(lane);
        uv_queue_work(self.child->loop, &lane->work, work, work_done);  /* fails without `work` only */
    }
}

static bool idle(void)
{
    for (size_t i = 0; i < LANES; i++)
        if (self.lanes[i].line != NULL)
            return false;
    return list_empty(&self.lines);
}

/* --- the queue ------------------------------------------------------------ */

static bool ours(struct slice destination)
{
    return slice_istarts(destination, SLICE_LIT("maildir:"))
        || slice_eq(destination, SLICE_LIT("discard:")) || is_terminal(destination);
}

static void take_job(struct job *job)
{
    struct line *line;

    if (!ours(job->destination)) {
        local_job_fail(job, "4.3.5", "local does not know this kind of destination", true);
        answer(job);
    } else if (self.waiting_bytes + job->size > WAITING_BYTES
               || (line = line_find(job->destination)) == NULL) {
        local_job_fail(job, "4.3.2", "too much mail is waiting for local delivery", true);
        answer(job);
    } else {
        line_put(line, job);
        if (line_may_begin(line))
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

/* forget_waiting, forget_begun - the queue has gone: jobs not begun are its again, the
 * others are not answered */

static void forget_waiting(struct line *line, struct channel *c)
{
    for (struct list *node = line->jobs.next, *next; node != &line->jobs; node = next) {
        struct job *job = job_of(node);

        next = node->next;
        if (job->from != c)
            continue;
        line_take(line, job);
        local_job_free(job);
    }
}

static void forget_begun(struct list *jobs, struct channel *c)
{
    for (struct list *node = jobs->next; node != jobs; node = node->next)
        if (job_of(node)->from == c)
            job_of(node)->from = NULL;
}

static void gone(struct channel *c, const char *why)
{
    (void)why;
    for (struct list *node = self.lines.next, *next; node != &self.lines; node = next) {
        next = node->next;
        forget_waiting(line_of(node), c);
        line_end_if_idle(line_of(node));
    }
    for (size_t i = 0; i < LANES; i++)
        forget_begun(&self.lanes[i].jobs, c);
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
    list_init(&self.lines);
    for (size_t i = 0; i < LANES; i++) {
        list_init(&self.lanes[i].jobs);
        self.lanes[i].work.data = &self.lanes[i];
    }
    maildir_host(child->conf->hostname);
    signal(SIGXFSZ, SIG_IGN);       /* a full mailbox is an error to answer, not our death (A196) */
    return true;
}

static void line_give_back(struct line *line)
{
    while (!list_empty(&line->jobs)) {
        struct job *job = job_of(line->jobs.next);

        line_take(line, job);
        give_back(job);
    }
}

/* drain - what was begun is delivered, or it would come twice; the rest is the
 * queue's again. A turn of the loop in between lets answers go. */

static void drain(struct child *child, unsigned seconds)
{
    for (struct list *node = self.lines.next, *next; node != &self.lines; node = next) {
        next = node->next;
        line_give_back(line_of(node));
        line_end_if_idle(line_of(node));
    }
    child_leave_within(child, (uint64_t)seconds * 1000, idle);
}

int local_main(void)
{
    static const struct child_role role = {
        .role = ROLE_LOCAL, .begin = begin, .peer = peer, .drain = drain,
    };

    return child_run(&role);
}
