/* explore.c - every legal disk after a power cut, at every moment of a long run.
 *
 * A scripted run (from a seed) accepts, reports, removes, holds, bounces, rolls
 * segments, compacts, is killed, meets failing writes and syncs. Before each
 * change of the simulated disk, and after each answer, every state that a power
 * cut may leave is made from what is not durable yet: nothing, all, each change
 * alone, all but each, every prefix, and random subsets. Each is recovered and
 * compared with what was promised (model.c); some recoveries are cut off in
 * the middle and recovered again.
 *
 *     explore [--steps N] [--seed N] [--random N] [--drop-sync NAME] [--mutations]
 *
 * --drop-sync makes one of the journal's syncs a lie. --mutations does this
 * with each in turn, prints what it broke, and fails if one broke nothing.
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include "base/crc32c.h"
#include "model.h"

enum { SEEN_SLOTS = 1 << 20, SINGLES_MAX = 24, PENDING_MAX = 1024 };

struct run {
    struct sim     *disk;
    struct journal *j;
    struct model   *m;
    int64_t         now;
    uint32_t        seed, cut_seed;
    unsigned        step, steps, random;
    const char     *wrong;
    char            wrong_text[300];
    uint64_t        points, states, distinct, again, kills, power_cuts, failures;
    uint64_t       *seen;
    bool            exploring;
};

static uint32_t roll(uint32_t *seed, uint32_t below)
{
    *seed = *seed * 1664525u + 1013904223u;
    return (uint32_t)((uint64_t)*seed * below >> 32);
}

/* --- states after a power cut -------------------------------------------------- */

static bool seen_before(struct run *r, uint64_t key)
{
    size_t i = (size_t)(key & (SEEN_SLOTS - 1));

    key |= 1;
    for (int tries = 0; tries < 64; tries++, i = (i + 1) & (SEEN_SLOTS - 1)) {
        if (r->seen[i] == key)
            return true;
        if (r->seen[i] == 0) {
            r->seen[i] = key;
            return false;
        }
    }
    return false;
}

static void found_wrong(struct run *r, const char *wrong, const char *how)
{
    if (r->wrong != NULL)
        return;
    snprintf(r->wrong_text, sizeof r->wrong_text, "step %u, %s: %s", r->step, how, wrong);
    r->wrong = r->wrong_text;
}

static void check(struct run *r, struct sim *disk, const char *how)
{
    bool dead;
    const char *wrong = model_check(r->m, disk, r->now, &dead);

    if (wrong != NULL)
        found_wrong(r, wrong, how);
}

static void random_keep(struct run *r, bool *keep, size_t n)
{
    for (size_t i = 0; i < n; i++)
        keep[i] = roll(&r->cut_seed, 2) != 0;
}

/* check_twice - recovery itself is cut off somewhere, and done again */

static void check_twice(struct run *r, const struct sim *disk, const bool *keep)
{
    bool again[PENDING_MAX];
    struct sim *first = sim_cut(disk, keep), *second;
    bool dead;

    sim_kill(first, 1 + roll(&r->cut_seed, 8));
    model_check(r->m, first, r->now, &dead);
    if (sim_pending(first) <= PENDING_MAX) {
        random_keep(r, again, sim_pending(first));
        second = sim_cut(first, again);
        check(r, second, "second recovery");
        sim_free(second);
        r->again++;
    }
    sim_free(first);
}

static void explore_state(struct run *r, const bool *keep)
{
    struct sim *cut;
    uint64_t key;

    if (r->wrong != NULL)
        return;
    r->states++;
    cut = sim_cut(r->disk, keep);
    key = (sim_fingerprint(cut) ^ r->m->version * 0x9e3779b97f4a7c15u) * 0xbf58476d1ce4e5b9u;
    if (!seen_before(r, key)) {
        r->distinct++;
        check(r, cut, "after a power cut");
        if (roll(&r->cut_seed, 8) == 0)
            check_twice(r, r->disk, keep);
    }
    sim_free(cut);
}

static void explore_singles(struct run *r, bool *keep, size_t n, bool one)
{
    size_t stride = n > SINGLES_MAX ? n / SINGLES_MAX : 1;
    size_t first = stride > 1 ? roll(&r->cut_seed, (uint32_t)stride) : 0;

    for (size_t i = 0; i < n; i++)
        keep[i] = !one;
    for (size_t i = first; i < n; i += stride) {
        keep[i] = one;
        explore_state(r, keep);
        keep[i] = !one;
    }
}

