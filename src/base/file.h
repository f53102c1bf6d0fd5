/* file.h - descriptors: writing all of it to one, and how many there may be. */
#pragma once
#include "base/slice.h"

/* fd_write_all - at its offset, however many calls it takes. False: errno says why,
 * and how much was written is not known. */
bool fd_write_all(int fd, struct slice bytes);

/* fd_write_both - the same for two pieces, one behind the other, in one call where that does */
bool fd_write_both(int fd, struct slice first, struct slice second);

/* fd_allowance - how many descriptors this process may use for one purpose, when `reserve`
 * are left to the others; half of them all where there are too few for that */
uint64_t fd_allowance(uint64_t reserve);
