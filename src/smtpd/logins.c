/* logins.c - tickets between sessions and the vault. */
#include <stdlib.h>
#include "base/fate.h"
#include "sasl/mechanism.h"
#include "smtpd/auth.h"
#include "smtpd/logins.h"

enum { OPEN_MAX = 4000 };       /* what the vault takes of one process, and a little less */

/* A session may wait for the answer to another question next: no ticket is like one of
 * ask.c's or desk.c's, so that a late answer is never taken for it. */
#define TICKETS (UINT64_C(1) << 61)

struct open_login {
    uint64_t        ticket;
    struct session *session;    /* cancels before it goes */
};

static struct slice ticket_key(const void *login)
{
    return slice_of((const char *)&((const struct open_login *)login)->ticket, sizeof(uint64_t));
}

static struct slice key_of(const uint64_t *ticket)
{
    return slice_of((const char *)ticket, sizeof *ticket);
}

void logins_begin(struct logins *l, struct server *server, void (*go)(struct session *s))
{
    *l = (struct logins){ .server = server, .open = MAP(ticket_key), .go = go };
}

static struct session *close_login(struct logins *l, uint64_t ticket)
{
    struct open_login *login = map_take(&l->open, key_of(&ticket));
    struct session *s = login != NULL ? login->session : NULL;

    free(login);
    return s;
}

void logins_vault(struct logins *l, struct channel *vault)
{
    struct open_login *login;
    size_t at = 0;

    l->vault = NULL;            /* nobody asks it anew while its logins end */
    while ((login = map_next(&l->open, &at)) != NULL) {
        uint64_t ticket = login->ticket;
        struct session *s = close_login(l, ticket);

        at = 0;
        session_login_done(s, ticket, FATE_LATER, AUTH_TROUBLE, (struct slice){ 0 });
        l->go(s);
    }
    l->vault = vault;
}

/* --- questions ---------------------------------------------------------------- */

static bool remember(struct logins *l, uint64_t ticket, struct session *s)
{
    struct open_login *login = l->open.n < OPEN_MAX ? malloc(sizeof *login) : NULL;

    if (login == NULL)
        return false;
    *login = (struct open_login){ ticket, s };
    if (map_put(&l->open, login))
        return true;
    free(login);
    return false;
}

uint64_t logins_open(struct logins *l, struct session *s, struct slice mechanism, unsigned secure,
                     bool has_initial, struct slice initial)
{
    uint64_t ticket = TICKETS + ++l->last;
    char host[IP_TEXT];

    if (l->vault == NULL || !remember(l, ticket, s))
        return 0;
    if (channel_send_msg_auth(l->vault, &(struct msg_auth){
            .ticket = ticket, .mechanisms = mechanism, .host = slice_cstr(ip_text(&s->client, host)),
            .secure = (uint8_t)secure, .has_initial = has_initial, .initial = initial }, -1))
        return ticket;
    close_login(l, ticket);
    return 0;
}

bool logins_step(struct logins *l, uint64_t ticket, struct slice data)
{
    return l->vault != NULL && map_get(&l->open, key_of(&ticket)) != NULL
        && channel_send_msg_auth_step(l->vault, &(struct msg_auth_step){ ticket, data }, -1);
}

void logins_cancel(struct logins *l, uint64_t ticket)
{
    if (close_login(l, ticket) != NULL && l->vault != NULL)
        channel_send_msg_auth_cancel(l->vault, &(struct msg_auth_cancel){ ticket }, -1);
}

/* --- answers ------------------------------------------------------------------- */

static bool on_mechanisms(struct logins *l, struct wire *w)
{
    struct msg_mechanisms m;

    if (!msg_mechanisms_get(w, &m))
        return false;
    l->server->mechanisms = sasl_set_read(m.server);
    return true;
}

static bool on_say(struct logins *l, struct wire *w)
{
    struct open_login *login;
    struct msg_auth_say m;

    if (!msg_auth_say_get(w, &m) || m.data.n > SASL_MESSAGE_MAX)
        return false;
    login = map_get(&l->open, key_of(&m.ticket));
    if (login != NULL) {        /* else it was cancelled meanwhile */
        session_login_say(login->session, m.ticket, m.data);
        l->go(login->session);
    }
    return true;
}

static bool on_done(struct logins *l, struct wire *w)
{
    struct msg_auth_done m;
    struct session *s;

    if (!msg_auth_done_get(w, &m) || m.fate > FATE_NEVER || m.account.n > SASL_NAME_MAX)
        return false;
    s = close_login(l, m.ticket);
    if (s != NULL) {
        session_login_done(s, m.ticket, (enum fate)m.fate, m.why, m.account);
        l->go(s);
    }
    return true;
}

bool logins_receive(struct logins *l, uint32_t type, struct wire *w)
{
    switch (type) {
    case MSG_MECHANISMS: return on_mechanisms(l, w);
    case MSG_AUTH_SAY:   return on_say(l, w);
    case MSG_AUTH_DONE:  return on_done(l, w);
    default:             return false;
    }
}
