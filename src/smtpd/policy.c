/* policy.c - a recipient is judged by its final address, never by its spelling.
 *
 *     listener is a sink                  accepted as it is
 *     domain of ours                      its table, or lookup, decides
 *     postmaster (RFC 5321 §4.5.1)        always accepted
 *     anything else, trusted client or
 *     one who has logged in               accepted, to be relayed
 *     anything else                       550 5.7.1
 *
 * An address literal is ours only if it is configured like a domain (A087).
 * Trouble with a table or with lookup means later, never never.
 */
#include "base/map.h"
#include "mail/envelope.h"
#include "mail/wishes.h"
#include "smtpd/params.h"
#include "smtpd/policy.h"
#include "smtpd/verbs.h"

static bool is_postmaster(struct slice address)
{
    struct slice local, domain;

    slice_cut(address, '@', &local, &domain);
    return slice_ieq(local, SLICE_LIT("postmaster"));
}

/* our_postmaster - without a domain, or at our own name */

static bool our_postmaster(const struct session *s, const struct mailbox *m)
{
    return slice_ieq(m->local, SLICE_LIT("postmaster"))
        && (m->domain.n == 0 || slice_ieq(m->domain, s->server->conf->hostname));
}

/* asks_more - only lookup knows who is logged in, and since when an address is whose */

static bool asks_more(const struct session *s, const struct rcpt_command *r)
{
    return s->tx->wishes.verb != TX_MAIL || r->has_rrvs;
}

/* size_max - octets of a message that this recipient may be sent (RFC 1870 §6.2) */

static uint64_t size_max(const struct session *s, const struct conf_domain *domain)
{
    uint64_t most = s->server->conf->limits.message_size;

    return domain != NULL && domain->message_size > 0 && domain->message_size < most
           ? domain->message_size : most;
}

/* judge_local - an address of a domain of ours. REPLY_NONE: ask lookup. */

static unsigned judge_local(struct session *s, const struct conf_domain *domain,
                            const struct rcpt_command *r)
{
    const struct mailbox *m = &r->rcpt;

    if (s->tx->wishes.size > size_max(s, domain))
        return REPLY_RCPT_TOO_BIG;
    switch (s->server->world->known(s->server->ctx, domain, m)) {
    case KNOWN_YES:     return asks_more(s, r) ? REPLY_NONE : REPLY_RCPT_OK;
    case KNOWN_NO:      return is_postmaster(m->text) ? REPLY_RCPT_OK : REPLY_NO_SUCH_USER;
    case KNOWN_TROUBLE: return REPLY_RCPT_LATER;
    default:            return REPLY_NONE;
    }
}

/* judge_far - somebody else's domain. Nobody's terminal is there to be written to, but
 * perhaps one beyond (RFC 1123 §5.2.4: 251 warns of that). */

static unsigned judge_far(const struct session *s, const struct mailbox *m)
{
    if (m->domain.n == 0 || (!s->trusted && s->account.n == 0))
        return REPLY_NO_RELAY;
    return s->tx->wishes.verb == TX_MAIL ? REPLY_RCPT_OK : REPLY_RCPT_FORWARD;
}

/* judge - a reply, or REPLY_NONE: lookup must be asked about *address */

static unsigned judge(struct session *s, const struct rcpt_command *r, struct slice *address)
{
    const struct mailbox *m = &r->rcpt;
    const struct conf_domain *domain;

    *address = m->text;
    if (s->listen->role == LISTEN_SINK)
        return REPLY_RCPT_OK;
    domain = conf_domain_find(s->server->conf, m->domain);
    if (domain != NULL)
        return judge_local(s, domain, r);
    if (our_postmaster(s, m)) {
        *address = SLICE_LIT("postmaster");
        return REPLY_NONE;
    }
    return judge_far(s, m);
}

/* ------------------------------------------------------------ into the list -- */

/* seen_slot - where this hash is, or would go */

