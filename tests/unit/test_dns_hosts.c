/* test_dns_hosts.c - MX records from bytes, and what follows from every kind of answer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include "dns/hosts.h"

/* --- records from bytes (A176) */

static const struct {
    const char  *what;
    struct slice rdata;
    const char  *name;          /* NULL: refused */
} rdata_cases[] = {
    { "no root label", { "\0\12\2mx\7Example\3org", 17 }, NULL },
    { "a usual one", { "\0\12\2mx\7Example\3org", 18 }, "mx.example.org" },
    { "the root", { "\0\0\0", 3 }, "" },
    { "an underscore", { "\0\0\2_m\0", 6 }, "_m" },
    { "nothing", { "", 0 }, NULL },
    { "half a preference", { "\0", 1 }, NULL },
    { "no name", { "\0\12", 2 }, NULL },
    { "a label beyond the end", { "\0\12\77ab\0", 6 }, NULL },
    { "a label to the very end", { "\0\12\2ab", 5 }, NULL },
    { "bytes after the root", { "\0\12\1a\0b", 6 }, NULL },
    { "a compression pointer", { "\0\12\300\14", 4 }, NULL },
    { "a pointer after a label", { "\0\12\1a\300\0", 6 }, NULL },
    { "a dot inside a label", { "\0\12\3a.b\0", 7 }, NULL },
    { "a NUL inside a label", { "\0\12\3a\0b\0", 7 }, NULL },
    { "a newline inside a label", { "\0\12\3a\nb\0", 7 }, NULL },
    { "a space inside a label", { "\0\12\3a b\0", 7 }, NULL },
};

static void mx_records_are_read_strictly(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rdata_cases / sizeof *rdata_cases; i++) {
        struct slice in = rdata_cases[i].rdata;
        char *copy = malloc(in.n + 1);      /* so that a sanitizer sees one byte too many */
        struct mx mx;
        bool ok;

        memcpy(copy, in.p, in.n);
        copy = realloc(copy, in.n > 0 ? in.n : 1);
        ok = mx_parse(slice_of(copy, in.n), &mx);
        if (ok != (rdata_cases[i].name != NULL))
            fail_msg("%s", rdata_cases[i].what);
        if (ok)
            assert_string_equal(mx.name, rdata_cases[i].name);
        free(copy);
    }
}

static void every_truncation_of_a_record_is_refused(void **state)
{
    static const char whole[] = "\0\12\2mx\7example\3org";
    struct mx mx;

    (void)state;
    for (size_t n = 0; n < sizeof whole - 1; n++)
        assert_false(mx_parse(slice_of(whole, n), &mx));
    assert_true(mx_parse(slice_of(whole, sizeof whole), &mx));
    assert_int_equal(mx.preference, 10);
}

static void a_name_of_255_octets_fits_and_a_longer_one_does_not(void **state)
{
    char rdata[400] = { 0 };
    size_t at = 2;
    struct mx mx;

    (void)state;
    for (int label = 0; label < 4; label++) {
        rdata[at++] = label < 3 ? 63 : 61;
        memset(rdata + at, 'a', 63);
        at += label < 3 ? 63 : 61;
    }
    rdata[at++] = 0;
    assert_true(mx_parse(slice_of(rdata, at), &mx));
    assert_int_equal(strlen(mx.name), 253);
    rdata[at - 1] = 40;
    memset(rdata + at, 'b', 40);
    rdata[at + 40] = 0;
    assert_false(mx_parse(slice_of(rdata, at + 41), &mx));
}

/* --- the order */

static uint32_t random_first(uint32_t below)
{
    (void)below;
    return 0;
}

static uint32_t random_last(uint32_t below)
{
    return below - 1;
}

