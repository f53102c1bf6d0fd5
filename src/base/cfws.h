/* cfws.h - what may stand between the words of a structured header field and means
 * nothing: blanks, folds, comments (RFC 5322 §3.2.2).
 */
#pragma once
#include "base/slice.h"

/* cfws_skip - take blanks, CR, LF and comments, nested or not, from the front of *s.
 * False: a comment has no end. */
bool cfws_skip(struct slice *s);
