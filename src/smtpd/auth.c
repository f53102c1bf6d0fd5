/* auth.c - lines of base64, there and back.
 *
 *     ASKED     the world has the client's message        session_login_say, _done
 *     WAITING   the client has our challenge              heard
 */
#include <stdlib.h>
#include "base/base64.h"
#include "ipc/messages.h"
#include "sasl/mechanism.h"
#include "smtpd/auth.h"

enum { LINE = SASL_TEXT_MAX + 2 };

/* A login under way; aside_state from its command to its end. */
struct login {
    struct session    *session;
    uint64_t           ticket;      /* of the world; 0: it knows of none any more */
    struct line_reader reader;
};

/* Why a login failed, as the client hears it (RFC 4954 §6). */
static const enum reply_id replies[AUTH_WHYS] = {
    [AUTH_OK]           = REPLY_LOGGED_IN,
    [AUTH_BAD]          = REPLY_BAD_LOGIN,
    [AUTH_CANCELLED]    = REPLY_LOGIN_CANCELLED,
    [AUTH_MALFORMED]    = REPLY_BAD_BASE64,
    [AUTH_NO_MECHANISM] = REPLY_NO_MECHANISM,
    [AUTH_NO_INITIAL]   = REPLY_NO_INITIAL,
    [AUTH_NEEDS_TLS]    = REPLY_LOGIN_NEEDS_TLS,
    [AUTH_TOO_WEAK]     = REPLY_LOGIN_TOO_WEAK,
    [AUTH_TROUBLE]      = REPLY_LOGIN_LATER,
};

/* --- what may be used ---------------------------------------------------------- */

/* secure - as MSG_AUTH has it */

static unsigned secure(const struct session *s)
{
    return s->secure ? 1 : s->listen->auth_clear ? 2 : 0;
}

static uint32_t usable(const struct session *s)
{
    uint32_t set = s->server->mechanisms;

    if (s->listen->tls == LISTEN_TLS_REQUIRE && !s->secure)
        return 0;
    for (unsigned m = 0; m < SASL_MECHANISM_COUNT; m++)
        if ((sasl_flags((enum sasl_mechanism)m) & MECH_CLEAR) && secure(s) == 0)
            set &= ~(1u << m);
    return set;
}

bool auth_words(const struct session *s, struct buf *out)
{
    sasl_set_put(out, usable(s));
    return usable(s) != 0;
}

bool auth_login(const struct session *s)
{
    return usable(s) & SASL_BIT(LOGIN);
}

/* --- the end ------------------------------------------------------------------------ */

static void login_free(void *state)
{
    struct login *l = state;
    const struct server *server = l->session->server;

    if (l->ticket != 0)
        server->world->login_cancel(server->ctx, l->ticket);
    free(l);
}

/* end - the verdict is said, and commands are read again */

static void end(struct session *s, enum reply_id id)
{
    session_aside_end(s);
    if (id == REPLY_BAD_LOGIN && ++s->logins_failed >= s->server->conf->limits.auth_failures)
        id = REPLY_TOO_MANY_LOGINS;
    s->deadline = s->server->mono + s->server->conf->limits.command_timeout;
    session_say(s, id);
}

/* welcome - the client is somebody now, and may more */

static bool welcome(struct session *s, struct slice account)
{
    char *name = account.n > 0 ? malloc(account.n) : NULL;

    if (name == NULL)
        return false;
    memcpy(name, account.p, account.n);
    free((char *)(uintptr_t)s->account.p);
    s->account = slice_of(name, account.n);
    session_grants(s);
    return true;
}

/* --- the client's lines --------------------------------------------------------------- */

static void late(struct session *s)
{
    session_aside_end(s);
}

static void wait_for_world(struct session *s)
{
    session_ask(s, ((struct login *)s->aside_state)->ticket,
                s->server->conf->limits.auth_timeout + WORLD_PATIENCE, late);
    s->asking.otherwise = REPLY_LOGIN_LATER;
}

/* take - base64 of a line; REPLY_OK, or what is wrong */

static enum reply_id take(struct buf *data, struct slice text)
{
    if (base64_take(data, text))
        return REPLY_OK;
    return data->full ? REPLY_LOGIN_LONG : REPLY_BAD_BASE64;
}

