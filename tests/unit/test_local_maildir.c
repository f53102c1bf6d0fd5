/* test_local_maildir.c - mailboxes on a real file system, and people who try to leave them. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <unistd.h>
#include <cmocka.h>
#include <linux/magic.h>
#include "local/batch.h"

static char root[64];

static int make_root(void **state)
{
    (void)state;
    snprintf(root, sizeof root, "/tmp/test_maildir.XXXXXX");
    return mkdtemp(root) == NULL;
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st;
    (void)flag;
    (void)ftw;
    return remove(path);
}

static int remove_root(void **state)
{
    (void)state;
    return nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static const char *under(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

static const char *under(const char *fmt, ...)
{
    static char texts[4][512];
    static unsigned at;
    char *to = texts[at++ % 4];
    va_list ap;
    int n = snprintf(to, 512, "%s/", root);

    va_start(ap, fmt);
    vsnprintf(to + n, 512 - (size_t)n, fmt, ap);
    va_end(ap);
    return to;
}

/* count - entries of a directory, -1 if there is none */

static int count(const char *path)
{
    DIR *d = opendir(path);
    struct dirent *e;
    int n = 0;

    if (d == NULL)
        return -1;
    while ((e = readdir(d)) != NULL)
        n += e->d_name[0] != '.';
    closedir(d);
    return n;
}

/* --- the place -------------------------------------------------------------- */

static void a_place_is_made_from_the_template_and_a_safe_address(void **state)
{
    static const struct { const char *template, *address, *path, *fixed; } places[] = {
        { "/var/mail/%d/%u", "User@Example.ORG", "/var/mail/example.org/user", "/var/mail/" },
        { "/var/mail/%d/%u", "user+lists+x@example.org", "/var/mail/example.org/user", "/var/mail/" },
        { "/m/%u/.maildir", "a@b.c", "/m/a/.maildir", "/m/" },
        { "/m/x-%u-%d", "a@b.c", "/m/x-a-b.c", "/m/" },
        { "/m/100%%/%u", "a@b.c", "/m/100%/a", "/m/100%/" },
        { "/spool/sink", "any@thing.test", "/spool/sink", "/spool/" },
        { "/spool/sink/", "any@thing.test", "/spool/sink", "/spool/" },
        { "/m/%u", "\"a b\"@c.d", "/m/a b", "/m/" },
    };
    struct maildir_path path;
    struct why why;

    (void)state;
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        if (!maildir_path(slice_cstr(places[i].template), slice_cstr(places[i].address), &path, &why))
            fail_msg("%s: %s", places[i].address, why.text);
        assert_string_equal(path.text, places[i].path);
        assert_int_equal(path.n, strlen(places[i].path));
        assert_true(slice_eq(slice_of(path.text, path.fixed), slice_cstr(places[i].fixed)));
    }
}

static void a_hostile_user_does_not_exist(void **state)      /* A092 */
{
    static const char *const users[] = {
        "../../etc/passwd@ours.example", "a/../b@ours.example", "-froot@ours.example",
        "/etc/passwd@ours.example", ".hidden@ours.example", "\"..\"@ours.example",
        "\".\"@ours.example", "+detail@ours.example", "\"a/b\"@ours.example",
        "\"\"@ours.example", "\"-x\"@ours.example", "@ours.example", "user@", "user", "",
        "a\nb@ours.example", "\"a\nb\"@ours.example",
    };
    struct maildir_path path;
    struct why why;

    (void)state;
    for (size_t i = 0; i < sizeof users / sizeof users[0]; i++) {
        if (maildir_path(SLICE_LIT("/m/%d/%u"), slice_cstr(users[i]), &path, &why))
            fail_msg("\"%s\" became %s", users[i], path.text);
        assert_int_equal(why.fate, FATE_NEVER);
    }
    assert_false(maildir_path(SLICE_LIT("/m/%u"), SLICE_LIT("a\0b@c.d"), &path, &why));
}

static void a_wrong_template_is_later_and_never_a_bounce(void **state)
{
    static const char *const templates[] = {
        "", "relative/%u", "/m/%x", "/m/%", "/m/%u/../other",
    };
    struct maildir_path path;
    struct why why;

    (void)state;
    for (size_t i = 0; i < sizeof templates / sizeof templates[0]; i++) {
        assert_false(maildir_path(slice_cstr(templates[i]), SLICE_LIT("a@b.c"), &path, &why));
        assert_int_equal(why.fate, FATE_LATER);
    }
}

