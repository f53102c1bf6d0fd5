/* log.c - which lines are written, and what is said of those that are not.
 *
 * A line goes out whole, or is counted and dropped; the next line that does go out
 * is preceded by the count (A168). To syslog it goes through an own datagram socket
 * (the C library's syslog() waits for a full one), else to descriptor 2 (out.c).
 */
#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include "base/clock.h"
#include "log/line.h"
#include "log/log.h"
#include "log/out.h"

static const enum log_level levels[] = {
#define E(NAME, level, help) [EVENT_##NAME] = level,
    EVENTS(E)
#undef E
};

static struct log_conf conf = { .level = LOG_INFORM, .process = "postrider" };
static int      syslog_fd = -1;
static int64_t  syslog_tried;   /* monotonic, ms */
static int64_t  second;         /* of the rate limit, monotonic */
static unsigned this_second;    /* lines in it */
static uint64_t suppressed;     /* since the last line that says so */
static unsigned pid;            /* ours; 0: not asked yet */

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

/* own_pid - asked of the system once; a fork that goes on calls log_setup() */

static unsigned own_pid(void)
{
    if (pid == 0)
        pid = (unsigned)getpid();
    return pid;
}

/* send_syslog - the line in the form that syslog() gives it, facility mail */

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

static bool send_line(enum event event, const struct log_field *fields, size_t n,
                      bool (*send)(struct slice line))
{
    char line[LOG_LINE];
    size_t len = log_line(line, sizeof line, conf.json, clock_wall(), conf.process,
                          own_pid(), event, fields, n);

    return conf.to == LOG_TO_SYSLOG ? send_syslog(slice_of(line, len), levels[event])
                                    : send(slice_of(line, len));
}

/* within_rate - may one more line go out in this second? Alarms get as much again. */

static bool within_rate(enum log_level level)
{
    uint64_t limit = (uint64_t)conf.per_second * (level == LOG_ALARM ? 2 : 1);
    int64_t now;

    if (conf.per_second == 0)
        return true;
    now = clock_second();
    if (now != second) {
        second = now;
        this_second = 0;
    }
    if (this_second >= limit)
        return false;
    this_second++;
    return true;
}

static void drop(uint64_t lines)
{
    suppressed += lines;
    count_add(log_suppressed, lines);
}

/* tell_suppressed - how much is missing here; false: it cannot be said now */

static bool tell_suppressed(void)
{
    const struct log_field count = LF_NUM("lines", suppressed);

    if (suppressed == 0)
        return true;
    if (!send_line(EVENT_SUPPRESSED, &count, 1, out_now))
        return false;
    suppressed = 0;
    return true;
}

void log_fields(enum event event, const struct log_field *fields, size_t n)
{
    int saved = errno;

    if (!log_wants(event))
        return;
    if (!within_rate(levels[event]) || !tell_suppressed() || !send_line(event, fields, n, out_line))
        drop(1);
    if (levels[event] >= LOG_WARN)
        out_flush();
    errno = saved;
}

bool log_wants(enum event event)
{
    return levels[event] >= conf.level;
}

void log_gather(bool on)
{
    out_gather(on);
}

void log_flush(void)
{
    int saved = errno;

    out_flush();
    errno = saved;
}

void log_setup(const struct log_conf *c)
{
    conf = *c;
    pid = 0;
    this_second = 0;
    out_open(drop);
    if (conf.to == LOG_TO_SYSLOG)
        syslog_connect();
}
