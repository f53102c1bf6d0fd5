/* talk.c - whose turn it is in an exchange, and with what. */
#include "links/talk.h"

static const struct slice MORE = SLICE_INIT("MORE");

/* -------------------------------------------------------------- server -- */

static const char *const refusals[CHUNK_RESULTS] = {
    [CHUNK_SYNTAX]    = "Not a chunk, or its length is not that of its data",
    [CHUNK_TOO_LONG]  = "Chunk too long",
    [CHUNK_ORDER]     = "Send FIRST, or LAST alone",
    [CHUNK_TOO_BIG]   = "Too much link state",
    [CHUNK_NO_MEMORY] = "Out of memory, try again later",
};

static struct talk_turn say(unsigned code, const char *text, struct buf *line)
{
    buf_clear(line);
    buf_puts(line, text);
    return (struct talk_turn){ .code = code, .text = buf_view(line) };
}

static struct talk_turn say_chunk(struct talk_server *t, struct buf *line)
{
    buf_clear(line);
    if (chunk_put(&t->out, CHUNK_REPLY, line))
        t->out = (struct chunk_out){ 0 };
    return (struct talk_turn){ .code = 200, .text = buf_view(line) };
}

struct talk_turn talk_heard(struct talk_server *t, struct slice argument, struct buf *line)
{
    struct slice payload = { 0 };
    enum chunk_result r = chunk_take(&t->in, argument, &payload);

    if (r == CHUNK_MORE)
        return say(200, "NEXT", line);
    if (r != CHUNK_WHOLE)
        return say(chunk_code(r), refusals[r], line);
    if (!slice_eq(payload, MORE))
        return (struct talk_turn){ .next = TALK_ASK, .payload = payload };
    if (t->out.rest.n == 0)
        return say(503, "There is no more", line);
    return say_chunk(t, line);
}

struct talk_turn talk_answer(struct talk_server *t, struct slice answer, struct buf *line)
{
    buf_clear(&t->answer);
    t->answer.max = CHUNK_TOTAL;
    t->out = (struct chunk_out){ 0 };
    if (answer.n == 0 || !buf_put_slice(&t->answer, answer))
        return say(451, "No answer now, try again later", line);
    t->out.rest = buf_view(&t->answer);
    return say_chunk(t, line);
}

void talk_server_free(struct talk_server *t)
{
    chunk_in_free(&t->in);
    buf_free(&t->answer);
    *t = (struct talk_server){ 0 };
}

/* -------------------------------------------------------------- client -- */

static void command(struct talk_client *t, struct buf *line)
{
    buf_puts(line, "X-LINK2STATE ");
    chunk_put(&t->out, CHUNK_DATA, line);
    buf_puts(line, "\r\n");
}

void talk_begin(struct talk_client *t, struct slice payload, struct buf *line)
{
    t->out = (struct chunk_out){ .rest = payload };
    t->waiting = true;
    command(t, line);
}

static enum talk_client_next fail(struct talk_client *t)
{
    t->waiting = false;
    return TALK_FAILED;
}

/* on_chunk - a piece of the answer; fetch the next one if there is more */

static enum talk_client_next on_chunk(struct talk_client *t, struct slice text, struct buf *line,
                                      struct slice *answer)
{
    switch (chunk_take(&t->in, text, answer)) {
    case CHUNK_WHOLE:
        t->waiting = false;
        return TALK_DONE;
    case CHUNK_MORE:
        talk_begin(t, MORE, line);
        return TALK_SEND;
    default:
        return fail(t);
    }
}

enum talk_client_next talk_replied(struct talk_client *t, unsigned code, struct slice text,
                                   struct buf *line, struct slice *answer)
{
    bool sending = t->out.rest.n > 0;

    if (code != 200 || !t->waiting || slice_ieq(text, SLICE_LIT("NEXT")) != sending)
        return fail(t);
    if (!sending)
        return on_chunk(t, text, line, answer);
    command(t, line);
    return TALK_SEND;
}

void talk_client_free(struct talk_client *t)
{
    chunk_in_free(&t->in);
    *t = (struct talk_client){ 0 };
}
