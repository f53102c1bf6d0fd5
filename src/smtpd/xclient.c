/* xclient.c - attributes, each a row: what may stand there, and what it changes. */
#include <stdlib.h>
#include "base/utf8.h"
#include "smtpd/xclient.h"

enum { VALUE_MAX = 255 };

/* An attribute as it came, and what it means. */
struct attribute {
    struct slice name, text;    /* text: as it came, in xtext */
    struct slice value;         /* decoded; empty: not known */
};

/* What XCLIENT says; set by the rows' functions, taken over when all were right. */
struct claim {
    struct ip    client;
    struct slice name, login;
    bool         has_client, has_name, has_login;
};

typedef bool take_f(struct claim *c, struct slice value);

/* address_read - "192.0.2.1", "IPV6:2001:db8::1"; empty: nobody knows */

static bool address_read(struct slice value, struct ip *ip)
{
    static const struct slice tag = SLICE_INIT("IPV6:");
    bool six = slice_istarts(value, tag);

    *ip = (struct ip){ 0 };
    if (value.n == 0)
        return true;
    return ip_parse(six ? slice_from(value, tag.n) : value, ip) && (!six || ip->family == 6);
}

static bool take_address(struct claim *c, struct slice value)
{
    c->has_client = true;
    return address_read(value, &c->client);
}

static bool take_name(struct claim *c, struct slice value)
{
    c->has_name = true;
    c->name = value;
    return value.n == 0 || helo_valid(value);
}

static bool take_login(struct claim *c, struct slice value)
{
    c->has_login = true;
    c->login = value;
    return true;
}

static bool take_port(struct claim *c, struct slice value)
{
    uint64_t port = 1;

    (void)c;
    return value.n == 0 || (slice_u64(value, &port) && port > 0 && port <= UINT16_MAX);
}

static bool take_protocol(struct claim *c, struct slice value)
{
    (void)c;
    return value.n == 0 || slice_ieq(value, SLICE_LIT("SMTP")) || slice_ieq(value, SLICE_LIT("ESMTP"));
}

static bool take_target(struct claim *c, struct slice value)
{
    struct ip ip;

    (void)c;
    return address_read(value, &ip);
}

static bool take_text(struct claim *c, struct slice value)
{
    (void)c;
    (void)value;
    return true;
}

static bool take_source(struct claim *c, struct slice value)
{
    (void)c;
    return value.n == 0 || slice_ieq(value, SLICE_LIT("LOCAL")) || slice_ieq(value, SLICE_LIT("REMOTE"));
}

struct row {
    struct slice name;
    take_f      *take;
};

static const struct row xclient_rows[] = {
    { SLICE_INIT("NAME"),  take_name },     { SLICE_INIT("ADDR"),  take_address },
    { SLICE_INIT("PORT"),  take_port },     { SLICE_INIT("PROTO"), take_protocol },
    { SLICE_INIT("HELO"),  take_text },     { SLICE_INIT("LOGIN"), take_login },
    { SLICE_INIT("DESTADDR"), take_target }, { SLICE_INIT("DESTPORT"), take_port },
};

static const struct row xforward_rows[] = {
    { SLICE_INIT("NAME"),  take_text },     { SLICE_INIT("ADDR"),  take_target },
    { SLICE_INIT("PORT"),  take_port },     { SLICE_INIT("PROTO"), take_text },
    { SLICE_INIT("HELO"),  take_text },     { SLICE_INIT("IDENT"), take_text },
    { SLICE_INIT("SOURCE"), take_source },
};

enum {
    XCLIENT_ROWS  = sizeof xclient_rows / sizeof xclient_rows[0],
    XFORWARD_ROWS = sizeof xforward_rows / sizeof xforward_rows[0],
};

/* value_read - what the text stands for, in `room`; "[UNAVAILABLE]" and
 * "[TEMPUNAVAIL]" stand for nothing */

static bool value_read(struct attribute *a, struct arena *room)
{
    if (a->text.n == 0 || a->text.n > VALUE_MAX || !xtext_valid(a->text))
        return false;
    if (slice_ieq(a->text, SLICE_LIT("[UNAVAILABLE]")) || slice_ieq(a->text, SLICE_LIT("[TEMPUNAVAIL]")))
        return true;
    a->value = xtext_decode(a->text, room);
    return !room->spent;
}