static uint64_t *seen_slot(const struct seen *seen, uint64_t hash)
{
    size_t at = (size_t)hash & (seen->cap - 1);

    while (seen->slots[at] != 0 && seen->slots[at] != hash)
        at = (at + 1) & (seen->cap - 1);
    return &seen->slots[at];
}

static bool seen_grow(struct seen *seen, struct arena *a)
{
    struct seen more = { .n = seen->n, .cap = seen->cap > 0 ? seen->cap * 2 : 16 };

    more.slots = arena_array(a, more.cap, sizeof *more.slots);
    if (more.slots == NULL)
        return false;
    for (size_t i = 0; i < seen->cap; i++)
        if (seen->slots[i] != 0)
            *seen_slot(&more, seen->slots[i]) = seen->slots[i];
    *seen = more;
    return true;
}

/* mark - is this recipient not in the table yet? From now on it is. */

static bool mark(struct session *s, const struct recipient *r)
{
    uint64_t hash = hash_keyed(r->address) * 31 + hash_keyed(r->return_path);
    struct seen *seen = &s->tx->seen;
    uint64_t *slot;

    if (seen->n * 2 >= seen->cap && !seen_grow(seen, &s->arena))
        return true;            /* twice is better than never */
    hash += hash == 0;
    slot = seen_slot(seen, hash);
    if (*slot == hash)
        return false;
    *slot = hash;
    seen->n++;
    return true;
}

/* seen_again - what is in the envelope, after some were taken back */

static void seen_again(struct session *s)
{
    struct wire w = wire_reader(buf_view(&s->rcpts));
    struct recipient r;

    s->tx->seen = (struct seen){ 0 };
    while (recipient_next(&w, &r))
        mark(s, &r);
}

/* is_new - is this recipient not in the envelope yet? The first one always is, and
 * mostly stays the only one: the table is made for the second. */

static bool is_new(struct session *s, const struct recipient *r)
{
    if (s->tx->nrcpts == 0)
        return true;
    if (s->tx->seen.n == 0)
        seen_again(s);
    return mark(s, r);
}

static bool put_rcpt(struct session *s, const struct recipient *r)
{
    struct wire w = wire_writer(&s->rcpts);

    if (!is_new(s, r))
        return true;
    recipient_put(&w, r);
    s->tx->nrcpts++;
    return !w.bad && !s->rcpts.full && s->tx->nrcpts <= ENVELOPE_RCPTS;
}

/* put_plain - the address as it was asked for; one without a domain gets ours */

static bool put_plain(struct session *s, struct slice address, struct slice extra)
{
    const struct conf *conf = s->server->conf;
    struct slice home = conf->ndomains > 0 && s->listen->role != LISTEN_SINK
                      ? conf->domains[0].name : conf->hostname;
    struct slice whole = address;

    if (slice_chr(address, '@') == address.n)
        whole = arena_printf(&s->arena, "%.*s@%.*s", SLICE(address), SLICE(home));
    return whole.n > 0 && put_rcpt(s, &(struct recipient){ .address = whole, .extra = extra });
}

/* put_entries - what the address stands for, after aliases. An alias for one address is
 * that address (RFC 3461 §5.2.7.2); what became of others is marked, so that the queue
 * can report it and send on what may go on. */

static bool put_entries(struct session *s, const struct rcpt_wait *asked)
{
    struct wire w = wire_reader(asked->entries);
    uint32_t n = asked->nentries;
    bool ok = true;

    for (uint32_t i = 0; ok && i < n; i++) {
        struct slice address = wire_get_bytes(&w);
        struct slice return_path = wire_get_bytes(&w);

        struct slice extra = return_path.n > 0 ? extra_marked(asked->extra, "list", &s->arena)
                           : n > 1 ? extra_marked(asked->extra, "alias", &s->arena) : asked->extra;

        ok = !w.bad && put_rcpt(s, &(struct recipient){
            .address = address, .return_path = return_path, .extra = extra,
            .original = slice_eq(address, asked->address) ? (struct slice){ 0 } : asked->address });
    }
    return ok;
}

