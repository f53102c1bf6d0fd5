/* channel.h - one end of a socket pair between two of our processes.
 *
 * Frames go out in order, many in one system call, at the end of the loop's
 * turn or when there are enough of them; each may carry one descriptor. What
 * comes in is checked: frame bound, known message, allowed from this peer.
 * Anything wrong closes the channel and is logged; it never stops the process.
 */
#pragma once
#include <uv.h>
#include "ipc/messages.h"

enum {
    CHANNEL_FRAME_MAX = 10 << 20,   /* bytes of one frame */
    CHANNEL_OUT_MAX   = 256 << 20,  /* bytes waiting to go out before the peer counts as stuck */
    CHANNEL_FDS_MAX   = 256,        /* descriptors received and not yet claimed */
};

struct channel;

/* A frame has come. `w` reads its fields (msg_xxx_get). *fd is its descriptor
 * or -1; take it by storing -1, else it is closed. False: malformed; the
 * channel is closed. */
typedef bool channel_receive_f(struct channel *c, uint32_t type, struct wire *w, int *fd);

/* The other side has gone, or was cut off. Called once; then the channel frees itself. */
typedef void channel_gone_f(struct channel *c, const char *why);

/* Frames are at hand and will be told now: what they have in common, the time above all, is
 * asked for once. Or: all of them have been told. */
typedef void channel_turn_f(struct channel *c);

struct channel {
    enum role          self, peer;
    unsigned           slot;        /* the peer's */
    void              *user;        /* the owner's */
    channel_receive_f *receive;
    channel_turn_f    *stirred;     /* before frames are told, or NULL */
    channel_turn_f    *rested;      /* after them, or NULL */
    channel_gone_f    *gone;
    channel_gone_f    *missed;      /* told after `gone`, by a process that watches its
                                     * channels whoever owns them; or NULL */
    /* the rest belongs to channel.c */
    uv_poll_t          poll;
    uv_prepare_t       flusher;     /* sends what this turn of the loop put out */
    int                fd;
    bool               writing;     /* waiting until the socket takes more */
    bool               closed;
    const char        *why;         /* it was closed */
    struct buf         in, out;
    size_t             nfds_in;
    int                fds_in[CHANNEL_FDS_MAX];
    struct fd_out     *fds_out;     /* descriptors and where in `out` they belong */
    size_t             nfds_out, cap_fds_out;
};

/* channel_new - take fd (owned from now on). NULL: no memory; fd is closed. */
struct channel *channel_new(uv_loop_t *loop, int fd, enum role self, enum role peer,
                            unsigned slot, channel_receive_f *receive,
                            channel_gone_f *gone, void *user);

/* channel_send - queue one frame; `fd` (or -1) is duplicated, the caller keeps
 * its own. False: the channel is closing; `gone` is or will be called. Use the
 * typed forms: channel_send_commit(c, &(struct msg_commit){ ... }, -1). */
#define M(NAME, name, from, to, FIELDS) \
    bool channel_send_##name(struct channel *c, const struct name *m, int fd);
IPC_MESSAGES(M)
#undef M

/* channel_pending - bytes waiting to go out: stop producing when it is large */
size_t channel_pending(const struct channel *c);

/* channel_close - cut the peer off; `gone` is called in the next turn of the
 * loop. why: a text that lives for ever, logged; NULL: nothing went wrong. */
void channel_close(struct channel *c, const char *why);
