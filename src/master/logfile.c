/* logfile.c - standard error as the way of every process to the log.
 *
 * Children inherit it, so a file needs to be opened by nobody else; after a
 * reload it is opened anew, which is what those who rotate logs expect.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>
#include "master/master.h"

bool logfile_open(const struct conf *conf, struct why *why)
{
    static const struct slice file = { "file:", 5 };
    char path[4096];
    int fd;

    if (!slice_istarts(conf->log.to, file))
        return true;
    snprintf(path, sizeof path, "%.*s", SLICE(slice_from(conf->log.to, file.n)));
    fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0640);
    if (fd < 0)
        return why_errno(why, "open log", path);
    if (dup2(fd, STDERR_FILENO) < 0) {
        why_errno(why, "use log", path);
        close(fd);
        return false;
    }
    close(fd);
    return true;
}
