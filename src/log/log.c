/* log.c - lines on their way out, never waiting for anyone.
 *
 * A line goes out in one system call and whole, or is counted and dropped:
 * into a pipe or terminal through an own non-blocking description of it, to
 * syslog through an own datagram socket (the C library's syslog() waits for a
 * full one). The next line that does go out is preceded by the count (A168).
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include "base/clock.h"
#include "log/line.h"
#include "log/log.h"

static const enum log_level levels[] = {
#define E(NAME, level, help) [EVENT_##NAME] = level,
    EVENTS(E)
#undef E
};

static struct log_conf conf = { .level = LOG_INFORM, .process = "postrider" };
static int      out = -1;       /* our description; -1: descriptor 2 itself */
static struct stat here;        /* what descriptor 2 was when `out` was made */
static int      syslog_fd = -1;
static int64_t  syslog_tried;   /* monotonic, ms */
static int64_t  second;         /* of the rate limit, monotonic */
static unsigned this_second;    /* lines in it */
static uint64_t suppressed;     /* since the last line that says so */
static unsigned pid;            /* ours; 0: not asked yet */

/* find_stderr - a non-blocking way to descriptor 2 that changes nothing for
 * others who share it: O_NONBLOCK belongs to the description, so open another */

static void find_stderr(const struct stat *st)
{
    if (out >= 0)
        close(out);
    out = -1;
    here = *st;
    if (S_ISFIFO(st->st_mode) || S_ISCHR(st->st_mode))
        out = open("/proc/self/fd/2", O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
}

/* may_write - would a write to descriptor 2 return at once? */

static bool may_write(void)
{
    struct pollfd p = { .fd = STDERR_FILENO, .events = POLLOUT };

    return S_ISREG(here.st_mode) || (poll(&p, 1, 0) == 1 && (p.revents & POLLOUT) != 0);
}

static bool send_stderr(struct slice line)
{
    ssize_t n = -1;
    struct stat st;

    if (fstat(STDERR_FILENO, &st) < 0)
        return false;
    if (st.st_dev != here.st_dev || st.st_ino != here.st_ino)
        find_stderr(&st);           /* the first line, or another log was put there */
    if (S_ISSOCK(st.st_mode))
        n = send(STDERR_FILENO, line.p, line.n, MSG_DONTWAIT | MSG_NOSIGNAL);
    else if (out >= 0)
        n = write(out, line.p, line.n);
    else if (may_write())
        n = write(STDERR_FILENO, line.p, line.n);
    return n == (ssize_t)line.n;
}

static void syslog_connect(void)
{
    struct sockaddr_un to = { .sun_family = AF_UNIX, .sun_path = "/dev/log" };

    if (syslog_fd >= 0)
        close(syslog_fd);
    syslog_tried = clock_mono();
    syslog_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (syslog_fd >= 0 && connect(syslog_fd, (struct sockaddr *)&to, sizeof to) < 0) {
        close(syslog_fd);
        syslog_fd = -1;
    }
}

/* send_syslog - the line in the form that syslog() gives it, facility mail */

/* own_pid - asked of the system once; a fork that goes on calls log_setup() */

static unsigned own_pid(void)
{
    if (pid == 0)
        pid = (unsigned)getpid();
    return pid;
}

static bool send_syslog(struct slice line, enum log_level level)
{
    static const int severity[] = { [LOG_DEBUGGING] = 7, [LOG_INFORM] = 6,
                                    [LOG_WARN] = 4, [LOG_ALARM] = 2 };
    char text[LOG_LINE + 128], stamp[32];
    time_t now = time(NULL);
    struct tm tm = { 0 };
    int n;

    localtime_r(&now, &tm);
    strftime(stamp, sizeof stamp, "%b %e %H:%M:%S", &tm);
    n = snprintf(text, sizeof text, "<%d>%s postrider-%s[%d]: %.*s", 2 * 8 + severity[level],
                 stamp, conf.process, (int)own_pid(), (int)line.n - 1, line.p);
    if (syslog_fd >= 0 && send(syslog_fd, text, (size_t)n, MSG_NOSIGNAL) == n)
        return true;
    if ((syslog_fd >= 0 && errno == EAGAIN) || clock_mono() - syslog_tried < 1000)
        return false;
    syslog_connect();
    return syslog_fd >= 0 && send(syslog_fd, text, (size_t)n, MSG_NOSIGNAL) == n;
}

static bool send_line(enum event event, const struct log_field *fields, size_t n)
{
    char line[LOG_LINE];
    size_t len = log_line(line, sizeof line, conf.json, clock_wall(), conf.process,
                          own_pid(), event, fields, n);

    return conf.to == LOG_TO_SYSLOG ? send_syslog(slice_of(line, len), levels[event])
                                    : send_stderr(slice_of(line, len));
}

/* within_rate - may one more line go out in this second? Alarms get as much again. */

static bool within_rate(enum log_level level)
{
    int64_t now = clock_mono() / 1000;
    uint64_t limit = (uint64_t)conf.per_second * (level == LOG_ALARM ? 2 : 1);

    if (conf.per_second == 0)
        return true;
    if (now != second) {
        second = now;
        this_second = 0;
    }
    if (this_second >= limit)
        return false;
    this_second++;
    return true;
}

static void drop(void)
{
    suppressed++;
    count_add(log_suppressed, 1);
}

/* tell_suppressed - how much is missing here; false: it cannot be said now */

static bool tell_suppressed(void)
{
    const struct log_field count = LF_NUM("lines", suppressed);

    if (suppressed == 0)
        return true;
    if (!send_line(EVENT_SUPPRESSED, &count, 1))
        return false;
    suppressed = 0;
    return true;
}

void log_fields(enum event event, const struct log_field *fields, size_t n)
{
    int saved = errno;

    if (levels[event] < conf.level)
        return;
    if (!within_rate(levels[event]) || !tell_suppressed() || !send_line(event, fields, n))
        drop();
    errno = saved;
}

void log_setup(const struct log_conf *c)
{
    struct stat st;

    conf = *c;
    pid = 0;
    this_second = 0;
    if (fstat(STDERR_FILENO, &st) == 0)
        find_stderr(&st);
    if (conf.to == LOG_TO_SYSLOG)
        syslog_connect();
}
