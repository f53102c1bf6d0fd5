/* fuzz_client.c - a host that says anything, at any moment, to a client with mail for it.
 *
 * The first byte chooses the dialect and how the rest is cut into pieces.
 */
#include "tests/fuzz/target.h"
#include "relay/client.h"

struct visit {
    struct client      c;
    struct buf         in, out;
    struct arena       arena;
    struct client_rcpt rcpts[3];
    struct client_mail mail;
    unsigned           dots;        /* ends of data that we have sent */
};

static void begin(struct visit *v, unsigned flags)
{
    static const struct slice addresses[] = {
        { "a@b.test", 8 }, { "\"x y\"@b.test", 12 }, { "bad\r\n@b.test", 12 } };

    *v = (struct visit){ .in = BUF(1 << 20), .out = BUF(CLIENT_OUT_MAX), .arena = ARENA(1 << 20) };
    for (size_t i = 0; i < 3; i++)
        v->rcpts[i].address = addresses[i];
    client_begin(&v->c, &(struct client_options){
        .lmtp = flags & 1, .plain = flags & 2, .loops = true, .hostname = SLICE_LIT("us.test"),
        .session = SLICE_LIT("f"), .out = &v->out }, 1000);
}

static void send_one(struct visit *v)
{
    for (size_t i = 0; i < 3; i++)
        v->rcpts[i].decided = v->rcpts[i].accepted = false;
    v->mail = (struct client_mail){
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
    if (v->c.stage == STAGE_IDLE && v->c.sent < 4)
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
    begin(&v, data[0]);
    step = (data[0] >> 2) + 1u;
    for (in = slice_from(in, 1); in.n > 0 && v.c.stage != STAGE_DEAD; in = slice_from(in, step))
        piece(&v, slice_first(in, step));
    client_fail(&v.c, CAUSE_LOST, "");
    must(v.c.stage == STAGE_DEAD && v.c.mail == NULL);
    look_at_fates(&v);
    buf_free(&v.in);
    buf_free(&v.out);
    arena_free(&v.arena);
    return 0;
}
