/* flusher.c - a semaphore towards the thread, an eventfd back.
 *
 * No async handle: its receiver spins while the sender has written and not yet left, and
 * the sender is often put aside in that very moment, for the loop that it has woken.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include "queue/flusher.h"

static void on_thread(void *arg)
{
    struct flusher *f = arg;

    for (;;) {
        uv_sem_wait(&f->go);
        if (f->stop)
            return;
        f->work(f->user);
        if (eventfd_write(f->back, 1) < 0)
            abort();            /* cannot be: and nothing would ever be flushed again */
    }
}

static void on_ended(uv_poll_t *ended, int status, int events)
{
    struct flusher *f = ended->data;
    eventfd_t n;

    (void)status;
    (void)events;
    if (eventfd_read(f->back, &n) < 0)
        return;
    f->busy = false;
    f->done(f->user);
}

bool flusher_start(struct flusher *f, uv_loop_t *loop, flusher_f *work, flusher_f *done, void *user)
{
    *f = (struct flusher){ .work = work, .done = done, .user = user };
    if (uv_sem_init(&f->go, 0) != 0)
        return false;
    f->back = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (f->back < 0 || uv_poll_init(loop, &f->ended, f->back) != 0
        || uv_poll_start(&f->ended, UV_READABLE, on_ended) != 0)
        return false;
    f->ended.data = f;
    f->started = uv_thread_create(&f->thread, on_thread, f) == 0;
    return f->started;
}

void flusher_run(struct flusher *f)
{
    assert(!f->busy);
    if (!f->started) {
        f->work(f->user);
        f->done(f->user);
        return;
    }
    f->busy = true;
    uv_sem_post(&f->go);
}

void flusher_stop(struct flusher *f)
{
    assert(!f->busy);
    if (!f->started)
        return;
    f->stop = true;
    uv_sem_post(&f->go);
    uv_thread_join(&f->thread);
    uv_sem_destroy(&f->go);
    f->started = false;
}
