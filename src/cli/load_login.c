/* load_login.c - one exchange a connection, each with a state of its own. */
#include <stdlib.h>
#include "base/base64.h"
#include "cli/load_login.h"

struct load_login {
    struct sasl_client *client;
    struct buf          in, out, line;      /* decoded, decoded, as it is sent */
};

void login_free(struct load_login **l)
{
    struct load_login *all = *l;

    *l = NULL;
    if (all == NULL)
        return;
    sasl_client_free(all->client);
    buf_free(&all->in);
    buf_free(&all->out);
    buf_free(&all->line);
    free(all);
}

/* choose - once; the password itself goes only over TLS, unless PLAIN or LOGIN was asked for */

static bool choose(struct load_session *s)
{
    struct load *l = s->load;

    if (l->mechanism != SASL_MECHANISM_COUNT)
        return true;
    l->mechanism = l->plan.mechanism != NULL ? sasl_find(slice_cstr(l->plan.mechanism))
                 : sasl_client_choose(sasl_set_read(slice_cstr(session_offers(s)->auth)), &l->credential,
                                      connection_is_secure(&s->connection));
    if (l->mechanism == SASL_MECHANISM_COUNT)
        l->hopeless = "no mechanism to log in with (PLAIN and LOGIN only over TLS, or by"
                      " --mechanism)";
    return l->mechanism != SASL_MECHANISM_COUNT;
}

static bool login_new(struct load_session *s)
{
    struct load *l = s->load;
    struct load_login *new = calloc(1, sizeof *new);

    if (new == NULL)
        return false;
    *new = (struct load_login){ .in = BUF(SASL_MESSAGE_MAX), .out = BUF(SASL_MESSAGE_MAX),
                                .line = BUF(SASL_TEXT_MAX + 64) };
    login_free(&s->login);
    s->login = new;
    new->client = sasl_client_new(&l->sasl, l->mechanism, &l->credential, SLICE_LIT(""));
    return new->client != NULL;
}

static struct slice finished(struct load_login *l)
{
    buf_puts(&l->line, "\r\n");
    return l->line.full ? (struct slice){ 0 } : buf_view(&l->line);
}

struct slice login_begin(struct load_session *s)
{
    enum sasl_result result;
    bool has_first = false;

    if (!choose(s))
        return (struct slice){ 0 };
    s->load->hopeless = "no memory, or a name or password that no mechanism can carry";
    if (!login_new(s))
        return (struct slice){ 0 };
    result = sasl_client_start(s->login->client, &has_first, &s->login->out);
    if (result != SASL_MORE && result != SASL_DONE)
        return (struct slice){ 0 };
    s->load->hopeless = NULL;
    buf_printf(&s->login->line, "AUTH %s%s", sasl_name(s->load->mechanism), has_first ? " " : "");
    if (has_first && s->login->out.n == 0)
        buf_puts(&s->login->line, "=");
    else if (has_first)
        base64_put(&s->login->line, buf_view(&s->login->out));
    return finished(s->login);
}

/* challenge_text - of "334 TEXT" */

static struct slice challenge_text(struct slice reply)
{
    return slice_trim(slice_from(reply, 4));
}

struct slice login_step(struct load_session *s, struct slice challenge)
{
    struct load_login *l = s->login;
    enum sasl_result result;

    buf_clear(&l->in);
    buf_clear(&l->out);
    buf_clear(&l->line);
    if (!base64_take(&l->in, challenge_text(challenge)))
        return (struct slice){ 0 };
    result = sasl_client_step(l->client, buf_view(&l->in), &l->out);
    if (result != SASL_MORE && result != SASL_DONE)
        return (struct slice){ 0 };
    base64_put(&l->line, buf_view(&l->out));
    return finished(l);
}
