/* ports.c - listening sockets, opened once and kept over reloads.
 *
 * They are the master's, so connections that wait in their backlog are never
 * lost with a process.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <unistd.h>
#include "base/fate.h"
#include "log/log.h"
#include "master/master.h"

enum { BACKLOG = 4096 };

static struct port *find(struct master *m, struct slice address)
{
    for (size_t i = 0; i < m->nports; i++)
        if (slice_eq(slice_cstr(m->ports[i].address), address))
            return &m->ports[i];
    return NULL;
}

int ports_fd(const struct master *m, struct slice address)
{
    const struct port *p = find((struct master *)(uintptr_t)m, address);

    return p != NULL ? p->fd : -1;
}

static int bound(const struct conf_listen *l)
{
    struct sockaddr_storage sa;
    socklen_t n = ip_to_sockaddr(&l->ip, l->port, &sa);
    int on = 1, fd;

    fd = socket(sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (sa.ss_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);   /* accepted ones inherit it */
    if (bind(fd, (struct sockaddr *)&sa, n) == 0 && listen(fd, BACKLOG) == 0)
        return fd;
    n = (socklen_t)errno;
    close(fd);
    errno = (int)n;
    return -1;
}

static const char *remedy(int error)
{
    switch (error) {
    case EACCES:        return " (ports below 1024 need root, or CAP_NET_BIND_SERVICE)";
    case EADDRINUSE:    return " (another server uses it)";
    case EADDRNOTAVAIL: return " (this machine has no such address)";
    default:            return "";
    }
}

static bool port_open(struct master *m, const struct conf_listen *l, struct why *why)
{
    struct port *p = &m->ports[m->nports];
    int fd;

    if (m->nports == MASTER_PORTS || l->address.n >= sizeof p->address)
        return why_text(why, FATE_LATER, "more than %d listeners", MASTER_PORTS);
    fd = bound(l);
    if (fd < 0) {
        int error = errno;

        if (error == EAFNOSUPPORT && l->ip.family == 6 && ip_is_unspecified(&l->ip)) {
            log_event(EVENT_CONFIG, LF_STR("why", "this machine has no IPv6"),
                      LF_TEXT("address", l->address));
            return true;
        }
        why_text(why, FATE_LATER, "%.*s:%u: cannot listen on %.*s: %s%s",
                 SLICE(m->conf->file), l->line, SLICE(l->address),
                 strerror(error), remedy(error));
        why->error = error;
        return false;
    }
    memcpy(p->address, l->address.p, l->address.n);
    p->address[l->address.n] = '\0';
    p->fd = fd;
    m->nports++;
    log_event(EVENT_LISTEN, LF_TEXT("address", l->address));
    return true;
}

bool ports_open(struct master *m, const struct conf *conf, unsigned generation, struct why *why)
{
    size_t before = m->nports;

    for (size_t i = 0; i < conf->nlistens; i++) {
        if (find(m, conf->listens[i].address) == NULL && !port_open(m, &conf->listens[i], why)) {
            while (m->nports > before)
                close(m->ports[--m->nports].fd);
            return false;
        }
    }
    for (size_t i = 0; i < conf->nlistens; i++) {
        struct port *p = find(m, conf->listens[i].address);

        if (p != NULL)
            p->generation = generation;
    }
    return true;
}

void ports_retire(struct master *m, unsigned generation)
{
    for (size_t i = m->nports; i-- > 0;) {
        if (m->ports[i].generation == generation)
            continue;
        close(m->ports[i].fd);
        m->ports[i] = m->ports[--m->nports];
    }
}