static void explore_prefixes(struct run *r, bool *keep, size_t n)
{
    size_t stride = n > SINGLES_MAX ? n / SINGLES_MAX : 1;

    for (size_t end = 0; end <= n; end += stride) {
        for (size_t i = 0; i < n; i++)
            keep[i] = i < end;
        explore_state(r, keep);
    }
}

/* explore - all that may be there if the power went now */

static void explore(void *user)
{
    struct run *r = user;
    bool keep[PENDING_MAX];
    size_t n = sim_pending(r->disk);

    if (!r->exploring || r->wrong != NULL)
        return;
    assert(n <= PENDING_MAX);
    r->points++;
    for (size_t i = 0; i < n; i++)
        keep[i] = true;
    explore_state(r, keep);
    explore_prefixes(r, keep, n);
    explore_singles(r, keep, n, true);
    explore_singles(r, keep, n, false);
    for (unsigned i = 0; i < r->random && n > 2; i++) {
        random_keep(r, keep, n);
        explore_state(r, keep);
    }
}

/* --- the running owner ------------------------------------------------------------ */

static void on_done(void *owner, void *unit, enum fate fate, const struct why *why)
{
    struct run *r = owner;

    (void)why;
    if (!sim_dead(r->disk))         /* the dead do not answer */
        model_answer(r->m, unit, fate == FATE_DONE);
}

static struct journal_entry *on_entry(void *owner, uint64_t id)
{
    struct run *r = owner;
    struct mail *mail = id < MAILS_MAX ? &r->m->mails[id] : NULL;

    return mail != NULL && mail->living ? &mail->entry : NULL;
}

static int64_t on_wall(void *owner)
{
    return ((struct run *)owner)->now;
}

/* The callbacks of recovery collect in `found`; later ones are the run's. */
struct both {
    struct run             *r;
    struct found           *f;
    struct journal_options  at_start;
};

static struct both both;

static bool both_found(void *owner, uint64_t id, const struct journal_entry *e, uint64_t nonce,
                       struct slice envelope)
{
    (void)owner;
    return both.at_start.found(both.f, id, e, nonce, envelope);
}

static void both_gone(void *owner, uint64_t id, uint64_t nonce)
{
    (void)owner;
    both.at_start.gone(both.f, id, nonce);
}

static bool start(struct run *r)
{
    struct why why = { 0 };
    struct journal_options o = {
        .disk = sim_disk(r->disk), .segment_size = SEGMENT_BYTES, .owner = r, .done = on_done,
        .found = both_found, .gone = both_gone, .entry = on_entry, .wall = on_wall,
    };
    const char *wrong = NULL;

    both.r = r;
    both.f = found_new(r->m);
    found_options(both.f, &both.at_start);
    sim_phase(r->disk, SIM_RECOVERY);
    r->j = journal_open(&o, &why);
    if (sim_dead(r->disk)) {
        if (r->j != NULL)
            journal_close(r->j);
        r->j = NULL;
    } else if (r->j == NULL) {
        wrong = why.text;
    } else {
        wrong = found_check(both.f, r->j);
        model_adopt(r->m, both.f);
    }
    if (wrong != NULL)
        found_wrong(r, wrong, "after a restart");
    found_free(both.f);
    sim_phase(r->disk, SIM_OTHER);
    return r->j != NULL;
}

/* stop - the process ends, by its own will or not; the cache stays */

static void stop(struct run *r)
{
    if (r->j != NULL)
        journal_close(r->j);
    r->j = NULL;
    sim_revive(r->disk);
}

/* power_cut - the run itself goes on with what one power cut left */

static void power_cut(struct run *r)
{
    bool keep[PENDING_MAX];
    struct sim *cut;

    assert(sim_pending(r->disk) <= PENDING_MAX);
    random_keep(r, keep, sim_pending(r->disk));
    cut = sim_cut(r->disk, keep);
    sim_free(r->disk);
    r->disk = cut;
    sim_hook(r->disk, explore, r);
    r->power_cuts++;
}

static void restart_if_dead(struct run *r)
{
    for (int i = 0; sim_dead(r->disk) && r->wrong == NULL; i++) {
        r->kills++;
        stop(r);
        if (roll(&r->seed, 3) == 0)
            power_cut(r);
        if (roll(&r->seed, 4) == 0)
            sim_kill(r->disk, 1 + roll(&r->seed, 10));      /* during recovery, too */
        start(r);
    }
}

