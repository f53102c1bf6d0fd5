/* fate.c - writing down what went wrong. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/fate.h"

_Bool why_errno(struct why *why, const char *doing, const char *name)
{
    why->error = errno;
    why->fate = FATE_LATER;
    if (why->error == EBADF || why->error == EFAULT)
        abort();
    snprintf(why->text, sizeof why->text, "%s %s: %s", doing, name,
             strerror(why->error));
    return 0;
}

_Bool why_text(struct why *why, enum fate fate, const char *fmt, ...)
{
    va_list ap;

    why->error = 0;
    why->fate = fate;
    va_start(ap, fmt);
    vsnprintf(why->text, sizeof why->text, fmt, ap);
    va_end(ap);
    return 0;
}
