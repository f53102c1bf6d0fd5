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
#include "conf_text.h"

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

static struct conf *parse(const char *text, struct buf *errors)
{
    write_file(path, text);
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


/* expect_error - the first line of what is told: "PATH" before it is left out here */

static bool expect_error(const char *text, const char *expected)
{
    bool ok;
    struct buf errors = BUF(65536);
    struct conf *c = parse(text, &errors);
    char start[600];

    snprintf(start, sizeof start, "%s%s", path, expected);
    ok = c == NULL && slice_istarts(buf_view(&errors), slice_cstr(start));
    if (!ok)
        print_error("%s\n-> %.*s", text, SLICE(buf_view(&errors)));
    buf_free(&errors);
    return ok;
}

static void what_is_wrong_is_told_with_line_and_advice(void **state)
{
    static const struct { const char *text, *expected; } cases[] = {
        /* names */
        { "hostnam = x\n", ":1: \"hostnam\" is not known here; did you mean \"hostname\"?" },
        { "\n\nlimits { mesage_size = 5M }\n", ":3: \"mesage_size\" is not known in limits; did you mean \"message_size\"?" },
        { "limit { message_size = 5M }\n", ":1: \"limit\" is not known here; did you mean \"limits\"?" },
        { "message_size = 5M\n", ":1: \"message_size\" is not known here; it belongs into limits { }" },
        { "limits {\n hostname = x }\n", ":2: \"hostname\" is not known in limits; it belongs outside of any section" },
        { "quite_unlike_anything = 1\n", ":1: \"quite_unlike_anything\" is not known here; see postrider.conf(5)" },
        /* syntax */
        { "hostname mx.test\n", ":1: " },
        { "hostname = \"mx.test\n", ":" },
        { "limits {\n message_size = 5M\n", ":" },
        { "spool = /a\n/* hostname = x\n", ": the file ends inside of a comment" },
        { "listen { role = mx }\n", ":1: " },
        { "spool = {\"/a\", \"/b\"}\n", ":1: " },
        /* values */
        { "limits { message_size = 5Q }\n", ":1: message_size: \"5Q\" is not a size; write" },
        { "limits { message_size = 99T }\n", ":1: message_size: 99T is out of bounds; between 1024 and" },
        { "limits { recipients = 99 }\n", ":1: recipients: 99 is out of bounds; between 100 and" },
        { "limits { recipients = many }\n", ":1: recipients: \"many\" is not a number" },
        { "limits { recipients = -1 }\n", ":1: recipients: \"-1\" is not a number" },
        { "limits { message_size = 99999999999999999999 }\n", ":1: message_size: " },
        { "queue { lifetime = 5 }\n", ":1: lifetime: \"5\" is not a time; write a number with" },
        { "queue { retry = {5m, soon} }\n", ":1: retry: \"soon\" is not a time" },
        { "queue { lifetime = 1h\n warn = 2h }\n", ":2: warn: must be less than lifetime" },
        { "log { json = perhaps }\n", ":1: json: \"perhaps\" is not true or false" },
        { "log { level = loud }\n", ":1: level: \"loud\" is not known here; write one of debug|info" },
        { "log { to = nowhere }\n", ":1: to: \"nowhere\" is no place for a log" },
        { "log { to = \"file:relative\" }\n", ":1: to: " },
        { "spool = relative/path\n", ":1: spool: \"relative/path\" is not an absolute path" },
        { "hostname = \"not a name\"\n", ":1: hostname: \"not a name\" is not a host name" },
        { "hostname = \"\"\n", ":1: hostname: " },
        { "hostname = \"a\nb\"\n", ":" },
        { "listen \"0.0.0.0\" { }\n", ":1: listen: \"0.0.0.0\" is no address with a port" },
        { "listen \"localhost:25\" { }\n", ":1: listen: " },
        { "listen \"0.0.0.0:99999\" { }\n", ":1: listen: " },
        { "listen \"::1:25\" { }\n", ":1: listen: " },
        { "listen \"0.0.0.0:25\" { role = relay }\n", ":1: role: \"relay\" is not known here; write one of mx|sink" },
        { "listen \"0.0.0.0:25\" { deliver = discard }\n", ":1: deliver: only a sink has it" },
        { "domain \"bad_name\" { }\n", ":1: domain: \"bad_name\" is not a domain" },
        { "domain \"a.test\" {\n\n}\ndomain\n\"b_.test\" {\n\n deliver = discard\n}\n", ":4: domain: \"b_.test\" is not a domain" },
        { "domain \"a.test\" {\n\n deliver = \"mbox:/var/mail\" }\n", ":3: deliver: \"mbox:/var/mail\" is no way to deliver" },
        { "domain \"a.test\" { deliver = \"maildir:relative\" }\n", ":1: deliver: " },
        { "domain \"a.test\" { deliver = \"maildir:/m/%x\" }\n", ":1: deliver: " },
        { "domain \"a.test\" { deliver = \"maildir:/m/%\" }\n", ":1: deliver: " },
        { "domain \"a.test\" { deliver = \"lmtp:\" }\n", ":1: deliver: " },
        { "domain \"a.test\" { recipients = \"file:/nonexistent/list\" }\n", ":1: recipients: /nonexistent/list: No such file" },
        { "domain \"a.test\" { aliases = \"file:/tmp\" }\n", ":1: aliases: /tmp is not a plain file" },
        { "domain \"a.test\" { recipients = some }\n", ":1: recipients: \"some\" is not understood; write file:/PATH or any" },
        { "domain \"a.test\" { aliases = any }\n", ":1: aliases: \"any\" is not understood; write file:/PATH" },
        { "trust { networks = {\"10.0.0.0/33\"} }\n", ":1: networks: \"10.0.0.0/33\" is not a network" },
        { "trust { networks = {\"10.0.0.1/8\"} }\n", ":1: networks: " },
        { "dns { servers = {\"ns.example.org\"} }\n", ":1: servers: \"ns.example.org\" is not a name server" },
        { "route \"bad_name\" { }\n", ":1: route: \"bad_name\" is not a domain" },
        { "route \"a.*.test\" { }\n", ":1: route: " },
        { "route \"a.test\" { via = \"b.test:smtp\" }\n", ":1: via: \"b.test:smtp\" is no way" },
        { "route \"a.test\" { via = \"1.2.3.4.5\" }\n", ":1: via: " },
        /* twice, or against each other */
        { "spool = /a\nspool = /b\n", ":2: \"spool\" is given twice; the first is on line 1" },
        { "queue { retry = {1m} }\nqueue { retry = {2m} }\n", ":2: \"retry\" is given twice; the first is on line 1" },
        { "listen \"0.0.0.0:25\" { }\nlisten \"0.0.0.0:25\" { }\n", ":2: " },
        { "listen \"[::1]:25\" { }\nlisten \"[0::1]:25\" { }\n", ":2: listen \"[0::1]:25\" is there twice; the first is on line 1" },
        { "domain \"a.test\" { }\ndomain \"A.test\" { }\n", ":2: domain \"a.test\" is there twice; the first is on line 1" },
        { "route \"a.test\" { }\nroute \"A.test\" { }\n", ":" },
        { "listen \"127.0.0.1:2600\" { }\nroute \"*\" { via = \"127.0.0.1:2600\" }\n", ":2: route \"*\": via = \"127.0.0.1:2600\" leads back to this server" },
        { "listen \"0.0.0.0:26\" { }\nroute \"*\" { via = \"127.0.0.1:26\" }\n", ":2: route \"*\": via" },
        { "domain \"a.test\" { }\nroute \"a.test\" { via = hold }\n", ":2: route \"a.test\": this domain's mail ends here" },
    };
    unsigned failures = 0;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        failures += !expect_error(cases[i].text, cases[i].expected);
    assert_int_equal(failures, 0);
}

static void several_errors_are_told_at_once_and_at_most_twenty(void **state)
{
    struct buf text = BUF(65536), errors = BUF(65536);

    (void)state;
    for (int i = 0; i < 30; i++)
        buf_printf(&text, "domain \"d%d.test\" { deliver = nowhere }\n", i);
    buf_put(&text, "", 1);
    assert_null(parse(buf_view(&text).p, &errors));
    assert_int_equal(lines_in(buf_view(&errors)), 21);
    buf_free(&text);
    buf_free(&errors);
}

static void a_missing_file_is_named(void **state)
{
    struct buf errors = BUF(65536);

    (void)state;
    assert_null(conf_parse("/nonexistent/postrider.conf", &errors));
    assert_true(slice_istarts(buf_view(&errors), SLICE_LIT("/nonexistent/postrider.conf: No such file")));
    assert_null(conf_parse("/tmp", NULL));
    buf_free(&errors);
}

static void an_empty_file_holds_the_defaults(void **state)
{
    struct conf *c = must_parse("# nothing\n");

    (void)state;
    assert_true(c->hostname.n > 0);
    assert_int_equal(c->nlistens, 2);
    assert_int_equal(c->listens[0].port, 25);
    assert_int_equal(c->listens[1].ip.family, 6);
    assert_int_equal(c->ndomains, 0);
    assert_int_equal(c->trust.nnetworks, 0);
    assert_int_equal(c->dns.nservers, 0);
    assert_int_equal(c->queue.nretry, 4);
    assert_int_equal(c->limits.hops, 50);
    assert_int_equal(c->limits.command_timeout, 5 * MIN);
    assert_int_equal(conf_route_find(c, SLICE_LIT("x.test"))->via, VIA_MX);
    conf_free(c);
}

static void a_short_lifetime_has_no_warning_by_default(void **state)
{
    struct conf *c = must_parse("queue { lifetime = 1h }\n");
    struct buf shown = BUF(1 << 20);

    (void)state;
    assert_int_equal(c->queue.warn, 0);
    conf_show(c, &shown);
    assert_non_null(memmem(shown.p, shown.n, "warn = 0   # default\n", 21));
    buf_free(&shown);
    conf_free(c);
}

static void without_a_file_there_is_a_sink_for_development(void **state)
{
    struct buf errors = BUF(65536);
    struct conf *c;

    (void)state;
    assert_int_equal(setenv("XDG_STATE_HOME", "/tmp/postrider-state", 1), 0);
    c = conf_parse(NULL, &errors);
    assert_non_null(c);
    assert_true(slice_eq(c->file, SLICE_LIT("(embedded)")));
    assert_int_equal(c->nlistens, 1);
    assert_int_equal(c->listens[0].role, LISTEN_SINK);
    assert_int_equal(c->listens[0].port, 2525);
    assert_true(ip_is_loopback(&c->listens[0].ip));
    assert_true(c->spool.p[0] == '/');
    conf_free(c);
    buf_free(&errors);
}

static void an_lmtp_server_has_a_port(void **state)
{
    static const struct { const char *deliver, *full; } cases[] = {
        { "lmtp:127.0.0.1:2400", "lmtp:127.0.0.1:2400" }, { "lmtp:127.0.0.1", "lmtp:127.0.0.1:24" },
        { "lmtp:::1", "lmtp:[::1]:24" }, { "lmtp:[::1]:2400", "lmtp:[::1]:2400" },
        { "lmtp:imap.test", "lmtp:imap.test:24" }, { "lmtp:/run/lmtp", "lmtp:/run/lmtp" },
    };
    char text[200];

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct conf *c;

        snprintf(text, sizeof text, "domain \"a.test\" { deliver = \"%s\" }\n", cases[i].deliver);
        c = must_parse(text);
        assert_true(slice_eq(c->domains[0].deliver, slice_cstr(cases[i].full)));
        conf_free(c);
    }
}

