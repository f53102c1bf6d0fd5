/* control.c - listening on the control socket, reading lines, writing lines. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include "base/ascii.h"
#include "console/control.h"
#include "log/log.h"

enum {
    CLIENTS_MAX = 64,
    OUT_MAX     = 64 << 20,     /* bytes that one client may leave unread */
    IDLE_MS     = 60000,        /* without a request, or without reading the answer */
    ANSWER_MS   = 30000,        /* from the queue or the master */
    STATUS_MS   = 2000,         /* for all reports */
    SWEEP_MS    = 250,
    RETRY_TURNS = 4,            /* sweeps between attempts to open the socket */
};

/* --- the socket ----------------------------------------------------------- */

static bool address_of(const char *path, struct sockaddr_un *sa)
{
    *sa = (struct sockaddr_un){ .sun_family = AF_UNIX };
    if (strlen(path) >= sizeof sa->sun_path)
        return false;
    memcpy(sa->sun_path, path, strlen(path));
    return true;
}

/* complain - once for each trouble, not each second */

static void complain(struct control *ctl, const char *why)
{
    if (!ctl->complained)
        log_event(EVENT_CONFIG, LF_STR("control", ctl->path), LF_STR("why", why));
    ctl->complained = true;
}

/* somebody_answers - is a living server behind this path? */

static bool somebody_answers(const struct sockaddr_un *sa)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool alive;

    if (fd < 0)
        return true;
    alive = connect(fd, (const struct sockaddr *)sa, sizeof *sa) == 0 || errno == EAGAIN;
    close(fd);
    return alive;
}

/* clear_path - remove a socket that a server of the past has left; nothing else */

static bool clear_path(struct control *ctl, const struct sockaddr_un *sa)
{
    struct stat st;

    if (lstat(ctl->path, &st) < 0)
        return true;
    if (!S_ISSOCK(st.st_mode)) {
        complain(ctl, "the path is there and is not a socket");
        return false;
    }
    if (somebody_answers(sa)) {
        complain(ctl, "another server answers at this path");
        return false;
    }
    return unlink(ctl->path) == 0;
}

/* bind_private - nobody else may connect, at no moment */

static int bind_private(const struct sockaddr_un *sa)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), error;
    mode_t mask;

    if (fd < 0)
        return -1;
    mask = umask(0177);
    error = bind(fd, (const struct sockaddr *)sa, sizeof *sa) < 0 ? errno : 0;
    umask(mask);
    if (error == 0 && listen(fd, CLIENTS_MAX) == 0)
        return fd;
    if (error == 0)
        error = errno;
    close(fd);
    errno = error;
    return -1;
}

static listener_accept_f client_accept;

static void control_open(struct control *ctl)
{
    struct sockaddr_un sa;
    int fd;

    if (ctl->path[0] == '\0')
        return;
    if (!address_of(ctl->path, &sa)) {
        complain(ctl, "the path is too long for a socket");
        return;
    }
    if (!clear_path(ctl, &sa))
        return;
    fd = bind_private(&sa);
    if (fd < 0) {
        complain(ctl, strerror(errno));
        return;
    }
    ctl->listening = listener_open(&ctl->listener, ctl->loop, fd, 0, client_accept, ctl);
    ctl->complained = false;
}

static void control_close(struct control *ctl)
{
    if (!ctl->listening)
        return;
    listener_close(&ctl->listener);
    unlink(ctl->path);
    ctl->listening = false;
}

/* --- clients -------------------------------------------------------------- */

static int64_t now(const struct control *ctl)
{
    return (int64_t)uv_now(ctl->loop);
}

static void client_closed(struct stream *s)
{
    free(s->user);
}

/* client_leave - out of the list; its memory goes when the stream is closed */

static void client_leave(struct client *c)
{
    if (c->link.next == &c->link)
        return;
    list_remove(&c->link);
    c->control->nclients--;
    c->ticket = 0;
}

static void client_cut(struct client *c)
{
    client_leave(c);
    stream_close(&c->stream);
}

static void client_finish(struct client *c)
{
    client_leave(c);
    stream_finish(&c->stream);
}

static void client_put(struct client *c, struct slice before, struct slice text,
                       const char *after)
{
    struct buf *out = &c->stream.out;

    buf_put_slice(out, before);
    for (size_t i = 0; i < text.n; i++)
        buf_put(out, ascii_control(text.p[i]) ? " " : &text.p[i], 1);
    buf_puts(out, after);
    if (out->full || stream_pending(&c->stream) > OUT_MAX)
        client_cut(c);          /* does not read what it asked for */
    else
        stream_flush(&c->stream);
}

