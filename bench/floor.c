/* floor.c - the least program that could do a mail server's work of accepting mail.
 *
 *     floor [--port P] [--address A] [--spool DIR] [--log-size MIB] [--page-cache]
 *           [--sink] [--tls CERT KEY] [--json]
 *
 * One process, one epoll, honest SMTP with PIPELINING, 8BITMIME, SIZE and CHUNKING
 * on 127.0.0.1 or A; a message is answered when it is durable (floor_log.h). It has no
 * limits, no checks, no log lines, no queue and no recovery: a server that has them
 * is measured against what they cost. With --page-cache the log goes through the
 * kernel's cache, which costs a copy more. With --sink nothing is kept and everything
 * is answered at once. With --tls it offers STARTTLS, one process and one thread.
 *
 * Prints "port N" when it is ready; on SIGUSR1 what it took so far, as one line of JSON;
 * on SIGTERM the same, and ends.
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>
#include "floor_log.h"
#include "floor_talk.h"
#include "floor_wire.h"

enum { EVENTS = 256, ACCEPTS = 64 };

struct session {
    struct wire     wire;
    struct talk     talk;
    uint32_t        number;
    bool            quit, choked;       /* choked: the client does not read what we say */
    struct session *next_held[2];       /* waiting for that batch; see session_hold */
    struct session *next_free;
};

struct floor {
    int             epoll, listener, signals, durable;
    struct log     *log;                /* NULL: a sink */
    char           *scratch;            /* a sink reads here */
    struct wire_tls *tls;               /* NULL: not offered */
    struct session *held[2], *free;
    uint64_t        sessions;
    struct tally    total;
};

struct options {
    const char *address, *spool, *certificate, *key;
    uint64_t    log_size;
    uint16_t    port;
    bool        sink, page_cache;
};

/* Marks of epoll for what is no session. */
static char listener_mark, signal_mark, durable_mark;

/* The end of a list of held sessions: NULL says that one is in no list. */
static struct session list_end;

static void watch(struct floor *f, int op, int fd, uint32_t events, void *mark)
{
    struct epoll_event e = { .events = events, .data.ptr = mark };

    if (epoll_ctl(f->epoll, op, fd, &e) < 0)
        err(1, "epoll");
}

/* --- sessions --------------------------------------------------------------- */

/* A session that waits for the disk lives on without its socket until it is durable. */
static void session_free(struct floor *f, struct session *s)
{
    if (s->wire.fd >= 0 || s->next_held[0] != NULL || s->next_held[1] != NULL)
        return;
    s->next_free = f->free;
    f->free = s;
}

static void session_close(struct floor *f, struct session *s)
{
    wire_close(&s->wire);
    session_free(f, s);
}

/* session_send - say what may be said; false: the session ended */
static bool session_send(struct floor *f, struct session *s)
{
    size_t n = replies_ready(&s->talk.out);
    ssize_t sent = n > 0 ? wire_write(&s->wire, s->talk.out.text, n) : 0;

    if (sent < 0)
        return false;
    replies_sent(&s->talk.out, (size_t)sent);
    if (((size_t)sent < n) != s->choked) {
        s->choked = !s->choked;
        watch(f, EPOLL_CTL_MOD, s->wire.fd, s->choked ? EPOLLOUT : EPOLLIN, s);
    }
    return !s->quit || s->talk.out.n > 0;
}

static void session_start(struct floor *f, int fd)
{
    struct session *s = f->free;
    struct talk talk;

    if (s != NULL)
        f->free = s->next_free;
    else if ((s = calloc(1, sizeof *s)) == NULL)
        err(1, "memory");
    talk = s->talk;
    *s = (struct session){ .talk = talk, .number = (uint32_t)++f->sessions, .wire = { .fd = fd } };
    talk_begin(&s->talk, f->tls != NULL);
    watch(f, EPOLL_CTL_ADD, fd, EPOLLIN, s);
    if (!session_send(f, s))
        session_close(f, s);
}

/* session_hold - what is said from now on waits for the batch that is being filled */
static void session_hold(struct floor *f, struct session *s)
{
    unsigned b = log_batch(f->log);

    if (s->next_held[b] != NULL)
        return;
    s->next_held[b] = f->held[b];
    f->held[b] = s;
    s->talk.out.held[b] = s->talk.out.n;
}

static void session_message(struct floor *f, struct session *s)
{
    struct tally *t = f->log != NULL ? log_tally(f->log) : &f->total;

    t->messages++;
    t->recipients += s->talk.recipients;
    t->octets += s->talk.octets;
    if (f->log != NULL)
        session_hold(f, s);
    talk_accept(&s->talk);
}

