/* whois.h - the answer to VRFY and EXPN: who is this, who is behind it (RFC 5321 §3.5).
 *
 *     code    VRFY                                  EXPN
 *     250     this is the mailbox (or a list that   these are behind it
 *             mail would reach)
 *     251     mail goes on to this address          -
 *     252     cannot say: a domain that takes       more than WHOIS_ENTRIES
 *             everybody
 *     550     nobody                                nobody
 *     551     not a domain of ours                  not a domain of ours
 *     553     several: these (at most WHOIS_POSSIBLE)    the same
 *     451     cannot say now
 *
 * Knows no channel, as the resolver.
 */
#pragma once
#include "lookup/resolver.h"

enum {
    WHOIS_TEXT     = 512,       /* bytes asked for, at most */
    WHOIS_ENTRIES  = 1000,
    WHOIS_POSSIBLE = 20,
    WHOIS_DOMAINS  = 1000,      /* of ours, in which a name without a domain is looked for */
};

/* Entries under construction: { bytes full name, bytes address } each. */
struct whois_entries {
    struct buf bytes;
    uint32_t   n;
};

struct whois {
    /* of the asker; `answered` is called once, perhaps before whois_ask() returns, and
     * may free the structure after whois_end() */
    void       (*answered)(struct whois *w);
    bool         expn, utf8;    /* utf8: names may have octets above 127 */

    /* the answer */
    unsigned             code;
    struct whois_entries found;

    /* of whois.c */
    struct resolver     *resolver;
    struct question      question;
    char                 local[WHOIS_TEXT];     /* canonical, when no domain was given */
    size_t               nlocal;
    char                 address[2 * WHOIS_TEXT];
    size_t               domain;        /* the next one to look in */
    unsigned             matches;
    struct whois_entries possible;
    bool                 everybody, later;
    bool                 runs, waits;
};

/* whois_ask - answer w (answered, expn, utf8 are set, the rest is zero) about a text as
 * a client gave it, without brackets around it */
void whois_ask(struct whois *w, struct resolver *r, struct slice text);
void whois_end(struct whois *w);

/* whois_name - append a full name made fit for a reply: printable, no brackets, quotes or
 * backslashes. Nothing at all of a name that is not UTF-8, or (without utf8) not ASCII. */
void whois_name(struct buf *out, struct slice name, bool utf8);
