/* secure.c - STARTTLS: say 220, wait, and begin anew. */
#include <stdlib.h>
#include "smtpd/secure.h"

/* That nothing came behind the command was seen before (V_LAST): it would have been
 * plain text, taken for the client's secret words (CVE-2011-0411, A100). */

unsigned on_starttls(struct session *s, struct slice args, struct reply *r)
{
    (void)args;
    (void)r;
    if (!s->server->world->secure(s->server->ctx, s))
        return REPLY_NO_TLS;
    s->wait = WAIT_SECURE;
    return REPLY_READY_TLS;
}

static void account_forget(struct session *s)
{
    free((char *)(uintptr_t)s->account.p);
    s->account = (struct slice){ 0 };
    s->claimed = false;
}

static void note_take(struct session *s, struct slice note)
{
    char *copy = malloc(note.n + 1);

    free((char *)(uintptr_t)s->tls_note.p);
    s->tls_note = (struct slice){ 0 };
    if (copy == NULL)
        return;
    memcpy(copy, note.p, note.n);
    s->tls_note = slice_of(copy, note.n);
}

void session_secured(struct session *s, struct slice note)
{
    if (s->stage == S_ENDED)
        return;
    s->wait = WAIT_CLIENT;
    s->secure = true;
    account_forget(s);
    note_take(s, note);
    session_renew(s);
    s->deadline = s->server->mono + s->server->conf->limits.command_timeout;
}
