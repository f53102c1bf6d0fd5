/* crc32c.h - the checksum of journal records and lent files (Castagnoli). */
#pragma once
#include "base/slice.h"

/* crc32c - continue checksum `crc` (0 to begin) over s */
uint32_t crc32c(uint32_t crc, struct slice s);