/* --- deliveries ----------------------------------------------------------------- */

static char template_text[128];

static struct slice template(void)
{
    snprintf(template_text, sizeof template_text, "%s/%%d/%%u", root);
    return slice_cstr(template_text);
}

static const struct message_body body = { .text = SLICE_INIT("A: b\r\n\r\nc\r\n"), .fd = -1 };

static void deliver(struct delivery *d, const char *address)
{
    *d = (struct delivery){
        .template = template(), .front.address = slice_cstr(address),
        .front.sender = SLICE_LIT("s@t.u"), .body = &body,
    };
    batch_deliver(&(struct delivery *){ d }, 1);
}

static void mail_stands_in_new_and_nothing_in_tmp(void **state)
{
    struct delivery d;

    (void)state;
    deliver(&d, "u@x.test");
    assert_int_equal(d.fate, FATE_DONE);
    assert_string_equal(d.status, "2.0.0");
    assert_int_equal(count(under("x.test/u/new")), 1);
    assert_int_equal(count(under("x.test/u/tmp")), 0);
    assert_int_equal(count(under("x.test/u/cur")), 0);
}

static void a_batch_delivers_to_many_and_each_has_its_own_fate(void **state)
{
    enum { N = 300 };
    static struct delivery d[N];
    static struct delivery *list[N];
    static char addresses[N][32];
    struct slice t = template();

    (void)state;
    for (int i = 0; i < N; i++) {
        snprintf(addresses[i], sizeof addresses[i],
                 i == 7 ? "../evil@x.test" : i == 8 ? "discarded@x.test" : "user%d@x.test", i % 3);
        d[i] = (struct delivery){
            .template = i == 8 ? (struct slice){ 0 } : t, .body = &body,
            .front.address = slice_cstr(addresses[i]),
        };
        list[i] = &d[i];
    }
    batch_deliver(list, N);
    for (int i = 0; i < N; i++)
        assert_int_equal(d[i].fate, i == 7 ? FATE_NEVER : FATE_DONE);
    assert_string_equal(d[7].status, "5.1.1");
    assert_int_equal(count(under("x.test/user0/new")) + count(under("x.test/user1/new"))
                     + count(under("x.test/user2/new")), N - 2);
    assert_int_equal(count(under("x.test/user0/tmp")), 0);
}

/* A190: a user replaces a part of his mailbox by a symbolic link */

static void a_symbolic_link_is_never_followed(void **state)
{
    static const char *const parts[] = { "", "/tmp", "/new", "/cur" };
    struct delivery d;

    (void)state;
    mkdir(under("elsewhere"), 0700);
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        mkdir(under("x.test"), 0700);
        if (i > 0)
            mkdir(under("x.test/u%zu", i), 0700);
        assert_int_equal(symlink(under("elsewhere"), under("x.test/u%zu%s", i, parts[i])), 0);
        deliver(&d, i == 0 ? "u0@x.test" : i == 1 ? "u1@x.test" : i == 2 ? "u2@x.test" : "u3@x.test");
        assert_int_equal(d.fate, FATE_LATER);
        assert_false(d.host);
        assert_string_equal(d.status, "4.2.1");
        assert_int_equal(count(under("elsewhere")), 0);
    }
}

/* A193: something else stands where the mailbox should be */

static void what_is_no_directory_defers(void **state)
{
    struct delivery d;

    (void)state;
    mkdir(under("x.test"), 0700);
    assert_int_equal(mkfifo(under("x.test/fifo"), 0600), 0);
    close(open(under("x.test/file"), O_CREAT | O_WRONLY, 0600));
    deliver(&d, "fifo@x.test");
    assert_int_equal(d.fate, FATE_LATER);
    deliver(&d, "file@x.test");
    assert_int_equal(d.fate, FATE_LATER);
    assert_string_equal(d.status, "4.2.1");
}

/* A196: the limit strikes in the middle of a message */

