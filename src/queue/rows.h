/* rows.h - the rows of the answers: a letter, or a destination, as JSON.
 *
 * The fields are those of people.h. Texts are copied into the row.
 */
#pragma once
#include <jansson.h>
#include "queue/match.h"
#include "queue/past.h"

/* row_put - one more field; an empty text is left out */
void row_put(json_t *row, const char *key, struct slice s);
void row_put_number(json_t *row, const char *key, uint64_t n);
void row_put_time(json_t *row, const char *key, int64_t wall);

/* row_list - a letter in brief; past: NULL if it is not known */
json_t *row_list(struct queue *q, const struct view *v, const struct past *past);

/* row_show - a letter in full */
json_t *row_show(struct queue *q, const struct view *v, const struct past *past);

/* row_destination - how it stands with a destination */
json_t *row_destination(struct queue *q, const struct destination *d);
