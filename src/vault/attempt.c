/* attempt.c - the life of an attempt to log in, and the bounds of all of them. */
#include <stdio.h>
#include <stdlib.h>
#include "base/fate.h"
#include "vault/inside.h"

/* --- finding ------------------------------------------------------------------ */

static void key_write(char key[20], uint64_t ticket)
{
    memset(key, 0, 20);
    memcpy(key, &ticket, sizeof ticket);
}

static struct slice attempt_key(const void *attempt)
{
    return slice_of(((const struct attempt *)attempt)->key, sizeof(uint64_t));
}

static struct attempt *find(const struct asker *asker, uint64_t ticket)
{
    char key[20];

    key_write(key, ticket);
    return map_get(&asker->by_ticket, slice_of(key, sizeof ticket));
}

/* --- beginning and end ------------------------------------------------------------ */

struct attempt *attempt_new(struct asker *asker, const struct msg_auth *m, int64_t now)
{
    struct attempt *x = calloc(1, sizeof *x);

    if (x == NULL)
        return NULL;
    x->asker = asker;
    x->desk = asker->desk;
    x->ticket = m->ticket;
    key_write(x->key, m->ticket);
    x->due = now + asker->desk->patience;
    snprintf(x->host, sizeof x->host, "%.*s", SLICE(m->host));
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

/* attempt_forget - the asker knows nothing of it any more; a thread may still hold it */

void attempt_forget(struct attempt *x)
{
    if (x->asker == NULL)
        return;
    map_take(&x->asker->by_ticket, attempt_key(x));
    x->asker->n--;
    x->asker = NULL;
}

void attempt_free(struct attempt *x)
{
    attempt_forget(x);
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

/* --- answers ------------------------------------------------------------------ */

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

static void tell(struct asker *asker, uint64_t ticket, unsigned fate, enum auth_why why,
                 struct slice account, const char *text)
{
    asker->desk->done(asker, &(struct msg_auth_done){
        .ticket = ticket, .fate = (uint8_t)fate, .why = (uint8_t)why, .account = account,
        .text = slice_cstr(text != NULL ? text : words[why]) });
}

void attempt_tell(struct asker *asker, uint64_t ticket, unsigned fate, enum auth_why why,
                   const char *text)
{
    tell(asker, ticket, fate, why, (struct slice){ 0 }, text);
}

void attempt_finish(struct attempt *x, unsigned fate, enum auth_why why, const char *text)
{
    struct slice account = { 0 };

    if (fate == FATE_DONE && x->server != NULL)
        account = sasl_server_user(x->server);
    if (x->asker != NULL && !x->cancelled)
        tell(x->asker, x->ticket, fate, why, account, text);
    attempt_free(x);
}

void attempt_say(struct attempt *x, bool first, bool has_data, const struct buf *data)
{
    x->state = WAITS;
    x->desk->say(x->asker, &(struct msg_auth_say){
        .ticket = x->ticket, .mechanism = slice_cstr(first ? sasl_name(x->mechanism) : ""),
        .has_data = has_data, .data = buf_view(data) });
}

/* --- questions ------------------------------------------------------------------------------- */

bool attempt_open(struct asker *asker, const struct msg_auth *m, int64_t now)
{
    if (find(asker, m->ticket) != NULL)
        return false;
    if (asker->n >= ATTEMPTS_MAX)
        attempt_tell(asker, m->ticket, FATE_LATER, AUTH_TROUBLE, "too many logins at once");
    else if (asker->relays)
        login_open(asker, m, now);
    else
        serve_open(asker, m, now);
    return true;
}

bool attempt_step(struct asker *asker, const struct msg_auth_step *m, int64_t now)
{
    struct attempt *x = find(asker, m->ticket);

    if (x == NULL)
        return true;            /* it was over while this was on its way */
    if (x->state != WAITS)
        return false;
    if (++x->steps > ATTEMPT_STEPS)
        attempt_finish(x, FATE_NEVER, AUTH_MALFORMED, "too many steps");
    else if (x->server != NULL)
        serve_step(x, m->data, now);
    else
        login_step(x, m->data);
    return true;
}

/* let_go - nobody waits for it any more: but what failed has been counted, and what a
 * thread holds is freed by it */

static void let_go(struct attempt *x)
{
    if (x->on_thread)
        attempt_forget(x);
    else
        attempt_free(x);
}

bool attempt_cancel(struct asker *asker, const struct msg_auth_cancel *m)
{
    struct attempt *x = find(asker, m->ticket);

    if (x == NULL)
        return true;
    if (x->state == WAITS) {
        attempt_free(x);
        return true;
    }
    x->cancelled = true;        /* a password under way is still counted when it is wrong */
    return true;
}

static void due(struct attempt *x)
{
    if (x->state == HELD)
        attempt_finish(x, FATE_NEVER, AUTH_BAD, NULL);
    else if (x->state == WAITS)
        attempt_finish(x, FATE_LATER, AUTH_TROUBLE, "nothing came for too long");
}

void desk_tick(struct desk *desk, int64_t now)
{
    struct list *next;

    for (struct list *l = desk->all.next; l != &desk->all; l = next) {
        struct attempt *x = LIST_OWNER(l, struct attempt, link);

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
    asker->by_ticket = MAP(attempt_key);
}

void asker_end(struct asker *asker)
{
    struct list *next;

    for (struct list *l = asker->desk->all.next; l != &asker->desk->all; l = next) {
        struct attempt *x = LIST_OWNER(l, struct attempt, link);

        next = l->next;
        if (x->asker == asker)
            let_go(x);
    }
    map_free(&asker->by_ticket);
}
