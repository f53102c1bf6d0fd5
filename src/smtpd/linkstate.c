/* linkstate.c - the server's side of an exchange of link states. */
#include <stdlib.h>
#include "links/talk.h"
#include "smtpd/linkstate.h"

/* How the talk's codes are said. */
static const struct { unsigned code; enum reply_id id; } sayings[] = {
    { 200, REPLY_LINKSTATE },    { 451, REPLY_LOCAL_TROUBLE }, { 501, REPLY_BAD_ARGUMENTS },
    { 503, REPLY_OUT_OF_ORDER }, { 552, REPLY_TOO_BIG },
};

static enum reply_id saying(unsigned code)
{
    for (size_t i = 0; i < sizeof sayings / sizeof sayings[0]; i++)
        if (sayings[i].code == code)
            return sayings[i].id;
    return REPLY_LOCAL_TROUBLE;
}

static unsigned say(const struct talk_turn *turn, struct reply *r)
{
    enum reply_id id = saying(turn->code);

    reply_add(r, id, "%.*s", SLICE(turn->text));
    return id;
}

static unsigned ask(struct session *s, struct slice payload)
{
    const struct server *server = s->server;
    uint64_t ticket = server->world->linkstate != NULL
                      ? server->world->linkstate(server->ctx, s, payload) : 0;

    if (ticket == 0)
        return REPLY_LOCAL_TROUBLE;
    session_ask(s, ticket, WORLD_PATIENCE, NULL);
    return REPLY_NONE;
}

unsigned on_link2state(struct session *s, struct slice args, struct reply *r)
{
    struct buf line = BUF(REPLY_LINE);
    struct talk_turn turn;
    unsigned id;

    if (s->linkstate == NULL && (s->linkstate = calloc(1, sizeof *s->linkstate)) == NULL)
        return REPLY_LOCAL_TROUBLE;
    turn = talk_heard(s->linkstate, args, &line);
    id = turn.next == TALK_ASK ? ask(s, turn.payload) : say(&turn, r);
    buf_free(&line);
    return id;
}

void session_linkstate(struct session *s, uint64_t ticket, enum fate fate, struct slice answer)
{
    static struct reply r;
    struct buf line = BUF(REPLY_LINE);
    struct talk_turn turn;

    if (!session_answered(s, ticket))
        return;
    r = (struct reply){ .id = REPLY_BAD_ARGUMENTS };
    if (fate != FATE_NEVER) {
        turn = talk_answer(s->linkstate, fate == FATE_DONE ? answer : (struct slice){ 0 }, &line);
        r.id = saying(turn.code);
        reply_add(&r, r.id, "%.*s", SLICE(turn.text));
    }
    buf_free(&line);
    session_say_reply(s, &r);
}

void linkstate_end(struct session *s)
{
    if (s->linkstate != NULL)
        talk_server_free(s->linkstate);
    free(s->linkstate);
    s->linkstate = NULL;
}
