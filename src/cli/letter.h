/* letter.h - a message made ready to be sent: CRLF lines, and a header. */
#pragma once
#include "base/buf.h"
#include "cli/options.h"

struct letter {
    const char             *from;       /* without <> */
    const struct text_list *to;
    const struct text_list *headers;    /* whole fields, put in front */
    const char             *subject;    /* NULL: none */
    const char             *host;       /* for Message-ID */
    int64_t                 now;        /* wall clock, ms */
    uint64_t                chance;     /* for Message-ID */
};

/* letter_make - `text` with every line end (CRLF, LF, CR) as CRLF. If it has no
 * header, it gets Date, From, To, Message-ID and Subject. False: no memory. */
bool letter_make(const struct letter *l, struct slice text, struct buf *out);

/* letter_has_header - does the text begin with a header field, or an empty line? */
bool letter_has_header(struct slice text);

/* letter_8bit - are there octets above 127? */
bool letter_8bit(struct slice text);
