/* file.h - writing to a descriptor, all of it or an error. */
#pragma once
#include "base/slice.h"

/* fd_write_all - at its offset, however many calls it takes. False: errno says why,
 * and how much was written is not known. */
bool fd_write_all(int fd, struct slice bytes);

/* fd_write_both - the same for two pieces, one behind the other, in one call where that does */
bool fd_write_both(int fd, struct slice first, struct slice second);
