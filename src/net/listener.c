/* listener.c - accept until there is nothing, or enough for one turn. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <unistd.h>
#include "net/listener.h"

enum {
    BATCH   = 32,       /* connections taken in one turn */
    LEFT    = 4,        /* and of those that nobody else took */
    REST_MS = 100,      /* without descriptors or memory: wait so long */
    YIELD_MS = 1,       /* for another process to take what is there */
};

static void on_readable(uv_poll_t *poll, int status, int events);

static int reserve_open(void)
{
    return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void on_rested(uv_timer_t *timer)
{
    struct listener *l = timer->data;

    if (l->reserve < 0)
        l->reserve = reserve_open();
    if (l->fd >= 0)
        uv_poll_start(&l->poll, UV_READABLE, on_readable);
}

static void listener_rest(struct listener *l, unsigned ms)
{
    uv_poll_stop(&l->poll);
    uv_timer_start(&l->rest, on_rested, ms, 0);
}

/* leave_to_others - true: not before we have waited for them */

static bool leave_to_others(struct listener *l)
{
    if (l->yields == NULL || l->waited || !l->yields(l))
        return false;
    l->waited = true;
    listener_rest(l, YIELD_MS);
    return true;
}

/* accept_next - the next connection's descriptor, or -1 and errno */

static int accept_next(const struct listener *l, struct ip *peer, uint16_t *port)
{
    struct sockaddr_storage sa = { .ss_family = AF_UNSPEC };
    socklen_t n = sizeof sa;
    int fd = accept4(l->fd, (struct sockaddr *)&sa, &n, SOCK_CLOEXEC | SOCK_NONBLOCK);

    *peer = (struct ip){ 0 };
    *port = 0;
    if (fd >= 0)
        ip_from_sockaddr((struct sockaddr *)&sa, peer, port);
    return fd;
}

/* turn_away - without a descriptor left, the kernel would show us the same
 * connection for ever: spend the reserve on it, so that the client learns */

static void turn_away(struct listener *l)
{
    struct ip peer;
    uint16_t port;
    int fd;

    if (l->reserve < 0)
        return;
    close(l->reserve);
    fd = accept_next(l, &peer, &port);
    if (fd >= 0 && l->refuse != NULL)
        l->refuse(l, fd, &peer, port);
    else if (fd >= 0)
        close(fd);
    l->reserve = reserve_open();
}

/* accept_one - false: nothing more for now */

static bool accept_one(struct listener *l)
{
    struct ip peer;
    uint16_t port;
    int fd = accept_next(l, &peer, &port);

    if (fd >= 0) {
        l->accept(l, fd, &peer, port);
        return true;
    }
    switch (errno) {
    case EAGAIN:
        return false;
    case EMFILE: case ENFILE:
        turn_away(l);
        listener_rest(l, REST_MS);
        return false;
    case ENOBUFS: case ENOMEM: case EINVAL: case EBADF: case ENOTSOCK:
        listener_rest(l, REST_MS);
        return false;
    default:            /* that connection has died already: the next one */
        return true;
    }
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct listener *l = poll->data;

    (void)events;
    if (status < 0) {
        listener_rest(l, REST_MS);
        return;
    }
    for (int i = 0; i < (l->waited ? LEFT : BATCH) && l->fd >= 0; i++)
        if (leave_to_others(l) || !accept_one(l))
            break;
    l->waited = l->waited && uv_is_active((uv_handle_t *)&l->rest);
}

/* no_delay - what is accepted inherits it; a UNIX socket has none and refuses */

static void no_delay(int fd)
{
    int on = 1;

    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

bool listener_open(struct listener *l, uv_loop_t *loop, int fd, unsigned index,
                   listener_accept_f *accept, void *user)
{
    *l = (struct listener){
        .user = user, .index = index, .accept = accept, .fd = fd, .reserve = reserve_open(),
    };
    if (uv_poll_init(loop, &l->poll, fd) != 0) {
        close(fd);
        if (l->reserve >= 0)
            close(l->reserve);
        l->fd = -1;
        return false;
    }
    no_delay(fd);
    uv_timer_init(loop, &l->rest);
    l->poll.data = l->rest.data = l;
    uv_poll_start(&l->poll, UV_READABLE, on_readable);
    return true;
}

void listener_close(struct listener *l)
{
    if (l->fd < 0)
        return;
    uv_close((uv_handle_t *)&l->rest, NULL);
    uv_close((uv_handle_t *)&l->poll, NULL);
    close(l->fd);
    if (l->reserve >= 0)
        close(l->reserve);
    l->fd = -1;
}
