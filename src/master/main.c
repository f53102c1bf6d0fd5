/* main.c - postriderd: which process am I, and what did the person ask for?
 *
 * Without a role as its first word it is the master, and the only one that
 * reads a command line. The master executes the same binary for each role.
 */
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>
#include "ipc/role.h"
#include "master/master.h"

static const struct option options[] = {
    { "config",     required_argument, NULL, 'c' },
    { "daemon",     no_argument,       NULL, 'd' },
    { "foreground", no_argument,       NULL, 'f' },
    { "help",       no_argument,       NULL, 'h' },
    { "version",    no_argument,       NULL, 'V' },
    { 0 },
};

static const char usage[] =
    "usage: postriderd [-c FILE] [-d]\n"
    "\n"
    "The Postrider mail server.\n"
    "\n"
    "  -c, --config FILE   the configuration; without it /etc/postrider/postrider.conf,\n"
    "                      and if there is none, embedded defaults for development,\n"
    "                      on unprivileged loopback ports\n"
    "  -d, --daemon        go to the background once the server takes connections\n"
    "  -f, --foreground    stay in the foreground (the default)\n"
    "  -h, --help          this text\n"
    "  -V, --version       the version\n"
    "\n"
    "SIGTERM stops the server in order, SIGHUP reloads its configuration.\n"
    "See postriderd(8), postrider.conf(5) and postrider(1).\n";

/* role_run - be that process; -1: no role has this name */

static int role_run(const char *name)
{
    static const struct { const char *name; int (*run)(void); } programs[] = {
#define R(NAME, name, count, help) { #name, name##_main },
        ROLES(R)
#undef R
    };

    for (size_t i = ROLE_MASTER + 1; i < sizeof programs / sizeof programs[0]; i++)
        if (strcmp(name, programs[i].name) == 0)
            return programs[i].run();
    return -1;
}

/* background - the child goes on with a descriptor to report on; the parent
 * waits for the report and exits with what it says */

static int background(void)
{
    unsigned char status = EX_SOFTWARE;
    int ends[2], null;
    pid_t pid;

    if (pipe2(ends, O_CLOEXEC) != 0 || (pid = fork()) < 0)
        return -1;
    if (pid > 0) {
        close(ends[1]);
        if (read(ends[0], &status, 1) != 1)
            status = EX_SOFTWARE;
        _exit(status);
    }
    close(ends[0]);
    setsid();
    null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null >= 0) {
        dup2(null, STDIN_FILENO);
        dup2(null, STDOUT_FILENO);
    }
    return ends[1];
}

/* absolute - the file is read again at every reload, wherever we are then */

static const char *absolute(const char *path)
{
    char *full = realpath(path, NULL);

    return full != NULL ? full : path;
}

/* master_main - the row of ipc/role.h; nobody executes the master by its name */

int master_main(void)
{
    return master_run(NULL, -1);
}

int main(int argc, char **argv)
{
    const char *conf = NULL;
    int notify = -1, c, status;

    if (argc == 2 && (status = role_run(argv[1])) >= 0)
        return status;
    while ((c = getopt_long(argc, argv, "c:dfhV", options, NULL)) != -1)
        switch (c) {
        case 'c': conf = absolute(optarg); break;
        case 'd': notify = 0; break;
        case 'f': notify = -1; break;
        case 'h': fputs(usage, stdout); return EX_OK;
        case 'V': puts("postriderd " POSTRIDER_VERSION); return EX_OK;
        default:  fputs(usage, stderr); return EX_USAGE;
        }
    if (optind < argc) {
        fprintf(stderr, "postriderd: unknown argument '%s'\n%s", argv[optind], usage);
        return EX_USAGE;
    }
    if (notify == 0 && (notify = background()) < 0) {
        perror("postriderd: cannot go to the background");
        return EX_OSERR;
    }
    return master_run(conf != NULL ? conf : conf_usual(), notify);
}
