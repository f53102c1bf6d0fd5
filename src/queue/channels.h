/* channels.h - the queue's peers are channels to other processes. */
#pragma once
#include "ipc/channel.h"
#include "queue/core.h"

/* channels_add - make the other end of c a peer of the queue. again: called
 * after anything came, so that the shell lets the queue work. */
void channels_add(struct queue *q, struct channel *c, void (*again)(void *user), void *user,
                  channel_receive_f *common);
