/* store_journal.c - our own journal, as the queue uses it: chores on a thread of their own. */
#include <err.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include "spool/journal.h"
#include "store.h"

enum { PAGE = 4096 };

struct mail {
    struct journal_entry entry;
    bool                 living;
};

struct owner {
    struct disk    *disk;
    struct journal *journal;
    struct mail   **pages;          /* of PAGE ids each: an entry must stay where it is */
    size_t          n_pages;
    uint64_t        found;
    bool            chore, stop;    /* chore: the thread has one */
    pthread_t       thread;
    sem_t           given, done;
};

static struct mail *mail_of(struct owner *o, uint64_t id)
{
    size_t page = (size_t)(id / PAGE);

    for (; o->n_pages <= page; o->n_pages++) {
        o->pages = realloc(o->pages, (o->n_pages + 1) * sizeof o->pages[0]);
        if (o->pages == NULL || (o->pages[o->n_pages] = calloc(PAGE, sizeof(struct mail))) == NULL)
            err(1, "memory");
    }
    return &o->pages[page][id % PAGE];
}

/* --- what the journal asks and tells ---------------------------------------- */

static void on_done(void *owner, void *unit, enum fate fate, const struct why *why)
{
    (void)owner;
    (void)unit;
    if (fate != FATE_DONE)
        errx(1, "journal: %s", why->text);
}

static bool on_found(void *owner, uint64_t id, const struct journal_entry *e, uint64_t nonce, struct slice envelope)
{
    struct owner *o = owner;

    (void)nonce;
    (void)envelope;
    *mail_of(o, id) = (struct mail){ *e, true };
    o->found++;
    return true;
}

static void on_gone(void *owner, uint64_t id, uint64_t nonce)
{
    (void)owner;
    (void)id;
    (void)nonce;
}

static struct journal_entry *on_entry(void *owner, uint64_t id)
{
    struct mail *m = mail_of(owner, id);

    return m->living ? &m->entry : NULL;
}

static void on_quarantined(void *owner, const char *what, const char *where)
{
    (void)owner;
    errx(1, "journal: %s is damaged, see %s", what, where);
}

/* --- chores ----------------------------------------------------------------- */

static void wait_for(sem_t *s)
{
    while (sem_wait(s) < 0)
        ;
}

static void *chore_thread(void *arg)
{
    struct owner *o = arg;

    for (;;) {
        wait_for(&o->given);
        if (o->stop)
            return NULL;
        journal_chore_work(o->journal);
        sem_post(&o->done);
    }
}

static void chore_go_on(struct owner *o)
{
    if (o->chore && sem_trywait(&o->done) == 0) {
        journal_chore_end(o->journal);
        o->chore = false;
    }
    if (!o->chore && journal_chore_begin(o->journal)) {
        o->chore = true;
        sem_post(&o->given);
    }
}

static void chore_stop(struct owner *o)
{
    if (o->chore) {
        wait_for(&o->done);
        journal_chore_end(o->journal);
    }
    o->stop = true;
    sem_post(&o->given);
    pthread_join(o->thread, NULL);
}

/* --- the store -------------------------------------------------------------- */

static void *owner_open(const char *dir)
{
    struct owner *o = calloc(1, sizeof *o);
    struct why why = { 0 };
    int error = 0;
    struct journal_options options = {
        .owner = o, .done = on_done, .found = on_found, .gone = on_gone, .entry = on_entry,
        .quarantined = on_quarantined,
    };

    if (o == NULL || (o->disk = disk_real(dir, &error)) == NULL)
        errx(1, "%s", dir);
    options.disk = o->disk;
    o->journal = journal_open(&options, &why);
    if (o->journal == NULL)
        errx(1, "journal: %s", why.text);
    sem_init(&o->given, 0, 0);
    sem_init(&o->done, 0, 0);
    if (pthread_create(&o->thread, NULL, chore_thread, o) != 0)
        errx(1, "a thread");
    return o;
}

static void append(struct owner *o, const struct record *r)
{
    if (!journal_append(o->journal, r, 1, NULL))
        errx(1, "journal: too much is waiting");
}

/* The queue looks after its chores in every turn of its loop: about once a message. */
static void owner_put(void *store, uint64_t id, struct octets envelope, struct octets body)
{
    struct owner *o = store;
    struct mail *m = mail_of(o, id);
    struct record r = { .type = RECORD_MESSAGE, .entry = &m->entry, .head = slice_of(envelope.p, envelope.n),
                        .body = slice_of(body.p, body.n), .nonce = id };

    *m = (struct mail){ { .id = id }, true };
    append(o, &r);
    chore_go_on(o);
}

static void owner_remove(void *store, uint64_t id)
{
    struct owner *o = store;
    struct mail *m = mail_of(o, id);
    struct record r = { .type = RECORD_REMOVED, .entry = &m->entry };

    append(o, &r);
    m->living = false;
}

static void owner_commit(void *store)
{
    struct owner *o = store;

    while (journal_flush_begin(o->journal)) {
        journal_flush_work(o->journal);
        journal_flush_end(o->journal);
    }
}

static uint64_t owner_count(void *store)
{
    return ((struct owner *)store)->found;
}

static void owner_close(void *store)
{
    struct owner *o = store;

    chore_stop(o);
    journal_close(o->journal);
    disk_real_free(o->disk);
    for (size_t i = 0; i < o->n_pages; i++)
        free(o->pages[i]);
    free(o->pages);
    free(o);
}

const struct store store_journal = {
    owner_open, owner_put, owner_remove, owner_commit, owner_count, owner_close,
};
