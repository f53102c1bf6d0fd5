/* main.c - the vault process: passwords and private keys, and nothing else.
 *
 * It answers yes or no, and makes signatures; what it knows never leaves it. The
 * files of secrets come from the master as sealed memory; when one changes, the
 * master starts another vault.
 */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sysexits.h>
#include "base/clock.h"
#include "ipc/child.h"
#include "log/log.h"
#include "vault/attempt.h"
#include "vault/keys.h"

enum { TICK = 100 };        /* ms between looks at what is due */

static struct {
    struct child *child;
    struct desk   desk;
    uv_timer_t    ticks;
    unsigned      askers;       /* channels to smtpd and relay open */
} vault;

static void leave_when_done(void)
{
    if (vault.child->draining && vault.askers == 0)
        child_leave(vault.child, EX_OK);
}

/* --- answers ------------------------------------------------------------------ */

static void say(struct asker *asker, const struct msg_auth_say *m)
{
    channel_send_msg_auth_say(asker->user, m, -1);
}

static void done(struct asker *asker, const struct msg_auth_done *m)
{
    channel_send_msg_auth_done(asker->user, m, -1);
}

static void tell_mechanisms(struct channel *c)
{
    struct buf names = BUF(200);

    sasl_set_put(&names, sasl_server_set(&vault.desk.sasl));
    channel_send_msg_mechanisms(c, &(struct msg_mechanisms){ buf_view(&names) }, -1);
    buf_free(&names);
}

/* on_tick - as long as there is anything that may become due */

static void on_tick(uv_timer_t *timer)
{
    desk_tick(&vault.desk, clock_mono());
    if (list_empty(&vault.desk.all))
        uv_timer_stop(timer);
}

/* --- questions ------------------------------------------------------------------ */

static bool on_auth(struct channel *c, struct wire *w)
{
    struct msg_auth m;

    if (!uv_is_active((uv_handle_t *)&vault.ticks))
        uv_timer_start(&vault.ticks, on_tick, TICK, TICK);
    return msg_auth_get(w, &m) && attempt_open(c->user, &m, clock_mono());
}

static bool on_step(struct channel *c, struct wire *w)
{
    struct msg_auth_step m;

    return msg_auth_step_get(w, &m) && attempt_step(c->user, &m, clock_mono());
}

static bool on_cancel(struct channel *c, struct wire *w)
{
    struct msg_auth_cancel m;

    return msg_auth_cancel_get(w, &m) && attempt_cancel(c->user, &m);
}

static bool on_sign(struct channel *c, struct wire *w)
{
    struct msg_sign m;

    if (!msg_sign_get(w, &m))
        return false;
    keys_sign(c, &m);
    return true;
}

static bool receive(struct channel *c, uint32_t type, struct wire *w, int *fd)
{
    static const struct { uint32_t type; bool (*take)(struct channel *, struct wire *); } rows[] = {
        { MSG_AUTH, on_auth }, { MSG_AUTH_STEP, on_step }, { MSG_AUTH_CANCEL, on_cancel },
        { MSG_SIGN, on_sign },
    };

    (void)fd;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (rows[i].type == type && c->user != NULL)
            return rows[i].take(c, w);
    return child_receive_common(vault.child, c, type, w);
}

/* --- peers ------------------------------------------------------------------------ */

static bool asks(const struct channel *c)
{
    return c->peer == ROLE_SMTPD || c->peer == ROLE_RELAY;
}

static void gone(struct channel *c, const char *why)
{
    (void)why;
    if (c->user != NULL) {
        asker_end(c->user);
        free(c->user);
        c->user = NULL;
    }
    vault.askers -= asks(c);
    leave_when_done();
}

static void on_peer(struct child *child, struct channel *c)
{
    struct asker *asker = asks(c) ? calloc(1, sizeof *asker) : NULL;

    (void)child;
    c->receive = receive;
    c->gone = gone;
    c->user = asker;
    vault.askers += asks(c);
    if (asker == NULL) {
        if (asks(c))
            channel_close(c, "no memory");
        return;
    }
    asker_begin(asker, &vault.desk, c->peer == ROLE_RELAY);
    asker->user = c;
    if (c->peer == ROLE_SMTPD)
        tell_mechanisms(c);
}

/* --- what the master hands over ----------------------------------------------------- */