static void what_is_shown_means_the_same(void **state)
{
    char *text = example();
    struct conf *c = must_parse(text), *again;
    struct buf a = BUF(1 << 20), b = BUF(1 << 20);
    char *shown;

    (void)state;
    conf_show(c, &a);
    assert_non_null(memmem(a.p, a.n, "spool = \"/var/spool/postrider\"   # /tmp/", 40));
    assert_non_null(memmem(a.p, a.n, "errors = 20   # default\n", 24));
    assert_int_equal(asprintf(&shown, "%.*s", SLICE(buf_view(&a))), a.n);
    again = must_parse(shown);
    check_example(again);
    the_most_specific_route_wins(again);
    free(shown);
    conf_free(again);
    conf_free(c);
    free(text);
    buf_free(&a);
    buf_free(&b);
}

static void odd_texts_survive_being_shown(void **state)
{
    struct buf a = BUF(1 << 20);
    struct conf *c = must_parse("spool = '/a \"b\" $HOME ${HOME} \\\\c'\n"), *again;
    char *shown;

    (void)state;
    assert_true(slice_eq(c->spool, SLICE_LIT("/a \"b\" $HOME ${HOME} \\c")));
    conf_show(c, &a);
    assert_true(asprintf(&shown, "%.*s", SLICE(buf_view(&a))) > 0);
    again = must_parse(shown);
    assert_true(slice_eq(c->spool, again->spool));
    conf_free(c);
    conf_free(again);
    free(shown);
    buf_free(&a);
}