static void equal_preferences_are_shuffled_and_others_are_not(void **state)
{
    int first[2] = { 0 };

    (void)state;
    for (int i = 0; i < 200; i++) {
        struct mx mx[4] = { { 20, "c" }, { 10, "a" }, { 10, "b" }, { 65535, "d" } };

        mx_order(mx, 4, arc4random_uniform);
        assert_string_equal(mx[2].name, "c");
        assert_string_equal(mx[3].name, "d");
        first[mx[0].name[0] == 'a']++;
    }
    assert_true(first[0] > 50 && first[1] > 50);
}

/* --- the judgement: answers as words
 *
 * MX: "10 name, 20 name", "null", "nxdomain", "nodata", "trouble".
 * Addresses: "name=1.2.3.4 name=trouble", in any order. */

static const struct {
    const char *what, *mx, *addresses;
    enum fate   fate;
    const char *status;         /* when not done */
    const char *hosts;          /* when done: names in order */
} cases[] = {
    { "MX by preference", "20 b.test, 10 a.test", "a.test=1.1.1.1 b.test=2.2.2.2",
      FATE_DONE, NULL, "a.test b.test" },
    { "no MX: the domain's own address", "nodata", "x.test=1.1.1.1", FATE_DONE, NULL, "x.test" },
    { "null MX", "0 .", "", FATE_NEVER, "5.1.10", NULL },
    { "null MX beside a real one does not count", "0 ., 10 a.test", "a.test=1.1.1.1",
      FATE_DONE, NULL, "a.test" },
    { "no such domain", "nxdomain", "", FATE_NEVER, "5.1.2", NULL },
    { "nothing at all", "nodata", "x.test=nodata", FATE_NEVER, "5.4.4", NULL },
    { "nothing, and no name", "nodata", "x.test=nxdomain", FATE_NEVER, "5.1.2", NULL },
    { "MX lookup fails", "trouble", "", FATE_LATER, "4.4.3", NULL },
    { "the only address lookup fails", "10 a.test", "a.test=trouble", FATE_LATER, "4.4.3", NULL },
    { "one address lookup fails", "10 a.test, 20 b.test", "a.test=trouble b.test=2.2.2.2",
      FATE_DONE, NULL, "b.test" },
    { "one fails, one has none", "10 a.test, 20 b.test", "a.test=trouble b.test=nxdomain",
      FATE_LATER, "4.4.3", NULL },
    { "MX hosts that do not exist", "10 a.test, 20 b.test", "a.test=nodata b.test=nxdomain",
      FATE_NEVER, "5.4.4", NULL },
    { "an MX that is an address", "10 192.0.2.1", "", FATE_NEVER, "5.4.4", NULL },
    { "an MX that is an address beside a host", "10 192.0.2.1, 20 b.test", "b.test=2.2.2.2",
      FATE_DONE, NULL, "b.test" },
    { "malformed records", "bad", "", FATE_LATER, "4.4.3", NULL },
    { "loopback is refused", "10 a.test", "a.test=127.0.0.1", FATE_NEVER, "5.4.4", NULL },
    { "unspecified is refused", "10 a.test", "a.test=0.0.0.0", FATE_NEVER, "5.4.4", NULL },
    { "multicast is refused", "10 a.test", "a.test=224.0.0.1", FATE_NEVER, "5.4.4", NULL },
    { "broadcast is refused", "10 a.test", "a.test=255.255.255.255", FATE_NEVER, "5.4.4", NULL },
    { "loopback beside another", "10 a.test", "a.test=127.0.0.1 a.test=1.1.1.1",
      FATE_DONE, NULL, "a.test" },
    { "private addresses are policy, not refused", "10 a.test", "a.test=10.0.0.1",
      FATE_DONE, NULL, "a.test" },
    { "we are the only MX, by name", "10 us.test", "us.test=9.9.9.8", FATE_NEVER, "5.4.6", NULL },
    { "we are the only MX, by address", "10 a.test", "a.test=9.9.9.9", FATE_NEVER, "5.4.6", NULL },
    { "we are the best MX", "10 us.test, 20 b.test", "us.test=9.9.9.8 b.test=2.2.2.2",
      FATE_NEVER, "5.4.6", NULL },
    { "we are a backup: only better ones", "10 a.test, 20 us.test, 30 c.test",
      "a.test=1.1.1.1 us.test=9.9.9.9 c.test=3.3.3.3", FATE_DONE, NULL, "a.test" },
    { "equal to us is dropped too", "10 a.test, 20 us.test, 20 c.test",
      "a.test=1.1.1.1 us.test=9.9.9.9 c.test=3.3.3.3", FATE_DONE, NULL, "a.test" },
    { "the better one is in trouble: later, no loop", "10 a.test, 20 us.test",
      "a.test=trouble us.test=9.9.9.9", FATE_LATER, "4.4.3", NULL },
    { "no MX, and the address is ours", "nodata", "x.test=9.9.9.9", FATE_NEVER, "5.4.6", NULL },
};