static void flush(struct run *r)
{
    bool begun;

    sim_phase(r->disk, SIM_FLUSH);
    begun = journal_flush_begin(r->j);
    if (begun) {
        journal_flush_work(r->j);
        explore(r);
        journal_flush_end(r->j);
        if (!sim_dead(r->disk))
            explore(r);
    }
    sim_phase(r->disk, SIM_OTHER);
}

static void tidy(struct run *r, unsigned n)
{
    sim_phase(r->disk, SIM_CHORE);
    for (unsigned i = 0; i < n && !sim_dead(r->disk) && journal_tidy(r->j); i++)
        ;
    sim_phase(r->disk, SIM_OTHER);
}

/* --- what it does -------------------------------------------------------------------- */

static struct job *job_new(struct run *r, uint64_t mail)
{
    for (size_t i = 0; i < JOBS_MAX; i++)
        if (!r->m->jobs[i].used) {
            r->m->jobs[i] = (struct job){ .used = true, .mail = mail, .said = -1 };
            r->m->mails[mail].busy = true;
            return &r->m->jobs[i];
        }
    assert(false);     /* too many jobs */
    return NULL;
}

static uint64_t mail_new(struct run *r)
{
    static const size_t sizes[] = { 0, 1, 40, 300, 463, 700, 1200, 3000, 6000 };
    uint64_t id = r->m->next++;
    struct mail *m = &r->m->mails[id];

    assert(id < MAILS_MAX);
    m->size = sizes[roll(&r->seed, sizeof sizes / sizeof sizes[0])];
    m->entry = (struct journal_entry){ .id = id };
    m->sure = WAITING;
    return id;
}

static struct record mail_record(struct run *r, uint64_t id)
{
    return (struct record){
        .type = RECORD_MESSAGE, .entry = &r->m->mails[id].entry,
        .head = model_envelope(r->m, id), .body = model_body(r->m, id),
        .nonce = model_nonce(id),
    };
}

static void do_accept(struct run *r)
{
    uint64_t id = mail_new(r);
    struct record record = mail_record(r, id);
    struct job *job = job_new(r, id);

    job->accepts = true;
    journal_append(r->j, &record, 1, job);
}

static void do_accept_large(struct run *r)
{
    uint64_t id = mail_new(r);
    struct disk *disk = sim_disk(r->disk);
    struct record record;
    uint64_t number;
    struct job *job;
    int handle;

    r->m->mails[id].large = true;
    handle = journal_lend(r->j, &number);
    if (handle < 0)
        return;
    for (size_t at = 0; at < r->m->mails[id].size && !sim_dead(r->disk); ) {
        char bytes[SEGMENT_BYTES];      /* the model's memory is used again by the hook */
        struct slice body = model_body(r->m, id);
        ssize_t n;

        memcpy(bytes, body.p, body.n);
        n = disk->write(disk->ctx, handle, slice_from(slice_of(bytes, body.n), at), at);

        if (n <= 0)
            break;
        at += (size_t)n;
    }
    disk->close(disk->ctx, handle);
    if (sim_dead(r->disk))
        return;
    record = mail_record(r, id);
    record.large = number;
    record.length = record.body.n;
    record.crc = crc32c(0, record.body);
    record.body = (struct slice){ 0 };
    job = job_new(r, id);
    job->accepts = true;
    journal_append(r->j, &record, 1, job);
}

/* pick - a living message that waits for nothing; 0: none */

static uint64_t pick(struct run *r)
{
    for (int tries = 0; tries < 40; tries++) {
        uint64_t id = 1 + roll(&r->seed, (uint32_t)r->m->next);
        const struct mail *m = &r->m->mails[id];

        if (id < r->m->next && m->living && !m->busy && m->sure == DURABLE)
            return id;
    }
    return 0;
}

static struct record said_record(struct run *r, struct mail *m, enum record_type type,
                                 uint64_t bounce)
{
    struct said *s = &m->said[m->nsaid++];

    *s = (struct said){ type, ++r->m->serial, WAITING, bounce };
    return (struct record){ .type = type, .entry = &m->entry, .head = model_said(s) };
}

static void do_say(struct run *r, enum record_type type)
{
    uint64_t id = pick(r);
    struct mail *m = &r->m->mails[id];
    struct record record;
    struct job *job;

    if (id == 0 || m->nsaid == SAID_MAX)
        return;
    job = job_new(r, id);
    job->said = (int)m->nsaid;
    record = said_record(r, m, type, 0);
    journal_append(r->j, &record, 1, job);
}

