/* scan.h - the three octets that matter in a text: CR, LF and NUL. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

/* scan_special - the first CR, LF or NUL in p .. end, or end. Sets *eight if an
 * octet above 127 stands before it, and never clears it. */
const char *scan_special(const char *p, const char *end, bool *eight);

/* scan_lines - is there no NUL in p .. end, and no CR or LF without the other? *cr: was
 * the octet before it a CR; then, is its last one? A CR at the very end is not judged. */
bool scan_lines(const char *p, const char *end, bool *cr);

/* scan_skip - from the first octet of a line, pass over lines that need no look: each ends
 * with CRLF, has no other CR, LF or NUL, at most line_max octets, and no dot at its
 * front. Returns the first octet of a line, past which one may need it; p itself where
 * that cannot be found out faster than by looking. *eight: set if one octet passed is
 * above 127; octets of the line at the result may be among them. */
const char *scan_skip(const char *p, const char *end, size_t line_max, bool *eight);