static struct slice next_word(struct slice *s, char by)
{
    struct slice word, rest;

    slice_cut(*s, by, &word, &rest);
    *s = slice_trim(rest);
    return slice_trim(word);
}

static size_t put_name(char *to, struct slice name)
{
    size_t at = 0;

    while (name.n > 0 && !slice_eq(name, SLICE_LIT("."))) {
        struct slice label = next_word(&name, '.');

        to[at++] = (char)label.n;
        memcpy(to + at, label.p, label.n);
        at += label.n;
    }
    to[at++] = 0;
    return at;
}

static enum dns_result result_of(const char *word)
{
    return strcmp(word, "nxdomain") == 0 ? DNS_NO_NAME
         : strcmp(word, "nodata") == 0 ? DNS_NO_DATA
         : strcmp(word, "trouble") == 0 ? DNS_TROUBLE : DNS_FOUND;
}

static char   data[200][300];
static struct slice records[200];

static struct dns_answer mx_answer(const char *words)
{
    struct dns_answer a = { .result = result_of(words), .records = records, .why = "server failure" };
    struct slice rest = slice_cstr(words);

    if (a.result != DNS_FOUND)
        return a;
    if (strcmp(words, "bad") == 0) {
        records[0] = SLICE_LIT("\0");
        a.nrecords = 1;
        return a;
    }
    while (rest.n > 0) {
        struct slice one = next_word(&rest, ','), number = next_word(&one, ' ');
        uint64_t preference = 0;
        char *to = data[a.nrecords];

        assert_true(slice_u64(number, &preference));
        to[0] = (char)(preference >> 8);
        to[1] = (char)preference;
        /* an address as a name keeps its dots as labels: 192.0.2.1 */
        records[a.nrecords++] = slice_of(to, 2 + put_name(to + 2, one));
    }
    return a;
}

static void answer_addresses(struct host *host, const char *words, const struct hosts_policy *p)
{
    struct slice rest = slice_cstr(words);

    while (rest.n > 0) {
        struct slice value = next_word(&rest, ' '), name = next_word(&value, '=');
        char text[40];
        struct ip ip;
        struct slice record;
        struct dns_answer a = { .why = "" };

        if (!slice_eq(name, slice_cstr(host->name)))
            continue;
        snprintf(text, sizeof text, "%.*s", SLICE(value));
        a.result = result_of(text);
        if (a.result == DNS_FOUND) {
            assert_true(ip_parse(value, &ip));
            record = slice_of((char *)ip.bytes, ip.family == 4 ? 4 : 16);
            a.records = &record;
            a.nrecords = 1;
        }
        hosts_address(host, &a, ip.family == 6 ? DNS_AAAA : DNS_A, p);
    }
}

static struct hosts *judge(const char *mx, const char *addresses, const struct hosts_policy *p)
{
    struct hosts *h = calloc(1, sizeof *h);
    struct dns_answer a = mx_answer(mx);

    strcpy(h->domain, "x.test");
    if (!hosts_begin(h, &a, p, random_last))
        return h;
    for (size_t i = 0; i < h->n; i++)
        answer_addresses(&h->host[i], addresses, p);
    hosts_end(h, p);
    return h;
}

