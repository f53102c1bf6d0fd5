/* downgrade_filter.c - mail/downgrade as a filter, for the oracle beside it: a message on
 * standard input, the target (7bit, 8bit) as argument; the result's number is the
 * exit status, and what fits is on standard output.
 */
#include <stdio.h>
#include "mail/downgrade.h"
#include "base/buf.h"

static bool to_stdout(void *user, struct slice piece)
{
    (void)user;
    return fwrite(piece.p, 1, piece.n, stdout) == piece.n;
}

int main(int argc, char **argv)
{
    struct buf in = BUF(64 << 20);
    struct downgrade d = { .target = DOWNGRADE_TO_7BIT };
    enum downgrade_result result;
    char *room;
    size_t n;

    if (argc > 1 && strcmp(argv[1], "8bit") == 0)
        d.target = DOWNGRADE_TO_8BIT;
    while ((room = buf_room(&in, 65536)) != NULL && (n = fread(room, 1, 65536, stdin)) > 0)
        buf_added(&in, n);
    d.message = buf_view(&in);
    result = downgrade_write(&d, to_stdout, NULL);
    if (result == DOWNGRADE_FITS)
        to_stdout(NULL, d.message);
    buf_free(&in);
    return fflush(stdout) != 0 ? 99 : (int)result;
}