/* What was sent in the clear behind STARTTLS is not for the session that follows. */
static bool session_secure(struct floor *f, struct session *s, size_t left)
{
    if (left > 0 || !session_send(f, s) || s->talk.out.n > 0)
        return false;
    talk_forget(&s->talk);
    return wire_secure(&s->wire, f->tls);
}

/* session_held - will what was said be sent with what waits for the disk? */
static bool session_held(const struct floor *f, const struct session *s)
{
    return f->log != NULL && s->next_held[log_batch(f->log)] != NULL;
}

/* session_hear - false: the session ended */
static bool session_hear(struct floor *f, struct session *s, const char *p, size_t n)
{
    enum talk_event event;
    size_t used;

    while (n > 0) {
        used = talk_take(&s->talk, p, n, &event);
        p += used;
        n -= used;
        if (event == TALK_MESSAGE)
            session_message(f, s);
        else if (event == TALK_TLS)
            return session_secure(f, s, n);
        else if (event == TALK_QUIT)
            s->quit = true, n = 0;
    }
    return session_held(f, s) || session_send(f, s);
}

/* --- the log ---------------------------------------------------------------- */

/* Whoever ended while he waited is closed when epoll tells so: not here, since
 * epoll may have told already. */
static void sessions_answer(struct floor *f, unsigned b)
{
    struct session *s, *next;

    for (s = f->held[b]; s != &list_end; s = next) {
        next = s->next_held[b];
        s->next_held[b] = NULL;
        s->talk.out.held[b] = REPLIES_FREE;
        if (s->wire.fd < 0)
            session_free(f, s);
        else if (!s->choked && !session_send(f, s))
            shutdown(s->wire.fd, SHUT_RDWR);
    }
    f->held[b] = &list_end;
}

static void settle(struct floor *f, bool wait)
{
    struct tally tally;
    unsigned batch;

    if (!log_end(f->log, wait, &batch, &tally))
        return;
    f->total.messages += tally.messages;
    f->total.recipients += tally.recipients;
    f->total.octets += tally.octets;
    log_begin(f->log);          /* the next sync goes on while these are answered */
    sessions_answer(f, batch);
}

static char *room(struct floor *f, size_t *n)
{
    *n = LOG_READ;
    if (f->log == NULL)
        return f->scratch;
    while (log_full(f->log)) {
        log_begin(f->log);
        settle(f, true);
    }
    return log_room(f->log, n);
}

/* --- events ----------------------------------------------------------------- */

/* session_read - one read, or with TLS what one read brought; false: it ended */
static bool session_read(struct floor *f, struct session *s)
{
    size_t n;
    char *to;
    ssize_t got;

    do {
        to = room(f, &n);
        got = wire_read(&s->wire, to, n < LOG_READ ? n : LOG_READ);
        if (got == WIRE_LATER)
            return true;
        if (got <= 0)
            return false;
        if (f->log != NULL)
            log_took(f->log, s->number, (size_t)got);
        if (!session_hear(f, s, to, (size_t)got))
            return false;
    } while (wire_pending(&s->wire) && !s->choked);
    return true;
}

static void on_session(struct floor *f, struct session *s)
{
    bool goes_on = s->choked ? session_send(f, s) : session_read(f, s);

    if (!goes_on)
        session_close(f, s);
}

static void on_listener(struct floor *f)
{
    int fd;

    for (int i = 0; i < ACCEPTS; i++) {
        fd = accept4(f->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0)
            return;
        session_start(f, fd);
    }
}

static void report(const struct floor *f)
{
    printf("{\"sessions\": %" PRIu64 ", \"messages\": %" PRIu64 ", \"recipients\": %" PRIu64
           ", \"bytes\": %" PRIu64 ", \"syncs\": %" PRIu64 "}\n",
           f->sessions, f->total.messages, f->total.recipients, f->total.octets,
           f->log != NULL ? log_syncs(f->log) : 0);
    fflush(stdout);
}

/* on_signal - false: it was not only a question */
static bool on_signal(const struct floor *f)
{
    struct signalfd_siginfo info;

    if (read(f->signals, &info, sizeof info) != (ssize_t)sizeof info || info.ssi_signo != SIGUSR1)
        return false;
    report(f);
    return true;
}

static bool on_event(struct floor *f, const struct epoll_event *e)
{
    if (e->data.ptr == &signal_mark)
        return on_signal(f);
    if (e->data.ptr == &listener_mark)
        on_listener(f);
    else if (e->data.ptr == &durable_mark)
        settle(f, false);
    else
        on_session(f, e->data.ptr);
    return true;
}

