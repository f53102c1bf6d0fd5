/* flusher.h - the thread on which the journal is written and synced.
 *
 * One piece of work at a time, so that no sync ever holds up the loop. It has
 * a thread of its own, and not one of the pool, because every commit waits for
 * it: handing over costs one wake-up, whatever else the pool is busy with.
 */
#pragma once
#include <uv.h>
#include <stdbool.h>

typedef void flusher_f(void *user);

struct flusher {
    flusher_f  *work;       /* on the thread */
    flusher_f  *done;       /* on the loop, when the work has ended */
    void       *user;
    /* the rest belongs to flusher.c */
    uv_thread_t thread;
    uv_sem_t    go;
    uv_poll_t   ended;
    int         back;       /* eventfd: the thread has done its work */
    bool        started, busy;
    bool        stop;       /* said before `go` */
};

/* flusher_start - false: no thread can be had; then flusher_run works at once, on the loop */
bool flusher_start(struct flusher *f, uv_loop_t *loop, flusher_f *work, flusher_f *done, void *user);

/* flusher_run - begin the work; never while `busy` */
void flusher_run(struct flusher *f);

/* flusher_stop - end the thread; never while `busy` */
void flusher_stop(struct flusher *f);
