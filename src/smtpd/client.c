/* client.c - the events of one connection, and its limits.
 *
 * Everything that came in one piece is worked off before anything is written,
 * so a pipelined group is answered with one write. A client that does not
 * take its replies is not read from.
 */
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include "log/log.h"
#include "smtpd/client.h"
#include "smtpd/desk.h"
#include "smtpd/intake.h"
#include "smtpd/secure.h"

enum {
    IN_MAX  = STREAM_IN_MAX,
    ENOUGH  = IN_MAX / 2,   /* bytes waiting for a session that waits: read no more yet */
    OUT_MAX = 1 << 20,
};

/* ------------------------------------------------------------ the two ends -- */

static void begin(struct client *c, const struct conf_listen *listen, bool early);

static void client_finish(struct client *c)
{
    if (c->over)
        return;
    c->over = true;
    if (c->session.last == REPLY_BYE && !c->session.input_waiting)
        stream_end(&c->stream);
    else
        stream_finish(&c->stream);
}

static void client_cut(struct client *c)
{
    c->over = true;
    stream_close(&c->stream);
}

static void log_end(const struct client *c)
{
    const struct session *s = &c->session;
    const char *how = c->stream.error != 0 ? strerror(c->stream.error)
                    : s->last == REPLY_BYE ? "quit" : s->last != 0 ? "ended by us" : "left";

    log_event(EVENT_DISCONNECT, LF_ID("session", s->number), LF_STR("how", how),
              LF_NUM("accepted", s->accepted), LF_NUM("refused", s->refused),
              LF_NUM("ms", s->server->mono - s->began));
}

static void on_closed(struct stream *stream)
{
    struct client *c = stream->user;
    struct smtpd *d = c->smtpd;

    log_end(c);
    census_leave(&d->census, &c->counted);
    if (c->session.turn != 0)
        desk_turn_over(d, c->session.turn);
    if (c->greet_at != 0)
        d->ngreeting--;
    commits_forget(&d->commits, &c->session);
    session_end(&c->session);
    map_take(&d->by_number, slice_of((char *)&c->session.number, sizeof c->session.number));
    list_remove(&c->link);
    free(c);
    smtpd_left(d);
}

/* --------------------------------------------------------------------- TLS -- */

static void log_insecure(const struct client *c, const char *why)
{
    log_event(EVENT_INSECURE, LF_ID("session", c->session.number), LF_STR("why", why));
}

/* secure_begin - after 220, or at once at a port of TLS alone */

static void secure_begin(struct client *c)
{
    struct tls_server *tls = certificates_of(&c->smtpd->certificates,
                                             listener_of(c->smtpd, &c->session));

    c->secure_by = c->session.server->mono + c->session.server->conf->limits.tls_timeout;
    if (tls != NULL && stream_tls_server(&c->stream, tls) == STREAM_TLS_BEGUN)
        return;
    log_insecure(c, tls != NULL ? "plain text instead of TLS" : "no certificate");
    client_cut(c);
}

static void secure_done(struct client *c)
{
    struct tls_info info = { .version = "TLS", .cipher = "?" };
    bool greeting = c->session.stage == S_GREETING;
    char note[128];
    int n;

    stream_tls_info(&c->stream, &info);
    n = snprintf(note, sizeof note, "%s %s", info.version, info.cipher);
    c->secure_by = 0;
    log_event(EVENT_SECURE, LF_ID("session", c->session.number), LF_STR("version", info.version),
              LF_STR("cipher", info.cipher), LF_NUM("bits", info.bits),
              LF_NUM("resumed", info.resumed), LF_STR("name", info.name));
    session_secured(&c->session, slice_of(note, (size_t)n));
    if (greeting)
        begin(c, c->session.listen, false);
    else
        client_go(c);
}

static void secure_failed(struct client *c)
{
    if (c->secure_by != 0)
        log_insecure(c, stream_error_text(&c->stream));
    client_cut(c);
}

/* ---------------------------------------------------------------- the loop -- */

/* work - give the session what there is; was any of it used? */

static bool work(struct client *c)
{
    size_t n = session_input(&c->session, buf_view(&c->stream.in));

    buf_drop(&c->stream.in, n);
    stream_flush(&c->stream);
    return n > 0 && c->stream.in.n > 0 && stream_pending(&c->stream) == 0;
}

static void set_reading(struct client *c)
{
    if (stream_pending(&c->stream) > 0) {
        stream_pause(&c->stream);
        if (c->stuck == 0)
            c->stuck = c->session.server->mono;
    } else {
        c->stuck = 0;
        if (c->session.wait != WAIT_CLIENT && c->stream.in.n >= ENOUGH)
            stream_pause(&c->stream);
        else
            stream_read(&c->stream);
    }
}

void client_go(struct client *c)
{
    if (c->over || c->secure_by != 0)
        return;
    /* what waits unsent may be an answer from elsewhere: what came behind the message that it
     * is about has its turn now, and both go out together */
    if (!stream_blocked(&c->stream) || c->stream.in.n == 0)
        while (work(c))
            ;
    stream_flush(&c->stream);
    if (c->session.wait == WAIT_TURN && stream_pending(&c->stream) == 0)
        desk_go(c);
    else if (session_ended(&c->session) || (c->eof && session_rests(&c->session)))
        client_finish(c);
    else if (c->session.wait == WAIT_SECURE)
        secure_begin(c);
    else
        set_reading(c);
}

static void on_event(struct stream *stream, enum stream_event event)
{
    struct client *c = stream->user;

    server_now(&c->smtpd->server);
    if (event == STREAM_FAILED) {
        secure_failed(c);
        return;
    }
    if (event == STREAM_EOF)
        c->eof = true;
    if (event == STREAM_SECURE)
        secure_done(c);
    else
        client_go(c);
}

