/* login.c - we log in elsewhere: for a relay, with an entry of the credentials. */
#include "base/fate.h"
#include "vault/inside.h"

/* clients - said, and perhaps all that there is to say: then 235 may be believed */

static void clients(struct attempt *x, enum sasl_result result, bool first, bool has_data,
                    const struct buf *out)
{
    switch (result) {
    case SASL_MORE:
        attempt_say(x, first, has_data, out);
        break;
    case SASL_DONE:
        attempt_say(x, first, has_data, out);
        attempt_finish(x, FATE_DONE, AUTH_OK, NULL);
        break;
    case SASL_FAILED:
        attempt_finish(x, FATE_LATER, AUTH_BAD, "the server did not prove who it is, or refuses our key");
        break;
    case SASL_BROKEN:
        attempt_finish(x, FATE_LATER, AUTH_MALFORMED, "the server's challenge is malformed");
        break;
    default:
        attempt_finish(x, FATE_LATER, AUTH_TROUBLE, "this mechanism cannot be used now");
    }
}

/* why_none - of what is offered nothing can be used */

static void why_none(struct asker *asker, const struct msg_auth *m)
{
    bool clear = (sasl_set_read(m->mechanisms) & (SASL_BIT(PLAIN) | SASL_BIT(LOGIN))) != 0
              && m->secure == 0;

    attempt_tell(asker, m->ticket, FATE_LATER, clear ? AUTH_NEEDS_TLS : AUTH_NO_MECHANISM,
                  clear ? "the server wants the password in clear text, without TLS"
                        : "the server offers no mechanism of ours");
}

static void log_in(struct asker *asker, const struct msg_auth *m, const struct credential *c,
                   int64_t now)
{
    struct buf out = BUF(SASL_MESSAGE_MAX);
    enum sasl_mechanism mechanism;
    enum sasl_result result;
    struct attempt *x;
    bool has_data;

    mechanism = sasl_client_choose(sasl_set_read(m->mechanisms), c, m->secure != 0);
    if (mechanism == SASL_MECHANISM_COUNT) {
        why_none(asker, m);
        return;
    }
    x = attempt_new(asker, m, now);
    if (x != NULL) {
        x->mechanism = mechanism;
        x->client = sasl_client_new(&asker->desk->sasl, mechanism, c, m->host);
    }
    if (x == NULL || x->client == NULL) {
        attempt_tell(asker, m->ticket, FATE_LATER, AUTH_TROUBLE, "no memory");
        if (x != NULL)
            attempt_free(x);
        return;
    }
    result = sasl_client_start(x->client, &has_data, &out);
    clients(x, result, true, has_data, &out);
    buf_free(&out);
}

void login_open(struct asker *asker, const struct msg_auth *m, int64_t now)
{
    const struct credential *c = credentials_find(&asker->desk->credentials, m->account);

    if (c == NULL)
        attempt_tell(asker, m->ticket, FATE_LATER, AUTH_TROUBLE,
                      "the credentials have no such entry");
    else
        log_in(asker, m, c, now);
}

void login_step(struct attempt *x, struct slice data)
{
    struct buf out = BUF(SASL_MESSAGE_MAX);

    clients(x, sasl_client_step(x->client, data, &out), false, true, &out);
    buf_free(&out);
}