static void a_full_mailbox_defers_and_keeps_no_part(void **state)
{
    static char big[200 << 10];
    struct message_body big_body = { .text = slice_of(big, sizeof big), .fd = -1 };
    struct rlimit old, small = { 64 << 10, RLIM_INFINITY };
    struct delivery d, *list[] = { &d };

    (void)state;
    memset(big, 'x', sizeof big);
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &old);
    small.rlim_max = old.rlim_max;
    d = (struct delivery){ .template = template(), .front.address = SLICE_LIT("u@x.test"),
                           .body = &big_body };
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    batch_deliver(list, 1);
    setrlimit(RLIMIT_FSIZE, &old);
    assert_int_equal(d.fate, FATE_LATER);
    assert_string_equal(d.status, "4.2.2");
    assert_false(d.host);
    assert_int_equal(count(under("x.test/u/tmp")), 0);
    assert_int_equal(count(under("x.test/u/new")), 0);
}

static void a_body_that_ends_early_is_never_seen(void **state)
{
    FILE *short_file = tmpfile();
    struct message_body b = { .fd = fileno(short_file), .length = 1000 };
    struct delivery d = { .template = template(), .front.address = SLICE_LIT("u@x.test"),
                          .body = &b }, *list[] = { &d };

    (void)state;
    fputs("A: b\r\n\r\n", short_file);
    fflush(short_file);
    batch_deliver(list, 1);
    assert_int_equal(d.fate, FATE_LATER);
    assert_int_equal(count(under("x.test/u/tmp")), 0);
    assert_int_equal(count(under("x.test/u/new")), 0);
    fclose(short_file);
}

/* A198: somebody took the name in new/ between create and publish */

static void a_name_that_is_taken_is_never_overwritten(void **state)
{
    struct maildir_path path;
    struct maildir m;
    struct draft d;
    struct why why;
    int fd;

    (void)state;
    assert_true(maildir_path(template(), SLICE_LIT("u@x.test"), &path, &why));
    assert_true(maildir_open(&m, &path, &why));
    assert_true(draft_create(&d, &m, &why));
    fd = openat(m.new, d.name, O_CREAT | O_EXCL | O_WRONLY, 0600);
    assert_int_equal(write(fd, "mine", 4), 4);
    close(fd);
    assert_true(draft_sync(&d, &why) && draft_close(&d, &why));
    assert_false(draft_publish(&d, &m, &why));
    assert_int_equal(why.error, EEXIST);
    draft_abandon(&d, &m);
    assert_int_equal(count(under("x.test/u/new")), 1);
    assert_int_equal(count(under("x.test/u/tmp")), 0);
    maildir_close(&m);
}

static void names_never_repeat(void **state)
{
    enum { N = 200 };
    static char names[N][MAILDIR_NAME];
    struct maildir_path path;
    struct maildir m;
    struct draft d;
    struct why why;

    (void)state;
    maildir_host(SLICE_LIT("mx/../evil:host.example"));
    assert_true(maildir_path(template(), SLICE_LIT("u@x.test"), &path, &why));
    assert_true(maildir_open(&m, &path, &why));
    for (int i = 0; i < N; i++) {
        assert_true(draft_create(&d, &m, &why));
        snprintf(names[i], sizeof names[i], "%s", d.name);
        assert_null(strpbrk(d.name, "/:"));
        draft_abandon(&d, &m);
        for (int j = 0; j < i; j++)
            assert_string_not_equal(names[i], names[j]);
    }
    maildir_close(&m);
}

/* Every wait for the disk is seen here, and every draft that is moved into new/. `letters`
 * has one of each: w whole, f file, d directory, m move; equal ones in a row are one. */
static unsigned syncs, file_syncs;
static char letters[64];
static size_t nletters;
static bool whole_fails;
static long file_system = EXT4_SUPER_MAGIC;
static const char *kernel = "6.1.0";

static void note(char letter)
{
    if ((nletters == 0 || letters[nletters - 1] != letter) && nletters < sizeof letters - 1)
        letters[nletters++] = letter;
    letters[nletters] = '\0';
}

int fsync(int fd)
{
    __atomic_add_fetch(&syncs, 1, __ATOMIC_SEQ_CST);
    note('d');
    return (int)syscall(SYS_fsync, fd);
}

int fdatasync(int fd)
{
    file_syncs++;
    note('f');
    return (int)syscall(SYS_fdatasync, fd);
}

int syncfs(int fd)
{
    note('w');
    errno = EIO;
    return whole_fails ? -1 : (int)syscall(SYS_syncfs, fd);
}

int renameat2(int from, const char *a, int to, const char *b, unsigned flags)
{
    note('m');
    return (int)syscall(SYS_renameat2, from, a, to, b, flags);
}

