/* exchange.c - each exchange from its first message to its verdict. */
#include <assert.h>
#include <stdlib.h>
#include "base/clock.h"
#include "base/fate.h"
#include "log/counters.h"
#include "log/log.h"
#include "vault/exchange.h"

enum state { WAITS, CHECKS, HELD };

struct exchange {
    struct list         link;           /* in desk->all */
    struct list         line;           /* in desk->in_line */
    struct asker       *asker;          /* NULL: it has gone, while a thread works */
    uint64_t            ticket;
    char                key[20];        /* of by_ticket */
    enum state          state;
    bool                on_thread;
    bool                cancelled;      /* nobody waits for the verdict any more */
    enum sasl_mechanism mechanism;
    struct sasl_server *server;         /* one of these two */
    struct sasl_client *client;
    unsigned            steps;
    int64_t             due;            /* WAITS: given up then. HELD: answered then */
    char                host[64];       /* the client's address */
    uv_work_t           work;
    struct desk        *desk;
};

static void key_write(char key[20], uint64_t ticket)
{
    memset(key, 0, 20);
    memcpy(key, &ticket, sizeof ticket);
}

static struct slice exchange_key(const void *exchange)
{
    return slice_of(((const struct exchange *)exchange)->key, sizeof(uint64_t));
}

static struct exchange *find(const struct asker *asker, uint64_t ticket)
{
    char key[20];

    key_write(key, ticket);
    return map_get(&asker->by_ticket, slice_of(key, sizeof ticket));
}

/* --- beginning and end ------------------------------------------------------------ */

static struct exchange *exchange_new(struct asker *asker, const struct msg_auth *m, int64_t now)
{
    struct exchange *x = calloc(1, sizeof *x);

    if (x == NULL)
        return NULL;
    x->asker = asker;
    x->desk = asker->desk;
    x->ticket = m->ticket;
    key_write(x->key, m->ticket);
    x->due = now + asker->desk->patience;
    memcpy(x->host, m->host.p, m->host.n < sizeof x->host - 1 ? m->host.n : sizeof x->host - 1);
    x->work.data = x;
    list_init(&x->line);
    if (!map_put(&asker->by_ticket, x)) {
        free(x);
        return NULL;
    }
    asker->n++;
    list_push(&asker->desk->all, &x->link);
    return x;
}

/* forget - the asker knows nothing of it any more; a thread may still hold it */

static void forget(struct exchange *x)
{
    if (x->asker == NULL)
        return;
    map_take(&x->asker->by_ticket, exchange_key(x));
    x->asker->n--;
    x->asker = NULL;
}

static void exchange_free(struct exchange *x)
{
    forget(x);
    if (x->line.next != &x->line) {
        list_remove(&x->line);
        x->desk->nin_line--;
    }
    list_remove(&x->link);
    sasl_server_free(x->server);
    sasl_client_free(x->client);
    explicit_bzero(x, sizeof *x);
    free(x);
}

/* --- verdicts ------------------------------------------------------------------------ */

/* The words of the log for each way in which a login ends. */
static const char *const words[AUTH_WHYS] = {
    [AUTH_OK]           = "",
    [AUTH_BAD]          = "wrong name or password",
    [AUTH_CANCELLED]    = "cancelled",
    [AUTH_MALFORMED]    = "malformed",
    [AUTH_NO_MECHANISM] = "no such mechanism",
    [AUTH_NO_INITIAL]   = "an initial response to a mechanism that begins with the server",
    [AUTH_NEEDS_TLS]    = "a password in clear text without TLS",
    [AUTH_TOO_WEAK]     = "too weak",
    [AUTH_TROUBLE]      = "cannot be checked now",
};

static void tell(struct asker *asker, uint64_t ticket, enum fate fate, enum auth_why why,
                 struct slice account, const char *text)
{
    asker->desk->done(asker, &(struct msg_auth_done){
        .ticket = ticket, .fate = (uint8_t)fate, .why = (uint8_t)why, .account = account,
        .text = slice_cstr(text) });
}

/* finish - tell the verdict and forget the exchange */

