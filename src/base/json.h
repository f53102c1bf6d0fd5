/* json.h - JSON written straight into a buffer, one member after the other.
 *
 * For lines that are written for every message, where a tree of values would
 * cost more than the mail. The caller opens and closes what it nests; commas
 * come by themselves. What does not fit leaves the buffer `full`.
 */
#pragma once
#include "base/buf.h"

/* json_put_string - a string: quotes, backslashes and controls escaped. In one that is
 * not UTF-8 every octet above 127 becomes '?'. */
void json_put_string(struct buf *out, struct slice s);

/* json_open - '{' or '[', as the member `key` of the object or ({ 0 }) an element;
 * json_put_close - the matching one */
void json_open(struct buf *out, struct slice key, char bracket);
void json_put_close(struct buf *out, char bracket);

/* A key is ours: it needs no escape.
 * json_text, json_number - a member of the object, or (key { 0 }) an element of the array;
 * json_plain - the same of a text that needs no escape either */
void json_text(struct buf *out, struct slice key, struct slice value);
void json_plain(struct buf *out, struct slice key, struct slice value);
void json_number(struct buf *out, struct slice key, int64_t value);

/* The same with the key, or NULL, as a literal: its length is known when this is compiled. */
static inline void json_put_open(struct buf *out, const char *key, char bracket)
{
    json_open(out, slice_cstr(key), bracket);
}

static inline void json_put_text(struct buf *out, const char *key, struct slice value)
{
    json_text(out, slice_cstr(key), value);
}

static inline void json_put_plain(struct buf *out, const char *key, struct slice value)
{
    json_plain(out, slice_cstr(key), value);
}

static inline void json_put_number(struct buf *out, const char *key, int64_t value)
{
    json_number(out, slice_cstr(key), value);
}
