/* thrift.h - what a process keeps of the memory that it has freed.
 *
 * While there is work, so much that it is not given back and taken again for every
 * message; in the first quiet second after it, nothing.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct thrift {
    uint64_t before;        /* work done at the last look */
    bool     busy;          /* there was some between the last two */
};

/* thrift_begin - once, as early as possible. spare: bytes that may be kept at the end of the
 * heap while there is work. */
void thrift_begin(size_t spare);

/* thrift_quiet - look once a second; done: how much was ever done. True in the first second
 * without work: give up what is kept for the next piece of it, then call thrift_return(). */
bool thrift_quiet(struct thrift *t, uint64_t done);

/* thrift_return - what is free goes back to the system, also from between what is used */
void thrift_return(void);