/* sealed - these bytes as conf_read wants them */

static int sealed(const char *p, size_t n)
{
    int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, p, n), n);
    assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW), 0);
    return fd;
}

static struct conf *read_bytes(const char *p, size_t n)
{
    int fd = sealed(p, n);
    struct conf *c = conf_read(fd);

    close(fd);
    return c;
}

static void a_damaged_copy_is_refused_and_harms_nothing(void **state)
{
    char *text = example(), bytes[65536], changed[65536];
    struct conf *c = must_parse(text);
    int fd = conf_write(c);
    ssize_t got = pread(fd, bytes, sizeof bytes, 0);
    size_t n = (size_t)got;

    (void)state;
    assert_true(got > 100 && n < sizeof bytes);
    close(fd);
    conf_free(c);
    free(text);
    for (size_t i = 1; i < n; i++)
        assert_null(read_bytes(bytes, i));
    memcpy(changed, bytes, n);
    changed[n] = 0;
    assert_null(read_bytes(changed, n + 1));
    srand(11);
    for (int i = 0; i < 3000; i++) {
        memcpy(changed, bytes, n);
        for (int k = 0; k <= i % 4; k++)
            changed[(size_t)rand() % n] ^= (char)(1 << rand() % 8);
        conf_free(read_bytes(changed, n));      /* either answer, no harm */
    }
}

