/* fetch.c - asking another host for our mail. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "log/log.h"
#include "relay/fetch.h"

struct fetch {
    struct list              all;
    struct relay            *relay;
    struct channel          *channel;
    uint64_t                 ticket;
    const struct conf_fetch *conf;
    struct dial             *dial;
    struct link             *link;
    size_t                   at;        /* ETRN: the next domain */
    enum fate                fate;      /* ETRN: the worst so far */
    char                     text[500];
};

static void fetch_free(struct fetch *f)
{
    struct relay *relay = f->relay;

    if (f->dial != NULL)
        dial_cancel(f->dial);
    if (f->link != NULL)
        link_drop(f->link);
    list_remove(&f->all);
    free(f);
    if (list_empty(&relay->jobs))
        relay->empty(relay);
}

static void answer(struct fetch *f, enum fate fate)
{
    log_event(EVENT_FETCH, LF_TEXT("name", f->conf->name), LF_TEXT("host", f->conf->host_text),
              LF_STR("fate", fate == FATE_DONE ? "done" : fate == FATE_NEVER ? "never" : "later"),
              LF_STR("text", f->text));
    channel_send_msg_fetched(f->channel, &(struct msg_fetched){
        .ticket = f->ticket, .fate = (uint8_t)fate, .text = slice_cstr(f->text) }, -1);
    fetch_free(f);
}

/* keep_words - "453 4.0.0 you have no mail", on one line */

static void keep_words(struct fetch *f, const struct reply_in *r)
{
    snprintf(f->text, sizeof f->text, "%u %.*s", r->code, (int)(r->len < 400 ? r->len : 400),
             r->text);
    for (char *s = f->text; *s; s++)
        if (*s == '\n')
            *s = ' ';
}

static enum fate fate_of(unsigned code)
{
    return code / 100 == 2 ? FATE_DONE : code / 100 == 5 ? FATE_NEVER : FATE_LATER;
}

/* --- ETRN: each domain by its own command */

static void etrn_next(struct fetch *f)
{
    struct slice domain = f->conf->domains.names[f->at++];
    char line[300];

    snprintf(line, sizeof line, "ETRN %.*s", SLICE(slice_first(domain, 280)));
    link_say(f->link, slice_cstr(line));
}

/* "4yz" means this one not, "5yz" that no more should be asked (RFC 1985 §5) */
static void etrn_heard(struct fetch *f, const struct reply_in *r)
{
    enum fate fate = fate_of(r->code);

    if (fate != FATE_DONE || f->at == 1 || f->fate == FATE_DONE)
        keep_words(f, r);
    if (f->at == 1 || fate != FATE_DONE)
        f->fate = fate;
    if (fate != FATE_NEVER && f->at < f->conf->domains.n)
        etrn_next(f);
    else
        answer(f, f->fate);
}

/* --- ATRN, TURN: one command, and the roles change */

static void turn_say(struct fetch *f)
{
    struct buf line = BUF(4096);

    buf_puts(&line, f->conf->verb == FETCH_TURN ? "TURN" : "ATRN");
    for (size_t i = 0; i < f->conf->domains.n && f->conf->verb == FETCH_ATRN; i++) {
        buf_puts(&line, i == 0 ? " " : ",");
        buf_put_slice(&line, f->conf->domains.names[i]);
    }
    link_say(f->link, buf_view(&line));
    buf_free(&line);
}

static void turn_heard(struct fetch *f, const struct reply_in *r)
{
    struct link *link = f->link;
    char host[LINK_HOST];
    int fd;

    keep_words(f, r);
    if (r->code != 250) {
        answer(f, fate_of(r->code));
        return;
    }
    snprintf(host, sizeof host, "%s", link->host);
    f->link = NULL;
    fd = link_give(link);
    if (fd < 0)
        snprintf(f->text, sizeof f->text, "the connection could not be handed on");
    else {
        channel_send_msg_adopt(f->channel, &(struct msg_adopt){ .host = slice_cstr(host) }, fd);
        close(fd);
    }
    answer(f, fd < 0 ? FATE_LATER : FATE_DONE);
}

/* --- events */

static const struct { unsigned offer; const char *keyword; } verbs[] = {
    [FETCH_ATRN] = { HOST_ATRN, "ATRN" }, [FETCH_TURN] = { HOST_TURN, "TURN" },
    [FETCH_ETRN] = { HOST_ETRN, "ETRN" },
};

static void ask(struct fetch *f)
{
    if (!(f->link->client.offers.flags & verbs[f->conf->verb].offer)) {
        snprintf(f->text, sizeof f->text, "the host does not offer %s",
                 verbs[f->conf->verb].keyword);
        answer(f, FATE_NEVER);
    } else if (f->conf->verb == FETCH_ETRN && f->conf->domains.n > 0)
        etrn_next(f);
    else
        turn_say(f);
}

static void on_link(struct link *link, enum link_event event)
{
    struct fetch *f = link->user;

    if (event == LINK_DEAD) {
        f->link = NULL;
        snprintf(f->text, sizeof f->text, "%s", link->client.problem.text);
        answer(f, FATE_LATER);
    } else if (f->conf->verb == FETCH_ETRN)
        etrn_heard(f, &link->client.reader.reply);
    else
        turn_heard(f, &link->client.reader.reply);
}

static void on_dialled(void *user, struct link *link, const struct client_problem *why)
{
    struct fetch *f = user;

    f->dial = NULL;
    f->link = link;
    if (link == NULL) {
        snprintf(f->text, sizeof f->text, "%s", why->text);
        answer(f, FATE_LATER);
        return;
    }
    link->event = on_link;
    link->user = f;
    ask(f);
}

static const struct conf_fetch *section(const struct conf *conf, struct slice name)
{
    for (size_t i = 0; i < conf->nfetches; i++)
        if (slice_eq(conf->fetches[i].name, name))
            return &conf->fetches[i];
    return NULL;
}

static void refuse(struct channel *c, uint64_t ticket, const char *why)
{
    channel_send_msg_fetched(c, &(struct msg_fetched){
        .ticket = ticket, .fate = FATE_LATER, .text = slice_cstr(why) }, -1);
}

static void fetch_start(struct fetch *f)
{
    const struct conf_fetch *c = f->conf;
    struct dial_to to = { .host = c->host, .port = c->port, .tls = c->tls, .account = c->account };

    f->dial = dial_begin(f->relay, &to, on_dialled, f);
    if (f->dial != NULL)
        return;
    snprintf(f->text, sizeof f->text, "no memory, or no question could be asked of the DNS");
    answer(f, FATE_LATER);
}

bool fetch_begin(struct relay *relay, struct channel *channel, struct wire *w)
{
    const struct conf_fetch *conf;
    struct msg_fetch m;
    struct fetch *f;

    if (!msg_fetch_get(w, &m))
        return false;
    conf = section(relay->conf, m.name);
    f = conf != NULL ? calloc(1, sizeof *f) : NULL;
    if (f == NULL) {
        refuse(channel, m.ticket, conf == NULL ? "there is no such section" : "no memory");
        return true;
    }
    *f = (struct fetch){ .relay = relay, .channel = channel, .ticket = m.ticket, .conf = conf };
    list_push(&relay->fetches, &f->all);
    fetch_start(f);
    return true;
}

void fetch_forget(struct relay *relay, struct channel *channel)
{
    struct list *at = relay->fetches.next;

    while (at != &relay->fetches) {
        struct fetch *f = LIST_OWNER(at, struct fetch, all);

        at = at->next;
        if (f->channel == channel)
            fetch_free(f);
    }
}