static void serve(struct floor *f)
{
    struct epoll_event events[EVENTS];
    bool goes_on = true;
    int n;

    while (goes_on) {
        n = epoll_wait(f->epoll, events, EVENTS, -1);
        for (int i = 0; i < n; i++)
            goes_on &= on_event(f, &events[i]);
        if (f->log != NULL)
            log_begin(f->log);
    }
}

/* --- life ------------------------------------------------------------------- */

/* Sessions inherit TCP_NODELAY from the listener: no call for each. */
static int listen_on(const char *address, uint16_t port)
{
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(port) };
    socklen_t n = sizeof a;
    int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (inet_pton(AF_INET, address, &a.sin_addr) != 1)
        errx(64, "address %s", address);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (bind(fd, (struct sockaddr *)&a, n) < 0 || listen(fd, 65535) < 0
        || getsockname(fd, (struct sockaddr *)&a, &n) < 0)
        err(1, "port %u", (unsigned)port);
    printf("port %u\n", (unsigned)ntohs(a.sin_port));
    return fd;
}

static int signals_take(void)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    return signalfd(-1, &set, SFD_CLOEXEC);
}

static void many_files(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static void floor_open(struct floor *f, const struct options *o)
{
    many_files();
    f->held[0] = f->held[1] = &list_end;
    f->epoll = epoll_create1(EPOLL_CLOEXEC);
    f->signals = signals_take();
    watch(f, EPOLL_CTL_ADD, f->signals, EPOLLIN, &signal_mark);
    if (o->certificate != NULL)
        f->tls = wire_tls_open(o->certificate, o->key);
    if (o->sink) {
        f->scratch = malloc(LOG_READ);
    } else {
        f->log = log_open(o->spool, o->log_size, !o->page_cache, &f->durable);
        watch(f, EPOLL_CTL_ADD, f->durable, EPOLLIN | EPOLLET, &durable_mark);
    }
    f->listener = listen_on(o->address, o->port);
    watch(f, EPOLL_CTL_ADD, f->listener, EPOLLIN, &listener_mark);
    fflush(stdout);
}

static void floor_close(struct floor *f)
{
    if (f->log != NULL) {
        settle(f, true);
        settle(f, true);
    }
    report(f);
    if (f->log != NULL)
        log_close(f->log);
}

enum option_id {
    OPTION_PORT = 1, OPTION_ADDRESS, OPTION_SPOOL, OPTION_LOG_SIZE, OPTION_PAGE_CACHE, OPTION_SINK, OPTION_TLS,
    OPTION_JSON,
};

static const struct option long_options[] = {
    { "port",     required_argument, NULL, OPTION_PORT },
    { "address",  required_argument, NULL, OPTION_ADDRESS },
    { "spool",    required_argument, NULL, OPTION_SPOOL },
    { "log-size", required_argument, NULL, OPTION_LOG_SIZE },
    { "page-cache", no_argument,     NULL, OPTION_PAGE_CACHE },
    { "sink",     no_argument,       NULL, OPTION_SINK },
    { "tls",      required_argument, NULL, OPTION_TLS },
    { "json",     no_argument,       NULL, OPTION_JSON },   /* as it always does */
    { NULL, 0, NULL, 0 },
};

/* --tls has two words: the second is taken here. */
static void take_option(struct options *o, int id, char **words)
{
    switch (id) {
    case OPTION_PORT:     o->port = (uint16_t)atoi(optarg); break;
    case OPTION_ADDRESS:  o->address = optarg; break;
    case OPTION_SPOOL:    o->spool = optarg; break;
    case OPTION_LOG_SIZE: o->log_size = strtoull(optarg, NULL, 10) << 20; break;
    case OPTION_SINK:     o->sink = true; break;
    case OPTION_JSON:     break;
    case OPTION_PAGE_CACHE: o->page_cache = true; break;
    case OPTION_TLS:
        o->certificate = optarg;
        o->key = words[optind];
        if (o->key != NULL) {
            optind++;
            break;
        }
        /* fall through */
    default:
        errx(64, "usage: floor [--port P] [--address A] [--spool DIR] [--log-size MIB] [--page-cache]"
                 " [--sink] [--tls CERT KEY] [--json]");
    }
}

int main(int argc, char **argv)
{
    struct options o = { .address = "127.0.0.1", .spool = ".", .log_size = 256 << 20 };
    static struct floor f;
    int id;

    while ((id = getopt_long(argc, argv, "", long_options, NULL)) != -1)
        take_option(&o, id, argv);
    floor_open(&f, &o);
    serve(&f);
    floor_close(&f);
    return 0;
}
