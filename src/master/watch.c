/* watch.c - files of certificates, keys and logins that change under a running server.
 *
 * Looked at every two seconds. A file that has changed, and then not again
 * until the next look (who writes it has finished), makes the server reload; a
 * reload that is refused is not tried again until something changes again.
 */
#include <stdio.h>
#include <sys/stat.h>
#include "base/crc32c.h"
#include "log/log.h"
#include "master/master.h"

enum { EVERY = 2000 };      /* ms */

/* look - what a file is like now, mixed into a sum; a missing one counts too */

static uint32_t look(uint32_t sum, struct slice file)
{
    char path[4096];
    struct stat st = { 0 };
    struct { uint64_t device, inode, size, sec, nsec; } seen;

    if (file.n == 0)
        return sum;
    snprintf(path, sizeof path, "%.*s", SLICE(file));
    if (stat(path, &st) != 0)
        st = (struct stat){ 0 };
    seen.device = st.st_dev;
    seen.inode = st.st_ino;
    seen.size = (uint64_t)st.st_size;
    seen.sec = (uint64_t)st.st_mtim.tv_sec;
    seen.nsec = (uint64_t)st.st_mtim.tv_nsec;
    return crc32c(sum, slice_of((const char *)&seen, sizeof seen));
}

static uint32_t look_at_all(const struct conf *c)
{
    uint32_t sum = 0;

    for (size_t i = 0; i < c->ntls; i++)
        sum = look(look(sum, c->tls[i].certificate), c->tls[i].key);
    return look(look(look(sum, c->accounts), c->credentials), c->keytab);
}

static void on_time(uv_timer_t *timer)
{
    struct master *m = timer->data;
    uint32_t now = look_at_all(m->conf);
    bool settled = now == m->watch_last;

    m->watch_last = now;
    if (now == m->watch_known || !settled || m->state != MASTER_SERVING)
        return;
    m->watch_known = now;
    log_event(EVENT_RELOAD, LF_STR("why", "a file of keys, certificates or logins has changed"));
    life_reload(m);
}

void watch_begin(struct master *m)
{
    uv_timer_init(m->loop, &m->watch);
    m->watch.data = m;
    watch_again(m);
    uv_timer_start(&m->watch, on_time, EVERY, EVERY);
    uv_unref((uv_handle_t *)&m->watch);
}

void watch_again(struct master *m)
{
    m->watch_known = m->watch_last = look_at_all(m->conf);
}