static void client_put_error(struct client *c, const char *text)
{
    json_t *line = json_pack("{s:s}", "error", text);
    char *dump;

    if (line == NULL)           /* not UTF-8 */
        line = json_pack("{s:s}", "error", "something went wrong");
    dump = json_dumps(line, JSON_COMPACT);
    if (dump != NULL)
        client_put(c, slice_cstr(dump), (struct slice){ 0 }, "\n");
    free(dump);
    json_decref(line);
}

static void client_ask(struct client *c, struct request *r)
{
    struct control *ctl = c->control;

    log_event(EVENT_CONTROL, LF_STR("do", r->name), LF_NUM("uid", c->uid), LF_NUM("pid", c->pid));
    c->ticket = ++ctl->last_ticket;
    c->kind = r->kind;
    c->rows = 0;
    c->left = 0;
    r->query.ticket = c->ticket;
    ctl->ask(ctl, c, r);
    request_forget(r);
}

static void client_refuse(struct client *c, const char *why)
{
    client_put_error(c, why);
    client_finish(c);
}

/* client_line - the line is out of the buffer before it is carried out: an
 * answer that comes at once looks for the next line there */

static void client_line(struct client *c, struct slice line)
{
    bool blank = slice_trim(line).n == 0;
    char why[REQUEST_WHY];
    struct request r;
    bool ok = !blank && request_read(&r, line, why);

    buf_drop(&c->stream.in, line.n + 1);
    if (ok)
        client_ask(c, &r);
    else if (!blank)
        client_refuse(c, why);
}

static bool client_free(const struct client *c)
{
    return c->ticket == 0 && !c->stream.closing && !c->stream.finishing;
}

/* client_input - one request at a time; the rest waits in the socket. A line
 * that does not end within the bound is nonsense. */

static void client_input(struct client *c)
{
    struct slice line, rest;
    bool whole = true;

    if (c->looking)
        return;
    c->looking = true;
    while (whole && client_free(c) && c->stream.in.n > 0) {
        whole = slice_cut(buf_view(&c->stream.in), '\n', &line, &rest);
        if (line.n > REQUEST_MAX)
            client_refuse(c, "a request is too long");
        else if (whole)
            client_line(c, line);
    }
    c->looking = false;
    if (c->ticket != 0)
        stream_pause(&c->stream);
}

static void client_event(struct stream *s, enum stream_event event)
{
    struct client *c = s->user;

    c->active = now(c->control);
    switch (event) {
    case STREAM_INPUT:
        client_input(c);
        break;
    case STREAM_EOF:
        if (c->ticket == 0)
            client_finish(c);
        break;
    case STREAM_FAILED:
        client_cut(c);
        break;
    case STREAM_CONNECTED:
    case STREAM_SECURE:
    case STREAM_DRAINED:
        break;
    }
}

static bool allowed(const struct control *ctl, int fd, struct ucred *who)
{
    socklen_t n = sizeof *who;

    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, who, &n) == 0
        && (who->uid == 0 || who->uid == ctl->owner);
}

static struct client *client_new(struct control *ctl, int fd, const struct ucred *who)
{
    struct client *c = calloc(1, sizeof *c);

    if (c == NULL) {
        close(fd);
        return NULL;
    }
    c->control = ctl;
    c->uid = who->uid;
    c->pid = (unsigned)who->pid;
    c->active = now(ctl);
    list_init(&c->link);
    if (!stream_open(&c->stream, ctl->loop, fd, STREAM_IN_MAX, OUT_MAX,
                     client_event, client_closed, c))
        return NULL;
    return c;
}

static void client_accept(struct listener *l, int fd, const struct ip *peer, uint16_t port)
{
    struct control *ctl = l->user;
    struct client *c;
    struct ucred who;

    (void)peer;
    (void)port;
    if (!allowed(ctl, fd, &who)) {
        log_event(EVENT_CONTROL, LF_STR("do", "refused"), LF_NUM("uid", who.uid));
        close(fd);
        return;
    }
    c = client_new(ctl, fd, &who);
    if (c == NULL)
        return;
    if (ctl->nclients >= CLIENTS_MAX) {
        client_put_error(c, "too many clients");
        stream_finish(&c->stream);
        return;
    }
    list_push(&ctl->clients, &c->link);
    ctl->nclients++;
    stream_read(&c->stream);
}

