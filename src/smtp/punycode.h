/* punycode.h - is the tail of an A-label a possible encoding? (RFC 3492) */
#pragma once
#include "base/slice.h"

/* punycode_decodable - `text` (what follows "xn--") decodes to code points of
 * Unicode, at least one of them beyond ASCII, without overflow */
bool punycode_decodable(struct slice text);
