/* dns.h - questions to the domain name system, answered on the event loop.
 *
 * One context of libunbound, with its resolver on a thread of its own and its
 * cache. A question is answered exactly once, never before dns_ask has
 * returned, unless it is cancelled; the answer is one of four results, and
 * whatever is not a definite answer is trouble, which means later.
 */
#pragma once
#include <uv.h>
#include "base/slice.h"
#include "conf/conf.h"

enum { DNS_NAME = 256 };        /* longest name as text, with its NUL */

enum dns_type { DNS_A = 1, DNS_MX = 15, DNS_AAAA = 28 };

enum dns_result {
    DNS_TROUBLE = 0,            /* SERVFAIL, REFUSED, timeout, bogus: nobody knows */
    DNS_FOUND,
    DNS_NO_NAME,                /* NXDOMAIN */
    DNS_NO_DATA,                /* the name is there, records of this type are not */
};

struct dns_answer {
    enum dns_result     result;
    bool                secure;     /* validated by DNSSEC */
    const struct slice *records;    /* the data of each, uncompressed */
    size_t              nrecords;
    const char         *why;        /* of trouble, in words; else "" */
};

struct dns;
struct dns_question;

/* The answer, and all it points to, is valid during the call. */
typedef void dns_done_f(void *user, const struct dns_answer *answer);

/* dns_new - a resolver that asks conf->dns.servers, or the system's when there
 * are none; it knows /etc/hosts. NULL: no memory, or *why says more. */
struct dns *dns_new(uv_loop_t *loop, const struct conf *conf, const char **why);

/* dns_free - no question is answered any more. The loop must run on until its
 * handles are closed. */
void dns_free(struct dns *dns);

/* dns_ask - a question that is given up after conf->dns.timeout. NULL: it
 * cannot be asked now (later). */
struct dns_question *dns_ask(struct dns *dns, const char *name, enum dns_type type,
                             dns_done_f *done, void *user);

/* dns_cancel - `done` will not be called */
void dns_cancel(struct dns_question *q);
