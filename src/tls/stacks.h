/* stacks.h - on which stack we are, as AddressSanitizer must be told.
 *
 * OpenSSL's jobs run on stacks of their own and change between them with longjmp.
 * Without being told the sanitizer takes that for a return from functions that
 * still run, and says so. Without the sanitizer nothing of this exists.
 */
#pragma once
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define STACKS_WATCHED 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define STACKS_WATCHED 1
#endif

/* The locals of a function that rests on a job's stack are not watched. */
#define ON_JOB __attribute__((no_sanitize("address"), noinline))

#ifdef STACKS_WATCHED
#include <sanitizer/common_interface_defs.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

static struct {
    bool        on_job;
    void       *fake;           /* of the sanitizer, for the main stack */
    const void *main;
    size_t      size;
} stacks;

/* stack_job - we are on a job's stack, whose bounds nobody tells: they are around here */

ON_JOB
static void stack_job(void)
{
    enum { AROUND = 24 << 10 };
    uintptr_t here = (uintptr_t)__builtin_frame_address(0);

    if (stacks.on_job)
        return;
    __sanitizer_start_switch_fiber(&stacks.fake, (void *)(here - AROUND), 2 * AROUND);
    __sanitizer_finish_switch_fiber(NULL, &stacks.main, &stacks.size);
    stacks.on_job = true;
}

/* stack_main - we are back */

ON_JOB
static void stack_main(void)
{
    if (!stacks.on_job)
        return;
    __sanitizer_start_switch_fiber(NULL, stacks.main, stacks.size);
    __sanitizer_finish_switch_fiber(stacks.fake, NULL, NULL);
    stacks.on_job = false;
}
#else
#define stack_job()  ((void)0)
#define stack_main() ((void)0)
#endif