static void a_copy_that_can_still_change_is_refused(void **state)
{
    struct conf *c = must_parse("hostname = mx.test\n");
    int good = conf_write(c), fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    char bytes[65536];
    ssize_t n = pread(good, bytes, sizeof bytes, 0);

    (void)state;
    conf_free(c);
    assert_true(fd >= 0 && n > 0);
    assert_int_equal(write(fd, bytes, (size_t)n), n);
    assert_null(conf_read(fd));
    assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK), 0);
    assert_null(conf_read(fd));
    assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), 0);
    c = conf_read(fd);
    assert_non_null(c);
    conf_free(c);
    close(good);
    close(fd);
    assert_null(conf_read(-1));
    assert_null(conf_read(STDIN_FILENO));
}

static void times_and_sizes_have_units(void **state)
{
    static const struct { const char *text; bool ok; int64_t ms; } times[] = {
        { "0", true, 0 }, { "0s", true, 0 }, { "500ms", true, 500 }, { "30s", true, 30 * SEC },
        { "5m", true, 5 * MIN }, { "4h", true, 4 * HOUR }, { "5d", true, 5LL * DAY },
        { "1w", true, 7LL * DAY }, { "1h30m", true, 90 * MIN }, { "1h 30m", true, 90 * MIN },
        { "5D", true, 5LL * DAY }, { "", false, 0 }, { "5", false, 0 }, { "m", false, 0 },
        { "5x", false, 0 }, { "-5m", false, 0 }, { "1.5h", false, 0 }, { "5mm", false, 0 },
        { "99999999999999d", false, 0 }, { "18446744073709551615ms", false, 0 },
        { "9000000000000000s9000000000000000s", false, 0 },
    };
    static const struct { const char *text; bool ok; uint64_t bytes; } sizes[] = {
        { "0", true, 0 }, { "998", true, 998 }, { "64K", true, 65536 }, { "64k", true, 65536 },
        { "50M", true, 50 * MIB }, { "2G", true, 2 * GIB }, { "1T", true, 1024 * GIB },
        { "", false, 0 }, { "K", false, 0 }, { "5KB", false, 0 }, { "-1", false, 0 },
        { "1.5M", false, 0 }, { "99999999999T", false, 0 },
    };
    int64_t ms;
    uint64_t bytes;

    (void)state;
    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++)
        if (value_time(slice_cstr(times[i].text), &ms) != times[i].ok
            || (times[i].ok && ms != times[i].ms))
            fail_msg("%s", times[i].text);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        if (value_size(slice_cstr(sizes[i].text), &bytes) != sizes[i].ok
            || (sizes[i].ok && bytes != sizes[i].bytes))
            fail_msg("%s", sizes[i].text);
}

