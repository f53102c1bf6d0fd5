/* main.c - postrider: the one command for people. */
#include <locale.h>
#include <signal.h>
#include "cli/cli.h"

int main(int argc, char **argv)
{
    setlocale(LC_CTYPE, "");
    signal(SIGPIPE, SIG_IGN);       /* a lost connection is a result to report */
    return cli_main(argc, argv);
}
