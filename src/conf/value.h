/* value.h - the texts of settings as values. */
#pragma once
#include "base/arena.h"
#include "conf/settings.h"

/* value_size - bytes, or a number with K, M, G or T (of 1024) */
bool value_size(struct slice text, uint64_t *bytes);

/* value_time - "5d", "1h30m", "500ms", "0": numbers with w, d, h, m, s or ms */
bool value_time(struct slice text, int64_t *ms);

/* value_endpoint - "192.0.2.1:25", "[::1]:25", "::1", "name:port", "name";
 * host without brackets; the port if none is written. False: malformed. */
bool value_endpoint(struct slice text, uint16_t port, struct slice *host, uint16_t *out);

/* value_set - the values of a setting into the structure that holds its
 * member; lists go into the arena. False: `why` says what is allowed. */
bool value_set(const struct conf_setting *s, void *owner, const struct slice *values,
               size_t n, struct arena *a, char why[300]);
