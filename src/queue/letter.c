/* letter.c - pages of messages, chains of jobs, numbers of recipients. */
#include <assert.h>
#include <stdlib.h>
#include "queue/letter.h"

enum { PER_PAGE = 256 };

struct page {
    struct page   *next;
    struct letter letters[PER_PAGE];
};

static_assert(sizeof(struct letter) == 104, "kept for every waiting message");

static bool more(struct pages *p)
{
    struct page *page = calloc(1, sizeof *page);

    if (page == NULL)
        return false;
    page->next = p->first;
    p->first = page;
    for (size_t i = PER_PAGE; i-- > 0; ) {
        page->letters[i].job.letter = p->free;    /* free ones are chained by it */
        p->free = &page->letters[i];
    }
    return true;
}

struct letter *letter_new(struct pages *p)
{
    struct letter *m;

    if (p->free == NULL && !more(p))
        return NULL;
    m = p->free;
    p->free = m->job.letter;
    *m = (struct letter){ 0 };
    p->used++;
    return m;
}

void letter_free(struct pages *p, struct letter *m)
{
    struct job *job;

    while ((job = job_next(m, NULL)) != NULL)
        job_free(job);
    *m = (struct letter){ 0 };
    m->job.letter = p->free;
    p->free = m;
    p->used--;
}

void pages_free(struct pages *p)
{
    struct page *next;

    for (struct page *page = p->first; page != NULL; page = next) {
        next = page->next;
        for (size_t i = 0; i < PER_PAGE; i++)
            if (page->letters[i].entry.id != 0)
                letter_free(p, &page->letters[i]);
        free(page);
    }
    *p = (struct pages){ 0 };
}

/* ----------------------------------------------------------------- jobs -- */

struct job *job_new(struct letter *m, uint32_t index)
{
    struct job *job = &m->job;

    if (job->sched.turn & JOB_USED) {
        job = calloc(1, sizeof *job);
        if (job == NULL)
            return NULL;
        job->next = m->job.next;
        m->job.next = job;
    }
    job->letter = m;
    job->sched.turn = JOB_USED;
    job->rcpt.one = index;
    return job;
}

void job_free(struct job *job)
{
    struct letter *m = job->letter;
    struct job *before = &m->job, *next = job->next;

    assert(job->sched.dest == NULL);
    if (job->sched.turn & JOB_MANY)
        free(job->rcpt.many);
    if (job == &m->job) {
        *job = (struct job){ .next = next };
        return;
    }
    while (before->next != job)
        before = before->next;
    before->next = next;
    free(job);
}

struct job *job_next(struct letter *m, struct job *job)
{
    if (job != NULL)
        return job->next;
    return m->job.sched.turn & JOB_USED ? &m->job : m->job.next;
}

uint32_t job_count(const struct job *job)
{
    if (job->sched.turn & JOB_MANY)
        return job->rcpt.many[0];
    return job->sched.turn & JOB_EMPTY ? 0 : 1;
}

uint32_t job_rcpt(const struct job *job, uint32_t i)
{
    return job->sched.turn & JOB_MANY ? job->rcpt.many[i + 1] : job->rcpt.one;
}

bool job_has(const struct job *job, uint32_t index)
{
    for (uint32_t i = 0; i < job_count(job); i++)
        if (job_rcpt(job, i) == index)
            return true;
    return false;
}

/* job_add - the array doubles whenever its count plus one is a power of two */

bool job_add(struct job *job, uint32_t index)
{
    uint32_t n = job_count(job);
    uint32_t *many;

    if (!(job->sched.turn & JOB_MANY)) {
        many = calloc(4, sizeof *many);
        if (many == NULL)
            return false;
        many[0] = 1;
        many[1] = job->rcpt.one;
        job->rcpt.many = many;
        job->sched.turn |= JOB_MANY;
    } else if (n + 1 >= 4 && ((n + 1) & n) == 0) {
        many = reallocarray(job->rcpt.many, (size_t)(n + 1) * 2, sizeof *many);
        if (many == NULL)
            return false;
        job->rcpt.many = many;
    }
    job->rcpt.many[++job->rcpt.many[0]] = index;
    return true;
}

/* job_drop - the array keeps its size: it only shrinks from here on */

bool job_drop(struct job *job, uint32_t index)
{
    uint32_t *many, n;

    if (!job_has(job, index))
        return false;
    if (!(job->sched.turn & JOB_MANY)) {
        job->sched.turn |= JOB_EMPTY;
        return true;
    }
    many = job->rcpt.many;
    n = many[0];
    for (uint32_t i = 1, to = 1; i <= n; i++)
        if (many[i] != index)
            many[to++] = many[i];
    many[0] = n - 1;
    return true;
}

uint32_t letter_pending(struct letter *m)
{
    uint32_t n = 0;

    for (struct job *job = NULL; (job = job_next(m, job)) != NULL; )
        n += job_count(job);
    return n;
}