static void wipe(struct buf *data)
{
    if (data->p != NULL)
        explicit_bzero(data->p, data->cap);
    buf_free(data);
}

/* heard - a whole line in answer to a challenge */

static void heard(struct session *s, struct slice line)
{
    struct login *l = s->aside_state;
    struct buf data = BUF(SASL_MESSAGE_MAX);
    enum reply_id id = slice_eq(line, SLICE_LIT("*")) ? REPLY_LOGIN_CANCELLED : take(&data, line);

    if (id != REPLY_OK)
        end(s, id);
    else if (!s->server->world->login_step(s->server->ctx, l->ticket, buf_view(&data)))
        end(s, REPLY_LOGIN_LATER);
    else
        wait_for_world(s);
    wipe(&data);
}

static size_t read_line(struct session *s, struct slice in)
{
    struct login *l = s->aside_state;
    struct slice line;
    size_t used;

    switch (line_next(&l->reader, in, LINE, &line, &used)) {
    case LINE_OK:
        heard(s, line);
        break;
    case LINE_BAD:
        end(s, REPLY_BAD_BYTES);
        break;
    case LINE_LONG:
        end(s, REPLY_LOGIN_LONG);
        break;
    case LINE_ENDLESS:
        end(s, REPLY_LINE_ENDLESS);
        break;
    case LINE_MORE:
        break;
    }
    return used;
}

/* --- the command -------------------------------------------------------------------------- */

/* begin - ask the world, which answers later */

static unsigned begin(struct session *s, struct slice mechanism, bool has_initial,
                      struct slice initial)
{
    const struct server *server = s->server;
    struct login *l = server->world->login != NULL ? calloc(1, sizeof *l) : NULL;

    if (l == NULL)
        return REPLY_LOGIN_LATER;
    l->session = s;
    l->ticket = server->world->login(server->ctx, s, mechanism, secure(s), has_initial, initial);
    if (l->ticket == 0) {
        free(l);
        return REPLY_LOGIN_LATER;
    }
    session_aside(s, read_line, l, login_free);
    wait_for_world(s);
    return REPLY_NONE;
}

unsigned on_auth(struct session *s, struct slice args, struct reply *r)
{
    struct buf data = BUF(SASL_MESSAGE_MAX);
    struct slice mechanism, initial;
    bool has_initial = slice_cut(args, ' ', &mechanism, &initial);
    unsigned id = REPLY_OK;

    (void)r;
    if (s->server->mechanisms == 0)
        return REPLY_NOT_IMPLEMENTED;       /* nor was it announced */
    if (usable(s) == 0)
        return REPLY_NEED_TLS;
    if (mechanism.n == 0 || (has_initial && initial.n == 0))
        return REPLY_BAD_ARGUMENTS;
    if (sasl_find(mechanism) == SASL_MECHANISM_COUNT)
        return REPLY_NO_MECHANISM;
    if (has_initial && !slice_eq(initial, SLICE_LIT("=")))
        id = take(&data, initial);
    if (id == REPLY_OK)
        id = begin(s, mechanism, has_initial, buf_view(&data));
    wipe(&data);
    return id;
}

/* --- what the world answers ------------------------------------------------------------------ */

/* session_login_say - 334 may be as long as a line of the client: no ordinary reply */

void session_login_say(struct session *s, uint64_t ticket, struct slice data)
{
    if (!session_answered(s, ticket))
        return;
    s->deadline = s->server->mono + s->server->conf->limits.auth_timeout;
    buf_puts(s->out, "334 ");
    base64_put(s->out, data);
    buf_puts(s->out, "\r\n");
}

void session_login_done(struct session *s, uint64_t ticket, enum fate fate, unsigned why,
                        struct slice account)
{
    enum reply_id id = why < AUTH_WHYS && why != AUTH_OK ? replies[why] : REPLY_LOGIN_LATER;

    if (!session_answered(s, ticket))
        return;
    ((struct login *)s->aside_state)->ticket = 0;
    if (fate == FATE_DONE && welcome(s, account))
        id = REPLY_LOGGED_IN;
    end(s, id);
}
