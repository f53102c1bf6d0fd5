/* keys.h - the private keys of the tls sections, and what they sign for smtpd. */
#pragma once
#include "ipc/child.h"

/* keys_begin - from the tables "key:NAME" that the master handed over. False: one is
 * no key, said in the log. */
bool keys_begin(const struct child *child);
void keys_end(void);

/* keys_sign - carry out one request of c's process and answer it */
void keys_sign(struct channel *c, const struct msg_sign *m);