static struct conf_listen listens[] = {
    { .ip = { 4, { 9, 9, 9, 9 } }, .port = 25 },
    { .ip = { 4, { 127, 0, 0, 1 } }, .port = 2525 },
};
static const struct conf conf = { .listens = listens, .nlistens = 2 };

static void every_kind_of_answer_has_its_fate(void **state)
{
    struct own *own = own_new(&conf);
    struct hosts_policy p = { .own = own, .hostname = SLICE_LIT("us.test"), .port = 25 };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct hosts *h = judge(cases[i].mx, cases[i].addresses, &p);
        char names[2 * DNS_NAME] = "";

        for (size_t j = 0; j < h->n; j++)
            snprintf(names + strlen(names), sizeof names - strlen(names), "%s%s",
                     j > 0 ? " " : "", h->host[j].name);
        if (h->fate != cases[i].fate)
            fail_msg("%s: fate %d, %s", cases[i].what, h->fate, h->text);
        if (h->fate != FATE_DONE && strcmp(h->status, cases[i].status) != 0)
            fail_msg("%s: %s %s", cases[i].what, h->status, h->text);
        if (h->fate == FATE_DONE && strcmp(names, cases[i].hosts) != 0)
            fail_msg("%s: %s", cases[i].what, names);
        hosts_free(h);
    }
    own_free(own);
}

static void a_null_mx_counts_as_a_reply_556(void **state)
{
    struct hosts_policy p = { .port = 25 };
    struct hosts *h = judge("0 .", "", &p);

    (void)state;
    assert_int_equal(h->code, 556);
    hosts_free(h);
}

static void a_thousand_records_are_cut_to_the_best_hundred(void **state)
{
    struct hosts_policy p = { .port = 25 };
    static char bytes[1000][12];
    static struct slice many[1000];
    struct dns_answer a = { .result = DNS_FOUND, .records = many, .nrecords = 1000, .why = "" };
    struct hosts *h = calloc(1, sizeof *h);

    (void)state;
    for (int i = 0; i < 1000; i++) {
        int preference = 1000 - i;

        bytes[i][0] = (char)(preference >> 8);
        bytes[i][1] = (char)preference;
        many[i] = slice_of(bytes[i], 2 + put_name(bytes[i] + 2, SLICE_LIT("m.test")));
    }
    assert_true(hosts_begin(h, &a, &p, random_first));
    assert_int_equal(h->n, MX_MAX);
    assert_int_equal(h->host[0].preference, 1);
    assert_int_equal(h->host[99].preference, 100);
    hosts_free(h);
}

static void ten_addresses_of_a_host_are_kept_and_both_families_get_room(void **state)
{
    struct hosts_policy p = { .port = 25, .ipv6 = true };
    static const char v6[16] = { 0x20, 1, 0xd, (char)0xb8, [15] = 1 };
    struct slice four[20], six[20];
    struct host host = { .name = "a.test" };
    struct dns_answer a = { .result = DNS_FOUND, .records = six, .nrecords = 20, .why = "" };

    (void)state;
    for (int i = 0; i < 20; i++) {
        four[i] = SLICE_LIT("\1\2\3\4");
        six[i] = slice_of(v6, 16);
    }
    hosts_address(&host, &a, DNS_AAAA, &p);
    assert_int_equal(host.nips, 5);
    a.records = four;
    hosts_address(&host, &a, DNS_A, &p);
    assert_int_equal(host.nips, 10);
    assert_int_equal(host.ips[9].family, 4);
}

static void addresses_of_the_wrong_length_are_trouble(void **state)
{
    struct hosts_policy p = { .port = 25 };
    struct slice record = SLICE_LIT("\1\2\3");
    struct host host = { .name = "a.test", .result = DNS_NO_NAME };
    struct dns_answer a = { .result = DNS_FOUND, .records = &record, .nrecords = 1, .why = "" };

    (void)state;
    hosts_address(&host, &a, DNS_A, &p);
    assert_int_equal(host.nips, 0);
    assert_int_equal(host.result, DNS_TROUBLE);
}