static int table_fd(const struct child *child, const char *name)
{
    for (size_t i = 0; i < child->ntables; i++)
        if (strcmp(child->tables[i].name, name) == 0)
            return child->tables[i].fd;
    return -1;
}

/* keep_in_memory - never into swap, if the system lets us */

static void keep_in_memory(const void *p, size_t n)
{
    if (p != NULL && n > 0 && mlock(p, n) != 0)
        madvise((void *)((uintptr_t)p & ~(uintptr_t)4095), n, MADV_DONTDUMP);
}

typedef bool parser(char *text, size_t n, const char *file, struct buf *errors);

static bool parse_accounts(char *text, size_t n, const char *file, struct buf *errors)
{
    return accounts_parse(&vault.desk.accounts, text, n, file, errors);
}

static bool parse_credentials(char *text, size_t n, const char *file, struct buf *errors)
{
    return credentials_parse(&vault.desk.credentials, text, n, file, errors);
}

/* load - a file of secrets, if there is one; what is wrong with it is logged */

static bool load(const struct child *child, const char *name, struct slice file, size_t max,
                 parser *parse)
{
    struct buf errors = BUF(8192);
    int fd = table_fd(child, name);
    char path[1024], *text = NULL;
    size_t n = 0;
    bool ok;

    if (fd < 0)
        return true;
    snprintf(path, sizeof path, "%.*s", SLICE(file));
    ok = private_read_fd(fd, path, max, &text, &n, &errors) && parse(text, n, path, &errors);
    if (ok)
        keep_in_memory(text, n);
    else
        log_event(EVENT_TABLE, LF_STR("table", name), LF_TEXT("why", slice_trim(buf_view(&errors))));
    if (!ok)
        private_free(text, n);
    buf_free(&errors);
    return ok;
}

/* guard - no core with secrets, no debugger; memory given back is overwritten */

static void guard(void)
{
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    mallopt(M_PERTURB, 0x5a);
}

/* begin_sasl - the key table is a descriptor: Kerberos finds it under this name, as long
 * as this process may look at itself */

static bool begin_sasl(const struct child *child)
{
    int fd = table_fd(child, "keytab");
    char hostname[256], realm[256], keytab[64] = "";
    bool done;

    snprintf(hostname, sizeof hostname, "%.*s", SLICE(child->conf->hostname));
    snprintf(realm, sizeof realm, "%.*s", SLICE(child->conf->realm));
    if (fd >= 0)
        snprintf(keytab, sizeof keytab, "FILE:/proc/self/fd/%d", fd);
    prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
    done = sasl_begin(&vault.desk.sasl, &vault.desk.accounts, hostname, realm, keytab);
    guard();
    if (fd >= 0 && vault.desk.sasl.kerberos.credential == NULL)
        log_event(EVENT_TABLE, LF_STR("table", "keytab"), LF_STR("why", vault.desk.sasl.kerberos.why),
                  LF_STR("hostname", hostname));
    return done;
}

/* begin_throttle - failures of one client, and of one account from wherever (A123) */

static bool begin_throttle(const struct conf *conf)
{
    struct throttle_rate client = { (int64_t)conf->limits.auth_client, 60 * 1000 };
    struct throttle_rate account = { (int64_t)conf->limits.auth_account, 3600 * 1000 };

    return throttle_begin(&vault.desk.throttle, client, account);
}

static bool begin(struct child *child)
{
    vault.child = child;
    vault.desk.patience = child->conf->limits.auth_timeout;
    vault.desk.say = say;
    vault.desk.done = done;
    return load(child, "accounts", child->conf->accounts, PRIVATE_FILE_MAX, parse_accounts)
        && load(child, "credentials", child->conf->credentials, PRIVATE_FILE_MAX, parse_credentials)
        && keys_begin(child) && begin_sasl(child)
        && begin_throttle(child->conf)
        && (desk_begin(&vault.desk, child->loop), true)
        && uv_timer_init(child->loop, &vault.ticks) == 0;
}

static void drain(struct child *child, unsigned seconds)
{
    child_leave_within(child, (uint64_t)seconds * 1000, NULL);
    leave_when_done();
}

int vault_main(void)
{
    static const struct child_role role = {
        .role = ROLE_VAULT, .begin = begin, .peer = on_peer, .drain = drain,
    };

    return child_run(&role);
}
