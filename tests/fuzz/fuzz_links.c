/* fuzz_links.c - lines of X-LINK2STATE both ways, payloads, and a node that hears them. */
#include "tests/fuzz/target.h"
#include "links/node.h"
#include "links/talk.h"

#define WALL ((int64_t)1790000000000)

static const struct slice SELF = SLICE_INIT("a.test");

/* each line of the input is a command; what is whole is asked of a node */

static void session(struct slice in, struct links_node *node)
{
    struct talk_server s = { 0 };
    struct buf line = BUF(CHUNK_LINE), answer = BUF(LINKS_TABLE + 8);
    struct slice argument;

    while (in.n > 0) {
        struct talk_turn turn;

        slice_cut(in, '\n', &argument, &in);
        turn = talk_heard(&s, argument, &line);
        if (turn.next == TALK_ASK) {
            must(turn.payload.n > 0 && turn.payload.n <= CHUNK_TOTAL);
            buf_clear(&answer);
            links_heard(node, turn.payload, 0, WALL, &answer);
            turn = talk_answer(&s, buf_view(&answer), &line);
        }
        must(turn.next == TALK_REPLY && turn.code >= 200 && turn.text.n > 0);
        must(turn.text.n + sizeof "200 \r\n" - 1 <= CHUNK_LINE);
    }
    talk_server_free(&s);
    buf_free(&line);
    buf_free(&answer);
}

/* client - each line of the input is a reply, and what comes of it an answer */

static void client(struct slice in, struct links_node *node)
{
    struct talk_client c = { 0 };
    struct buf line = BUF(CHUNK_LINE), payload = BUF(LINKS_TABLE + 8);
    struct slice b = links_due(node, 0), text, answer = { 0 };
    enum talk_client_next next = TALK_SEND;

    must(links_ask(node, &payload));
    talk_begin(&c, buf_view(&payload), &line);
    while (in.n > 0 && next == TALK_SEND) {
        must(!line.full && line.n <= CHUNK_LINE);
        buf_clear(&line);
        slice_cut(in, '\n', &text, &in);
        next = talk_replied(&c, 200, text, &line, &answer);
        if (next != TALK_DONE)
            continue;
        buf_clear(&payload);
        if (links_asked(node, b, LINKS_EXCHANGED, answer, 0, WALL, &payload)) {
            talk_begin(&c, buf_view(&payload), &line);
            next = TALK_SEND;
        }
    }
    talk_client_free(&c);
    buf_free(&line);
    buf_free(&payload);
}

static void payload(struct slice in, struct links_node *node)
{
    struct buf answer = BUF(LINKS_TABLE + 8);
    struct payload p = payload_parse(in);
    struct links_hop hop;

    must(links_heard(node, in, 0, WALL, &answer)
         == (p.verb == PAYLOAD_DIGEST || p.verb == PAYLOAD_TABLE));
    must(answer.n == 0 || payload_parse(buf_view(&answer)).verb != PAYLOAD_BAD);
    must(slice_eq(link_table_find(links_table(node), SELF)->name, SELF));
    /* whatever it said about us, ours is the truth */
    hop = links_route(node, SELF, NULL, 0);
    must(hop.way == LINKS_HERE);
    hop = links_route(node, SLICE_LIT("c.test"), &SELF, 1);
    must(hop.way != LINKS_VIA || hop.link != NULL);
    links_advance(node, 10000, WALL);
    must(links_heard(node, in, 10000, WALL, &answer) == (p.verb == PAYLOAD_DIGEST || p.verb == PAYLOAD_TABLE));
    buf_free(&answer);
}

static struct links_node *node_new(void)
{
    static const struct links_settings s = LINKS_USUAL;
    const struct links_connector b = { .name = SLICE_LIT("b.test"), .to = SLICE_LIT("b.test"), .cost = 1 };
    struct links_node *node = links_new(SELF, &s, 0, WALL);

    must(node != NULL && links_configure(node, &s, &SELF, 1, &b, 1, 0, WALL));
    return node;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice in = target_input(data, size);
    struct links_node *node = node_new();

    session(in, node);
    payload(in, node);
    client(in, node);
    links_free(node);
    return 0;
}
