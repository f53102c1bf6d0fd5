/* base64.h - bytes as base64 and back, strictly (RFC 4648 §4, RFC 4954 §4).
 *
 * One form for every run of bytes: no white space, padding always and only at
 * the end, unused bits zero. Whatever else comes is refused.
 */
#pragma once
#include "base/buf.h"

/* base64_put - append the base64 form of `bytes`, all or nothing. False: no room. */
bool base64_put(struct buf *out, struct slice bytes);

/* base64_take - append the bytes whose base64 form is `text`, all or nothing.
 * False: `text` is no base64 (out->full is not set), or no room (it is). */
bool base64_take(struct buf *out, struct slice text);
