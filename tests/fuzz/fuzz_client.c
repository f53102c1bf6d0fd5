/* fuzz_client.c - a host that says anything, at any moment, to a client with mail for it.
 *
 * The first byte chooses the dialect and how the rest is cut into pieces, the last one
 * what we want of the host: TLS, a login, what a peer gets, and parameters.
 */
#include "tests/fuzz/target.h"
#include "relay/client.h"

struct visit {
    struct client      c;
    struct buf         in, out;
    struct arena       arena;
    struct client_rcpt rcpts[3];
    struct client_mail mail;
    struct buf         extra;       /* of the message, and of each recipient */
    unsigned           wants;
    unsigned           dots;        /* ends of data that we have sent */
    unsigned           answers;     /* of the vault */
};

enum { WANT_TLS = 1, WANT_LOGIN = 2, WANT_PEER = 4, WANT_BINARY = 8, WANT_UTF8 = 16, WANT_ALL = 32,
       WANT_REQUIRED = 64 };

/* on_login - a vault that answers at once, later, and no */

static void on_login(void *user, enum client_ask ask, struct slice data)
{
    struct visit *v = user;

    (void)data;
    if (ask == CLIENT_ASK_CANCEL || ++v->answers % 5 == 0)
        return;
    if (v->answers % 5 == 4)
        client_login_end(&v->c, FATE_LATER, SLICE_LIT("no"), 2000);
    else
        client_login_say(&v->c, SLICE_LIT("PLAIN"), v->answers % 2, SLICE_LIT("x"), 2000);
    client_login_end(&v->c, FATE_DONE, SLICE_LIT(""), 2000);
}

static void put_extras(struct visit *v)
{
    static const struct { enum envelope_extra name; struct slice value; } all[] = {
        { EXTRA_RET, { "HDRS", 4 } },           { EXTRA_ENVID, { "Q+2B", 4 } },
        { EXTRA_AUTH, { "a@b", 3 } },           { EXTRA_BY, { "1000000 N", 9 } },
        { EXTRA_HOLD, { "1000000", 7 } },       { EXTRA_PRIORITY, { "3", 1 } },
        { EXTRA_SOLICIT, { "a.b:C", 5 } },      { EXTRA_XEXCH50, { "\2\0\0\0blob\r\n", 10 } },
        { EXTRA_NOTIFY, { "SUCCESS", 7 } },     { EXTRA_ORCPT, { "rfc822;a", 8 } },
        { EXTRA_RRVS, { "86400 C", 7 } },       { EXTRA_LINKPATH, { "a.test", 6 } },
    };
    struct wire w = wire_writer(&v->extra);

    for (size_t i = 0; i < sizeof all / sizeof *all && (v->wants & WANT_ALL); i++)
        extra_put(&w, all[i].name, all[i].value);
}

static void begin(struct visit *v, unsigned flags, unsigned wants)
{
    static const struct slice addresses[] = {
        { "a@b.test", 8 }, { "\"x y\"@b.test", 12 }, { "bad\r\n@b.test", 12 } };

    *v = (struct visit){ .in = BUF(1 << 20), .out = BUF(CLIENT_OUT_MAX), .arena = ARENA(1 << 20), .extra = BUF(1 << 16),
                         .wants = wants };
    put_extras(v);
    for (size_t i = 0; i < 3; i++)
        v->rcpts[i].address = addresses[i];
    client_begin(&v->c, &(struct client_options){
        .lmtp = flags & 1, .plain = flags & 2, .loops = true, .hostname = SLICE_LIT("us.test"),
        .xforward = wants & WANT_PEER, .xexch50 = wants & WANT_PEER,
        .tls = wants & WANT_TLS ? wants & WANT_REQUIRED ? TLS_POLICY_REQUIRE
                                : TLS_POLICY_OPPORTUNISTIC : TLS_POLICY_NONE,
        .account = { "hub", wants & WANT_LOGIN ? 3 : 0 }, .login = on_login, .login_user = v,
        .session = SLICE_LIT("f"), .out = &v->out }, 1000);
}

