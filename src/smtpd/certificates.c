/* certificates.c - one TLS context for each listener, so that sessions of one are never
 * resumed at another (A108). */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "base/clock.h"
#include "log/log.h"
#include "smtpd/certificates.h"

enum {
    FILE_MAX = 1 << 20,
    OPEN_MAX = 10000,           /* questions that a vault may be late with */
};

/* ------------------------------------------------------------- signatures -- */

static void sign(void *ctx, struct tls_sign *op)
{
    struct certificates *c = ctx;

    op->ticket = ++c->last;
    if (c->vault == NULL || c->nopen >= OPEN_MAX
        || !channel_send_msg_sign(c->vault, &(struct msg_sign){
               .ticket = op->ticket, .name = c->child->conf->tls[op->key].name,
               .kind = op->kind, .data = slice_of(op->bytes, op->n) }, -1)) {
        tls_signed(op, (struct slice){ 0 });
        return;
    }
    list_push(&c->open, &op->link);
    c->nopen++;
    if (c->unheard == 0)
        c->unheard = clock_mono();
}

static struct tls_sign *op_at(struct list *node)
{
    return LIST_OWNER(node, struct tls_sign, link);
}

/* op_find - answers mostly come in the order of the questions */

static struct tls_sign *op_find(struct certificates *c, uint64_t ticket)
{
    for (struct list *node = c->open.next; node != &c->open; node = node->next)
        if (op_at(node)->ticket == ticket)
            return op_at(node);
    return NULL;
}

bool certificates_signed(struct certificates *c, struct wire *w)
{
    struct msg_signed m;
    struct tls_sign *op;

    if (!msg_signed_get(w, &m))
        return false;
    c->unheard = 0;
    op = op_find(c, m.ticket);
    if (op == NULL)
        return true;
    list_remove(&op->link);
    c->nopen--;
    tls_signed(op, m.fate == FATE_DONE ? m.data : (struct slice){ 0 });
    return true;
}

void certificates_vault(struct certificates *c, struct channel *vault)
{
    struct list *node;

    c->vault = vault;
    c->nopen = 0;
    c->unheard = 0;
    while ((node = list_pop(&c->open)) != NULL)
        tls_signed(op_at(node), (struct slice){ 0 });
}

/* ----------------------------------------------------------- certificates -- */

/* table_text - what the master handed over under that name; malloced, NULL: said in
 * the log */

static char *table_text(const struct child *child, const char *name, size_t *n)
{
    for (size_t i = 0; i < child->ntables; i++) {
        char *text = malloc(FILE_MAX);
        ssize_t got;

        if (strcmp(child->tables[i].name, name) != 0) {
            free(text);
            continue;
        }
        got = text != NULL ? pread(child->tables[i].fd, text, FILE_MAX, 0) : -1;
        if (got >= 0) {
            *n = (size_t)got;
            return text;
        }
        free(text);
    }
    log_event(EVENT_TABLE, LF_STR("table", name), LF_STR("why", "cannot be read"));
    return NULL;
}

static bool add_text(struct tls_server *server, const struct conf_tls *tls, size_t number,
                     struct slice text, bool warn)
{
    struct why why = { 0 };
    char file[1024];
    bool added;

    snprintf(file, sizeof file, "%.*s", SLICE(tls->certificate));
    added = tls_server_add(server, &(struct tls_certificate){
        .name = tls->name, .chain = text, .file = file, .key = (uint32_t)number }, &why);
    if (why.text[0] != '\0' && (warn || !added))
        log_event(EVENT_TABLE, LF_TEXT("tls", tls->name), LF_STR("why", why.text));
    return added;
}

static bool add(const struct certificates *c, struct tls_server *server, size_t number, bool warn)
{
    const struct conf_tls *tls = &c->child->conf->tls[number];
    char name[300];
    char *text;
    size_t n;
    bool added;

    snprintf(name, sizeof name, "certificate:%.*s", SLICE(tls->name));
    text = table_text(c->child, name, &n);
    added = text != NULL && add_text(server, tls, number, slice_of(text, n), warn);
    free(text);
    return added;
}

/* serve - a context for one listener; the first one says what a person should know */

static bool serve(struct certificates *c, size_t listener, bool warn)
{
    const struct conf *conf = c->child->conf;
    struct tls_server *server = tls_server_new(conf->listens[listener].address, &c->keys);

    c->servers[listener] = server;
    for (size_t i = 0; server != NULL && i < conf->ntls; i++)
        if (!add(c, server, i, warn))
            return false;
    return server != NULL;
}

bool certificates_begin(struct certificates *c, struct child *child)
{
    const struct conf *conf = child->conf;
    bool warn = child->slot <= 1;       /* one process is enough */

    *c = (struct certificates){ .child = child };
    c->keys = (struct tls_keys){ sign, c };
    list_init(&c->open);
    for (size_t i = 0; i < conf->nlistens && i < CHILD_LISTENERS; i++) {
        if (conf->listens[i].tls == LISTEN_TLS_NONE)
            continue;
        if (!serve(c, i, warn))
            return false;
        warn = false;
    }
    return true;
}

struct tls_server *certificates_of(const struct certificates *c, size_t listener)
{
    struct tls_server *server = listener < CHILD_LISTENERS ? c->servers[listener] : NULL;

    return server != NULL && tls_server_count(server) > 0 ? server : NULL;
}

bool certificates_able(const struct certificates *c, size_t listener)
{
    if (certificates_of(c, listener) == NULL || c->vault == NULL)
        return false;
    return c->unheard == 0
        || clock_mono() - c->unheard < c->child->conf->limits.tls_timeout;
}
