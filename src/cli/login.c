/* login.c - one login, line by line. */
#include <stdio.h>
#include "base/base64.h"
#include "cli/login.h"
#include "sasl/client.h"

struct login {
    struct dialog      *dialog;
    const char         *verb;           /* "AUTH", "X-EXPS" */
    struct sasl_client *client;
    enum sasl_mechanism mechanism;
    struct buf          in, out, line;  /* decoded, decoded, as it is sent */
};

static int complain(const char *what, int status)
{
    fprintf(stderr, "postrider: cannot log in: %s\n", what);
    return status;
}

/* answer - a challenge of the server's, answered. EX_OK: said. */

static int answer(struct login *l)
{
    struct slice text = { 0 };
    enum sasl_result result;

    reader_line(&l->dialog->reader.reply, 0, &text);
    buf_clear(&l->in);
    buf_clear(&l->out);
    buf_clear(&l->line);
    result = base64_take(&l->in, slice_trim(text))
           ? sasl_client_step(l->client, buf_view(&l->in), &l->out) : SASL_BROKEN;
    if (result != SASL_MORE && result != SASL_DONE) {
        dialog_secret(l->dialog, SLICE_LIT("*"), "*");
        return complain("the server's challenge is wrong", EX_PROTOCOL);
    }
    base64_put(&l->line, buf_view(&l->out));
    return dialog_secret(l->dialog, buf_view(&l->line), "(response)");
}

static int begin(struct login *l)
{
    const char *name = sasl_name(l->mechanism);
    bool has_first = false;
    enum sasl_result result = sasl_client_start(l->client, &has_first, &l->out);
    char shown[64];

    if (result != SASL_MORE && result != SASL_DONE)
        return complain("these credentials do not suit the mechanism", EX_DATAERR);
    snprintf(shown, sizeof shown, "%s %s%s", l->verb, name, has_first ? " (response)" : "");
    buf_printf(&l->line, "%s %s%s", l->verb, name, has_first ? " " : "");
    if (has_first && l->out.n == 0)
        buf_puts(&l->line, "=");
    else if (has_first)
        base64_put(&l->line, buf_view(&l->out));
    return dialog_secret(l->dialog, buf_view(&l->line), shown);
}

static int exchange(struct login *l)
{
    enum { STEPS = 20 };
    int status = begin(l);

    for (int i = 0; i < STEPS && status == EX_OK && dialog_code(l->dialog) == 334; i++)
        status = answer(l);
    if (status != EX_OK)
        return status;
    status = dialog_judge(l->dialog, EX_NOPERM);
    if (status != EX_OK)
        return complain("the server refuses it", status);
    return dialog_code(l->dialog) == 235 ? EX_OK
         : complain("the server does not say that it succeeded", EX_PROTOCOL);
}

static const char *verb_of(const struct dialog *d, const char **words)
{
    if (d->offers.flags & HOST_AUTH) {
        *words = d->offers.auth;
        return "AUTH";
    }
    *words = d->offers.exps;
    return d->offers.flags & HOST_X_EXPS ? "X-EXPS" : NULL;
}

static int choose(struct login *l, const struct credential *c, const char *mechanism,
                  bool clear_ok)
{
    const char *words;
    uint32_t offered;

    l->verb = verb_of(l->dialog, &words);
    if (l->verb == NULL)
        return complain("the server offers no login", EX_UNAVAILABLE);
    offered = sasl_set_read(slice_cstr(words));
    if (mechanism == NULL) {
        l->mechanism = sasl_client_choose(offered, c, clear_ok);
        if (l->mechanism == SASL_MECHANISM_COUNT)
            return complain("the server offers no mechanism that could be used here"
                            " (PLAIN and LOGIN only over TLS)", EX_UNAVAILABLE);
        return EX_OK;
    }
    l->mechanism = sasl_find(slice_cstr(mechanism));
    if (l->mechanism == SASL_MECHANISM_COUNT)
        return complain("no such mechanism", EX_USAGE);
    return EX_OK;
}

int login(struct dialog *d, const char *user, struct slice password, const char *mechanism,
          bool clear_ok)
{
    struct credential c = {
        .user = slice_cstr(user), .password = password,
        .kerberos = mechanism != NULL && sasl_find(slice_cstr(mechanism)) == SASL_GSSAPI,
    };
    struct login l = {
        .dialog = d, .in = BUF(SASL_MESSAGE_MAX), .out = BUF(SASL_MESSAGE_MAX),
        .line = BUF(SASL_TEXT_MAX + 64),
    };
    static struct accounts nobody;      /* a client has none */
    static struct sasl sasl;
    int status = choose(&l, &c, mechanism, clear_ok);

    if (status != EX_OK)
        return status;
    if (!sasl_begin(&sasl, &nobody, "localhost", "", NULL))
        return complain("no memory", EX_OSERR);
    l.client = sasl_client_new(&sasl, l.mechanism, &c, slice_cstr(d->host));
    status = l.client != NULL ? exchange(&l) : complain("no memory, or a name or password that"
                                                        " no mechanism can carry", EX_DATAERR);
    sasl_client_free(l.client);
    sasl_end(&sasl);
    buf_free(&l.in);
    buf_free(&l.out);
    buf_free(&l.line);
    return status;
}