static void finish(struct exchange *x, enum fate fate, enum auth_why why, const char *text)
{
    struct slice account = { 0 };

    if (fate == FATE_DONE && x->server != NULL)
        account = sasl_server_user(x->server);
    if (x->asker != NULL && !x->cancelled)
        tell(x->asker, x->ticket, fate, why, account, text);
    exchange_free(x);
}

/* log_login - a name that nobody has is not logged: it may be a password in the wrong place */

static void log_login(const struct exchange *x, const char *result)
{
    struct slice user = sasl_server_known(x->server) ? sasl_server_user(x->server)
                                                     : (struct slice){ 0 };

    log_event(EVENT_AUTH, LF_STR("result", result), LF_TEXT("user", user), LF_STR("client", x->host),
              LF_STR("mechanism", sasl_name(x->mechanism)));
}

static void succeed(struct exchange *x, int64_t now)
{
    throttle_succeeded(&x->desk->throttle, slice_cstr(x->host), sasl_server_user(x->server), now);
    count_add(logins, 1);
    log_login(x, "done");
    finish(x, FATE_DONE, AUTH_OK, words[AUTH_OK]);
}

/* hold - say no, a little later: the more often, the later */

static void hold(struct exchange *x, int64_t now)
{
    x->due = now + throttle_failed(&x->desk->throttle, slice_cstr(x->host),
                                   sasl_server_user(x->server), now);
    x->state = HELD;
    count_add(logins_failed, 1);
    log_login(x, "failed");
}

/* refused - too many failures before: neither yes nor no, whatever the password is */

static bool refused(struct exchange *x, int64_t now)
{
    if (throttle_allows(&x->desk->throttle, slice_cstr(x->host), sasl_server_user(x->server), now))
        return false;
    count_add(logins_refused, 1);
    log_login(x, "too many failures");
    finish(x, FATE_LATER, AUTH_TROUBLE, "too many failures");
    return true;
}

/* conclude - done or failed, as the mechanism or the thread found */

static void conclude(struct exchange *x, enum sasl_result result, int64_t now)
{
    switch (result) {
    case SASL_DONE:
        succeed(x, now);
        break;
    case SASL_FAILED:
        hold(x, now);
        break;
    case SASL_BROKEN:
        finish(x, FATE_NEVER, AUTH_MALFORMED, words[AUTH_MALFORMED]);
        break;
    default:
        log_login(x, "cannot be checked now");
        finish(x, FATE_LATER, AUTH_TROUBLE, words[AUTH_TROUBLE]);
    }
}

/* --- passwords on threads -------------------------------------------------------------- */

static void next_in_line(struct desk *desk);

static void on_thread(uv_work_t *work)
{
    struct exchange *x = work->data;

    sasl_server_check(x->server);
}

static void checked(uv_work_t *work, int status)
{
    struct exchange *x = work->data;
    struct desk *desk = x->desk;

    x->on_thread = false;
    desk->checking--;
    if (x->asker == NULL)
        exchange_free(x);
    else
        conclude(x, status == 0 ? sasl_server_checked(x->server) : SASL_LATER, clock_mono());
    next_in_line(desk);
}

static void begin_check(struct exchange *x)
{
    if (uv_queue_work(x->desk->loop, &x->work, on_thread, checked) != 0) {
        conclude(x, SASL_LATER, clock_mono());
        return;
    }
    x->on_thread = true;
    x->desk->checking++;
}

static void next_in_line(struct desk *desk)
{
    while (desk->checking < CHECKS_AT_ONCE && desk->nin_line > 0) {
        struct exchange *x = LIST_OWNER(list_pop(&desk->in_line), struct exchange, line);

        desk->nin_line--;
        begin_check(x);
    }
}

static void check(struct exchange *x, int64_t now)
{
    struct desk *desk = x->desk;

    if (refused(x, now))
        return;
    if (desk->nin_line >= CHECKS_WAITING) {
        conclude(x, SASL_LATER, now);
        return;
    }
    x->state = CHECKS;
    list_push(&desk->in_line, &x->line);
    desk->nin_line++;
    next_in_line(desk);
}

/* --- the server's side -------------------------------------------------------------------- */

