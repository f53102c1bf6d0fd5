/* test_conf_file.c - the configuration file: what it means, what is refused and how. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <cmocka.h>
#include "conf/conf.h"
#include "conf/doc.h"
#include "conf/value.h"

static char path[] = "/tmp/postrider-conf-XXXXXX";
static char recipients[] = "/tmp/postrider-rcpt-XXXXXX";

static int make_files(void **state)
{
    int a = mkstemp(path), b = mkstemp(recipients);

    (void)state;
    close(a);
    close(b);
    return a < 0 || b < 0;
}

static int remove_files(void **state)
{
    (void)state;
    return unlink(path) | unlink(recipients);
}

static void write_conf(const char *text)
{
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    fputs(text, f);
    assert_int_equal(fclose(f), 0);
}

static struct conf *parse(const char *text, struct buf *errors)
{
    write_conf(text);
    return conf_parse(path, errors);
}

static struct conf *must_parse(const char *text)
{
    struct buf errors = BUF(65536);
    struct conf *c = parse(text, &errors);

    if (c == NULL)
        fail_msg("%.*s", SLICE(buf_view(&errors)));
    assert_int_equal(buf_view(&errors).n, 0);
    buf_free(&errors);
    return c;
}

static char *example(void)
{
    char *text;

    assert_true(asprintf(&text,
        "# the example of the manual\n"
        "hostname = \"mx.example.org\"\n"
        "spool    = \"/var/spool/postrider\"\n"
        "control  = \"/run/postrider/control\"   # the socket\n"
        "listen \"0.0.0.0:25\"     { role = mx }\n"
        "listen \"127.0.0.1:2525\" { role = sink }\n"
        "listen \"[::1]:2526\" { role = sink deliver = discard }\n"
        "domain \"Example.org\" {\n"
        "    recipients = \"file:%s\"\n"
        "    aliases    = \"file:%s\"\n"
        "    deliver    = \"maildir:/var/mail/%%d/%%u\"\n"
        "}\n"
        "domain \"any.test\" { recipients = any  deliver = lmtp:/run/dovecot/lmtp }\n"
        "domain \"sys.test\" { deliver = \"lmtp:127.0.0.1:24\" }\n"
        "trust { networks = {\"127.0.0.0/8\", \"::1/128\"} }\n"
        "route \"*\"            { via = mx }\n"
        "route \"*.partner.test\" { via = \"[::1]:25\" }\n"
        "route \"partner.test\" { via = \"127.0.0.1:2600\" }\n"
        "route \"*.a.partner.test\" { via = hold }\n"
        "route \"smart.test\" { via = smart.example.net }\n"
        "dns    { servers = {\"127.0.0.1:5300\"} }\n"
        "queue  { lifetime = 5d  warn = 4h  retry = {5m, 15m, 1h, 4h} }\n"
        "limits { message_size = 50M  recipients = 1000  connections = 20000  connections_per_client = 50 }\n",
        recipients, recipients) > 0);
    return text;
}

static void check_example(const struct conf *c)
{
    struct ip ip;

    assert_true(slice_eq(c->hostname, SLICE_LIT("mx.example.org")));
    assert_int_equal(c->nlistens, 3);
    assert_int_equal(c->listens[0].role, LISTEN_MX);
    assert_int_equal(c->listens[0].port, 25);
    assert_int_equal(c->listens[0].deliver_kind, DELIVER_NONE);
    assert_int_equal(c->listens[1].role, LISTEN_SINK);
    assert_true(slice_eq(c->listens[1].deliver, SLICE_LIT("maildir:/var/spool/postrider/sink")));
    assert_int_equal(c->listens[2].ip.family, 6);
    assert_int_equal(c->listens[2].deliver_kind, DELIVER_DISCARD);
    assert_int_equal(c->ndomains, 3);
    assert_int_equal(c->domains[0].recipients, RECIPIENTS_FILE);
    assert_true(slice_eq(c->domains[0].recipients_file, slice_cstr(recipients)));
    assert_int_equal(c->domains[0].deliver_kind, DELIVER_MAILDIR);
    assert_int_equal(c->domains[1].recipients, RECIPIENTS_ANY);
    assert_int_equal(c->domains[1].deliver_kind, DELIVER_LMTP_UNIX);
    assert_int_equal(c->domains[2].recipients, RECIPIENTS_SYSTEM);
    assert_int_equal(c->domains[2].deliver_kind, DELIVER_LMTP_TCP);
    assert_int_equal(c->trust.nnetworks, 2);
    assert_true(ip_parse(SLICE_LIT("127.9.9.9"), &ip) && conf_trusts(c, &ip));
    assert_true(ip_parse(SLICE_LIT("::1"), &ip) && conf_trusts(c, &ip));
    assert_true(ip_parse(SLICE_LIT("128.0.0.1"), &ip) && !conf_trusts(c, &ip));
    assert_int_equal(c->dns.nservers, 1);
    assert_int_equal(c->queue.nretry, 4);
    assert_int_equal(c->queue.retry[3], 4 * HOUR);
    assert_int_equal(c->queue.lifetime, 5 * DAY);
    assert_int_equal(c->limits.message_size, 50 << 20);
    assert_int_equal(c->limits.text_line, 998);
    assert_true(c->relay.ipv6);
    assert_non_null(conf_domain_find(c, SLICE_LIT("EXAMPLE.ORG")));
    assert_null(conf_domain_find(c, SLICE_LIT("example.com")));
    assert_null(conf_domain_find(c, SLICE_LIT("")));
    assert_true(conf_is_our_name(c, SLICE_LIT("MX.example.org")));
    assert_true(conf_is_our_name(c, SLICE_LIT("any.test")));
    assert_false(conf_is_our_name(c, SLICE_LIT("partner.test")));
}

static void the_most_specific_route_wins(const struct conf *c)
{
    static const struct { const char *domain; enum via_kind via; const char *host; unsigned port; } cases[] = {
        { "partner.test", VIA_HOST, "127.0.0.1", 2600 },
        { "PARTNER.test", VIA_HOST, "127.0.0.1", 2600 },
        { "x.partner.test", VIA_HOST, "::1", 25 },
        { "y.x.partner.test", VIA_HOST, "::1", 25 },
        { "a.partner.test", VIA_HOST, "::1", 25 },
        { "b.a.partner.test", VIA_HOLD, "", 0 },
        { "smart.test", VIA_HOST, "smart.example.net", 25 },
        { "xpartner.test", VIA_MX, "", 0 },
        { "example.net", VIA_MX, "", 0 },
        { "[192.0.2.1]", VIA_MX, "", 0 },
        { "", VIA_MX, "", 0 },
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct conf_route *r = conf_route_find(c, slice_cstr(cases[i].domain));

        assert_int_equal(r->via, cases[i].via);
        assert_true(slice_eq(r->host, slice_cstr(cases[i].host)));
        assert_int_equal(r->port, cases[i].port);
    }
}

static void the_example_means_what_it_says(void **state)
{
    char *text = example();
    struct conf *c = must_parse(text);

    (void)state;
    check_example(c);
    the_most_specific_route_wins(c);
    conf_free(c);
    free(text);
}

static void a_sealed_copy_means_the_same(void **state)
{
    char *text = example();
    struct conf *c = must_parse(text), *copy;
    struct buf a = BUF(1 << 20), b = BUF(1 << 20);
    int fd = conf_write(c);

    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, "x", 1, 0), -1);
    copy = conf_read(fd);
    assert_non_null(copy);
    check_example(copy);
    the_most_specific_route_wins(copy);
    conf_show(c, &a);
    conf_show(copy, &b);
    assert_true(slice_eq(buf_view(&a), buf_view(&b)));
    close(fd);
    conf_free(c);
    conf_free(copy);
    buf_free(&a);
    buf_free(&b);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_example_means_what_it_says),
        cmocka_unit_test(a_sealed_copy_means_the_same),
    };

    return cmocka_run_group_tests(tests, make_files, remove_files);
}
