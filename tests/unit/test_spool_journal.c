/* test_spool_journal.c - the journal on a real directory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>
#include "base/crc32c.h"
#include "base/id.h"
#include "spool/journal.h"

enum { MAIL_MAX = 512, SMALL = 16384 };

/* What the queue would keep. */
struct mail {
    struct journal_entry entry;
    bool     used, living, done, gone;
    uint64_t nonce;
    uint32_t envelope_crc;
};

struct owner {
    char             dir[64];
    struct disk     *disk;
    struct journal  *j;
    struct mail      mail[MAIL_MAX];
    size_t           found, gone, quarantined;
    enum fate        last;
    struct why       why;
    int64_t          now;
};

static struct mail *mail_of(struct owner *o, uint64_t id)
{
    assert_true(id > 0 && id < MAIL_MAX);
    return &o->mail[id];
}

static void on_done(void *owner, void *unit, enum fate fate, const struct why *why)
{
    struct owner *o = owner;

    o->last = fate;
    o->why = *why;
    if (unit != NULL)
        *(bool *)unit = fate == FATE_DONE;
}

static bool on_found(void *owner, uint64_t id, const struct journal_entry *e, uint64_t nonce,
                     struct slice envelope)
{
    struct owner *o = owner;
    struct mail *m = mail_of(o, id);

    assert_false(m->living);
    m->entry = *e;
    m->used = m->living = true;
    m->nonce = nonce;
    m->envelope_crc = crc32c(0, envelope);
    o->found++;
    return true;
}

static void on_gone(void *owner, uint64_t id, uint64_t nonce)
{
    struct owner *o = owner;

    (void)nonce;
    mail_of(o, id)->gone = true;
    o->gone++;
}

static struct journal_entry *on_entry(void *owner, uint64_t id)
{
    struct mail *m = mail_of(owner, id);

    return m->living ? &m->entry : NULL;
}

static void on_quarantined(void *owner, const char *what, const char *where)
{
    struct owner *o = owner;

    (void)what;
    (void)where;
    o->quarantined++;
}

static int64_t on_wall(void *owner)
{
    return ((struct owner *)owner)->now;
}

static bool owner_open(struct owner *o)
{
    int error;
    struct journal_options options = {
        .segment_size = SMALL, .owner = o, .done = on_done, .found = on_found,
        .gone = on_gone, .entry = on_entry, .quarantined = on_quarantined, .wall = on_wall,
    };

    memset(o->mail, 0, sizeof o->mail);
    o->found = o->gone = o->quarantined = 0;
    o->disk = disk_real(o->dir, &error);
    assert_non_null(o->disk);
    options.disk = o->disk;
    o->j = journal_open(&options, &o->why);
    return o->j != NULL;
}

static void owner_close(struct owner *o)
{
    if (o->j != NULL)
        journal_close(o->j);
    disk_real_free(o->disk);
    o->j = NULL;
}

static struct owner *owner_new(void)
{
    struct owner *o = test_calloc(1, sizeof *o);

