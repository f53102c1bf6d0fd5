/* maildir.c - the steps of one delivery into one Maildir. */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "base/ascii.h"
#include "base/clock.h"
#include "base/map.h"
#include "local/maildir.h"
#include "smtp/address.h"

enum {
    COMPONENT = 255,            /* NAME_MAX */
    DIRECTORY = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC,
    TRIES     = 10,             /* new names after a collision */
};

/* --- the place ----------------------------------------------------------- */

/* safe_name - may this part of an address stand in a path? A leading '-' is
 * safe for us, but not for the next person's shell command. */

static bool safe_name(struct slice s)
{
    if (s.n == 0 || s.n > COMPONENT || s.p[0] == '.' || s.p[0] == '-')
        return false;
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] == '/' || ascii_control(s.p[i]))
            return false;
    return true;
}

static bool path_put(struct maildir_path *path, struct slice s)
{
    if (s.n >= sizeof path->text - path->n)
        return false;
    for (size_t i = 0; i < s.n; i++)
        path->text[path->n++] = s.p[i];
    path->text[path->n] = '\0';
    return true;
}

static bool path_put_lower(struct maildir_path *path, struct slice s)
{
    size_t from = path->n;

    if (!path_put(path, s))
        return false;
    for (; from < path->n; from++)
        path->text[from] = ascii_lower(path->text[from]);
    return true;
}

static bool no_such_user(struct why *why)
{
    return why_text(why, FATE_NEVER, "no such user: the name cannot be a mailbox");
}

static bool bad_template(struct why *why, struct slice template)
{
    return why_text(why, FATE_LATER, "bad Maildir template: %.*s", SLICE(template));
}

/* note_fixed - the first % ends the fixed part at the '/' before it */

static void note_fixed(struct maildir_path *path)
{
    size_t slash;

    if (path->fixed > 0)
        return;
    slash = slice_rchr(slice_of(path->text, path->n), '/');
    path->fixed = slash < path->n ? slash + 1 : 0;
}

static bool path_expand(struct slice template, const struct mailbox *m,
                        struct maildir_path *path, struct why *why)
{
    struct slice user, detail, part;

    slice_cut(m->local, '+', &user, &detail);
    while (template.n > 0) {
        size_t n = slice_chr(template, '%');

        if (!path_put(path, slice_first(template, n)))
            return bad_template(why, template);
        template = slice_from(template, n);
        if (template.n == 0)
            break;
        if (template.n < 2 || strchr("du%", template.p[1]) == NULL)
            return bad_template(why, template);
        part = template.p[1] == 'u' ? user : template.p[1] == 'd' ? m->domain : SLICE_LIT("%");
        if (template.p[1] != '%')
            note_fixed(path);
        if (!safe_name(part) || !path_put_lower(path, part))
            return no_such_user(why);
        template = slice_from(template, 2);
    }
    return true;
}

/* check_beneath - parts of addresses may stand beside others, as in "%u-%d",
 * and be too long together; and the template itself must not climb */

static bool check_beneath(const struct maildir_path *path, struct why *why)
{
    struct slice rest = slice_of(path->text + path->fixed, path->n - path->fixed), part;

    while (rest.n > 0) {
        slice_cut(rest, '/', &part, &rest);
        if (part.n > COMPONENT)
            return no_such_user(why);
        if (slice_eq(part, SLICE_LIT("..")))
            return bad_template(why, slice_of(path->text, path->n));
    }
    return true;
}

/* fix_plain - without a % the last component is beneath, so that it may be created */

static void fix_plain(struct maildir_path *path)
{
    while (path->n > 1 && path->text[path->n - 1] == '/')
        path->text[--path->n] = '\0';
    if (path->fixed == 0)
        note_fixed(path);
}

bool maildir_path(struct slice template, struct slice address,
                  struct maildir_path *path, struct why *why)
{
    struct arena arena = ARENA(4096);
    struct mailbox m;
    bool ok;

    *path = (struct maildir_path){ 0 };
    if (template.n == 0 || template.p[0] != '/')
        return bad_template(why, template);
    if (mailbox_parse_utf8(address, true, &arena, &m) != ADDRESS_OK)
        ok = no_such_user(why);
    else
        ok = path_expand(template, &m, path, why);
    arena_free(&arena);
    if (!ok)
        return false;
    fix_plain(path);
    return check_beneath(path, why);
}

/* --- directories --------------------------------------------------------- */

/* open_beneath - a directory below `at`, no symbolic link on the way. -1 with
 * ENOSYS where the kernel lacks the call (before 5.6, or a sandbox without it). */

static int open_beneath(int at, const char *path)
{
    struct open_how how = {
        .flags = DIRECTORY, .resolve = RESOLVE_NO_SYMLINKS | RESOLVE_BENEATH,
    };

    return (int)syscall(SYS_openat2, at, path, &how, sizeof how);
}