/* rcpt_take - an accepted recipient becomes part of the envelope, wholly or not at all */

static enum reply_id rcpt_take(struct session *s, const struct rcpt_wait *r)
{
    struct tx *tx = s->tx;
    size_t before = s->rcpts.n;
    uint32_t count = tx->nrcpts;
    uint64_t most;
    bool ok = tx->accepted < s->server->conf->limits.recipients;

    if (ok && r->nentries > 0)
        ok = put_entries(s, r);
    else if (ok)
        ok = put_plain(s, r->address, r->extra);
    if (!ok && s->rcpts.n != before) {
        s->rcpts.n = before;
        tx->nrcpts = count;
        seen_again(s);
    }
    if (!ok) {
        s->rcpts.full = false;
        tx->nrcpts = count;
        return REPLY_TOO_MANY_RCPTS;
    }
    most = size_max(s, conf_domain_find(s->server->conf, address_domain(r->address)));
    tx->size_max = most < tx->size_max ? most : tx->size_max;
    tx->accepted++;
    session_enter(s, S_RCPTS);
    return r->reply;
}

/* --------------------------------------------------------------- the line -- */

static bool good(unsigned id)
{
    return reply_code((enum reply_id)id) < 300;
}

static struct rcpt_wait *line_up(struct session *s)
{
    struct rcpt_wait *w = arena_alloc(&s->arena, sizeof *w);
    struct tx *tx = s->tx;

    if (w == NULL)
        return NULL;
    if (tx->last != NULL)
        tx->last->next = w;
    else
        tx->first = w;
    tx->last = w;
    tx->nwaiting++;
    return w;
}

/* settle_first - tell what became of the first in the line */

static void settle_first(struct session *s)
{
    struct tx *tx = s->tx;
    struct rcpt_wait *w = tx->first;
    enum reply_id id = w->reply;

    tx->first = w->next;
    if (tx->first == NULL)
        tx->last = NULL;
    tx->nwaiting--;
    if (good(id))
        id = rcpt_take(s, w);
    tx->refused += !good(id);
    session_say(s, id);
}

void rcpt_settle(struct session *s)
{
    while (s->tx != NULL && s->tx->first != NULL && s->tx->first->answered && s->refusal == 0)
        settle_first(s);
    if (s->wait == WAIT_RCPTS && (s->tx == NULL || s->tx->first == NULL))
        s->wait = WAIT_CLIENT;
}

bool rcpt_line_up(struct session *s, enum reply_id id)
{
    struct rcpt_wait *w;

    if (s->tx == NULL || s->tx->first == NULL)
        return false;
    w = line_up(s);
    if (w == NULL)
        return false;
    w->answered = true;
    w->reply = id;
    return true;
}

/* line_up_copy - with an address of the session's own; NULL: no memory */

static struct rcpt_wait *line_up_copy(struct session *s, const struct rcpt_wait *r)
{
    struct slice copy = arena_copy(&s->arena, r->address);
    struct rcpt_wait *w = line_up(s);

    if (w == NULL || s->arena.spent)
        return NULL;
    w->address = copy;
    w->extra = r->extra;
    return w;
}

/* rcpt_ask - line it up and ask lookup; its answer may come before this returns */

static unsigned rcpt_ask(struct session *s, const struct rcpt_wait *r)
{
    struct rcpt_wait *w = line_up_copy(s, r);

    if (w == NULL)
        return REPLY_NO_SERVICE;
    w->rrvs = r->rrvs;
    w->ticket = ++s->tx->ticket;
    s->tx->rcpt_deadline = s->server->mono + WORLD_PATIENCE;
    s->server->world->resolve(s->server->ctx, s, w->ticket, w->address);
    return REPLY_NONE;
}

/* rcpt_behind - decided at once, but others wait before it */

