/* dns.c - a question and its one answer, through libunbound. */
#include <stdio.h>
#include <stdlib.h>
#include <unbound.h>
#include "base/clock.h"
#include "base/list.h"
#include "dns/dns.h"
#include "log/log.h"

enum { RECORDS_MAX = 1000 };    /* of one answer; what comes after is not looked at */

struct dns {
    struct ub_ctx *ub;
    uv_loop_t     *loop;
    uv_poll_t      poll;
    uv_timer_t     timer;
    int64_t        timeout;     /* ms */
    struct list    asked;       /* oldest first, which is also due first */
    unsigned       open;        /* handles not yet closed */
};

struct dns_question {
    struct list  link;
    struct dns  *dns;
    int          number;        /* libunbound's */
    int64_t      due;           /* monotonic, ms */
    dns_done_f  *done;
    void        *user;
};

/* --- the end of a question */

static void question_free(struct dns_question *q)
{
    list_remove(&q->link);
    free(q);
}

static void question_answer(struct dns_question *q, const struct dns_answer *answer)
{
    dns_done_f *done = q->done;
    void *user = q->user;

    question_free(q);
    done(user, answer);
}

static void question_fail(struct dns_question *q, const char *why)
{
    question_answer(q, &(struct dns_answer){ .result = DNS_TROUBLE, .why = why });
}

static void question_data(struct dns_question *q, const struct ub_result *r)
{
    struct slice records[RECORDS_MAX];
    struct dns_answer a = { .result = DNS_FOUND, .secure = r->secure != 0,
                            .records = records, .why = "" };

    for (size_t i = 0; i < RECORDS_MAX && r->data[i] != NULL; i++)
        records[a.nrecords++] = slice_of(r->data[i], r->len[i] > 0 ? (size_t)r->len[i] : 0);
    question_answer(q, &a);
}

static void question_result(struct dns_question *q, int error, const struct ub_result *r)
{
    enum { NOERROR = 0, NXDOMAIN = 3 };
    struct dns_answer none = { .why = "" };

    if (error != 0 || r == NULL)
        question_fail(q, ub_strerror(error));
    else if (r->bogus)
        question_fail(q, "DNSSEC validation failed");
    else if (r->havedata && r->data != NULL)
        question_data(q, r);
    else if (r->nxdomain || r->rcode == NXDOMAIN) {
        none.result = DNS_NO_NAME;
        question_answer(q, &none);
    } else if (r->rcode == NOERROR) {
        none.result = DNS_NO_DATA;
        question_answer(q, &none);
    } else
        question_fail(q, r->rcode == 2 ? "server failure" : "server refused");
}

static void on_result(void *user, int error, struct ub_result *r)
{
    question_result(user, error, r);
    ub_resolve_free(r);
}

/* --- the clock */

static void on_timer(uv_timer_t *t);

static void timer_set(struct dns *dns)
{
    int64_t wait;

    if (list_empty(&dns->asked)) {
        uv_timer_stop(&dns->timer);
        return;
    }
    wait = LIST_OWNER(dns->asked.next, struct dns_question, link)->due - clock_mono();
    uv_timer_start(&dns->timer, on_timer, wait > 0 ? (uint64_t)wait : 0, 0);
}

static void on_timer(uv_timer_t *t)
{
    struct dns *dns = t->data;
    int64_t now = clock_mono();

    while (!list_empty(&dns->asked)) {
        struct dns_question *q = LIST_OWNER(dns->asked.next, struct dns_question, link);

        if (q->due > now)
            break;
        ub_cancel(dns->ub, q->number);
        question_fail(q, "timeout");
    }
    timer_set(dns);
}

static void on_readable(uv_poll_t *p, int status, int events)
{
    struct dns *dns = p->data;

    (void)status;
    (void)events;
    ub_process(dns->ub);
}

/* --- questions */

struct dns_question *dns_ask(struct dns *dns, const char *name, enum dns_type type,
                             dns_done_f *done, void *user)
{
    enum { CLASS_IN = 1 };
    struct dns_question *q = calloc(1, sizeof *q);

    if (q == NULL)
        return NULL;
    *q = (struct dns_question){ .dns = dns, .done = done, .user = user,
                                .due = clock_mono() + dns->timeout };
    if (ub_resolve_async(dns->ub, name, (int)type, CLASS_IN, q, on_result, &q->number) != 0) {
        free(q);
        return NULL;
    }
    list_push(&dns->asked, &q->link);
    if (dns->asked.next == &q->link)
        timer_set(dns);
    return q;
}

