/* load_loop.h - the sessions of a load, all at once, until it is done. */
#pragma once
#include "cli/load_session.h"

/* load_run - all of it, in load->tally; load->target is where to. False: it could not even
 * begin, errno says why. A signal to end (SIGINT, SIGTERM) ends it early. */
bool load_run(struct load *load);