/* --------------------------------------------------------------------- time -- */

static void secure_tick(struct client *c, int64_t now)
{
    if (now <= c->secure_by && !session_ended(&c->session))
        return;
    log_insecure(c, "the handshake took too long");
    client_cut(c);
}

void client_tick(struct client *c)
{
    int64_t now = c->session.server->mono;

    if (c->handover != NULL)
        handover_tick(c);
    if (c->over)
        return;
    if (c->secure_by != 0) {
        secure_tick(c, now);
        return;
    }
    if (c->stuck != 0 && now - c->stuck > c->session.server->conf->limits.command_timeout) {
        client_cut(c);
        return;
    }
    session_tick(&c->session);
    client_go(c);
}

void client_greet(struct client *c)
{
    if (c->over || c->greet_at == 0 || c->greet_at > c->session.server->mono)
        return;
    c->greet_at = 0;
    c->smtpd->ngreeting--;
    session_greet(&c->session, false);
    client_go(c);
}

/* ---------------------------------------------------------------- beginning -- */

/* enter - count it in; false: it is one connection too many. Counted first and
 * asked then, so that two processes cannot both take the last place. */

static bool enter(struct smtpd *d, const struct ip *peer)
{
    const struct conf *conf = d->server.conf;

    if (d->census.head == NULL)
        return d->nclients < conf->limits.connections;
    census_enter(&d->census, peer);
    if (census_total(&d->census) <= conf->limits.connections
        && census_of(&d->census, peer) <= conf->limits.connections_per_client)
        return true;
    census_leave(&d->census, peer);
    return false;
}

void client_turn_away(int fd, const struct ip *peer)
{
    static const struct reply reply = { .id = REPLY_TOO_MANY_CONNECTIONS };
    struct buf out = BUF(512);
    char text[IP_TEXT];

    count_add(connections_refused, 1);
    log_event(EVENT_REFUSE, LF_STR("client", ip_text(peer, text)),
              LF_STR("why", "too many connections"));
    reply_write(&out, &reply, true);
    (void)!send(fd, buf_view(&out).p, out.n, MSG_DONTWAIT | MSG_NOSIGNAL);
    buf_free(&out);
    close(fd);
}

/* talks_early - a client must wait for the greeting (A027) */

static bool talks_early(int fd)
{
    char octet;

    return recv(fd, &octet, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

static void client_begin(struct client *c, const struct conf_listen *listen, bool early)
{
    if (listen->tls == LISTEN_TLS_IMPLICIT)
        secure_begin(c);
    else
        begin(c, listen, early);
}

static void begin(struct client *c, const struct conf_listen *listen, bool early)
{
    if (early) {
        session_greet(&c->session, true);
    } else if (listen->greet_delay > 0) {
        c->greet_at = c->session.server->mono + listen->greet_delay;
        c->smtpd->ngreeting++;
        smtpd_greeting(c->smtpd);
    } else {
        session_greet(&c->session, false);
    }
    client_go(c);
}

/* place - of a body that lies in shared memory */

static char *place(struct stream *stream, size_t *room)
{
    const struct client *c = stream->user;

    return intake_place(&c->session, room);
}

typedef bool stream_open_f(struct stream *s, uv_loop_t *loop, int fd, size_t in_max, size_t out_max,
                           stream_event_f *event, stream_closed_f *closed, void *user);

/* client_open - count it, name it, and take the connection; false: it is turned away, or
 * closing */

static struct client *client_open(struct smtpd *d, const struct conf_listen *listen, int fd,
                                  const struct ip *client, stream_open_f *open)
{
    struct client *c = calloc(1, sizeof *c);

    if (c == NULL || !enter(d, client)) {
        client_turn_away(fd, client);
        free(c);
        return NULL;
    }
    c->smtpd = d;
    c->counted = *client;
    session_begin(&c->session, &d->server, listen, client, &c->stream.out,
                  id_next(&d->numbers, d->server.wall), c);
    list_push(&d->clients, &c->link);
    map_put(&d->by_number, c);
    d->nclients++;
    count_add(connections, 1);
    if (!open(&c->stream, d->child->loop, fd, IN_MAX, OUT_MAX, on_event, on_closed, c)) {
        c->over = true;
        return NULL;
    }
    c->stream.place = place;
    return c;
}

void client_new(struct smtpd *d, const struct conf_listen *listen, int fd,
                const struct ip *peer, const struct ip *behind)
{
    bool early = talks_early(fd);
    struct client *c;
    char text[IP_TEXT];

    server_now(&d->server);
    c = client_open(d, listen, fd, behind != NULL ? behind : peer,
                    peer->family != 0 ? stream_accepted : stream_open);
    if (c == NULL)
        return;
    log_event(EVENT_CONNECT, LF_ID("session", c->session.number),
              LF_STR("client", ip_text(&c->session.client, text)),
              LF_TEXT("listener", listen->address));
    client_begin(c, listen, early);
}

static const struct conf_listen *first_mx(const struct conf *conf)
{
    for (size_t i = 0; i < conf->nlistens; i++)
        if (conf->listens[i].role == LISTEN_MX)
            return &conf->listens[i];
    return NULL;
}

void client_adopt(struct smtpd *d, int fd, struct slice host)
{
    const struct conf_listen *listen = first_mx(d->server.conf);
    static const struct ip nobody;
    struct client *c;

    if (listen == NULL || d->drain_until != 0) {
        close(fd);
        return;
    }
    c = client_open(d, listen, fd, &nobody, stream_open);
    if (c == NULL)
        return;
    log_event(EVENT_CONNECT, LF_ID("session", c->session.number), LF_TEXT("client", host),
              LF_TEXT("listener", listen->address));
    session_greet(&c->session, false);
    client_go(c);
}
