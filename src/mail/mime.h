/* mime.h - what a part's header says about its body: the two fields of RFC 2045 that
 * decide how it may travel.
 */
#pragma once
#include "base/slice.h"

enum mime_encoding {
    MIME_UNNAMED,       /* no field: 7bit (§6.1) */
    MIME_7BIT,
    MIME_8BIT,
    MIME_BINARY,
    MIME_QP,
    MIME_BASE64,
    MIME_OTHER,         /* nothing that we know, or not a word */
};

/* mime_encoding - the body of a Content-Transfer-Encoding field */
enum mime_encoding mime_encoding_parse(struct slice body);

/* mime_encoding_text - the word for it; "7bit" for UNNAMED, never asked for OTHER */
const char *mime_encoding_text(enum mime_encoding encoding);

struct mime_type {
    struct slice type, subtype; /* as they stand there; empty: none could be read */
    struct slice boundary;      /* of a multipart */
};

enum mime_error {
    MIME_OK = 0,
    MIME_PLAIN,     /* not of the form type/subtype, and nothing composite: a leaf */
    MIME_DOUBT,     /* composite, but how it divides cannot be said for certain */
};

/* mime_type_parse - the body of a Content-Type field. Parameters are read only where
 * they matter: of a multipart, which must have one boundary of 1 to 200 octets that
 * needs no decoding. */
enum mime_error mime_type_parse(struct slice body, struct mime_type *t);

/* mime_is - type and subtype, case ignored; subtype NULL: any */
bool mime_is(const struct mime_type *t, const char *type, const char *subtype);
