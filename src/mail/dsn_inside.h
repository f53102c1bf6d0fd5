/* dsn_inside.h - the parts of a report, for dsn.c alone. */
#pragma once
#include "mail/dsn.h"

enum { DSN_WORDS = 2000 };      /* octets shown of another server's words */

/* dsn_kind_of - of one recipient */
static inline enum dsn_kind dsn_kind_of(const struct dsn *d, const struct dsn_rcpt *r)
{
    return r->own_kind ? r->kind : d->kind;
}

/* dsn_has - is somebody told of this kind? */
bool dsn_has(const struct dsn *d, enum dsn_kind kind);

/* dsn_date - "NAME: DATE" as a line, unless the date is 0 */
void dsn_date(struct buf *out, const char *name, int64_t when);

/* dsn_text - the part for people; dsn_fields - the one for programs (RFC 3464 §2,
 * RFC 6533 §4.1). UTF-8 only if d->utf8. */
void dsn_text(const struct dsn *d, struct buf *out);
void dsn_fields(const struct dsn *d, struct buf *out);