static void say(struct exchange *x, bool first, bool has_data, const struct buf *data)
{
    x->state = WAITS;
    x->desk->say(x->asker, &(struct msg_auth_say){
        .ticket = x->ticket, .mechanism = slice_cstr(first ? sasl_name(x->mechanism) : ""),
        .has_data = has_data, .data = buf_view(data) });
}

static void served(struct exchange *x, enum sasl_result result, const struct buf *out, int64_t now)
{
    if (result == SASL_MORE)
        say(x, false, true, out);
    else if (result == SASL_SLOW)
        check(x, now);
    else if ((result != SASL_DONE && result != SASL_FAILED) || !refused(x, now))
        conclude(x, result, now);
}

/* objection - what stands against this mechanism before anything is said */

static enum auth_why objection(const struct desk *desk, const struct msg_auth *m,
                               enum sasl_mechanism mechanism)
{
    unsigned flags = sasl_flags(mechanism);

    if (mechanism >= SASL_MECHANISM_COUNT || !(sasl_server_set(&desk->sasl) >> mechanism & 1))
        return AUTH_NO_MECHANISM;
    if ((flags & MECH_CLEAR) && m->secure == 0)
        return AUTH_NEEDS_TLS;
    if (m->has_initial && (flags & MECH_SERVER_FIRST) && !(flags & MECH_TAKES_FIRST))
        return AUTH_NO_INITIAL;
    return AUTH_OK;
}

static void serve(struct asker *asker, const struct msg_auth *m, int64_t now)
{
    enum sasl_mechanism mechanism = sasl_find(m->mechanisms);
    enum auth_why why = objection(asker->desk, m, mechanism);
    struct buf out = BUF(SASL_MESSAGE_MAX);
    struct exchange *x;

    if (why != AUTH_OK) {
        tell(asker, m->ticket, FATE_NEVER, why, (struct slice){ 0 }, words[why]);
        return;
    }
    x = exchange_new(asker, m, now);
    if (x != NULL) {
        x->mechanism = mechanism;
        x->server = sasl_server_new(&asker->desk->sasl, mechanism);
    }
    if (x == NULL || x->server == NULL) {
        tell(asker, m->ticket, FATE_LATER, AUTH_TROUBLE, (struct slice){ 0 }, "no memory");
        if (x != NULL)
            exchange_free(x);
        return;
    }
    served(x, sasl_server_start(x->server, m->has_initial, m->initial, &out), &out, now);
    buf_free(&out);
}

/* --- the client's side ----------------------------------------------------------------------- */

/* clients - said, and perhaps all that there is to say: then 235 may be believed */

static void clients(struct exchange *x, enum sasl_result result, bool first, bool has_data,
                    const struct buf *out)
{
    switch (result) {
    case SASL_MORE:
        say(x, first, has_data, out);
        break;
    case SASL_DONE:
        say(x, first, has_data, out);
        finish(x, FATE_DONE, AUTH_OK, words[AUTH_OK]);
        break;
    case SASL_FAILED:
        finish(x, FATE_LATER, AUTH_BAD, "the server did not prove who it is, or refuses our key");
        break;
    case SASL_BROKEN:
        finish(x, FATE_LATER, AUTH_MALFORMED, "the server's challenge is malformed");
        break;
    default:
        finish(x, FATE_LATER, AUTH_TROUBLE, "this mechanism cannot be used now");
    }
}

/* why_none - of what is offered nothing can be used */

static void why_none(struct asker *asker, const struct msg_auth *m)
{
    bool clear = (sasl_set_read(m->mechanisms) & (SASL_BIT(PLAIN) | SASL_BIT(LOGIN))) != 0
              && m->secure == 0;

    tell(asker, m->ticket, FATE_LATER, clear ? AUTH_NEEDS_TLS : AUTH_NO_MECHANISM, (struct slice){ 0 },
         clear ? "the server wants the password in clear text, without TLS"
               : "the server offers no mechanism of ours");
}

