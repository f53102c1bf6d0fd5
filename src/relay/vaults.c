/* vaults.c - tickets between logins and the vault. */
#include "relay/vaults.h"

void vaults_init(struct vaults *v)
{
    *v = (struct vaults){ .channel = NULL };
    list_init(&v->logins);
}

static void forget(struct vault_login *l)
{
    list_remove(&l->link);
    l->ticket = 0;
}

static void end(struct vault_login *l, enum fate fate, struct slice why)
{
    forget(l);
    l->end(l, fate, why);
}

static void end_all(struct vaults *v)
{
    struct list *first;

    v->channel = NULL;
    while ((first = list_pop(&v->logins)) != NULL)
        end(LIST_OWNER(first, struct vault_login, link), FATE_LATER, SLICE_LIT("the vault has gone"));
}

void vault_peer(struct vaults *v, struct channel *c)
{
    end_all(v);
    v->channel = c;
}

void vault_gone(struct vaults *v, struct channel *c)
{
    if (v->channel == c)
        end_all(v);
}

void vault_begin(struct vaults *v, struct vault_login *l, struct slice mechanisms,
                 struct slice account, struct slice host, bool secure)
{
    l->ticket = ++v->tickets;
    list_init(&l->link);
    list_push(&v->logins, &l->link);
    if (v->channel == NULL
        || !channel_send_msg_auth(v->channel, &(struct msg_auth){
               .ticket = l->ticket, .mechanisms = mechanisms, .account = account, .host = host,
               .secure = secure }, -1))
        end(l, FATE_LATER, SLICE_LIT("the vault is not there"));
}

void vault_step(struct vaults *v, struct vault_login *l, struct slice data)
{
    if (l->ticket == 0 || v->channel == NULL
        || !channel_send_msg_auth_step(v->channel, &(struct msg_auth_step){
               .ticket = l->ticket, .data = data }, -1))
        end(l, FATE_LATER, SLICE_LIT("the vault is not there"));
}

void vault_cancel(struct vaults *v, struct vault_login *l)
{
    if (l->ticket == 0)
        return;
    if (v->channel != NULL)
        channel_send_msg_auth_cancel(v->channel,
                                     &(struct msg_auth_cancel){ .ticket = l->ticket }, -1);
    forget(l);
}

static struct vault_login *find(const struct vaults *v, uint64_t ticket)
{
    for (struct list *at = v->logins.next; at != &v->logins; at = at->next) {
        struct vault_login *l = LIST_OWNER(at, struct vault_login, link);

        if (l->ticket == ticket)
            return l;
    }
    return NULL;
}

bool vault_say(struct vaults *v, struct wire *w)
{
    struct vault_login *l;
    struct msg_auth_say m;

    if (!msg_auth_say_get(w, &m))
        return false;
    l = find(v, m.ticket);
    if (l != NULL)              /* else it was cancelled meanwhile */
        l->say(l, m.mechanism, m.has_data != 0, m.data);
    return true;
}

bool vault_done(struct vaults *v, struct wire *w)
{
    struct vault_login *l;
    struct msg_auth_done m;

    if (!msg_auth_done_get(w, &m) || m.fate > FATE_NEVER)
        return false;
    l = find(v, m.ticket);
    if (l != NULL)
        end(l, m.fate, m.text);
    return true;
}
