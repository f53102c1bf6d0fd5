/* census.h - how many sessions there are, in all and by client.
 *
 * All smtpd processes of a server share one piece of memory, in which each
 * slot (process) has a table of its own and writes only there; sums are taken
 * over all. So when a process dies, its share is forgotten by zeroing its
 * table. Clients are counted in two rows of buckets under a keyed hash; the
 * smaller row counts, so a client is never undercounted, and hardly ever
 * overcounted. IPv6 clients are counted by their /64.
 */
#pragma once
#include <stddef.h>
#include "base/ip.h"

struct census {
    struct census_head *head;   /* NULL: there is no census, nothing is limited by it */
    unsigned            slots, slot;
};

/* census_bytes - size of the memory for so many slots */
size_t census_bytes(unsigned slots);

/* census_open - map the descriptor (stays the caller's); slot: where to count.
 * False, with a census that counts nothing: too small, or not mappable. */
bool census_open(struct census *c, int fd, unsigned slots, unsigned slot);
void census_close(struct census *c);

/* census_enter, census_leave - a session of `client` begins, ends */
void census_enter(struct census *c, const struct ip *client);
void census_leave(struct census *c, const struct ip *client);

/* census_total, census_of - sessions in all, and of one client */
uint64_t census_total(const struct census *c);
uint64_t census_of(const struct census *c, const struct ip *client);

/* census_crowded - has this process clearly more than its share of the sessions, when so
 * many processes take them? */
bool census_crowded(const struct census *c, unsigned processes);

/* census_forget - a process has died: its sessions are gone (for the master) */
void census_forget(struct census *c, unsigned slot);