/* step_failed - which directory, and on the way to which Maildir */

static void step_failed(struct why *why, const char *doing, const char *name, const char *whole)
{
    char text[64];

    snprintf(text, sizeof text, "%s directory %.40s of", doing, name);
    why_errno(why, text, whole);
}

/* The Maildirs whose directories this process has synced, or made: a hash of each path, in
 * one of WAYS places. One that pushes another out costs a few syncs more. */
enum { SETTLED = 1 << 13, WAYS = 4 };
static _Atomic uint64_t settled[SETTLED][WAYS];

static uint64_t path_hash(const struct maildir_path *path)
{
    return hash_keyed(slice_of(path->text, path->n)) | 1;
}

static bool is_settled(const struct maildir_path *path)
{
    uint64_t hash = path_hash(path);

    for (size_t i = 0; i < WAYS; i++)
        if (atomic_load(&settled[hash / 2 % SETTLED][i]) == hash)
            return true;
    return false;
}

static void settle(const struct maildir_path *path)
{
    uint64_t hash = path_hash(path);
    size_t to = hash >> 62;

    for (size_t i = 0; i < WAYS; i++)
        if (atomic_load(&settled[hash / 2 % SETTLED][i]) == 0)
            to = i;
    atomic_store(&settled[hash / 2 % SETTLED][to], hash);
}

/* step - from directory `at` into one component, making it when it is missing.
 * Its name is made durable at once: else a power cut could take the directory
 * away with mail in it that was synced. `sure`: also when it is there already, for
 * whoever made it may have been killed before its own sync. Closes `at`. */

static int step(int at, const char *name, mode_t mode, bool sure, const char *whole,
                struct why *why)
{
    int fd = openat(at, name, DIRECTORY);

    if (fd >= 0 && sure && fsync(at) < 0) {
        step_failed(why, "sync", name, whole);
        close(fd);
        fd = -1;
    } else if (fd < 0 && errno == ENOENT) {
        if ((mkdirat(at, name, mode) < 0 && errno != EEXIST) || fsync(at) < 0)
            step_failed(why, "create", name, whole);
        else if ((fd = openat(at, name, DIRECTORY)) < 0)
            step_failed(why, "open", name, whole);
    } else if (fd < 0) {
        step_failed(why, "open", name, whole);
    }
    close(at);
    return fd;
}

/* walk - component by component from `at`, which is closed. The components
 * are plain names, so each step stays beneath. */

static int walk(int at, struct slice rest, mode_t mode, bool sure, const char *whole,
                struct why *why)
{
    char name[COMPONENT + 1];
    struct slice part;

    while (at >= 0 && rest.n > 0) {
        slice_cut(rest, '/', &part, &rest);
        if (part.n == 0)
            continue;
        if (part.n > COMPONENT) {
            close(at);
            why_text(why, FATE_LATER, "a name in the Maildir template is too long");
            return -1;
        }
        memcpy(name, part.p, part.n);
        name[part.n] = '\0';
        at = step(at, name, mode, sure, whole, why);
    }
    return at;
}

/* open_fixed - the part that the postmaster wrote: symbolic links are his
 * business; what is missing is made */

static int open_fixed(const struct maildir_path *path, struct why *why)
{
    char text[MAILDIR_PATH];
    int fd;

    memcpy(text, path->text, path->fixed);
    text[path->fixed] = '\0';
    fd = open(text, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0)
        return fd;
    if (errno != ENOENT) {
        why_errno(why, "open directory", text);
        return -1;
    }
    fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 ? fd : walk(fd, slice_of(text, path->fixed), 0755, false, path->text,
                                why);
}

static int open_part(int base, const char *name, bool sure, const char *whole, struct why *why)
{
    int at = fcntl(base, F_DUPFD_CLOEXEC, 0);

    if (at < 0) {
        why_errno(why, "open directory", name);
        return -1;
    }
    return step(at, name, 0700, sure, whole, why);
}

/* open_settled - a Maildir that was whole before, in as few calls as can be */

static bool open_settled(struct maildir *m, const struct maildir_path *path, struct why *why)
{
    char part[MAILDIR_PATH + 8];
    const char *rest = path->text + path->fixed;
    int fixed = open_fixed(path, why);

    if (fixed < 0)
        return false;
    snprintf(part, sizeof part, "%s/tmp", rest);
    m->tmp = open_beneath(fixed, part);
    snprintf(part, sizeof part, "%s/new", rest);
    if (m->tmp >= 0)
        m->new = open_beneath(fixed, part);
    close(fixed);
    return m->new >= 0;
}

/* open_all - step by step, making what is missing */

static bool open_all(struct maildir *m, const struct maildir_path *path, bool sure,
                     struct why *why)
{
    int fixed = open_fixed(path, why), base, cur = -1;