static void hosts_may_have_ports(void **state)
{
    static const struct { const char *text; bool ok; const char *host; unsigned port; } cases[] = {
        { "127.0.0.1:2600", true, "127.0.0.1", 2600 }, { "127.0.0.1", true, "127.0.0.1", 7 },
        { "[::1]:25", true, "::1", 25 }, { "[::1]", true, "::1", 7 }, { "::1", true, "::1", 7 },
        { "smtp.example.net", true, "smtp.example.net", 7 }, { "a.test:587", true, "a.test", 587 },
        { "host1", true, "host1", 7 }, { "mx.a1", false, "", 0 },
        { "", false, "", 0 }, { ":25", false, "", 0 }, { "a.test:", false, "", 0 },
        { "a.test:0", false, "", 0 }, { "a.test:65536", false, "", 0 }, { "[::1", false, "", 0 },
        { "[::1]25", false, "", 0 }, { "[a.test]:25", false, "", 0 }, { "1.2.3", false, "", 0 },
        { "1.2.3.4.5:25", false, "", 0 }, { "a b:25", false, "", 0 }, { "a..test", false, "", 0 },
    };
    struct slice host;
    uint16_t port;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        if (value_endpoint(slice_cstr(cases[i].text), 7, &host, &port) != cases[i].ok
            || (cases[i].ok && (port != cases[i].port || !slice_eq(host, slice_cstr(cases[i].host)))))
            fail_msg("%s", cases[i].text);
}

static void the_settings_of_a_section_stand_together(void **state)
{
    (void)state;
    for (unsigned s = 0; s < SECTION_COUNT; s++) {
        unsigned first, n;

        conf_section_span((enum conf_section)s, &first, &n);
        assert_true(n > 0);
        for (unsigned i = first; i < first + n; i++)
            assert_int_equal(conf_settings[i].section, s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_example_means_what_it_says),
        cmocka_unit_test(a_sealed_copy_means_the_same),
        cmocka_unit_test(what_is_wrong_is_told_with_line_and_advice),
        cmocka_unit_test(several_errors_are_told_at_once_and_at_most_twenty),
        cmocka_unit_test(a_missing_file_is_named),
        cmocka_unit_test(an_empty_file_holds_the_defaults),
        cmocka_unit_test(a_short_lifetime_has_no_warning_by_default),
        cmocka_unit_test(without_a_file_there_is_a_sink_for_development),
        cmocka_unit_test(an_lmtp_server_has_a_port),
        cmocka_unit_test(what_is_shown_means_the_same),
        cmocka_unit_test(odd_texts_survive_being_shown),
        cmocka_unit_test(a_damaged_copy_is_refused_and_harms_nothing),
        cmocka_unit_test(a_copy_that_can_still_change_is_refused),
        cmocka_unit_test(times_and_sizes_have_units),
        cmocka_unit_test(hosts_may_have_ports),
        cmocka_unit_test(the_settings_of_a_section_stand_together),
    };

    return cmocka_run_group_tests(tests, make_files, remove_files);
}
