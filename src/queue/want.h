/* want.h - whose mail is wanted by ETRN, TURN or ATRN: nodes, a domain with all below
 * it, or a queue by its name.
 *
 * A queue is a destination ("mx:example.org", as `postrider queue` shows it) or the
 * pattern of a route.
 */
#pragma once
#include "queue/core.h"

struct want {
    enum kick_kind kind;
    struct slice  *names;       /* in lower case; owned, with their texts, by one block */
    size_t         n;           /* more than one: of KICK_NODE only */
};

enum { WANT_NAMES = 1000, WANT_NAME = 512 };

/* want_read - names in the form of MSG_TURN_ASK.domains; false: malformed, too many or
 * no memory (*malformed says which) */
bool want_read(struct want *w, enum kick_kind kind, uint32_t n, struct slice names,
               bool *malformed);
void want_free(struct want *w);

bool want_overlaps(const struct want *a, const struct want *b);     /* both of KICK_NODE */

/* want_domain - is mail for this domain wanted? (job_pick_f; user: struct want_in) */
struct want_in {
    const struct want *want;
    const struct conf *conf;
};
bool want_domain(const void *user, struct slice domain);

/* The recipients of a job that are wanted, one after the other. */
struct want_walk {
    struct want_in    in;
    const struct job *job;
    struct envelope   envelope;
    struct recipient  rcpt;         /* where the walk is */
    uint32_t          index;        /* its number in the letter */
    struct wire       rcpts;        /* what is still to be looked at, */
    uint32_t          next;         /* from this number on */
};

/* want_walk - begin; false: the letter cannot be read. What it gives is valid until another
 * letter is read. */
bool want_walk(struct want_walk *walk, struct queue *q, const struct want *w,
               const struct job *job);
bool want_walk_next(struct want_walk *walk);        /* false: that was all */

/* want_destination - of what waits there: nothing is wanted, all, or look at each */
enum wanted { WANTED_NONE, WANTED_LOOK, WANTED_ALL };
enum wanted want_destination(const struct queue *q, const struct want *w,
                             const struct destination *d);

/* want_waits - may this job be sent on their wish? Not what an agent has, what a
 * person holds, or what its sender wants held. */
bool want_waits(const struct queue *q, const struct job *job);

/* --- looking for it, a slice at a time, so that a million letters stop nobody --- */

struct search {
    uint64_t *ids;              /* of the letters that there were */
    size_t    n, at;
};

/* search_begin - false: no memory. Nothing at all is looked at when no destination
 * has anything that may be wanted. */
bool search_begin(struct queue *q, struct search *s, const struct want *w);
void search_end(struct search *s);

/* search_some - call each for some of the jobs that are wanted (perhaps: see LOOK);
 * true: there are more letters to look at. each may change its job, and make others. */
typedef void search_each_f(void *user, struct queue *q, struct job *job, enum wanted wanted);
bool search_some(struct queue *q, struct search *s, const struct want *w, search_each_f *each,
                 void *user);