void dns_cancel(struct dns_question *q)
{
    ub_cancel(q->dns->ub, q->number);
    question_free(q);
}

/* --- the context */

static bool set(struct dns *dns, const char *option, const char *value)
{
    return ub_ctx_set_option(dns->ub, option, value) == 0;
}

/* "127.0.0.1:5300", "[::1]:53" or a bare address, as libunbound writes it:
 * 127.0.0.1@5300 */
static bool server_text(struct slice server, char *text, size_t size)
{
    char address[IP_TEXT];
    struct slice host = server, port = SLICE_LIT("53");
    struct ip ip;
    uint64_t number;

    if (host.n > 0 && host.p[0] == '[') {
        slice_cut(slice_from(server, 1), ']', &host, &port);
        port = port.n > 1 ? slice_from(port, 1) : SLICE_LIT("53");
    } else if (!ip_parse(server, &ip)) {
        size_t colon = slice_rchr(server, ':');

        host = slice_first(server, colon);
        port = slice_from(server, colon + 1);
    }
    if (!ip_parse(host, &ip) || !slice_u64(port, &number) || number == 0 || number > 65535)
        return false;
    snprintf(text, size, "%s@%u", ip_text(&ip, address), (unsigned)number);
    return true;
}

static bool use_servers(struct dns *dns, const struct conf *conf)
{
    char text[IP_TEXT + 8];

    set(dns, "do-not-query-localhost:", "no");
    if (conf->dns.nservers == 0)
        return ub_ctx_resolvconf(dns->ub, NULL) == 0;
    for (size_t i = 0; i < conf->dns.nservers; i++)
        if (!server_text(conf->dns.servers[i], text, sizeof text)
            || ub_ctx_set_fwd(dns->ub, text) != 0)
            return false;
    return true;
}

/* A dead server must be noticed as alive again within one retry of the queue,
 * and "test." is ours to resolve (libunbound would answer it itself). */
static void use_options(struct dns *dns)
{
    set(dns, "infra-host-ttl:", "60");
    set(dns, "infra-keep-probing:", "yes");
    ub_ctx_hosts(dns->ub, NULL);
    ub_ctx_zone_remove(dns->ub, "test.");
}

static const char *context_open(struct dns *dns, const struct conf *conf)
{
    if (!use_servers(dns, conf))
        return "no usable DNS server is configured";
    if (ub_ctx_async(dns->ub, 1) != 0)
        return "the resolver cannot start its thread";
    use_options(dns);
    if (uv_poll_init(dns->loop, &dns->poll, ub_fd(dns->ub)) != 0)
        return "the resolver gives no descriptor";
    return NULL;
}

struct dns *dns_new(uv_loop_t *loop, const struct conf *conf, const char **why)
{
    struct dns *dns = calloc(1, sizeof *dns);

    *why = "no memory";
    if (dns == NULL || (dns->ub = ub_ctx_create()) == NULL) {
        free(dns);
        return NULL;
    }
    dns->loop = loop;
    dns->timeout = conf->dns.timeout > 0 ? conf->dns.timeout : 15000;
    list_init(&dns->asked);
    *why = context_open(dns, conf);
    if (*why != NULL) {
        ub_ctx_delete(dns->ub);
        free(dns);
        return NULL;
    }
    uv_timer_init(loop, &dns->timer);
    dns->poll.data = dns->timer.data = dns;
    dns->open = 2;
    uv_poll_start(&dns->poll, UV_READABLE, on_readable);
    uv_unref((uv_handle_t *)&dns->poll);
    return dns;
}

static void on_closed(uv_handle_t *h)
{
    struct dns *dns = h->data;

    if (--dns->open > 0)
        return;
    ub_ctx_delete(dns->ub);
    free(dns);
}

void dns_free(struct dns *dns)
{
    while (!list_empty(&dns->asked))
        dns_cancel(LIST_OWNER(dns->asked.next, struct dns_question, link));
    uv_close((uv_handle_t *)&dns->poll, on_closed);
    uv_close((uv_handle_t *)&dns->timer, on_closed);
}
