/* out.c - a buffer of whole lines before descriptor 2.
 *
 * Nobody waits: into a pipe or terminal lines go through an own non-blocking
 * description of it, for O_NONBLOCK belongs to the description, which others share.
 */
#include <assert.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include "log/line.h"
#include "log/out.h"

enum { ROOM = 64 << 10 };

static_assert(LOG_LINE <= PIPE_BUF, "a pipe takes a line whole");

static char         waiting[ROOM];
static size_t       nwaiting;
static bool         gathering;
static int          out = -1;   /* our description; -1: descriptor 2 itself */
static struct stat  here;       /* what descriptor 2 was when `out` was made */
static out_lost_f  *lost;

static void find_stderr(const struct stat *st)
{
    if (out >= 0)
        close(out);
    out = -1;
    here = *st;
    if (S_ISFIFO(st->st_mode) || S_ISCHR(st->st_mode))
        out = open("/proc/self/fd/2", O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
}

/* look - was another log put at descriptor 2? */

static bool look(void)
{
    struct stat st;

    if (fstat(STDERR_FILENO, &st) < 0)
        return false;
    if (st.st_dev != here.st_dev || st.st_ino != here.st_ino)
        find_stderr(&st);
    return true;
}

/* may_write - would a write to descriptor 2 return at once? */

static bool may_write(void)
{
    struct pollfd p = { .fd = STDERR_FILENO, .events = POLLOUT };

    return S_ISREG(here.st_mode) || (poll(&p, 1, 0) == 1 && (p.revents & POLLOUT) != 0);
}

/* send_piece - one system call; how many bytes went */

static size_t send_piece(struct slice s)
{
    ssize_t n = -1;

    if (S_ISSOCK(here.st_mode))
        n = send(STDERR_FILENO, s.p, s.n, MSG_DONTWAIT | MSG_NOSIGNAL);
    else if (out >= 0)
        n = write(out, s.p, s.n);
    else if (may_write())
        n = write(STDERR_FILENO, s.p, s.n);
    return n > 0 ? (size_t)n : 0;
}

/* next_piece - as many whole lines as may go at once */

static struct slice next_piece(struct slice all)
{
    if (S_ISREG(here.st_mode) || all.n <= PIPE_BUF)
        return all;
    return slice_first(all, slice_rchr(slice_first(all, PIPE_BUF), '\n') + 1);
}

static uint64_t count_lines(struct slice s)
{
    uint64_t n = 0;

    for (size_t at = slice_chr(s, '\n'); at < s.n; at = slice_chr(s, '\n'), n++)
        s = slice_from(s, at + 1);
    return n;
}

/* send_all - returns how many lines are lost */

static uint64_t send_all(struct slice all)
{
    bool there = look();
    uint64_t missing = 0;

    while (all.n > 0) {
        struct slice piece = next_piece(all);

        missing += count_lines(slice_from(piece, there ? send_piece(piece) : 0));
        all = slice_from(all, piece.n);
    }
    return missing;
}

void out_flush(void)
{
    struct slice all = slice_of(waiting, nwaiting);
    uint64_t missing;

    nwaiting = 0;
    missing = all.n > 0 ? send_all(all) : 0;
    if (missing > 0 && lost != NULL)
        lost(missing);
}

bool out_now(struct slice line)
{
    out_flush();
    return send_all(line) == 0;
}

bool out_line(struct slice line)
{
    if (!gathering)
        return out_now(line);
    if (line.n > sizeof waiting - nwaiting)
        out_flush();
    memcpy(waiting + nwaiting, line.p, line.n);
    nwaiting += line.n;
    return true;
}

void out_gather(bool on)
{
    out_flush();
    gathering = on;
}

void out_open(out_lost_f *f)
{
    struct stat st;

    out_flush();
    lost = f;
    if (fstat(STDERR_FILENO, &st) == 0)
        find_stderr(&st);
}