static void send_one(struct visit *v)
{
    for (size_t i = 0; i < 3; i++) {
        v->rcpts[i].decided = v->rcpts[i].accepted = false;
        v->rcpts[i].extra = buf_view(&v->extra);
    }
    v->mail = (struct client_mail){
        .extra = buf_view(&v->extra), .protocol = SLICE_LIT("ESMTP"), .from_ip = SLICE_LIT("192.0.2.1"),
        .flags = (v->wants & WANT_BINARY ? ENV_BINARY : 0) | (v->wants & WANT_UTF8 ? ENV_UTF8 | ENV_8BIT : 0),
        .arena = &v->arena, .sender = SLICE_LIT("s@a.test"), .rcpts = v->rcpts, .nrcpts = 3,
        .text = { .body = SLICE_LIT("Hi\r\n.\r\n"), .size = 7 },
    };
    v->dots = 0;
    client_send(&v->c, &v->mail, 1000);
}

/* What goes out has CRLF lines only; the end of a text is counted. */
static void look_at_output(struct visit *v)
{
    struct slice out = buf_view(&v->out);

    for (size_t i = 0; i < out.n; i++) {
        must(out.p[i] != '\0');
        must(out.p[i] != '\n' || (i > 0 && out.p[i - 1] == '\r'));
        must(out.p[i] != '\r' || (i + 1 < out.n && out.p[i + 1] == '\n'));
        if (i >= 2 && memcmp(out.p + i - 2, ".\r\n", 3) == 0 && (i == 2 || out.p[i - 3] == '\n'))
            v->dots++;
        if (i >= 6 && memcmp(out.p + i - 6, " LAST\r\n", 7) == 0)
            v->dots++;
    }
    buf_clear(&v->out);
}

/* Done is said only after the whole text was sent, and only by a 2xx. */
static void look_at_fates(const struct visit *v)
{
    for (size_t i = 0; i < 3; i++) {
        const struct client_rcpt *r = &v->rcpts[i];

        must(!r->decided || r->fate != FATE_DONE || (r->code / 100 == 2 && v->dots > 0));
        must(!r->decided || r->fate != FATE_NEVER || r->code == 0 || r->code / 100 == 5);
        must(!r->decided || r->code != 421 || r->fate == FATE_LATER);
    }
}

static void piece(struct visit *v, struct slice bytes)
{
    size_t used;

    must(buf_put_slice(&v->in, bytes));
    client_input(&v->c, buf_view(&v->in), &used, 2000);
    must(used <= v->in.n);
    buf_drop(&v->in, used);
    look_at_output(v);
    look_at_fates(v);
    if (v->c.stage == STAGE_SECURE)
        client_secured(&v->c, v->wants & WANT_REQUIRED, 2000);
    if (v->c.stage == STAGE_IDLE && v->c.sent == 3)
        client_say(&v->c, SLICE_LIT("ETRN a.test"), 2000);
    else if (v->c.stage == STAGE_IDLE && v->c.sent < 4)
        send_one(v);
    look_at_output(v);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct visit v;
    struct slice in = target_input(data, size);
    size_t step;

    if (size == 0)
        return 0;
    begin(&v, data[0], data[size - 1]);
    step = (data[0] >> 2) + 1u;
    for (in = slice_from(in, 1); in.n > 0 && v.c.stage != STAGE_DEAD; in = slice_from(in, step))
        piece(&v, slice_first(in, step));
    client_fail(&v.c, CAUSE_LOST, "");
    must(v.c.stage == STAGE_DEAD && v.c.mail == NULL);
    look_at_fates(&v);
    buf_free(&v.in);
    buf_free(&v.out);
    buf_free(&v.extra);
    arena_free(&v.arena);
    return 0;
}
