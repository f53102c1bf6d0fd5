/* flusher.c - a semaphore towards the thread, an async handle back. */
#include <assert.h>
#include "queue/flusher.h"

static void on_thread(void *arg)
{
    struct flusher *f = arg;

    for (;;) {
        uv_sem_wait(&f->go);
        if (f->stop)
            return;
        f->work(f->user);
        uv_async_send(&f->ended);
    }
}

static void on_ended(uv_async_t *ended)
{
    struct flusher *f = ended->data;

    f->busy = false;
    f->done(f->user);
}

bool flusher_start(struct flusher *f, uv_loop_t *loop, flusher_f *work, flusher_f *done, void *user)
{
    *f = (struct flusher){ .work = work, .done = done, .user = user };
    if (uv_sem_init(&f->go, 0) != 0)
        return false;
    if (uv_async_init(loop, &f->ended, on_ended) != 0)
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