/* --- answers -------------------------------------------------------------- */

struct client *control_client(struct control *ctl, uint64_t ticket)
{
    for (struct list *node = ctl->clients.next; node != &ctl->clients; node = node->next) {
        struct client *c = LIST_OWNER(node, struct client, link);

        if (c->ticket == ticket && ticket != 0)
            return c;
    }
    return NULL;
}

void client_row(struct client *c, struct slice json)
{
    c->rows++;
    c->active = now(c->control);
    client_put(c, SLICE_LIT("{\"row\":"), json, "}\n");
}

/* client_next - the request is answered: take the next one, also one that came already */

static void client_next(struct client *c)
{
    if (c->stream.closing)
        return;
    c->ticket = 0;
    c->active = now(c->control);
    client_input(c);
    if (client_free(c) && c->stream.eof)
        client_finish(c);
    else if (client_free(c))
        stream_read(&c->stream);
}

void client_done(struct client *c, uint64_t count, const char *extra)
{
    char line[160];

    snprintf(line, sizeof line, "{\"done\":true,\"count\":%llu%s%s}\n",
             (unsigned long long)count, extra != NULL ? "," : "", extra != NULL ? extra : "");
    client_put(c, slice_of(line, strlen(line) - 1), (struct slice){ 0 }, "\n");
    client_next(c);
}

void client_error(struct client *c, struct slice text)
{
    char copy[400];
    size_t n = text.n < sizeof copy - 1 ? text.n : sizeof copy - 1;

    if (n > 0)
        memcpy(copy, text.p, n);
    copy[n] = '\0';
    client_put_error(c, copy);
    client_next(c);
}

/* --- time ----------------------------------------------------------------- */

static void status_late(struct client *c)
{
    char extra[40];

    snprintf(extra, sizeof extra, "\"missing\":%u", c->left);
    client_done(c, c->rows, extra);
}

static void client_sweep(struct client *c)
{
    int64_t quiet = now(c->control) - c->active;

    if (c->ticket != 0 && c->kind == REQUEST_STATUS && quiet > STATUS_MS)
        status_late(c);
    else if (c->ticket != 0 && stream_pending(&c->stream) == 0 && quiet > ANSWER_MS)
        client_error(c, SLICE_LIT("no answer from the server's processes"));
    else if (quiet > IDLE_MS)
        client_cut(c);
}

static void sweep(uv_timer_t *timer)
{
    static unsigned turn;
    struct control *ctl = timer->data;

    if (!ctl->listening && ++turn % RETRY_TURNS == 0)
        control_open(ctl);
    for (struct list *node = ctl->clients.next, *next; node != &ctl->clients; node = next) {
        next = node->next;
        client_sweep(LIST_OWNER(node, struct client, link));
    }
}

/* --- life ----------------------------------------------------------------- */

static void set_path(struct control *ctl, struct slice path)
{
    ctl->path[0] = '\0';
    ctl->complained = false;
    if (path.n >= sizeof ctl->path) {
        log_event(EVENT_CONFIG, LF_TEXT("control", path),
                  LF_STR("why", "the path is too long for a socket"));
        return;
    }
    if (path.n > 0)
        memcpy(ctl->path, path.p, path.n);
    ctl->path[path.n] = '\0';
}

bool control_begin(struct control *ctl, uv_loop_t *loop, struct slice path, control_ask_f *ask)
{
    *ctl = (struct control){ .loop = loop, .ask = ask, .owner = geteuid() };
    list_init(&ctl->clients);
    set_path(ctl, path);
    control_open(ctl);
    if (uv_timer_init(loop, &ctl->sweep) != 0)
        return false;
    ctl->sweep.data = ctl;
    uv_timer_start(&ctl->sweep, sweep, SWEEP_MS, SWEEP_MS);
    return true;
}

void control_move(struct control *ctl, struct slice path)
{
    if (slice_eq(path, slice_cstr(ctl->path)))
        return;
    control_close(ctl);
    set_path(ctl, path);
}

void control_end(struct control *ctl)
{
    control_close(ctl);
    ctl->path[0] = '\0';        /* never again */
}

bool control_idle(const struct control *ctl)
{
    for (struct list *node = ctl->clients.next; node != &ctl->clients; node = node->next) {
        const struct client *c = LIST_OWNER(node, struct client, link);

        if (c->ticket != 0 || stream_pending(&c->stream) > 0)
            return false;
    }
    return true;
}