static void do_bounce(struct run *r)
{
    uint64_t id = pick(r), bounce;
    struct mail *m = &r->m->mails[id];
    struct record records[2];
    struct job *job;

    if (id == 0 || m->nsaid == SAID_MAX)
        return;
    bounce = mail_new(r);
    r->m->mails[bounce].is_bounce = r->m->mails[bounce].busy = true;
    job = job_new(r, id);
    job->said = (int)m->nsaid;
    job->bounce = bounce;
    records[0] = mail_record(r, bounce);
    records[1] = said_record(r, m, RECORD_OUTCOME, bounce);
    journal_append(r->j, records, 2, job);
}

static void do_remove(struct run *r)
{
    uint64_t id = pick(r);
    struct record record = { .type = RECORD_REMOVED, .entry = &r->m->mails[id].entry };
    struct job *job;

    if (id == 0)
        return;
    r->m->mails[id].removal = WAITING;
    job = job_new(r, id);
    job->removes = true;
    journal_append(r->j, &record, 1, job);
}

/* do_rot - a bit of a dead message turns, and the index that knew it is lost */

static void do_rot(struct run *r)
{
    char name[64], next[64];

    for (uint64_t id = 1; id < r->m->next; id++) {
        const struct mail *m = &r->m->mails[id];
        bool bounced = m->is_bounce;

        for (size_t i = 0; i < m->nsaid; i++)
            bounced |= m->said[i].bounce != 0;
        if (m->sure != DURABLE || m->removal != DURABLE || bounced || m->spoiled)
            continue;
        snprintf(name, sizeof name, "journal/%08x", m->entry.message.segment);
        if (!sim_has(r->disk, name) || roll(&r->seed, 4) != 0)
            continue;
        snprintf(next, sizeof next, "journal/%08x", m->entry.message.segment + 1);
        if (!sim_has(r->disk, next))
            continue;           /* only it can tell damage from a torn end */
        stop(r);
        sim_flip(r->disk, name, m->entry.message.offset + 50);
        r->m->mails[id].spoiled = true;
        strcat(name, ".index");
        sim_forget(r->disk, name);
        start(r);
        return;
    }
}

static void one_step(struct run *r)
{
    unsigned what = roll(&r->seed, 100);

    r->now += roll(&r->seed, 20000);
    if (what < 22)
        do_accept(r);
    else if (what < 26)
        do_accept_large(r);
    else if (what < 36)
        do_say(r, RECORD_OUTCOME);
    else if (what < 38)
        do_say(r, RECORD_HELD);
    else if (what < 40)
        do_say(r, RECORD_RELEASED);
    else if (what < 44)
        do_bounce(r);
    else if (what < 60)
        do_remove(r);
    else if (what < 84)
        flush(r);
    else if (what < 93)
        tidy(r, 1 + roll(&r->seed, 6));
    else if (what < 95)
        sim_kill(r->disk, 1 + roll(&r->seed, 12));
    else if (what < 96) {
        r->failures++;
        sim_fail(r->disk, 1 + roll(&r->seed, 6), roll(&r->seed, 2) ? EIO : ENOSPC,
                 roll(&r->seed, 2) != 0);
    } else if (what < 97) {
        flush(r);
        if (!sim_dead(r->disk)) {
            stop(r);
            start(r);
        }
    } else if (what < 98) {
        do_rot(r);
    }
    restart_if_dead(r);
}

static void run_script(struct run *r, unsigned steps, uint32_t seed, enum sim_sync drop)
{
    r->disk = sim_new();
    r->m = model_new();
    r->now = (int64_t)1800000000 * 1000;
    r->seed = seed;
    r->cut_seed = seed ^ 0xabcdef;
    r->steps = steps;
    r->seen = calloc(SEEN_SLOTS, sizeof *r->seen);
    assert(r->seen != NULL);
    sim_drop(r->disk, drop);
    sim_hook(r->disk, explore, r);
    r->exploring = true;
    start(r);
    for (r->step = 0; r->step < steps && r->wrong == NULL; r->step++) {
        one_step(r);
        if (r->wrong == NULL && sim_slow(r->disk) > 0)
            found_wrong(r, "a commit had to write out a whole spare", "cost");
    }
}

static void run_free(struct run *r)
{
    r->exploring = false;
    if (r->j != NULL)
        journal_close(r->j);
    sim_free(r->disk);
    free(r->m);
    free(r->seen);
}

