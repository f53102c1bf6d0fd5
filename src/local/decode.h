/* decode.h - transfer encodings undone, so that people can read what a message says.
 *
 * Lenient: for showing only. What cannot be decoded stays as it is or is left out, and
 * what comes out may be any octets.
 */
#pragma once
#include "base/buf.h"

/* decode_base64, decode_qp - append the content of a body (RFC 2045 §6.7, §6.8); lines
 * of quoted-printable end with LF */
void decode_base64(struct slice in, struct buf *out);
void decode_qp(struct slice in, struct buf *out);

/* decode_words - append a header field's body with its encoded words (RFC 2047) decoded,
 * those of UTF-8 and ASCII; others stay as they are */
void decode_words(struct slice in, struct buf *out);
