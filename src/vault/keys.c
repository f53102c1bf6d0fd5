/* keys.c - one signer for each private key. */
#include <stdlib.h>
#include "log/log.h"
#include "sasl/private.h"
#include "tls/signer.h"
#include "vault/keys.h"

enum { KEY_FILE_MAX = 1 << 20 };

struct key {
    struct slice   name;            /* of the tls section; lives as long as the child */
    struct signer *signer;
};

static struct key *keys;
static size_t nkeys;

static bool complain(const char *table, const char *why)
{
    log_event(EVENT_TABLE, LF_STR("table", table), LF_STR("why", why));
    return false;
}

static bool add(const struct child_table *table, struct slice name)
{
    struct buf errors = BUF(4096);
    struct why why = { 0 };
    char *pem;
    size_t n;

    if (!private_read_fd(table->fd, table->name, KEY_FILE_MAX, &pem, &n, &errors)) {
        buf_free(&errors);
        return complain(table->name, "cannot be read");
    }
    buf_free(&errors);
    keys[nkeys] = (struct key){ name, signer_new(slice_of(pem, n), table->name, &why) };
    private_free(pem, n);
    return keys[nkeys++].signer != NULL || complain(table->name, why.text);
}

bool keys_begin(const struct child *child)
{
    struct slice kind, name;

    keys = calloc(child->ntables + 1, sizeof *keys);
    if (keys == NULL)
        return false;
    for (size_t i = 0; i < child->ntables; i++)
        if (slice_cut(slice_cstr(child->tables[i].name), ':', &kind, &name)
            && slice_eq(kind, SLICE_LIT("key")) && !add(&child->tables[i], name))
            return false;
    return true;
}

void keys_end(void)
{
    for (size_t i = 0; i < nkeys; i++)
        signer_free(keys[i].signer);
    free(keys);
    keys = NULL;
    nkeys = 0;
}

static const struct signer *find(struct slice name)
{
    for (size_t i = 0; i < nkeys; i++)
        if (slice_eq(keys[i].name, name))
            return keys[i].signer;
    return NULL;
}

void keys_sign(struct channel *c, const struct msg_sign *m)
{
    struct msg_signed answer = { .ticket = m->ticket, .fate = FATE_LATER };
    const struct signer *signer = find(m->name);
    struct why why = { .text = "there is no such key" };
    char out[TLS_SIGN_MAX];
    size_t n = 0;

    if (signer != NULL)
        n = signer_sign(signer, (enum tls_sign_kind)m->kind, m->data, out, &why);
    if (n > 0) {
        answer.fate = FATE_DONE;
        answer.data = slice_of(out, n);
    } else {
        log_event(EVENT_TABLE, LF_TEXT("key", m->name), LF_STR("why", why.text));
    }
    channel_send_msg_signed(c, &answer, -1);
}