/* --- the program ----------------------------------------------------------------------- */

static double seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static bool explore_once(unsigned steps, uint32_t seed, unsigned random, enum sim_sync drop)
{
    struct run r = { .random = random };
    double begun = seconds();
    bool fine;

    run_script(&r, steps, seed, drop);
    fine = r.wrong == NULL;
    printf("seed %u: %u steps, %llu messages acknowledged, %llu kills (%llu of them power cuts), "
           "%llu injected errors\n",
           seed, r.step, (unsigned long long)r.m->acked, (unsigned long long)r.kills,
           (unsigned long long)r.power_cuts, (unsigned long long)r.failures);
    printf("  %llu points, %llu states after a power cut, %llu of them different, "
           "%llu recoveries cut off and repeated, %.1f s\n",
           (unsigned long long)r.points, (unsigned long long)r.states,
           (unsigned long long)r.distinct, (unsigned long long)r.again, seconds() - begun);
    for (int i = 0; i < SIM_SYNC_COUNT && drop == SIM_SYNC_COUNT; i++)
        printf("  %5u  %s\n", sim_syncs(r.disk, (enum sim_sync)i), sim_sync_text((enum sim_sync)i));
    if (!fine)
        printf("  BROKEN: %s\n", r.wrong);
    fflush(stdout);
    run_free(&r);
    return fine;
}

/* clean_without - the same run with every sync in place must be fine */

static bool clean_without(unsigned steps, uint32_t seed, unsigned random)
{
    struct run r = { .random = random };
    bool fine;

    run_script(&r, steps, seed, SIM_SYNC_COUNT);
    fine = r.wrong == NULL;
    if (!fine)
        printf("BROKEN with every sync in place: seed %u, %s\n", seed, r.wrong);
    run_free(&r);
    return fine;
}

static bool mutations(unsigned steps, uint32_t seed, unsigned random)
{
    bool all = true;

    printf("%-55s  what its removal breaks\n", "sync");
    for (int site = 0; site < SIM_SYNC_COUNT; site++) {
        struct run r = { .random = random };
        bool broke = false;

        for (uint32_t i = 0; i < 12 && !broke; i++) {
            r = (struct run){ .random = random };
            run_script(&r, steps, seed + i, (enum sim_sync)site);
            broke = r.wrong != NULL;
            if (broke)
                printf("%-55s  seed %u, %s\n", sim_sync_text((enum sim_sync)site), seed + i, r.wrong);
            run_free(&r);
            if (broke)
                all &= clean_without(r.step + 1, seed + i, random);
        }
        if (!broke)
            printf("%-55s  NOTHING\n", sim_sync_text((enum sim_sync)site));
        fflush(stdout);
        all &= broke;
    }
    return all;
}

static enum sim_sync site_of(const char *name)
{
    static const char *const names[] = {
#define S(n, text) #n,
        SIM_SYNCS(S)
#undef S
    };

    for (int i = 0; i < SIM_SYNC_COUNT; i++)
        if (strcmp(name, names[i]) == 0)
            return (enum sim_sync)i;
    fprintf(stderr, "no sync has the name %s\n", name);
    exit(2);
}

int main(int argc, char **argv)
{
    unsigned steps = 500, random = 6, seeds = 1;
    uint32_t seed = 1;
    enum sim_sync drop = SIM_SYNC_COUNT;
    bool mutate = false, fine = true;

    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : "0";

        if (strcmp(argv[i], "--mutations") == 0) {
            mutate = true;
            continue;
        }
        if (strcmp(argv[i], "--steps") == 0)
            steps = (unsigned)strtoul(value, NULL, 10);
        else if (strcmp(argv[i], "--seed") == 0)
            seed = (uint32_t)strtoul(value, NULL, 10);
        else if (strcmp(argv[i], "--seeds") == 0)
            seeds = (unsigned)strtoul(value, NULL, 10);
        else if (strcmp(argv[i], "--random") == 0)
            random = (unsigned)strtoul(value, NULL, 10);
        else if (strcmp(argv[i], "--drop-sync") == 0)
            drop = site_of(value);
        i++;
    }
    if (mutate)
        return mutations(steps, seed, random) ? 0 : 1;
    for (uint32_t i = 0; i < seeds && fine; i++)
        fine = explore_once(steps, seed + i, random, drop);
    return fine ? 0 : 1;
}
