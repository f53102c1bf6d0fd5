/* model.c - the oracle. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include "base/crc32c.h"
#include "model.h"

static char trouble[200];

#define TROUBLE(...) (snprintf(trouble, sizeof trouble, __VA_ARGS__), trouble)

struct model *model_new(void)
{
    struct model *m = calloc(1, sizeof *m);

    assert(m != NULL);
    m->next = 1;
    return m;
}

uint64_t model_nonce(uint64_t id)
{
    return id * 0x9e3779b97f4a7c15u;
}

struct slice model_envelope(const struct model *m, uint64_t id)
{
    static char text[64];
    int n = snprintf(text, sizeof text, "envelope of %u%s", (unsigned)id,
                     m->mails[id].is_bounce ? ", a bounce" : "");

    return slice_of(text, (size_t)n);
}

struct slice model_body(const struct model *m, uint64_t id)
{
    static char text[SEGMENT_BYTES];
    uint32_t seed = (uint32_t)id * 2654435761u + 1;

    for (size_t i = 0; i < m->mails[id].size; i++) {
        seed = seed * 1664525u + 1013904223u;
        text[i] = (char)(seed >> 24);
    }
    return slice_of(text, m->mails[id].size);
}

struct slice model_said(const struct said *s)
{
    static char text[32];
    int n = snprintf(text, sizeof text, "said %u", s->serial);

    return slice_of(text, (size_t)n);
}

/* --- promises --------------------------------------------------------------- */

static void settle_later(struct model *m)
{
    for (uint64_t id = 1; id < m->next; id++) {
        struct mail *mail = &m->mails[id];

        if (mail->sure == LATER)
            mail->sure = VOID;
        if (mail->removal == LATER)
            mail->removal = VOID;
        for (size_t i = 0; i < mail->nsaid; i++)
            if (mail->said[i].sure == LATER)
                mail->said[i].sure = VOID;
    }
}

void model_answer(struct model *m, struct job *job, bool done)
{
    struct mail *mail = &m->mails[job->mail];
    enum sure sure = done ? DURABLE : LATER;

    m->version++;
    if (done)
        settle_later(m);
    mail->busy = false;
    if (job->accepts) {
        mail->sure = sure;
        mail->living = done;
        m->acked += done;
    }
    if (job->removes) {
        mail->removal = sure;
        mail->living = !done;
    }
    if (job->said >= 0)
        mail->said[job->said].sure = sure;
    if (job->bounce != 0) {
        m->mails[job->bounce].sure = sure;
        m->mails[job->bounce].living = done;
        m->mails[job->bounce].busy = false;
        m->acked += done;
    }
    job->used = false;
}

/* --- what a recovery found --------------------------------------------------- */

struct found_mail {
    struct journal_entry entry;
    bool     there, gone;
    uint64_t history;           /* bits: which of said are told */
};

struct found {
    const struct model *m;
    const char         *wrong;
    struct found_mail   mails[MAILS_MAX];
    int64_t             now;
};

struct found *found_new(const struct model *m)
{
    struct found *f = calloc(1, sizeof *f);

    assert(f != NULL);
    f->m = m;
    return f;
}

void found_free(struct found *f)
{
    free(f);
}

static bool on_found(void *owner, uint64_t id, const struct journal_entry *e, uint64_t nonce,
                     struct slice envelope)
{
    struct found *f = owner;

    if (id == 0 || id >= f->m->next)
        f->wrong = TROUBLE("a message that never was: %llu", (unsigned long long)id);
    else if (f->mails[id].there)
        f->wrong = TROUBLE("message %u found twice", (unsigned)id);
    else if (nonce != model_nonce(id) || !slice_eq(envelope, model_envelope(f->m, id)))
        f->wrong = TROUBLE("message %u with another envelope: %.*s, nonce %d", (unsigned)id, SLICE(envelope), nonce == model_nonce(id));
    else {
        f->mails[id].entry = *e;
        f->mails[id].there = true;
    }
    return true;
}

static void on_gone(void *owner, uint64_t id, uint64_t nonce)
{
    struct found *f = owner;

    if (id == 0 || id >= f->m->next || nonce != model_nonce(id))
        f->wrong = TROUBLE("gone: a message that never was");
    else if (f->m->mails[id].removal == NOTHING || f->m->mails[id].removal == VOID)
        f->wrong = TROUBLE("gone: message %u, which nobody removed", (unsigned)id);
    else
        f->mails[id].gone = true;
}

