/* order.h - what a DELIVER asks for: a message, its recipients, where it goes and how.
 *
 * Everything of the frame that is needed later is copied into the order's arena. A
 * recipient is settled when it is decided, or when the host at hand lacks something
 * for it (unfit).
 */
#pragma once
#include "conf/conf.h"
#include "relay/destination.h"
#include "relay/refit.h"

struct order {
    struct arena        arena;
    uint64_t            number, id;
    struct slice        text;           /* of the destination */
    struct slice        key;            /* of links: destination, policy, account */
    struct destination  destination;
    bool                understood;     /* the destination is one */
    int                 fd;             /* of the body, or -1 */
    struct refit        refit;
    enum tls_policy     tls;
    struct slice        account;        /* log in as this */
    uint32_t           *index;          /* of each recipient, in the envelope */
    struct client_rcpt *rcpts;
    size_t              nrcpts;
    struct client_mail  mail;           /* the transaction under way: a part of rcpts */
};

void order_init(struct order *o);
void order_free(struct order *o);

/* order_take - read the frame, and take its descriptor (*fd is -1 then). False: malformed. */
bool order_take(struct order *o, const struct conf *conf, struct wire *w, int *fd);

/* order_choose - the next run of recipients for one transaction with a host that offers
 * this. most: of the configuration; 0: no limit. There is one that is not settled. */
void order_choose(struct order *o, const struct host_offers *offers, uint64_t most);

bool order_decided(const struct order *o);      /* all are */
bool order_settled(const struct order *o);      /* all are */
bool order_advanced(const struct order *o);     /* all of the last transaction are settled */

/* order_decide - in our own words, for all that have no fate yet */
void order_decide(struct order *o, enum fate fate, unsigned code, const char *status,
                  struct slice text);

/* order_unfit - the host at hand lacks this for all that have no fate yet; NULL: forget
 * what a host lacked. order_give_up - what no host had is decided: never. */
void order_unfit(struct order *o, const struct unfit *why);
void order_give_up(struct order *o);

/* order_put - the outcomes, as RESULT has them; who has no fate is later, because of
 * `why`. Returns how many; 0 when there is no room. */
uint32_t order_put(const struct order *o, const struct client_problem *why, struct buf *out);