    snprintf(o->dir, sizeof o->dir, "/tmp/postrider-spool.XXXXXX");
    assert_non_null(mkdtemp(o->dir));
    o->now = (int64_t)1800000000 * 1000;
    assert_true(owner_open(o));
    return o;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static void owner_free(struct owner *o)
{
    owner_close(o);
    nftw(o->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    test_free(o);
}

static bool flush(struct owner *o)
{
    o->last = FATE_DONE;
    while (journal_flush_begin(o->j)) {
        journal_flush_work(o->j);
        journal_flush_end(o->j);
    }
    return o->last == FATE_DONE;
}

/* The text of a message follows from its id. */
static struct slice text_of(uint64_t id, size_t n, char *to)
{
    for (size_t i = 0; i < n; i++)
        to[i] = (char)('a' + (id * 7 + i) % 26);
    return slice_of(to, n);
}

static size_t size_of(uint64_t id)
{
    static const size_t sizes[] = { 0, 1, 100, 700, 3000, 8000 };

    return sizes[id % (sizeof sizes / sizeof sizes[0])];
}

static void put_mail(struct owner *o, uint64_t id)
{
    char envelope[40], body[8192];
    struct mail *m = mail_of(o, id);
    int n = snprintf(envelope, sizeof envelope, "envelope of %u", (unsigned)id);
    struct record r = { .type = RECORD_MESSAGE, .entry = &m->entry,
                        .head = slice_of(envelope, (size_t)n),
                        .body = text_of(id, size_of(id), body), .nonce = id * 3 };

    m->entry = (struct journal_entry){ .id = id };
    m->used = m->living = true;
    assert_true(journal_append(o->j, &r, 1, &m->done));
}

static void put_record(struct owner *o, uint64_t id, enum record_type type, const char *head)
{
    struct record r = { .type = type, .entry = &mail_of(o, id)->entry, .head = slice_cstr(head) };

    assert_true(journal_append(o->j, &r, 1, NULL));
}

static void remove_mail(struct owner *o, uint64_t id)
{
    put_record(o, id, RECORD_REMOVED, "");
    assert_true(flush(o));
    mail_of(o, id)->living = false;
}

static void assert_readable(struct owner *o, uint64_t id)
{
    char want[8192], head[40];
    struct buf b = BUF(1 << 20);
    struct slice envelope, body;

    snprintf(head, sizeof head, "envelope of %u", (unsigned)id);
    assert_true(journal_read(o->j, &mail_of(o, id)->entry, &b, &envelope, &body, &o->why));
    assert_true(slice_eq(envelope, slice_cstr(head)));
    assert_true(slice_eq(body, text_of(id, size_of(id), want)));
    buf_free(&b);
}

struct told {
    size_t n;
    char   text[64];
};

static bool tell(void *user, enum record_type type, int64_t wall_ms, struct slice head)
{
    struct told *t = user;

    (void)type;
    assert_true(wall_ms > 0);
    t->n += (size_t)snprintf(t->text + t->n, sizeof t->text - t->n, "%.*s;", SLICE(head));
    return true;
}

static void assert_history(struct owner *o, uint64_t id, const char *want)
{
    struct told t = { 0 };

    assert_true(journal_history(o->j, &mail_of(o, id)->entry, tell, &t, &o->why));
    assert_string_equal(t.text, want);
}

static void restart(struct owner *o)
{
    owner_close(o);
    assert_true(owner_open(o));
}

/* --- tests ------------------------------------------------------------------ */

static void what_is_accepted_is_found_and_read_again(void **state)
{
    struct owner *o = owner_new();

    (void)state;
    for (uint64_t id = 1; id <= 60; id++)
        put_mail(o, id);
    assert_true(flush(o));
    for (uint64_t id = 1; id <= 60; id++) {
        assert_true(mail_of(o, id)->done);
        assert_readable(o, id);
    }
    restart(o);
    assert_int_equal(o->found, 60);
    for (uint64_t id = 1; id <= 60; id++) {
        assert_true(mail_of(o, id)->nonce == id * 3);
        assert_readable(o, id);
    }
    owner_free(o);
}

static void what_is_removed_stays_removed_and_is_told_as_gone(void **state)
{
    struct owner *o = owner_new();

    (void)state;
    for (uint64_t id = 1; id <= 20; id++)
        put_mail(o, id);
    assert_true(flush(o));
    for (uint64_t id = 1; id <= 20; id += 2)
        remove_mail(o, id);
    restart(o);
    assert_int_equal(o->found, 10);
    assert_int_equal(o->gone, 10);
    owner_free(o);
}

static void the_history_is_told_newest_first(void **state)
{
    struct owner *o = owner_new();

    (void)state;
    put_mail(o, 1);
    assert_true(flush(o));
    put_record(o, 1, RECORD_OUTCOME, "one");
    put_record(o, 1, RECORD_OUTCOME, "two");    /* in the same flush */
    assert_true(flush(o));
    put_record(o, 1, RECORD_HELD, "why");
    assert_true(flush(o));
    assert_history(o, 1, "why;two;one;");
    assert_true(mail_of(o, 1)->entry.flags & JOURNAL_HELD);
    restart(o);
    assert_history(o, 1, "why;two;one;");
    assert_true(mail_of(o, 1)->entry.flags & JOURNAL_HELD);
    put_record(o, 1, RECORD_RELEASED, "");
    assert_true(flush(o));
    restart(o);
    assert_history(o, 1, ";why;two;one;");
    assert_false(mail_of(o, 1)->entry.flags & JOURNAL_HELD);
    owner_free(o);
}

static void a_history_can_be_read_while_its_next_record_is_written(void **state)
{
    struct owner *o = owner_new();

    (void)state;
    put_mail(o, 1);
    assert_true(flush(o));
    put_record(o, 1, RECORD_OUTCOME, "one");
    assert_true(flush(o));
    put_record(o, 1, RECORD_OUTCOME, "two");
    assert_true(journal_flush_begin(o->j));
    assert_history(o, 1, "one;");
    journal_flush_work(o->j);
    journal_flush_end(o->j);
    assert_history(o, 1, "two;one;");
    owner_free(o);
}

/* spares - how many there are when there is nothing left to tidy */

static uint64_t spares(struct owner *o)
{
    struct journal_stats s;

    while (journal_tidy(o->j))
        flush(o);
    journal_stats(o->j, &s);
    return s.spare;
}

static void after_a_burst_and_at_rest_segments_are_made_for_the_next(void **state)
{
    struct owner *o = owner_new();
    uint64_t id = 1;

    (void)state;
    put_mail(o, id++);
    assert_true(flush(o));
    journal_rest(o->j);
    assert_int_equal(spares(o), 1);     /* so little is no burst */
    while (id < 10) {
        put_mail(o, id++);
        assert_true(flush(o));
    }
    assert_int_equal(spares(o), 1);     /* it may go on */
    journal_rest(o->j);
    put_mail(o, id++);
    assert_true(flush(o));
    assert_int_equal(spares(o), 1);     /* it did */
    journal_rest(o->j);
    assert_int_equal(spares(o), 4);
    owner_free(o);
}

static void dead_segments_become_spares_and_the_living_move_on(void **state)
{
    struct owner *o = owner_new();
    struct journal_stats s;

    (void)state;
    for (uint64_t id = 1; id <= 300; id++) {
        put_mail(o, id);
        assert_true(flush(o));
        put_record(o, id, RECORD_OUTCOME, "tried");
        assert_true(flush(o));
        if (id % 50 != 0)
            remove_mail(o, id);
        for (int i = 0; i < 20 && journal_tidy(o->j); i++)
            flush(o);
    }
    for (int i = 0; i < 2000 && journal_tidy(o->j); i++)
        flush(o);
    journal_stats(o->j, &s);
    assert_true(s.segments < 10);
    assert_true(s.spare <= 4);
    assert_true(s.compacted > 0);
    for (int round = 0; round < 2; round++) {
        for (uint64_t id = 50; id <= 300; id += 50) {
            assert_readable(o, id);
            assert_history(o, id, "tried;");
        }
        restart(o);
        assert_int_equal(o->found, 6);
    }
    owner_free(o);
}

static void a_second_server_is_told_who_holds_the_spool(void **state)
{
    struct owner *o = owner_new();
    struct owner *other = test_calloc(1, sizeof *other);
    char pid[32];

    (void)state;
    memcpy(other->dir, o->dir, sizeof o->dir);
    assert_false(owner_open(other));
    snprintf(pid, sizeof pid, "pid %u", (unsigned)getpid());
    assert_non_null(strstr(other->why.text, pid));
    owner_close(other);
    test_free(other);
    owner_free(o);
}

static void lend(struct owner *o, uint64_t id, size_t n, uint32_t spoil)
{
    struct mail *m = mail_of(o, id);
    char *body = test_malloc(n);
    struct record r = { .type = RECORD_MESSAGE, .entry = &m->entry, .head = SLICE_LIT("big"),
                        .length = n };
    int handle = journal_lend(o->j, &r.large);

    assert_true(handle >= 0);
    text_of(id, n, body);
    assert_int_equal(o->disk->write(o->disk->ctx, handle, slice_of(body, n), 0), n);
    o->disk->close(o->disk->ctx, handle);
    r.crc = crc32c(0, slice_of(body, n)) ^ spoil;
    m->entry = (struct journal_entry){ .id = id };
    m->living = true;
    assert_true(journal_append(o->j, &r, 1, &m->done));
    test_free(body);
}

static void a_large_body_stays_in_its_file(void **state)
{
    struct owner *o = owner_new();
    uint64_t length;
    char got[300000], want[300000];
    int handle;

    (void)state;
    lend(o, 1, sizeof got, 0);
    put_mail(o, 2);
    lend(o, 3, 1000, 1);            /* not what it says */
    put_mail(o, 4);
    flush(o);
    assert_true(mail_of(o, 1)->done && mail_of(o, 2)->done && mail_of(o, 4)->done);
    assert_false(mail_of(o, 3)->done);
    restart(o);
    assert_int_equal(o->found, 3);
    assert_true(mail_of(o, 1)->entry.flags & JOURNAL_LARGE);
    handle = journal_large_open(o->j, &mail_of(o, 1)->entry, &length);
    assert_true(handle >= 0 && length == sizeof got);
    assert_int_equal(o->disk->read(o->disk->ctx, handle, got, sizeof got, 0), sizeof got);
    text_of(1, sizeof want, want);
    assert_memory_equal(got, want, sizeof got);
    o->disk->close(o->disk->ctx, handle);
    remove_mail(o, 1);
    assert_true(journal_large_open(o->j, &mail_of(o, 1)->entry, &length) < 0);
    owner_free(o);
}

/* The child appends for ever and tells of each message that is durable. */
static void append_until_killed(struct owner *o, int tell_to)
{
    for (uint64_t id = 1; id < MAIL_MAX; id++) {
        put_mail(o, id);
        if (!flush(o) || write(tell_to, &id, sizeof id) != sizeof id)
            break;
        while (journal_tidy(o->j))
            flush(o);
    }
    _exit(0);
}

static void nothing_told_is_missing_after_a_kill(void **state)
{
    (void)state;
    for (int round = 0; round < 8; round++) {
        struct owner *o = owner_new();
        uint64_t id, last = 0;
        int p[2];
        pid_t child;

        owner_close(o);
        assert_int_equal(pipe(p), 0);
        child = fork();
        if (child == 0) {
            close(p[0]);
            if (owner_open(o))
                append_until_killed(o, p[1]);
            _exit(1);
        }
        close(p[1]);
        while (last < (uint64_t)(5 + round * 17) && read(p[0], &id, sizeof id) == sizeof id)
            last = id;
        usleep((useconds_t)(round * 331));
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
        while (read(p[0], &id, sizeof id) == sizeof id)
            last = id;
        close(p[0]);
        assert_true(owner_open(o));
        assert_true(last >= (uint64_t)(5 + round * 17));
        for (id = 1; id <= last; id++) {
            assert_true(mail_of(o, id)->living);
            assert_readable(o, id);
        }
        assert_int_equal(o->quarantined, 0);
        owner_free(o);
    }
}

/* --- damage (F14) -------------------------------------------------------------- */

static size_t read_file(const char *path, char *to, size_t n)
{
    int fd = open(path, O_RDONLY);
    ssize_t got = fd < 0 ? 0 : read(fd, to, n);

    if (fd >= 0)
        close(fd);
    return got < 0 ? 0 : (size_t)got;
}

static void write_file(const char *path, const char *p, size_t n)
{
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, p, n), n);
    close(fd);
}