static unsigned rcpt_behind(struct session *s, const struct rcpt_wait *r)
{
    struct rcpt_wait *w = line_up_copy(s, r);

    if (w == NULL)
        return REPLY_NO_SERVICE;
    w->answered = true;
    w->reply = r->reply;
    return REPLY_NONE;
}

/* limits - what refuses one recipient and leaves the others */

static unsigned limits(const struct session *s)
{
    if (s->tx->accepted >= s->server->conf->limits.recipients)
        return REPLY_TOO_MANY_RCPTS;
    return s->server->world->room(s->server->ctx) == ROOM_FULL ? REPLY_DISK_FULL : REPLY_OK;
}

unsigned rcpt_add(struct session *s, const struct rcpt_command *r)
{
    struct rcpt_wait it = { .address = r->rcpt.text,
                            .rrvs = r->has_rrvs && !wishes_role(r->rcpt.local) ? r->rrvs : 0 };
    unsigned id = params_rcpt(r, &s->arena, &it.extra);

    if (id == REPLY_OK)
        id = limits(s);
    if (id == REPLY_OK)
        id = judge(s, r, &it.address);
    if (id == REPLY_NONE)
        return rcpt_ask(s, &it);
    it.reply = (enum reply_id)id;
    if (s->tx->first != NULL)
        return rcpt_behind(s, &it);
    if (good(id))
        id = rcpt_take(s, &it);
    s->tx->refused += !good(id);
    return id;
}

enum reply_id tx_no_rcpts(const struct session *s)
{
    return s->tx->refused > 0 && !s->lmtp ? REPLY_NO_VALID_RCPTS : REPLY_NEED_RCPT;
}

/* ------------------------------------------------------------ the answers -- */

static struct rcpt_wait *find(struct session *s, uint32_t serial, uint32_t ticket)
{
    if (s->tx == NULL || s->tx_serial != serial)
        return NULL;
    for (struct rcpt_wait *w = s->tx->first; w != NULL; w = w->next)
        if (!w->answered && w->ticket == ticket)
            return w;
    return NULL;
}

/* reply_active - he is there; what that means for the command (RFC 821 §3.4) */

static enum reply_id reply_active(enum tx_verb verb, bool terminal)
{
    if (terminal || verb == TX_MAIL || verb == TX_SAML)
        return REPLY_RCPT_OK;
    return verb == TX_SEND ? REPLY_NOT_ACTIVE : REPLY_RCPT_MAIL_ONLY;
}

static enum reply_id reply_for(const struct session *s, const struct rcpt_wait *w,
                               const struct answer *answer)
{
    enum tx_verb verb = s->tx->wishes.verb;

    if (answer->fate == FATE_NEVER && is_postmaster(w->address))
        return reply_active(verb, false);
    if (answer->fate != FATE_DONE)
        return answer->fate == FATE_NEVER ? REPLY_NO_SUCH_USER : REPLY_RCPT_LATER;
    if (w->rrvs != 0 && answer->since != 0 && answer->since > w->rrvs / 1000)
        return REPLY_OLDER_THAN_USER;
    return reply_active(verb, answer->terminal);
}

void session_resolved(struct session *s, uint32_t serial, uint32_t ticket,
                      const struct answer *answer)
{
    struct rcpt_wait *w = find(s, serial, ticket);

    if (w == NULL)
        return;
    w->answered = true;
    w->reply = reply_for(s, w, answer);
    if (answer->fate == FATE_DONE && answer->nentries > 0) {
        w->entries = arena_copy(&s->arena, answer->entries);
        w->nentries = answer->nentries;
        if (s->arena.spent)
            w->reply = REPLY_RCPT_LATER;
    }
    rcpt_settle(s);
}

void rcpt_give_up(struct session *s)
{
    for (struct rcpt_wait *w = s->tx->first; w != NULL; w = w->next)
        if (!w->answered) {
            w->answered = true;
            w->reply = REPLY_RCPT_LATER;
        }
    rcpt_settle(s);
}