static void on_done(void *owner, void *unit, enum fate fate, const struct why *why)
{
    (void)owner;
    (void)why;
    if (unit != NULL)
        *(bool *)unit = fate == FATE_DONE;
}

static struct journal_entry *on_entry(void *owner, uint64_t id)
{
    struct found *f = owner;

    return id < MAILS_MAX && f->mails[id].there ? &f->mails[id].entry : NULL;
}

static int64_t on_wall(void *owner)
{
    return ((struct found *)owner)->now;
}

void found_options(struct found *f, struct journal_options *o)
{
    o->owner = f;
    o->done = on_done;
    o->found = on_found;
    o->gone = on_gone;
    o->entry = on_entry;
    o->wall = on_wall;
    o->segment_size = SEGMENT_BYTES;
}

struct telling {
    struct found      *f;
    const struct mail *mail;
    uint64_t           id;
    size_t             left;        /* said[left ..] were told already */
};

/* newest first: each must be one that was said, and older than the one before */

static bool on_history(void *user, enum record_type type, int64_t wall_ms, struct slice head)
{
    struct telling *t = user;

    (void)wall_ms;
    while (t->left > 0) {
        const struct said *s = &t->mail->said[--t->left];

        if (s->type == type && slice_eq(head, model_said(s))) {
            t->f->mails[t->id].history |= (uint64_t)1 << t->left;
            return true;
        }
    }
    t->f->wrong = TROUBLE("message %u with a history that never was", (unsigned)t->id);
    return false;
}

static const char *check_body(struct found *f, struct journal *j, uint64_t id)
{
    struct buf b = BUF(SEGMENT_BYTES * 4);
    const struct mail *mail = &f->m->mails[id];
    struct slice envelope, body, want = model_body(f->m, id);
    const char *wrong = NULL;
    struct why why;

    if (!journal_read(j, &f->mails[id].entry, &b, &envelope, &body, &why))
        wrong = TROUBLE("message %u: %.150s", (unsigned)id, why.text);
    else if (!mail->large && !slice_eq(body, want))
        wrong = TROUBLE("message %u with another body", (unsigned)id);
    buf_free(&b);
    return wrong;
}

static const char *check_large(struct found *f, struct journal *j, struct disk *disk, uint64_t id)
{
    static char got[SEGMENT_BYTES];
    struct slice want = model_body(f->m, id);
    uint64_t length;
    int handle = journal_large_open(j, &f->mails[id].entry, &length);
    bool same;

    if (handle < 0)
        return TROUBLE("message %u without its large file", (unsigned)id);
    same = length == want.n
        && disk->read(disk->ctx, handle, got, sizeof got, 0) == (ssize_t)want.n
        && memcmp(got, want.p, want.n) == 0;
    disk->close(disk->ctx, handle);
    return same ? NULL : TROUBLE("message %u with another large file", (unsigned)id);
}

static bool required(enum sure s)
{
    return s == DURABLE;
}

static bool allowed(enum sure s)
{
    return s == DURABLE || s == WAITING || s == LATER;
}

static const char *check_presence(const struct found *f, uint64_t id)
{
    const struct mail *m = &f->m->mails[id];
    bool there = f->mails[id].there;

    if (there && !allowed(m->sure))
        return TROUBLE("message %u came back, though it was refused or removed", (unsigned)id);
    if (there && m->removal == DURABLE)
        return TROUBLE("message %u came back, though it was removed", (unsigned)id);
    if (!there && required(m->sure) && (m->removal == NOTHING || m->removal == VOID))
        return TROUBLE("message %u is lost", (unsigned)id);
    return NULL;
}

static bool told(const struct found *f, uint64_t id, size_t i)
{
    return (f->mails[id].history & (uint64_t)1 << i) != 0;
}

