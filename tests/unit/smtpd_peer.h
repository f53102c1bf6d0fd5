/* smtpd_peer.h - the other end of smtpd's channels, for the tests of what is said there.
 * A test has its own on_frame(), which hears what smtpd says.
 */
#pragma once
#include <sys/socket.h>
#include <uv.h>
#include "ipc/channel.h"
#include "ipc/child.h"

static struct child    child;
static struct channel *other;       /* the other end of the newest channel */
static unsigned        gone_count;

static channel_receive_f on_frame;

static void on_gone(struct channel *c, const char *why)
{
    (void)c;
    (void)why;
    gone_count++;
}

static void turn(void)
{
    for (int i = 0; i < 20; i++)
        uv_run(child.loop, UV_RUN_NOWAIT);
}

/* peer_new - a new process of that role at the other end; ours is returned */

static struct channel *peer_new(enum role role)
{
    int ends[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
    other = channel_new(child.loop, ends[1], role, ROLE_SMTPD, 1, on_frame, on_gone, NULL);
    assert_non_null(other);
    return channel_new(child.loop, ends[0], ROLE_SMTPD, role, 0, on_frame, NULL, NULL);
}
