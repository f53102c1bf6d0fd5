/* job.c - what the queue asks, checked; and what it is answered. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "local/job.h"
#include "mail/envelope.h"

/* keep - copy a run of bytes behind the last one */

static struct slice keep(struct job *job, struct slice s)
{
    char *to = job->memory + job->size;

    if (s.n > 0)
        memcpy(to, s.p, s.n);
    job->size += s.n;
    return slice_of(to, s.n);
}

static bool usable_body(const struct msg_deliver *m, int fd)
{
    struct stat st;

    if (!m->file)
        return true;
    return fd >= 0 && m->body.n == 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode)
        && m->offset <= INT64_MAX && m->length <= INT64_MAX - m->offset;
}

/* read_rcpts - the frame's recipients, all of them and nothing left over */

static bool read_rcpts(struct job *job, struct slice rcpts)
{
    struct wire w = wire_reader(rcpts);

    for (size_t i = 0; i < job->n; i++) {
        struct delivery *d = &job->deliveries[i];

        d->index = wire_get_u32(&w);
        d->front.address = wire_get_bytes(&w);
        d->front.original = wire_get_bytes(&w);
        wire_get_bytes(&w);
        if (d->front.address.n > ENVELOPE_FIELD || d->front.original.n > ENVELOPE_FIELD)
            return false;
    }
    return wire_done(&w);
}

static void set_deliveries(struct job *job, const struct msg_deliver *m)
{
    struct slice template = { 0 }, sender = keep(job, m->sender), client = keep(job, m->client),
                 helo = keep(job, m->helo);

    if (slice_istarts(job->destination, SLICE_LIT("maildir:")))
        template = slice_from(job->destination, strlen("maildir:"));
    for (size_t i = 0; i < job->n; i++) {
        job->deliveries[i].template = template;
        job->deliveries[i].front.sender = sender;
        job->deliveries[i].body = &job->body;
        job->deliveries[i].client = client;
        job->deliveries[i].helo = helo;
    }
}

static bool fill(struct job *job, const struct msg_deliver *m)
{
    job->destination = keep(job, m->destination);
    job->body.text = keep(job, m->body);
    job->body.binary = (m->flags & (ENV_BINARY | ENV_BARE)) != 0;
    set_deliveries(job, m);
    return read_rcpts(job, keep(job, m->rcpts));
}

static struct job *job_alloc(const struct msg_deliver *m)
{
    struct job *job = calloc(1, sizeof *job);
    size_t n = m->destination.n + m->sender.n + m->client.n + m->helo.n + m->body.n + m->rcpts.n;

    if (job == NULL)
        return NULL;
    *job = (struct job){
        .number = m->job, .id = m->id, .n = m->nrcpts, .body.fd = -1,
        .memory = malloc(n > 0 ? n : 1),
        .deliveries = calloc(m->nrcpts, sizeof *job->deliveries),
    };
    list_init(&job->link);
    if (job->memory == NULL || job->deliveries == NULL) {
        local_job_free(job);
        return NULL;
    }
    return job;
}

struct job *local_job_new(const struct msg_deliver *m, int *fd, bool *malformed)
{
    struct job *job;

    *malformed = m->nrcpts == 0 || m->nrcpts > ENVELOPE_RCPTS || m->sender.n > ENVELOPE_FIELD
        || m->destination.n > ENVELOPE_FIELD || m->client.n > ENVELOPE_FIELD
        || m->helo.n > ENVELOPE_FIELD || !usable_body(m, *fd);
    if (*malformed)
        return NULL;
    job = job_alloc(m);
    if (job == NULL)
        return NULL;
    if (!fill(job, m)) {
        *malformed = true;
        local_job_free(job);
        return NULL;
    }
    if (m->file) {
        job->body.fd = *fd;
        job->body.offset = m->offset;
        job->body.length = m->length;
        *fd = -1;
    }
    return job;
}

void local_job_fail(struct job *job, const char *status, const char *text, bool host)
{
    for (size_t i = 0; i < job->n; i++) {
        struct delivery *d = &job->deliveries[i];

        d->fate = FATE_LATER;
        d->host = host;
        snprintf(d->status, sizeof d->status, "%s", status);
        snprintf(d->text, sizeof d->text, "%s", text);
    }
}

bool local_job_result(const struct job *job, struct buf *outcomes, struct msg_result *m)
{
    struct wire w = wire_writer(outcomes);

    *m = (struct msg_result){
        .job = job->number, .trouble = TROUBLE_NONE,
        .noutcomes = (uint32_t)job->n,      /* no host: nobody else is concerned */
    };
    for (size_t i = 0; i < job->n; i++) {
        const struct delivery *d = &job->deliveries[i];

        outcome_put(&w, &(struct outcome){
            .index = d->index, .fate = (uint8_t)d->fate,
            .status = slice_cstr(d->status), .text = slice_cstr(d->text),
        });
        if (d->host)
            m->trouble = TROUBLE_HOST;
    }
    m->outcomes = buf_view(outcomes);
    return !outcomes->full && !w.bad;
}

void local_job_free(struct job *job)
{
    if (job == NULL)
        return;
    if (job->body.fd >= 0)
        close(job->body.fd);
    free(job->memory);
    free(job->deliveries);
    free(job);
}
