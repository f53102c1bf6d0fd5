/* crc32c.h - the checksum of journal records and lent files (Castagnoli). */
#pragma once
#include "base/slice.h"

/* crc32c - continue checksum `crc` (0 to begin) over s */
uint32_t crc32c(uint32_t crc, struct slice s);

/* crc32c_copy - copy s to `to`; the checksum of the copy, made while it is at hand */
uint32_t crc32c_copy(char *to, struct slice s);

/* crc32c_join - the checksum of A and B behind it: of A's, B's, and the length of B */
uint32_t crc32c_join(uint32_t a, uint32_t b, uint64_t n);
