/* fate.h - the three fates of mail, and why.
 *
 * Every outcome anywhere in Postrider is one of three, and "later" unless
 * proven otherwise: it is zero, so a forgotten assignment defers mail and
 * never loses it. Only a positive confirmation counts as done.
 */
#pragma once
#include <stdint.h>

enum fate {
    FATE_LATER = 0,     /* 4xx: try again */
    FATE_DONE  = 1,     /* 2xx: somebody else is now responsible */
    FATE_NEVER = 2,     /* 5xx: the sender must be told */
};

/* Why something failed: the fate for other processes, the errno for tests,
 * and words for the log (never for a client). */
struct why {
    enum fate fate;
    int       error;        /* errno, or 0 */
    char      text[200];
};

/* why_errno - record a failed system call: "doing name: reason"; always false.
 * Stops the process on EBADF and EFAULT, which can only be our own bug. */
_Bool why_errno(struct why *why, const char *doing, const char *name);

/* why_text - record a failure that no system call reported; always false */
_Bool why_text(struct why *why, enum fate fate, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