    base = fixed < 0 ? fixed
         : walk(fixed, slice_of(path->text + path->fixed, path->n - path->fixed), 0700, sure,
                path->text, why);
    if (base < 0)
        return false;
    m->tmp = open_part(base, "tmp", sure, path->text, why);
    if (m->tmp >= 0)
        m->new = open_part(base, "new", sure, path->text, why);
    if (m->new >= 0)
        cur = open_part(base, "cur", sure, path->text, why);
    close(base);
    if (cur >= 0)
        close(cur);
    return cur >= 0;
}

bool maildir_open(struct maildir *m, const struct maildir_path *path, struct why *why)
{
    bool was_whole = is_settled(path);

    *m = (struct maildir){ -1, -1 };
    if (was_whole && open_settled(m, path, why))
        return true;
    maildir_close(m);
    if (!open_all(m, path, !was_whole, why)) {
        maildir_close(m);
        return false;
    }
    if (!was_whole)
        settle(path);
    return true;
}

void maildir_close(struct maildir *m)
{
    if (m->tmp >= 0)
        close(m->tmp);
    if (m->new >= 0)
        close(m->new);
    *m = (struct maildir){ -1, -1 };
}

/* --- drafts -------------------------------------------------------------- */

static char host_name[65] = "localhost";

void maildir_host(struct slice host)
{
    size_t n = 0;

    for (; n < host.n && n < sizeof host_name - 1; n++)
        host_name[n] = ascii_alnum(host.p[n]) || host.p[n] == '.' || host.p[n] == '-'
                       ? host.p[n] : '_';
    if (n > 0)
        host_name[n] = '\0';
}

/* process_chance - 64 bits that no other process has, for process ids that return (A198) */

static uint64_t process_chance(void)
{
    static _Atomic uint64_t chance;
    uint64_t none = 0, fresh = 0;

    if (atomic_load(&chance) != 0)
        return atomic_load(&chance);
    if (getrandom(&fresh, sizeof fresh, 0) != (ssize_t)sizeof fresh)
        fresh = (uint64_t)clock_mono();
    atomic_compare_exchange_strong(&chance, &none, fresh | 1);      /* the first one stays */
    return atomic_load(&chance);
}

/* draft_name - never the same twice: time, process, and a counter, for clocks that go back */

static void draft_name(struct draft *d)
{
    static atomic_uint counter;
    int64_t now = clock_wall();

    snprintf(d->name, sizeof d->name, "%lld.M%dP%dQ%uR%016llx.%s",
             (long long)(now / 1000), (int)(now % 1000) * 1000, (int)getpid(),
             atomic_fetch_add(&counter, 1), (unsigned long long)process_chance(), host_name);
}

bool draft_create(struct draft *d, const struct maildir *m, struct why *why)
{
    *d = (struct draft){ .fd = -1 };
    for (int i = 0; i < TRIES; i++) {
        draft_name(d);
        d->fd = openat(m->tmp, d->name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                       0600);
        if (d->fd >= 0) {
            d->where = DRAFT_TMP;
            return true;
        }
        if (errno != EEXIST)
            break;
    }
    return why_errno(why, "create tmp/", d->name);
}

void draft_start_sync(struct draft *d)
{
    (void)sync_file_range(d->fd, 0, 0, SYNC_FILE_RANGE_WRITE);
}

bool draft_sync(struct draft *d, struct why *why)
{
    return fdatasync(d->fd) == 0 || why_errno(why, "sync tmp/", d->name);
}

bool draft_close(struct draft *d, struct why *why)
{
    int fd = d->fd;

    d->fd = -1;
    return close(fd) == 0 || why_errno(why, "close tmp/", d->name);
}

/* move - into new/, never over a file that is there. Some file systems know
 * no RENAME_NOREPLACE; there a link does the same in two steps. */

static int move(const struct draft *d, const struct maildir *m)
{
    if (renameat2(m->tmp, d->name, m->new, d->name, RENAME_NOREPLACE) == 0)
        return 0;
    if (errno != EINVAL && errno != ENOSYS)
        return -1;
    if (linkat(m->tmp, d->name, m->new, d->name, 0) < 0)
        return -1;
    (void)unlinkat(m->tmp, d->name, 0);     /* a second name in tmp/ harms nobody */
    return 0;
}

bool draft_publish(struct draft *d, const struct maildir *m, struct why *why)
{
    if (move(d, m) < 0)
        return why_errno(why, "move into new/", d->name);
    d->where = DRAFT_NEW;
    return true;
}

bool maildir_sync(const struct maildir *m, struct why *why)
{
    return fsync(m->new) == 0 || why_errno(why, "sync", "new/");
}

void draft_abandon(struct draft *d, const struct maildir *m)
{
    if (d->fd >= 0)
        close(d->fd);
    if (d->where != DRAFT_NONE)
        unlinkat(d->where == DRAFT_TMP ? m->tmp : m->new, d->name, 0);
    *d = (struct draft){ .fd = -1 };
}
