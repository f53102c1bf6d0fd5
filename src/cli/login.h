/* login.h - AUTH (RFC 4954), or X-EXPS where a host has only that, as a client. */
#pragma once
#include "cli/dialog.h"

/* login - after EHLO. mechanism: NULL for the strongest that is offered. clear_ok: the
 * password may be sent as it is. The exit status: EX_NOPERM 5xx, EX_TEMPFAIL 4xx,
 * EX_UNAVAILABLE: nothing that both sides know; EX_PROTOCOL: do not believe this host. */
int login(struct dialog *d, const char *user, struct slice password, const char *mechanism,
          bool clear_ok);
