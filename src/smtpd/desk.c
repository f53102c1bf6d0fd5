/* desk.c - questions by ticket, and connections that change hands. */
#include <sys/socket.h>
#include <unistd.h>
#include "log/log.h"
#include "smtpd/desk.h"
#include "smtpd/fetch.h"
#include "smtpd/linkstate.h"

/* Tickets of other questions are small. */
#define TICKETS (UINT64_C(1) << 62)

static uint64_t ticket_new(struct smtpd *d)
{
    return TICKETS + ++d->tickets;
}

/* asker - the client that waits for this ticket; such commands are rare, so nobody
 * keeps a map of them */

static struct client *asker(struct smtpd *d, uint64_t ticket)
{
    for (struct list *node = d->clients.next; node != &d->clients; node = node->next) {
        struct client *c = LIST_OWNER(node, struct client, link);

        if (!c->over && c->session.wait == WAIT_ANSWER && c->session.asking.ticket == ticket)
            return c;
    }
    return NULL;
}

uint64_t desk_kick(struct smtpd *d, unsigned kind, struct slice name)
{
    uint64_t ticket = ticket_new(d);

    return d->commits.queue != NULL
        && channel_send_msg_kick(d->commits.queue, &(struct msg_kick){
               .ticket = ticket, .kind = (uint8_t)kind, .name = name }, -1) ? ticket : 0;
}

uint64_t desk_linkstate(struct smtpd *d, const struct session *s, struct slice payload)
{
    uint64_t ticket = ticket_new(d);
    char ip[IP_TEXT];

    return d->commits.queue != NULL
        && channel_send_msg_linkstate(d->commits.queue, &(struct msg_linkstate){
               .ticket = ticket, .peer = slice_cstr(ip_text(&s->client, ip)),
               .payload = payload }, -1) ? ticket : 0;
}

uint64_t desk_turn(struct smtpd *d, const struct session *s, uint32_t ndomains,
                   struct slice domains)
{
    uint64_t ticket = ticket_new(d);

    return d->commits.queue != NULL
        && channel_send_msg_turn_ask(d->commits.queue, &(struct msg_turn_ask){
               .ticket = ticket, .account = s->account, .ndomains = ndomains,
               .domains = domains }, -1) ? ticket : 0;
}

void desk_turn_over(struct smtpd *d, uint64_t ticket)
{
    if (d->commits.queue != NULL)
        channel_send_msg_turn_over(d->commits.queue, &(struct msg_turn_over){ ticket }, -1);
}

void desk_go(struct client *c)
{
    struct smtpd *d = c->smtpd;
    uint64_t ticket = c->session.turn;
    char host[IP_TEXT + 300];
    char ip[IP_TEXT];
    bool secure;
    int fd;

    c->session.turn = 0;
    snprintf(host, sizeof host, "%.*s [%s]", SLICE(slice_first(c->session.helo, 255)),
             ip_text(&c->session.client, ip));
    fd = client_hand_over(c, &secure);
    if (fd < 0 || d->commits.queue == NULL
        || !channel_send_msg_turn_go(d->commits.queue, &(struct msg_turn_go){
               .ticket = ticket, .host = slice_cstr(host), .secure = secure }, fd))
        desk_turn_over(d, ticket);
    if (fd >= 0)
        close(fd);
}

static bool on_kicked(struct smtpd *d, struct wire *w)
{
    struct msg_kicked m;
    struct client *c;

    if (!msg_kicked_get(w, &m) || m.fate > FATE_NEVER)
        return false;
    c = asker(d, m.ticket);
    if (c != NULL) {
        session_kicked(&c->session, m.ticket, (enum fate)m.fate, m.count);
        client_go(c);
    }
    return true;
}

static bool on_linkstate_done(struct smtpd *d, struct wire *w)
{
    struct msg_linkstate_done m;
    struct client *c;

    if (!msg_linkstate_done_get(w, &m) || m.fate > FATE_NEVER)
        return false;
    c = asker(d, m.ticket);
    if (c != NULL) {
        session_linkstate(&c->session, m.ticket, (enum fate)m.fate, m.payload);
        client_go(c);
    }
    return true;
}

/* spoken_early - did the client say something that it could not yet know to say, or that
 * it will say no more? */

static bool spoken_early(struct client *c)
{
    uv_os_fd_t fd;
    char octet;

    if (c->stream.in.n > 0 || c->eof)
        return true;
    return !c->session.secure && uv_fileno(&c->stream.uv.handle, &fd) == 0
        && recv(fd, &octet, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

static bool on_turn_answer(struct smtpd *d, struct wire *w)
{
    struct msg_turn_answer m;
    struct client *c;

    if (!msg_turn_answer_get(w, &m) || m.fate > FATE_NEVER)
        return false;
    c = asker(d, m.ticket);
    if (c == NULL || !session_turned(&c->session, m.ticket, (enum fate)m.fate, m.count,
                                     spoken_early(c)))
        desk_turn_over(d, m.ticket);
    if (c != NULL)
        client_go(c);
    return true;
}

/* on_adopt - a stranger, wherever it comes from: nothing is granted for its address */

static bool on_adopt(struct smtpd *d, struct wire *w, int *fd)
{
    struct msg_adopt m;

    if (!msg_adopt_get(w, &m) || *fd < 0)
        return false;
    client_adopt(d, *fd, m.host);
    *fd = -1;
    return true;
}

bool desk_receive(struct smtpd *d, struct channel *queue, uint32_t type, struct wire *w, int *fd)
{
    switch (type) {
    case MSG_KICKED:      return on_kicked(d, w);
    case MSG_TURN_ANSWER: return on_turn_answer(d, w);
    case MSG_LINKSTATE_DONE: return on_linkstate_done(d, w);
    case MSG_ADOPT:       return on_adopt(d, w, fd);
    default:              return child_receive_common(d->child, queue, type, w);
    }
}
