/* downgrade.h - a message made to fit a host without 8BITMIME or BINARYMIME.
 *
 * Lossless (RFC 6152 §3, RFC 3030 §3): parts that the host cannot take become
 * quoted-printable or base64, and their Content-Transfer-Encoding says so; what
 * decodes out of every part is what was in it. Composite parts (multipart,
 * message/rfc822) are walked into and never encoded themselves (RFC 2045 §6.4).
 * What needs no change keeps its octets. Where a change would break a signature,
 * or the structure leaves doubt about what belongs to which part, the message is
 * refused, with the reason: it is never guessed at. Only CRLF ends a line.
 *
 * A pure function of the message: nothing is copied; memory is about 100 octets
 * a part, for at most DOWNGRADE_PARTS parts; time is linear in the message.
 */
#pragma once
#include "mail/content.h"

enum { DOWNGRADE_DEPTH = 100, DOWNGRADE_PARTS = 10000 };    /* more is refused */

/*    name       status    what a report says */
#define DOWNGRADE_RESULTS(R)                                                          \
    R(FITS,      2, 0, 0,  "it fits as it is")                                        \
    R(DONE,      2, 6, 0,  "parts of it were re-encoded")                             \
    R(SIGNED,    5, 6, 3,  "a signed or encrypted part must not be re-encoded")       \
    R(HEADER,    5, 6, 7,  "its header has octets above 127, which the next host does not take") \
    R(LONG,      5, 6, 3,  "its header has a line that is too long")                  \
    R(MESSAGE,   5, 6, 3,  "a part of type message/* cannot be re-encoded")           \
    R(ENCODING,  5, 6, 3,  "a part does not have the transfer encoding that it names") \
    R(STRUCTURE, 5, 6, 3,  "its MIME structure is broken and cannot be re-encoded")   \
    R(DEEP,      5, 6, 3,  "its MIME structure has too many parts or levels")         \
    R(SINK,      4, 3, 0,  "there was no room to re-encode it")

enum downgrade_result {
#define RESULT(name, ...) DOWNGRADE_##name,
    DOWNGRADE_RESULTS(RESULT)
#undef RESULT
};

enum downgrade_target {
    DOWNGRADE_TO_7BIT,     /* no octet above 127, and what 8BIT asks for */
    DOWNGRADE_TO_8BIT,     /* 8BITMIME without BINARYMIME: CRLF lines, no NUL, short lines */
};

struct downgrade {
    struct slice          message;      /* all of it */
    enum downgrade_target target;
    size_t                line_max;     /* octets in a line without CRLF; 0: 998 */
};

/* Takes a piece of the new message; false: enough, stop. The piece is valid during
 * the call only. */
typedef bool downgrade_sink_f(void *user, struct slice piece);

/* downgrade_check - what downgrade_write would do: FITS (send it as it is), DONE (it
 * can be written), or why not; never SINK, except without memory */
enum downgrade_result downgrade_check(const struct downgrade *d);

/* downgrade_write - hand the message that fits to the sink: DONE. The pieces are small,
 * or parts of d->message of any length. Only SINK leaves part of a message behind;
 * FITS and every refusal come before the first piece. What was encoded last ends
 * with CRLF; else the message ends as it did. */
enum downgrade_result downgrade_write(const struct downgrade *d, downgrade_sink_f *sink,
                                      void *user);

/* downgrade_length - the same, with only the octets counted (SIZE=) */
enum downgrade_result downgrade_length(const struct downgrade *d, uint64_t *octets);

/* downgrade_status - the enhanced code of RFC 3463 for a report; downgrade_text -
 * words for people */
void downgrade_status(enum downgrade_result result, unsigned status[3]);
const char *downgrade_text(enum downgrade_result result);
