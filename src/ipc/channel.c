/* channel.c - frames in, frames out, descriptors in step with them.
 *
 * On the wire a frame is: u32 length of the payload, u16 type, u16 flags, then
 * the payload, all little-endian. A descriptor is attached to the first byte
 * of its frame and flagged; the receiver takes descriptors in the order in
 * which they came, one for each flagged frame.
 */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>
#include "ipc/channel.h"
#include "log/log.h"

enum {
    HEADER    = 8,
    FLAG_FD   = 1,
    READ_ROOM = 256 << 10,     /* many small frames in one system call */
    KEEP      = 1 << 20,        /* bytes of buffer kept when idle */
    ENOUGH    = 128 << 10,      /* bytes to send at once: no need to wait for more */
    ROUNDS    = 8,              /* reads in one turn: be fair to others */
};

struct fd_out {
    size_t at;      /* bytes of `out` before its frame */
    int    fd;
};

struct header {
    uint32_t length;
    uint16_t type, flags;
};

/* ------------------------------------------------------------- the end -- */

static void channel_free(struct channel *c)
{
    for (size_t i = 0; i < c->nfds_out; i++)
        close(c->fds_out[i].fd);
    for (size_t i = 0; i < c->nfds_in; i++)
        close(c->fds_in[i]);
    free(c->fds_out);
    buf_free(&c->in);
    buf_free(&c->out);
    close(c->fd);
    free(c);
}

static void on_flusher_closed(uv_handle_t *handle)
{
    struct channel *c = handle->data;

    if (c->gone != NULL)
        c->gone(c, c->why);
    if (c->missed != NULL)
        c->missed(c, c->why);
    channel_free(c);
}

static void on_poll_closed(uv_handle_t *handle)
{
    struct channel *c = handle->data;

    uv_close((uv_handle_t *)&c->flusher, on_flusher_closed);
}

void channel_close(struct channel *c, const char *why)
{
    if (c->closed)
        return;
    c->closed = true;
    c->why = why != NULL ? why : "the other side left";
    if (why != NULL)
        log_event(EVENT_CHANNEL, LF_STR("peer", role_name(c->peer)),
                  LF_NUM("slot", c->slot), LF_STR("why", why));
    uv_close((uv_handle_t *)&c->poll, on_poll_closed);
}

/* ------------------------------------------------------------- sending -- */

/* send_some - one system call: bytes up to the next frame that has a descriptor.
 * The count, 0 when the socket is full, or -1 */

static ssize_t send_some(struct channel *c)
{
    union { struct cmsghdr head; char bytes[CMSG_SPACE(sizeof(int))]; } control = { 0 };
    struct slice bytes = buf_view(&c->out);
    bool with_fd = c->nfds_out > 0 && c->fds_out[0].at == 0;
    size_t next = with_fd ? 1 : 0;
    struct iovec iov;
    struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
    ssize_t n;

    if (next < c->nfds_out)
        bytes = slice_first(bytes, c->fds_out[next].at);
    iov = (struct iovec){ .iov_base = (void *)(uintptr_t)bytes.p, .iov_len = bytes.n };
    if (with_fd) {
        msg.msg_control = control.bytes;
        msg.msg_controllen = sizeof control.bytes;
        control.head.cmsg_level = SOL_SOCKET;
        control.head.cmsg_type = SCM_RIGHTS;
        control.head.cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(&control.head), &c->fds_out[0].fd, sizeof(int));
    }
    do
        n = sendmsg(c->fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    if (n < 0 && (errno == EAGAIN || errno == ENOBUFS || errno == ETOOMANYREFS))
        return 0;
    return n;
}

/* sent - n bytes have gone: forget them, and a descriptor that went along */

static void sent(struct channel *c, size_t n)
{
    buf_drop(&c->out, n);
    if (c->nfds_out > 0 && c->fds_out[0].at == 0) {
        close(c->fds_out[0].fd);
        c->nfds_out--;
        memmove(c->fds_out, c->fds_out + 1, c->nfds_out * sizeof *c->fds_out);
    }
    for (size_t i = 0; i < c->nfds_out; i++)
        c->fds_out[i].at -= n;
}

