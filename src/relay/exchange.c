/* exchange.c - X-LINK2STATE as a client, for the owner of the table. */
#include <stdio.h>
#include <stdlib.h>
#include "links/talk.h"
#include "log/log.h"
#include "relay/exchange.h"

struct exchange {
    struct list                  all;
    struct relay                *relay;
    struct channel              *channel;
    uint64_t                     ticket;
    const struct conf_connector *conf;
    struct dial                 *dial;
    struct link                 *link;
    bool                         talking;       /* a payload is on its way, or its answer */
    struct buf                   payload;
    struct talk_client           talk;
};

static void exchange_free(struct exchange *x)
{
    struct relay *relay = x->relay;

    if (x->dial != NULL)
        dial_cancel(x->dial);
    if (x->link != NULL)
        link_drop(x->link);
    list_remove(&x->all);
    talk_client_free(&x->talk);
    buf_free(&x->payload);
    free(x);
    if (list_empty(&relay->jobs))
        relay->empty(relay);
}

static void say(const struct exchange *x, enum fate fate, struct slice payload)
{
    channel_send_msg_exchanged(x->channel, &(struct msg_exchanged){
        .ticket = x->ticket, .fate = (uint8_t)fate, .payload = payload }, -1);
}

static void fail(struct exchange *x, enum fate fate, const char *why)
{
    log_event(EVENT_OUTGOING, LF_TEXT("connector", x->conf->name), LF_STR("state", "failed"),
              LF_STR("why", why));
    say(x, fate, (struct slice){ NULL, 0 });
    exchange_free(x);
}

/* --- talking */

static void send_line(struct exchange *x, struct buf *line)
{
    struct slice text = slice_trim(buf_view(line));

    if (line->full)
        fail(x, FATE_LATER, "no memory");
    else
        link_say(x->link, text);
}

static void begin_talk(struct exchange *x)
{
    struct buf line = BUF(CHUNK_LINE);

    x->talking = true;
    talk_begin(&x->talk, buf_view(&x->payload), &line);
    send_line(x, &line);
    buf_free(&line);
}

static void heard(struct exchange *x, const struct reply_in *r)
{
    struct buf line = BUF(CHUNK_LINE);
    struct slice answer;

    switch (talk_replied(&x->talk, r->code, slice_of(r->text, r->len), &line, &answer)) {
    case TALK_SEND:
        send_line(x, &line);
        break;
    case TALK_DONE:
        x->talking = false;
        say(x, FATE_DONE, answer);
        break;
    case TALK_FAILED:
        fail(x, r->code == 421 ? FATE_LATER : FATE_NEVER,      /* it is there, at any rate */
             "the neighbour refuses, or makes no sense");
        break;
    }
    buf_free(&line);
}

/* --- events */

static void on_link(struct link *link, enum link_event event)
{
    struct exchange *x = link->user;

    if (event == LINK_READY) {
        heard(x, &link->client.reader.reply);
        return;
    }
    x->link = NULL;
    fail(x, FATE_LATER, link->client.problem.text);
}

static void on_dialled(void *user, struct link *link, const struct client_problem *why)
{
    struct exchange *x = user;

    x->dial = NULL;
    x->link = link;
    if (link == NULL) {
        fail(x, FATE_LATER, why->text);
        return;
    }
    link->event = on_link;
    link->user = x;
    if (link->client.offers.flags & HOST_LINK2STATE)
        begin_talk(x);
    else
        fail(x, FATE_NEVER, "the neighbour does not offer X-LINK2STATE to us");
}

/* --- from the queue */

static struct exchange *find(const struct relay *relay, const struct channel *c, uint64_t ticket)
{
    for (struct list *at = relay->exchanges.next; at != &relay->exchanges; at = at->next) {
        struct exchange *x = LIST_OWNER(at, struct exchange, all);

        if (x->ticket == ticket && x->channel == c)
            return x;
    }
    return NULL;
}

static const struct conf_connector *section(const struct conf *conf, struct slice name)
{
    for (size_t i = 0; i < conf->nconnectors; i++)
        if (slice_ieq(conf->connectors[i].name, name))
            return &conf->connectors[i];
    return NULL;
}

static bool keep(struct exchange *x, struct slice payload)
{
    x->payload.max = CHUNK_TOTAL;
    buf_clear(&x->payload);
    return buf_put_slice(&x->payload, payload);
}

static void begin(struct relay *relay, struct channel *channel, const struct msg_exchange *m,
                  const struct conf_connector *conf)
{
    struct dial_to to = { .host = conf->host, .port = conf->port, .tls = conf->tls,
                          .account = conf->account };
    struct exchange *x = calloc(1, sizeof *x);

    if (x == NULL)
        return;
    *x = (struct exchange){ .relay = relay, .channel = channel, .ticket = m->ticket, .conf = conf };
    list_push(&relay->exchanges, &x->all);
    if (keep(x, m->payload))
        x->dial = dial_begin(relay, &to, on_dialled, x);
    if (x->dial == NULL)
        fail(x, FATE_LATER, "no memory, or no question could be asked of the DNS");
}

static void further(struct exchange *x, struct slice payload)
{
    if (payload.n == 0)
        exchange_free(x);
    else if (x->talking || x->link == NULL || x->link->client.stage != STAGE_IDLE)
        fail(x, FATE_LATER, "a payload before the answer to the last one");
    else if (keep(x, payload))
        begin_talk(x);
    else
        fail(x, FATE_LATER, "payload is too large");
}

bool exchange_take(struct relay *relay, struct channel *channel, struct wire *w)
{
    const struct conf_connector *conf;
    struct msg_exchange m;
    struct exchange *x;

    if (!msg_exchange_get(w, &m))
        return false;
    x = find(relay, channel, m.ticket);
    conf = section(relay->conf, m.connector);
    if (x != NULL)
        further(x, m.payload);
    else if (conf != NULL && m.payload.n > 0)
        begin(relay, channel, &m, conf);
    else if (m.payload.n > 0)
        channel_send_msg_exchanged(channel, &(struct msg_exchanged){
            .ticket = m.ticket, .fate = FATE_LATER }, -1);
    return true;
}

void exchange_forget(struct relay *relay, struct channel *channel)
{
    struct list *at = relay->exchanges.next;

    while (at != &relay->exchanges) {
        struct exchange *x = LIST_OWNER(at, struct exchange, all);

        at = at->next;
        if (x->channel == channel)
            exchange_free(x);
    }
}