/* wipe - an empty spool */

static void wipe(struct owner *o)
{
    nftw(o->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    assert_int_equal(mkdir(o->dir, 0700), 0);
}

/* whatever is found must be right; what is not found must not be half there */

static size_t assert_nothing_wrong(struct owner *o)
{
    struct buf b = BUF(1 << 20);
    struct slice envelope, body;
    char want[8192], head[40];
    struct told t;
    size_t readable = 0;
    struct why why;

    for (uint64_t id = 1; id < MAIL_MAX; id++) {
        if (!mail_of(o, id)->living)
            continue;
        snprintf(head, sizeof head, "envelope of %u", (unsigned)id);
        assert_int_equal(mail_of(o, id)->envelope_crc, crc32c(0, slice_cstr(head)));
        if (!journal_read(o->j, &mail_of(o, id)->entry, &b, &envelope, &body, &why))
            continue;
        assert_true(slice_eq(envelope, slice_cstr(head)));
        assert_true(slice_eq(body, text_of(id, size_of(id), want)));
        readable++;
        t = (struct told){ 0 };
        if (journal_history(o->j, &mail_of(o, id)->entry, tell, &t, &why))
            assert_true(t.n == 0 || strcmp(t.text, "tried;") == 0
                        || strcmp(t.text, "why;tried;") == 0);
    }
    buf_free(&b);
    return readable;
}

/* three messages, each in its own flush, and their outcomes: below 8 KiB */

static void small_spool(struct owner *o)
{
    for (uint64_t id = 1; id <= 3; id++) {
        put_mail(o, id);
        assert_true(flush(o));
    }
    put_record(o, 1, RECORD_OUTCOME, "tried");
    assert_true(flush(o));
    put_record(o, 1, RECORD_HELD, "why");
    assert_true(flush(o));
    put_mail(o, 7);
    assert_true(flush(o));
    remove_mail(o, 7);
}

static void flip_every_byte(struct owner *o, const char *file, const char *drop, size_t limit,
                            size_t *lost, size_t *reported)
{
    static char whole[SMALL], now[SMALL];
    char path[128], other[128];
    size_t n;

    snprintf(path, sizeof path, "%s/journal/%s", o->dir, file);
    snprintf(other, sizeof other, "%s/journal/%s", o->dir, drop);
    n = read_file(path, whole, sizeof whole);
    assert_true(n > 0);
    for (size_t at = 0; at < n && at < limit; at++) {
        memcpy(now, whole, n);
        now[at] ^= (char)(1 << at % 8);
        write_file(path, now, n);
        remove(other);
        if (owner_open(o)) {
            size_t readable = assert_nothing_wrong(o);

            *lost += readable < 3;
            *reported += o->quarantined > 0;
            assert_true(readable >= 2);
            owner_close(o);
        } else {
            disk_real_free(o->disk);
        }
        write_file(path, whole, n);
    }
}

static void no_flipped_bit_of_a_segment_does_harm(void **state)
{
    struct owner *o = owner_new();
    size_t lost = 0, reported = 0;

    (void)state;
    small_spool(o);
    owner_close(o);
    flip_every_byte(o, "00000001", "00000001.index", 6000, &lost, &reported);
    assert_true(lost > 0 && reported > 0);
    assert_true(owner_open(o));
    assert_int_equal(o->found, 3);      /* and nothing was deleted */
    owner_free(o);
}

static void no_flipped_bit_of_an_index_does_harm(void **state)
{
    struct owner *o = owner_new();
    size_t lost = 0, reported = 0;

    (void)state;
    small_spool(o);
    owner_close(o);
    flip_every_byte(o, "00000001.index", "none", 6000, &lost, &reported);
    assert_int_equal(lost, 0);
    assert_int_equal(reported, 0);
    assert_true(owner_open(o));
    owner_free(o);
}

static void a_body_that_rotted_under_its_index_is_never_delivered(void **state)
{
    struct owner *o = owner_new();
    struct buf b = BUF(1 << 20);
    struct slice envelope, body;
    char path[128], whole[SMALL];

    (void)state;
    put_mail(o, 4);
    put_mail(o, 5);
    assert_true(flush(o));
    owner_close(o);
    snprintf(path, sizeof path, "%s/journal/00000001", o->dir);
    assert_int_equal(read_file(path, whole, SMALL), SMALL);
    whole[512 + 1000] ^= 1;
    write_file(path, whole, SMALL);
    assert_true(owner_open(o));
    assert_int_equal(o->found, 2);
    for (int i = 0; i < 2; i++) {
        assert_false(journal_read(o->j, &mail_of(o, 4)->entry, &b, &envelope, &body, &o->why));
        assert_int_equal(o->why.error, EBADMSG);
        assert_int_equal(o->quarantined, 1);    /* told once */
    }
    assert_readable(o, 5);
    buf_free(&b);
    owner_free(o);
}

static void truncated_and_swapped_segments_do_no_harm(void **state)
{
    struct owner *o = owner_new();
    char one[128], two[128], whole[SMALL];

    (void)state;
    snprintf(one, sizeof one, "%s/journal/00000001", o->dir);
    snprintf(two, sizeof two, "%s/journal/00000002", o->dir);
    small_spool(o);
    owner_close(o);
    assert_int_equal(read_file(one, whole, SMALL), SMALL);
    for (size_t n = 0; n < 6000; n += 97) {
        wipe(o);
        assert_true(owner_open(o));
        owner_close(o);
        write_file(one, whole, n);
        if (owner_open(o)) {
            assert_nothing_wrong(o);
            owner_close(o);
        } else {
            disk_real_free(o->disk);
        }
    }
    wipe(o);
    assert_true(owner_open(o));
    owner_close(o);
    write_file(two, whole, SMALL);      /* under another number */
    assert_true(owner_open(o));
    assert_int_equal(o->found, 0);
    assert_int_equal(o->quarantined, 1);
    owner_close(o);
    snprintf(two, sizeof two, "%s/quarantine/00000002", o->dir);
    assert_int_equal(access(two, F_OK), 0);
    assert_true(owner_open(o));
    owner_free(o);
}

static void a_segment_of_another_version_stops_the_start(void **state)
{
    struct owner *o = owner_new();
    char path[128], whole[SMALL];
    uint32_t crc;

    (void)state;
    put_mail(o, 1);
    assert_true(flush(o));
    owner_close(o);
    snprintf(path, sizeof path, "%s/journal/00000001", o->dir);
    assert_int_equal(read_file(path, whole, SMALL), SMALL);
    whole[8] = 9;
    crc = crc32c(0, slice_of(whole, 28));
    memcpy(whole + 28, &crc, 4);
    write_file(path, whole, SMALL);
    assert_false(owner_open(o));
    assert_non_null(strstr(o->why.text, "version"));
    owner_close(o);
    assert_int_equal(access(path, F_OK), 0);
    whole[8] = 1;
    crc = crc32c(0, slice_of(whole, 28));
    memcpy(whole + 28, &crc, 4);
    write_file(path, whole, SMALL);
    assert_true(owner_open(o));
    assert_int_equal(o->found, 1);
    owner_free(o);
}

/* --- a full disk (F09) ------------------------------------------------------------ */

static void a_full_disk_refuses_mail_and_takes_removals(void **state)
{
    struct owner *o = owner_new();
    uint64_t id = 0, accepted;

    (void)state;
    owner_close(o);
    if (mount("none", o->dir, "tmpfs", 0, "size=256k") < 0) {
        print_message("skipped: a tmpfs cannot be mounted here\n");
        rmdir(o->dir);
        assert_true(owner_open(o));
        owner_free(o);
        return;
    }
    assert_true(owner_open(o));
    while (id < 10) {
        put_mail(o, ++id);
        assert_true(flush(o));
    }
    journal_rest(o->j);
    assert_int_equal(spares(o), 1);     /* the disk is too small for more */
    do {
        while (journal_tidy(o->j))
            flush(o);
        put_mail(o, ++id);
    } while (flush(o) && id < MAIL_MAX - 1);
    assert_int_equal(o->why.error, ENOSPC);
    assert_true(journal_room(o->j) < SMALL);
    mail_of(o, id)->living = false;
    accepted = id - 1;
    for (id = 1; id <= accepted; id++)
        assert_readable(o, id);
    for (id = 1; id <= accepted; id++) {
        remove_mail(o, id);
        for (int i = 0; i < 50 && journal_tidy(o->j); i++)
            flush(o);
    }
    for (int i = 0; i < 1000 && journal_tidy(o->j); i++)
        flush(o);
    put_mail(o, 500);
    assert_true(flush(o));              /* there is room again */
    restart(o);
    assert_int_equal(o->found, 1);
    owner_close(o);
    umount(o->dir);
    assert_true(owner_open(o));
    owner_free(o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_accepted_is_found_and_read_again),
        cmocka_unit_test(what_is_removed_stays_removed_and_is_told_as_gone),
        cmocka_unit_test(the_history_is_told_newest_first),
        cmocka_unit_test(a_history_can_be_read_while_its_next_record_is_written),
        cmocka_unit_test(after_a_burst_and_at_rest_segments_are_made_for_the_next),
        cmocka_unit_test(dead_segments_become_spares_and_the_living_move_on),
        cmocka_unit_test(a_second_server_is_told_who_holds_the_spool),
        cmocka_unit_test(a_large_body_stays_in_its_file),
        cmocka_unit_test(nothing_told_is_missing_after_a_kill),
        cmocka_unit_test(no_flipped_bit_of_a_segment_does_harm),
        cmocka_unit_test(no_flipped_bit_of_an_index_does_harm),
        cmocka_unit_test(a_body_that_rotted_under_its_index_is_never_delivered),
        cmocka_unit_test(truncated_and_swapped_segments_do_no_harm),
        cmocka_unit_test(a_segment_of_another_version_stops_the_start),
        cmocka_unit_test(a_full_disk_refuses_mail_and_takes_removals),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