static const char *check_history(struct found *f, struct journal *j, uint64_t id)
{
    const struct mail *m = &f->m->mails[id];
    struct telling t = { f, m, id, m->nsaid };
    struct why why;
    bool held = false;

    if (!journal_history(j, &f->mails[id].entry, on_history, &t, &why))
        return TROUBLE("history of %u: %.150s", (unsigned)id, why.text);
    for (size_t i = 0; i < m->nsaid; i++) {
        if (required(m->said[i].sure) && !told(f, id, i))
            return TROUBLE("outcome %u of message %u is lost", m->said[i].serial, (unsigned)id);
        if (told(f, id, i) && !allowed(m->said[i].sure))
            return TROUBLE("outcome %u of message %u came back", m->said[i].serial, (unsigned)id);
        if (told(f, id, i) && m->said[i].type != RECORD_OUTCOME)
            held = m->said[i].type == RECORD_HELD;
    }
    if (held != ((f->mails[id].entry.flags & JOURNAL_HELD) != 0))
        return TROUBLE("message %u is%s held", (unsigned)id, held ? " not" : "");
    return NULL;
}

/* a bounce and the failure that it reports: both or none */

static const char *check_units(const struct found *f, uint64_t id)
{
    const struct mail *m = &f->m->mails[id];

    for (size_t i = 0; i < m->nsaid; i++) {
        uint64_t bounce = m->said[i].bounce;

        if (bounce == 0 || !f->mails[id].there)
            continue;
        if (f->mails[bounce].there && !told(f, id, i))
            return TROUBLE("bounce %u without the outcome", (unsigned)bounce);
        if (told(f, id, i) && !f->mails[bounce].there
            && (f->m->mails[bounce].removal == NOTHING || f->m->mails[bounce].removal == VOID))
            return TROUBLE("outcome without its bounce %u", (unsigned)bounce);
    }
    return NULL;
}

const char *found_check(struct found *f, struct journal *j)
{
    const char *wrong = f->wrong;

    for (uint64_t id = 1; id < f->m->next && wrong == NULL; id++) {
        wrong = check_presence(f, id);
        if (wrong != NULL || !f->mails[id].there)
            continue;
        wrong = check_body(f, j, id);
        if (wrong == NULL)
            wrong = check_history(f, j, id);
        if (wrong == NULL)
            wrong = f->wrong;
    }
    for (uint64_t id = 1; id < f->m->next && wrong == NULL; id++)
        wrong = check_units(f, id);
    return wrong;
}

static const char *check_files(struct found *f, struct journal *j, struct disk *disk)
{
    const char *wrong = NULL;

    for (uint64_t id = 1; id < f->m->next && wrong == NULL; id++)
        if (f->mails[id].there && f->m->mails[id].large)
            wrong = check_large(f, j, disk, id);
    return wrong;
}

const char *model_check(const struct model *m, struct sim *disk, int64_t now, bool *dead)
{
    struct found *f = found_new(m);
    struct journal_options o = { .disk = sim_disk(disk) };
    struct journal *j;
    struct why why = { 0 };
    const char *wrong;

    f->now = now;
    found_options(f, &o);
    sim_phase(disk, SIM_RECOVERY);
    j = journal_open(&o, &why);
    *dead = sim_dead(disk);
    if (*dead)
        wrong = NULL;
    else if (j == NULL)
        wrong = TROUBLE("recovery refused: %.150s", why.text);
    else if ((wrong = found_check(f, j)) == NULL)
        wrong = check_files(f, j, o.disk);
    if (j != NULL)
        journal_close(j);
    found_free(f);
    return wrong;
}

/* --- after a kill -------------------------------------------------------------- */

static void adopt_mail(struct mail *mail, const struct found_mail *found)
{
    mail->entry = found->entry;
    mail->living = found->there;
    mail->busy = false;
    if (!found->there) {
        mail->removal = mail->sure == DURABLE ? DURABLE : mail->removal;
        mail->sure = VOID;
        return;
    }
    mail->sure = DURABLE;
    mail->removal = mail->removal == NOTHING ? NOTHING : VOID;
    for (size_t i = 0; i < mail->nsaid; i++)
        mail->said[i].sure = found->history & (uint64_t)1 << i ? DURABLE : VOID;
}

void model_adopt(struct model *m, struct found *f)
{
    for (uint64_t id = 1; id < m->next; id++)
        adopt_mail(&m->mails[id], &f->mails[id]);
    memset(m->jobs, 0, sizeof m->jobs);
    m->version++;
}
