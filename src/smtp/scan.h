/* scan.h - the three octets that matter in a text: CR, LF and NUL. */
#pragma once
#include <stdbool.h>

/* scan_special - the first CR, LF or NUL in p .. end, or end. Sets *eight if an
 * octet above 127 stands before it, and never clears it. */
const char *scan_special(const char *p, const char *end, bool *eight);

/* scan_lines - is there no NUL in p .. end, and no CR or LF without the other? *cr: was
 * the octet before it a CR; then, is its last one? A CR at the very end is not judged. */
bool scan_lines(const char *p, const char *end, bool *cr);