static void watch(struct channel *c);

static void flush(struct channel *c)
{
    ssize_t n = 1;

    while (!c->closed && c->out.n > 0 && (n = send_some(c)) > 0)
        sent(c, (size_t)n);
    if (n < 0) {
        channel_close(c, NULL);
        return;
    }
    buf_shrink(&c->out, KEEP);
    if (c->writing != (c->out.n > 0)) {
        c->writing = c->out.n > 0;
        watch(c);
    }
}

static void on_turn_end(uv_prepare_t *handle)
{
    struct channel *c = handle->data;

    uv_prepare_stop(handle);
    if (!c->writing)
        flush(c);
}

static bool add_fd(struct channel *c, int fd)
{
    struct fd_out *more;
    int copy;

    if (c->nfds_out == c->cap_fds_out) {
        more = reallocarray(c->fds_out, c->cap_fds_out + 8, sizeof *more);
        if (more == NULL)
            return false;
        c->fds_out = more;
        c->cap_fds_out += 8;
    }
    copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (copy < 0)
        return false;
    c->fds_out[c->nfds_out++] = (struct fd_out){ c->out.n, copy };
    return true;
}

/* begin_frame, end_frame - the payload is written straight into `out` between
 * them; begin gives where the frame begins, end fills in its length */

static bool begin_frame(struct channel *c, uint32_t type, int fd, size_t *at)
{
    struct header h = { 0, htole16((uint16_t)type), htole16(fd >= 0 ? FLAG_FD : 0) };

    *at = c->out.n;
    if (c->closed)
        return false;
    if (fd >= 0 && !add_fd(c, fd)) {
        channel_close(c, "no descriptor left to pass on");
        return false;
    }
    return buf_put(&c->out, (const char *)&h, sizeof h);
}

static bool end_frame(struct channel *c, size_t at, bool whole)
{
    size_t length = c->out.n - at - HEADER;
    uint32_t wire = htole32((uint32_t)length);

    if (c->closed)
        return false;
    if (!whole || c->out.full || length > CHANNEL_FRAME_MAX) {
        channel_close(c, "too much is waiting for it");
        return false;
    }
    memcpy(c->out.p + c->out.start + at, &wire, sizeof wire);
    if (!c->writing && c->out.n >= ENOUGH)
        flush(c);
    else if (!c->writing)
        uv_prepare_start(&c->flusher, on_turn_end);
    return true;
}

#define M(NAME, name, from, to, FIELDS)                                     \
    bool channel_send_##name(struct channel *c, const struct name *m, int fd) \
    {                                                                       \
        struct wire w = wire_writer(&c->out);                               \
        size_t at;                                                          \
        bool whole = begin_frame(c, MSG_##NAME, fd, &at)                    \
                  && name##_put(&w, m);                                     \
                                                                            \
        return end_frame(c, at, whole);                                     \
    }
IPC_MESSAGES(M)
#undef M

size_t channel_pending(const struct channel *c)
{
    return c->out.n;
}

/* ----------------------------------------------------------- receiving -- */

static int take_fd(struct channel *c)
{
    int fd;

    if (c->nfds_in == 0)
        return -1;
    fd = c->fds_in[0];
    c->nfds_in--;
    memmove(c->fds_in, c->fds_in + 1, c->nfds_in * sizeof c->fds_in[0]);
    return fd;
}

/* dispatch - one whole frame; says what was wrong with it, or NULL */

static const char *dispatch(struct channel *c, const struct header *h, struct slice payload)
{
    struct wire w = wire_reader(payload);
    bool ok;
    int fd = -1;

    if ((h->flags & FLAG_FD) && (fd = take_fd(c)) < 0)
        return "a frame without its descriptor";
    if (!message_allowed(h->type, c->peer, c->self)) {
        ok = false;
    } else {
        ok = c->receive(c, h->type, &w, &fd);
    }
    if (fd >= 0)
        close(fd);
    return ok ? NULL : "a frame that is malformed or not allowed";
}

static void take_frames(struct channel *c)
{
    const char *wrong = NULL;
    struct header h;

    while (!c->closed && wrong == NULL && c->in.n >= HEADER) {
        struct slice in = buf_view(&c->in);

        memcpy(&h, in.p, sizeof h);
        h = (struct header){ le32toh(h.length), le16toh(h.type), le16toh(h.flags) };
        if (h.length > CHANNEL_FRAME_MAX) {
            wrong = "a frame over the bound";
        } else if (in.n - HEADER < h.length) {
            break;
        } else {
            wrong = dispatch(c, &h, slice_of(in.p + HEADER, h.length));
            buf_drop(&c->in, HEADER + h.length);
        }
    }
    if (wrong != NULL)
        channel_close(c, wrong);
    buf_shrink(&c->in, KEEP);
}

static bool keep_fds(struct channel *c, struct msghdr *msg)
{
    bool room = true;

    for (struct cmsghdr *h = CMSG_FIRSTHDR(msg); h != NULL; h = CMSG_NXTHDR(msg, h)) {
        size_t n = (h->cmsg_len - CMSG_LEN(0)) / sizeof(int);

        if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS)
            continue;
        for (size_t i = 0; i < n; i++) {
            int fd;

            memcpy(&fd, CMSG_DATA(h) + i * sizeof(int), sizeof fd);
            if (c->nfds_in < CHANNEL_FDS_MAX) {
                c->fds_in[c->nfds_in++] = fd;
            } else {
                close(fd);
                room = false;
            }
        }
    }
    return room && !(msg->msg_flags & MSG_CTRUNC);
}