int fstatfs(int fd, struct statfs *s)
{
    (void)fd;
    s->f_type = file_system;
    return 0;
}

int uname(struct utsname *u)
{
    snprintf(u->release, sizeof u->release, "%s", kernel);
    return 0;
}

/* deliver_many - n messages to as many Maildirs, all of which were there */

static void deliver_many(int n)
{
    static struct delivery d[64];
    static struct delivery *list[64];
    static char addresses[64][32];
    struct slice t = template();

    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < n; i++) {
            snprintf(addresses[i], sizeof addresses[i], "user%d@x.test", i);
            d[i] = (struct delivery){ .template = t, .body = &body,
                                      .front.address = slice_cstr(addresses[i]) };
            list[i] = &d[i];
        }
        nletters = syncs = file_syncs = 0;
        batch_deliver(list, (size_t)n);
    }
    for (int i = 0; i < n; i++)
        assert_int_equal(d[i].fate, FATE_DONE);
}

static void many_messages_share_two_waits(void **state)
{
    (void)state;
    deliver_many(64);
    assert_string_equal(letters, "wmw");
    assert_int_equal(file_syncs + syncs, 0);
}

static void what_fails_as_a_whole_is_synced_one_by_one(void **state)
{
    (void)state;
    whole_fails = true;
    deliver_many(64);
    whole_fails = false;
    assert_string_equal(letters, "wfmwd");
    assert_int_equal(file_syncs, 64);
    assert_int_equal(syncs, 64);
}

static void little_or_elsewhere_is_synced_one_by_one(void **state)
{
    static const struct { int n; long file_system; const char *kernel; } rows[] = {
        { 7,  EXT4_SUPER_MAGIC, "6.1.0" },
        { 64, 0x65735546,       "6.1.0" },      /* FUSE is not told to sync */
        { 64, EXT4_SUPER_MAGIC, "5.16.20-x" },  /* does not tell of all errors */
        { 64, EXT4_SUPER_MAGIC, "4.19" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        file_system = rows[i].file_system;
        kernel = rows[i].kernel;
        deliver_many(rows[i].n);
        assert_string_equal(letters, "fmd");
        assert_int_equal(file_syncs, rows[i].n);
        assert_int_equal(syncs, rows[i].n);
    }
    file_system = EXT4_SUPER_MAGIC;
    kernel = "6.1.0";
}

static void directories_that_somebody_else_made_are_synced_once(void **state)
{
    static const char *const parts[] = { "", "/tmp", "/new", "/cur" };
    struct maildir_path path;
    struct maildir m;
    struct why why;

    (void)state;
    assert_int_equal(mkdir(under("x.test"), 0700), 0);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(mkdir(under("x.test/alice%s", parts[i]), 0700), 0);
    assert_true(maildir_path(slice_cstr(under("%%d/%%u")), SLICE_LIT("alice@x.test"), &path, &why));
    syncs = 0;
    assert_true(maildir_open(&m, &path, &why));
    maildir_close(&m);
    assert_int_equal(syncs, 5);         /* for the names of x.test, alice, tmp, new and cur */
    assert_true(maildir_open(&m, &path, &why));
    maildir_close(&m);
    assert_int_equal(syncs, 5);
}

#define ON_DISK(test) cmocka_unit_test_setup_teardown(test, make_root, remove_root)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_place_is_made_from_the_template_and_a_safe_address),
        cmocka_unit_test(a_hostile_user_does_not_exist),
        cmocka_unit_test(a_wrong_template_is_later_and_never_a_bounce),
        ON_DISK(mail_stands_in_new_and_nothing_in_tmp),
        ON_DISK(a_batch_delivers_to_many_and_each_has_its_own_fate),
        ON_DISK(a_symbolic_link_is_never_followed),
        ON_DISK(what_is_no_directory_defers),
        ON_DISK(a_full_mailbox_defers_and_keeps_no_part),
        ON_DISK(a_body_that_ends_early_is_never_seen),
        ON_DISK(a_name_that_is_taken_is_never_overwritten),
        ON_DISK(names_never_repeat),
        ON_DISK(directories_that_somebody_else_made_are_synced_once),
        ON_DISK(many_messages_share_two_waits),
        ON_DISK(what_fails_as_a_whole_is_synced_one_by_one),
        ON_DISK(little_or_elsewhere_is_synced_one_by_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
