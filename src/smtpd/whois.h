/* whois.h - VRFY and EXPN: who is this, and who is behind it (RFC 5321 §3.5).
 *
 * Lookup knows. Whoever has no grant hears the same about everybody. Neither
 * touches a transaction (A054, A126), and one session asks limits.vrfy times at
 * most: names are worth something to those who guess them.
 */
#pragma once
#include "smtpd/verbs.h"

verb_f on_vrfy, on_expn;

/* What lookup found (MSG_WHOIS_DONE). */
struct whois_answer {
    unsigned     code;          /* 250, 251, 252, 550, 551, 553; else: later */
    uint32_t     nentries;
    struct slice entries;       /* nentries times { bytes full name, bytes address } */
};

/* session_whois - the answer to the question `ticket` of world.whois. The owner then
 * lets the session take input. */
void session_whois(struct session *s, uint64_t ticket, const struct whois_answer *answer);