static void log_in(struct asker *asker, const struct msg_auth *m, const struct credential *c,
                   int64_t now)
{
    struct buf out = BUF(SASL_MESSAGE_MAX);
    enum sasl_mechanism mechanism;
    enum sasl_result result;
    struct exchange *x;
    bool has_data;

    mechanism = sasl_client_choose(sasl_set_read(m->mechanisms), c, m->secure != 0);
    if (mechanism == SASL_MECHANISM_COUNT) {
        why_none(asker, m);
        return;
    }
    x = exchange_new(asker, m, now);
    if (x != NULL) {
        x->mechanism = mechanism;
        x->client = sasl_client_new(&asker->desk->sasl, mechanism, c, m->host);
    }
    if (x == NULL || x->client == NULL) {
        tell(asker, m->ticket, FATE_LATER, AUTH_TROUBLE, (struct slice){ 0 }, "no memory");
        if (x != NULL)
            exchange_free(x);
        return;
    }
    result = sasl_client_start(x->client, &has_data, &out);
    clients(x, result, true, has_data, &out);
    buf_free(&out);
}

static void relay(struct asker *asker, const struct msg_auth *m, int64_t now)
{
    const struct credential *c = credentials_find(&asker->desk->credentials, m->account);

    if (c == NULL)
        tell(asker, m->ticket, FATE_LATER, AUTH_TROUBLE, (struct slice){ 0 },
             "the credentials have no such entry");
    else
        log_in(asker, m, c, now);
}

/* --- questions ------------------------------------------------------------------------------- */

bool exchange_open(struct asker *asker, const struct msg_auth *m, int64_t now)
{
    if (find(asker, m->ticket) != NULL)
        return false;
    if (asker->n >= EXCHANGES_MAX)
        tell(asker, m->ticket, FATE_LATER, AUTH_TROUBLE, (struct slice){ 0 }, "too many logins at once");
    else if (asker->relays)
        relay(asker, m, now);
    else
        serve(asker, m, now);
    return true;
}

bool exchange_step(struct asker *asker, const struct msg_auth_step *m, int64_t now)
{
    struct exchange *x = find(asker, m->ticket);
    struct buf out = BUF(SASL_MESSAGE_MAX);

    if (x == NULL)
        return true;            /* it was over while this was on its way */
    if (x->state != WAITS)
        return false;
    if (++x->steps > EXCHANGE_STEPS)
        finish(x, FATE_NEVER, AUTH_MALFORMED, "too many steps");
    else if (x->server != NULL)
        served(x, sasl_server_step(x->server, m->data, &out), &out, now);
    else
        clients(x, sasl_client_step(x->client, m->data, &out), false, true, &out);
    buf_free(&out);
    return true;
}

/* let_go - nobody waits for it any more: but what failed has been counted, and what a
 * thread holds is freed by it */

static void let_go(struct exchange *x)
{
    if (x->on_thread)
        forget(x);
    else
        exchange_free(x);
}

bool exchange_cancel(struct asker *asker, const struct msg_auth_cancel *m)
{
    struct exchange *x = find(asker, m->ticket);

    if (x == NULL)
        return true;
    if (x->state == WAITS) {
        exchange_free(x);
        return true;
    }
    x->cancelled = true;        /* a password under way is still counted when it is wrong */
    return true;
}

static void due(struct exchange *x)
{
    if (x->state == HELD)
        finish(x, FATE_NEVER, AUTH_BAD, words[AUTH_BAD]);
    else if (x->state == WAITS)
        finish(x, FATE_LATER, AUTH_TROUBLE, "nothing came for too long");
}

void desk_tick(struct desk *desk, int64_t now)
{
    struct list *next;

    for (struct list *l = desk->all.next; l != &desk->all; l = next) {
        struct exchange *x = LIST_OWNER(l, struct exchange, link);

        next = l->next;
        if (x->due <= now)
            due(x);
    }
}

void desk_begin(struct desk *desk, uv_loop_t *loop)
{
    desk->loop = loop;
    list_init(&desk->all);
    list_init(&desk->in_line);
}

void asker_begin(struct asker *asker, struct desk *desk, bool relays)
{
    asker->desk = desk;
    asker->relays = relays;
    asker->n = 0;
    asker->by_ticket = MAP(exchange_key);
}

void asker_end(struct asker *asker)
{
    struct list *next;

    for (struct list *l = asker->desk->all.next; l != &asker->desk->all; l = next) {
        struct exchange *x = LIST_OWNER(l, struct exchange, link);

        next = l->next;
        if (x->asker == asker)
            let_go(x);
    }
    map_free(&asker->by_ticket);
}
