/* encode.h - octets as quoted-printable and base64 (RFC 2045 §6.7, §6.8), to a sink.
 *
 * CRLF is a line break in quoted-printable; every other CR and LF is content, and
 * so are blanks at the end of a line. No line of output begins with a hyphen, so
 * none can pass for a delimiter; none is longer than 76 octets.
 */
#pragma once
#include "base/slice.h"

/* Takes a piece of output; false: enough, stop. The piece is valid during the call. */
typedef bool encode_sink_f(void *user, struct slice piece);

/* encode_qp, encode_base64 - all of `in`. `ends`: the result ends its last line
 * itself (with CRLF; decoding gives `in` all the same); otherwise a CRLF follows
 * that is not part of it. False: the sink stopped it. */
bool encode_qp(struct slice in, bool ends, encode_sink_f *sink, void *user);
bool encode_base64(struct slice in, bool ends, encode_sink_f *sink, void *user);

/* encode_qp_shorter - would quoted-printable need fewer octets than base64? */
bool encode_qp_shorter(struct slice in);