static const struct row *row_find(const struct row *rows, size_t n, struct slice name)
{
    for (size_t i = 0; i < n; i++)
        if (slice_ieq(rows[i].name, name))
            return &rows[i];
    return NULL;
}

/* attribute_next - the next of *args; false at the end, or when it is wrong (*ok) */

static bool attribute_next(struct slice *args, struct attribute *a, struct arena *room, bool *ok)
{
    struct slice word = { 0 };

    while (args->n > 0 && word.n == 0)
        slice_cut(*args, ' ', &word, args);
    *a = (struct attribute){ 0 };
    *ok = word.n == 0 || (slice_cut(word, '=', &a->name, &a->text) && value_read(a, room));
    return word.n > 0 && *ok;
}

static bool claim_read(const struct row *rows, size_t n, struct slice args, struct arena *room,
                       struct claim *c)
{
    const struct row *row;
    struct attribute a;
    bool ok;

    *c = (struct claim){ 0 };
    while (attribute_next(&args, &a, room, &ok)) {
        row = row_find(rows, n, a.name);
        if (row == NULL || !row->take(c, a.value))
            return false;
    }
    return ok;
}

static bool keep(struct slice *to, struct slice text)
{
    char *copy = text.n > 0 ? malloc(text.n) : NULL;

    if (text.n > 0 && copy == NULL)
        return false;
    if (copy != NULL)
        memcpy(copy, text.p, text.n);
    free((char *)(uintptr_t)to->p);
    *to = slice_of(copy, text.n);
    return true;
}

/* login_take - whoever logged in as itself did not log in for the client that it names */

static bool login_take(struct session *s, const struct claim *c)
{
    if (!c->has_login && (s->claimed || s->account.n == 0))
        return true;
    s->claimed = c->login.n > 0;
    return keep(&s->account, c->has_login ? c->login : (struct slice){ 0 });
}

/* client_take - who hands the connection to somebody of whom nothing is known (a reversed
 * one, postrider fetch) speaks no more itself: its own rights end with that */

static void client_take(struct session *s, const struct ip *client)
{
    s->client = *client;
    if (client->family == 0)
        s->peer = *client;
}

unsigned on_xclient(struct session *s, struct slice args, struct reply *r)
{
    struct arena room = ARENA(16 << 10);
    struct claim c;
    enum reply_id id = REPLY_GREETING;

    if (args.n == 0 || !claim_read(xclient_rows, XCLIENT_ROWS, args, &room, &c))
        id = REPLY_BAD_ARGUMENTS;
    else if ((c.has_name && !keep(&s->name, c.name)) || !login_take(s, &c))
        id = REPLY_LOCAL_TROUBLE;
    if (id == REPLY_GREETING) {
        if (c.has_client)
            client_take(s, &c.client);
        s->trusted = conf_trusts(s->server->conf, &s->client);
        session_renew(s);
        reply_add(r, id, "%.*s ESMTP Postrider", SLICE(s->server->conf->hostname));
    }
    arena_free(&room);
    return id;
}

/* ----------------------------------------------------------------- XFORWARD -- */

/* forwarded - the text of an attribute in a list of them; empty: it is not there */

static struct slice forwarded(struct slice list, struct slice name)
{
    struct slice word, key, text, found = { 0 };

    while (list.n > 0) {
        slice_cut(list, ' ', &word, &list);
        slice_cut(word, '=', &key, &text);
        if (slice_ieq(key, name))
            found = text;
    }
    return found;
}

/* on_xforward - several commands add up, until the message */

unsigned on_xforward(struct session *s, struct slice args, struct reply *r)
{
    struct arena room = ARENA(16 << 10);
    struct buf all = BUF(XFORWARD_ROWS * (VALUE_MAX + 16));
    struct claim c;
    bool ok = args.n > 0 && claim_read(xforward_rows, XFORWARD_ROWS, args, &room, &c);

    (void)r;
    for (size_t i = 0; ok && i < XFORWARD_ROWS; i++) {
        struct slice name = xforward_rows[i].name, text = forwarded(args, name);

        if (text.n == 0)
            text = forwarded(s->xforward, name);
        if (text.n > 0)
            buf_printf(&all, "%s%.*s=%.*s", all.n > 0 ? " " : "", SLICE(name), SLICE(text));
    }
    arena_free(&room);
    if (ok)
        ok = !all.full && keep(&s->xforward, buf_view(&all));
    buf_free(&all);
    return ok ? REPLY_OK : REPLY_BAD_ARGUMENTS;
}