static void a_mapped_loopback_address_is_refused_too(void **state)
{
    static const char mapped[16] = { [10] = (char)0xff, [11] = (char)0xff, 127, 0, 0, 1 };
    struct hosts_policy p = { .port = 25, .ipv6 = true };
    struct slice record = slice_of(mapped, 16);
    struct host host = { .name = "a.test", .result = DNS_NO_NAME };
    struct dns_answer a = { .result = DNS_FOUND, .records = &record, .nrecords = 1, .why = "" };

    (void)state;
    hosts_address(&host, &a, DNS_AAAA, &p);
    assert_int_equal(host.nips, 0);
    assert_true(host.refused);
}

static void tests_may_allow_loopback_but_never_our_own_port(void **state)
{
    struct own *own = own_new(&conf);
    struct hosts_policy p = { .own = own, .port = 2525, .loopback = true };
    struct hosts *h = judge("10 a.test", "a.test=127.0.0.1", &p);

    (void)state;
    assert_string_equal(h->status, "5.4.6");
    hosts_free(h);
    p.port = 2526;
    h = judge("10 a.test", "a.test=127.0.0.1", &p);
    assert_int_equal(h->fate, FATE_DONE);
    hosts_free(h);
    own_free(own);
}

static void a_fixed_host_may_be_loopback_and_never_bounces(void **state)
{
    struct own *own = own_new(&conf);
    struct hosts_policy p = { .own = own, .port = 2600, .fixed = true };
    struct ip loopback = { 4, { 127, 0, 0, 1 } };
    struct hosts *h = hosts_one("127.0.0.1", &loopback, &p);

    (void)state;
    assert_int_equal(h->fate, FATE_DONE);
    hosts_free(h);
    p.port = 2525;
    h = hosts_one("127.0.0.1", &loopback, &p);
    assert_int_equal(h->fate, FATE_LATER);
    assert_string_equal(h->status, "4.4.6");
    hosts_free(h);
    p.port = 2600;
    h = judge("nodata", "x.test=nxdomain", &p);
    assert_int_equal(h->fate, FATE_LATER);
    hosts_free(h);
    own_free(own);
}

static void a_wildcard_listener_owns_every_local_address(void **state)
{
    struct conf_listen any = { .ip = { .family = 4 }, .port = 25 };
    struct conf wild = { .listens = &any, .nlistens = 1 };
    struct own *own = own_new(&wild);

    (void)state;
    assert_true(own_has(own, &(struct ip){ 4, { 127, 0, 0, 7 } }, 25));
    assert_false(own_has(own, &(struct ip){ 4, { 127, 0, 0, 7 } }, 26));
    assert_false(own_has(own, &(struct ip){ 4, { 192, 0, 2, 77 } }, 25));
    own_free(own);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mx_records_are_read_strictly),
        cmocka_unit_test(every_truncation_of_a_record_is_refused),
        cmocka_unit_test(a_name_of_255_octets_fits_and_a_longer_one_does_not),
        cmocka_unit_test(equal_preferences_are_shuffled_and_others_are_not),
        cmocka_unit_test(every_kind_of_answer_has_its_fate),
        cmocka_unit_test(a_null_mx_counts_as_a_reply_556),
        cmocka_unit_test(a_thousand_records_are_cut_to_the_best_hundred),
        cmocka_unit_test(ten_addresses_of_a_host_are_kept_and_both_families_get_room),
        cmocka_unit_test(addresses_of_the_wrong_length_are_trouble),
        cmocka_unit_test(a_mapped_loopback_address_is_refused_too),
        cmocka_unit_test(tests_may_allow_loopback_but_never_our_own_port),
        cmocka_unit_test(a_fixed_host_may_be_loopback_and_never_bounces),
        cmocka_unit_test(a_wildcard_listener_owns_every_local_address),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
