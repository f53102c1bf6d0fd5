/* show.h - deliveries to the terminals of people who are logged in.
 *
 * Only who is a user of this system has terminals: the recipient's domain must be one
 * whose recipients are the system's. Of his terminals the one used last is tried
 * first. Nothing ever waits for a terminal that was stopped: the next one is tried,
 * and when none takes the whole text the recipient is "later" (4.2.1).
 */
#pragma once
#include "conf/conf.h"
#include "local/batch.h"

enum { SHOW_A_MINUTE = 30 };    /* messages for one user; more are "later" */

/* show_all - carry out n deliveries to terminals, each with an outcome afterwards. On
 * a worker thread, one at a time. */
void show_all(const struct conf *conf, struct delivery *const *list, size_t n);
