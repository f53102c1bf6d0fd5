/* client.c - the client's side: libgsasl asks, the credential answers. */
#include <stdio.h>
#include <stdlib.h>
#include "sasl/client.h"
#include "sasl/session.h"

struct sasl_client {
    struct asked        asked;          /* first: see session.h */
    enum sasl_mechanism mechanism;
    Gsasl_session      *session;
    bool                done;
    char                user[SASL_NAME_MAX + 1];
    char                password[SASL_PASSWORD_MAX + 1];
    char                host[256];
};

enum sasl_mechanism sasl_client_choose(uint32_t offered, const struct credential *c, bool clear_ok)
{
    uint32_t able = c->kerberos ? SASL_BIT(GSSAPI)
                                : SASL_BIT(SCRAM_SHA_256) | SASL_BIT(CRAM_MD5);

    if (!c->kerberos && clear_ok)
        able |= SASL_BIT(PLAIN) | SASL_BIT(LOGIN);
    return sasl_strongest(offered & able);
}

static int answer(struct asked *owner, Gsasl_session *session, Gsasl_property property)
{
    const struct sasl_client *c = (const struct sasl_client *)(const void *)owner;
    const struct { Gsasl_property property; const char *text; } rows[] = {
        { GSASL_AUTHID,   c->user },
        { GSASL_PASSWORD, c->password },
        { GSASL_SERVICE,  "smtp" },
        { GSASL_HOSTNAME, c->host },
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (rows[i].property == property && rows[i].text[0] != '\0')
            return gsasl_property_set(session, property, rows[i].text);
    return GSASL_NO_CALLBACK;
}

/* take - a slice as a C string; false: too long, or a NUL inside */

static bool take(char *to, size_t size, struct slice from)
{
    if (from.n >= size || (from.n > 0 && memchr(from.p, '\0', from.n) != NULL))
        return false;
    if (from.n > 0)
        memcpy(to, from.p, from.n);
    to[from.n] = '\0';
    return true;
}

struct sasl_client *sasl_client_new(struct sasl *sasl, enum sasl_mechanism mechanism,
                                    const struct credential *credential, struct slice host)
{
    struct sasl_client *c = calloc(1, sizeof *c);

    if (c == NULL)
        return NULL;
    c->asked.answer = answer;
    c->mechanism = mechanism;
    if (!take(c->user, sizeof c->user, credential->user)
        || !take(c->password, sizeof c->password, credential->password)
        || !take(c->host, sizeof c->host, host) || mechanism >= SASL_MECHANISM_COUNT
        || gsasl_client_start(sasl->gsasl, sasl_name(mechanism), &c->session) != GSASL_OK) {
        sasl_client_free(c);
        return NULL;
    }
    gsasl_session_hook_set(c->session, c);
    return c;
}

static enum sasl_result failed(struct sasl_client *c, enum sasl_result result, struct buf *out)
{
    mechanism_session_end(&c->session);
    buf_clear(out);
    return result;
}

enum sasl_result sasl_client_start(struct sasl_client *c, bool *has_first, struct buf *out)
{
    buf_clear(out);
    *has_first = !(sasl_flags(c->mechanism) & MECH_SERVER_FIRST);
    return *has_first ? sasl_client_step(c, (struct slice){ 0 }, out) : SASL_MORE;
}

enum sasl_result sasl_client_step(struct sasl_client *c, struct slice in, struct buf *out)
{
    int code;

    if (c->session == NULL || c->done || in.n > SASL_MESSAGE_MAX)
        return failed(c, SASL_BROKEN, out);
    code = session_step(c->session, in, out);
    if (code == GSASL_NEEDS_MORE)
        return SASL_MORE;
    if (code != GSASL_OK)
        return failed(c, session_result(code), out);
    c->done = true;
    return SASL_DONE;
}

void sasl_client_free(struct sasl_client *c)
{
    if (c == NULL)
        return;
    mechanism_session_end(&c->session);
    explicit_bzero(c, sizeof *c);
    free(c);
}