/* receive_some - one system call. The count, 0: nothing now, -1: it is over */

static ssize_t receive_some(struct channel *c)
{
    union { struct cmsghdr head; char bytes[CMSG_SPACE(16 * sizeof(int))]; } control;
    char *room = buf_room(&c->in, READ_ROOM);
    struct iovec iov = { .iov_base = room, .iov_len = READ_ROOM };
    struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1,
                          .msg_control = control.bytes,
                          .msg_controllen = sizeof control.bytes };
    ssize_t n;

    if (room == NULL)
        return -1;
    n = recvmsg(c->fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR ? 0 : -1;
    if (n == 0)
        return -1;
    if (!keep_fds(c, &msg)) {
        channel_close(c, "a descriptor could not be taken");
        return -1;
    }
    buf_added(&c->in, (size_t)n);
    return n;
}

static void on_ready(uv_poll_t *poll, int status, int events)
{
    struct channel *c = poll->data;
    ssize_t n = READ_ROOM;

    if (status < 0) {
        channel_close(c, NULL);
        return;
    }
    if (events & UV_WRITABLE)
        flush(c);
    if (!(events & (UV_READABLE | UV_DISCONNECT)))
        return;
    for (int i = 0; i < ROUNDS && !c->closed && n == READ_ROOM; i++) {
        n = receive_some(c);
        if (n > 0 && i == 0 && c->stirred != NULL)
            c->stirred(c);
        if (n > 0)
            take_frames(c);
    }
    if (c->rested != NULL)
        c->rested(c);
    if (n < 0)
        channel_close(c, NULL);
}

static void watch(struct channel *c)
{
    if (!c->closed)
        uv_poll_start(&c->poll, UV_READABLE | (c->writing ? UV_WRITABLE : 0), on_ready);
}

struct channel *channel_new(uv_loop_t *loop, int fd, enum role self, enum role peer,
                            unsigned slot, channel_receive_f *receive,
                            channel_gone_f *gone, void *user)
{
    struct channel *c = calloc(1, sizeof *c);

    if (c == NULL || uv_poll_init(loop, &c->poll, fd) != 0) {
        close(fd);
        free(c);
        return NULL;
    }
    c->fd = fd;
    c->self = self;
    c->peer = peer;
    c->slot = slot;
    c->receive = receive;
    c->gone = gone;
    c->user = user;
    c->in = BUF(CHANNEL_FRAME_MAX + HEADER + READ_ROOM);
    c->out = BUF(CHANNEL_OUT_MAX);
    c->poll.data = c;
    uv_prepare_init(loop, &c->flusher);
    c->flusher.data = c;
    watch(c);
    return c;
}
