/* test_smtp_proxy.c - the PROXY line, both versions, cut anywhere. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>
#include "smtp/proxy.h"

static const struct { const char *line; enum proxy_result result; const char *source; unsigned port; } texts[] = {
    { "PROXY TCP4 192.0.2.7 192.0.2.1 56324 25\r\n", PROXY_OK, "192.0.2.7", 56324 },
    { "PROXY TCP6 2001:db8::7 2001:db8::1 1 65535\r\n", PROXY_OK, "2001:db8::7", 1 },
    { "PROXY UNKNOWN\r\n", PROXY_OK, "", 0 }, { "PROXY UNKNOWN ffff: x y z\r\n", PROXY_OK, "", 0 },
    { "PROXY TCP4 192.0.2.7 192.0.2.1 56324 25", PROXY_MORE, "", 0 }, { "PROXY", PROXY_MORE, "", 0 }, { "", PROXY_MORE, "", 0 },
    { "PROXY TCP4 192.0.2.7 192.0.2.1 56324 25\n\r\n", PROXY_BAD, "", 0 },
    { "PROXY TCP4 192.0.2.7 192.0.2.1 056324 25\r\n", PROXY_BAD, "", 0 },
    { "PROXY TCP4 192.0.2.7 192.0.2.1 65536 25\r\n", PROXY_BAD, "", 0 },
    { "PROXY TCP4 192.0.2.7 192.0.2.1 -1 25\r\n", PROXY_BAD, "", 0 },
    { "PROXY TCP4 192.0.2.7 192.0.2.1 25\r\n", PROXY_BAD, "", 0 },
    { "PROXY TCP4 192.0.2.7 192.0.2.1 25 25 \r\n", PROXY_BAD, "", 0 },
    { "PROXY TCP4  192.0.2.7 192.0.2.1 25 25\r\n", PROXY_BAD, "", 0 },
    { "PROXY TCP4 2001:db8::7 2001:db8::1 25 25\r\n", PROXY_BAD, "", 0 },
    { "PROXY TCP6 192.0.2.7 192.0.2.1 25 25\r\n", PROXY_BAD, "", 0 },
    { "PROXY TCP4 192.0.2.7 2001:db8::1 25 25\r\n", PROXY_BAD, "", 0 },
    { "PROXY UDP4 192.0.2.7 192.0.2.1 25 25\r\n", PROXY_BAD, "", 0 },
    { "PROXY UNKNOWNX\r\n", PROXY_BAD, "", 0 }, { "EHLO x\r\n", PROXY_BAD, "", 0 }, { "proxy TCP4", PROXY_BAD, "", 0 },
    { "PROXY xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", PROXY_BAD, "", 0 },
};

static void lines_of_version_1_are_read(void **state)
{
    struct proxy p;
    char text[IP_TEXT];
    size_t used;

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        enum proxy_result result = proxy_read(slice_cstr(texts[i].line), &p, &used);

        if (result != texts[i].result)
            fail_msg("%s gave %d", texts[i].line, (int)result);
        assert_string_equal(ip_text(&p.source, text), result == PROXY_OK ? texts[i].source : text);
        if (result == PROXY_OK) {
            assert_int_equal(p.source_port, texts[i].port);
            assert_int_equal(used, strlen(texts[i].line));
            assert_int_equal(p.known, texts[i].port != 0);
        }
    }
}

#define HEAD "\r\n\r\n\0\r\nQUIT\n"

static const struct { const char *octets; size_t n; enum proxy_result result; const char *source; } binaries[] = {
    { HEAD "\x21\x11\0\x0c\xc0\0\2\7\xc0\0\2\1\x12\x34\0\x19", 28, PROXY_OK, "192.0.2.7" },
    { HEAD "\x21\x11\0\x0f\xc0\0\2\7\xc0\0\2\1\x12\x34\0\x19\4\0\0", 31, PROXY_OK, "192.0.2.7" },
    { HEAD "\x20\0\0\0", 16, PROXY_OK, "" }, { HEAD "\x21\0\0\3abc", 19, PROXY_OK, "" },
    { HEAD "\x21\x11\0\x0b\xc0\0\2\7\xc0\0\2\1\x12\x34\0", 27, PROXY_BAD, "" },
    { HEAD "\x21\x21\0\x0c\xc0\0\2\7\xc0\0\2\1\x12\x34\0\x19", 28, PROXY_BAD, "" },
    { HEAD "\x11\x11\0\x0c\xc0\0\2\7\xc0\0\2\1\x12\x34\0\x19", 28, PROXY_BAD, "" },
    { HEAD "\x22\x11\0\x0c\xc0\0\2\7\xc0\0\2\1\x12\x34\0\x19", 28, PROXY_BAD, "" },
    { HEAD "\x21\x11\xff\xff\xc0\0\2\7\xc0\0\2\1\x12\x34\0\x19", 28, PROXY_BAD, "" },
    { "\r\n\r\n\0\r\nQUIX", 11, PROXY_BAD, "" }, { HEAD, 12, PROXY_MORE, "" },
};

static void heads_of_version_2_are_read(void **state)
{
    struct proxy p;
    char text[IP_TEXT];
    size_t used;

    (void)state;
    for (size_t i = 0; i < sizeof binaries / sizeof binaries[0]; i++) {
        struct slice in = slice_of(binaries[i].octets, binaries[i].n);

        if (proxy_read(in, &p, &used) != binaries[i].result)
            fail_msg("binary %zu", i);
        if (binaries[i].result != PROXY_OK)
            continue;
        assert_string_equal(ip_text(&p.source, text), binaries[i].source);
        assert_int_equal(used, binaries[i].n);
        assert_int_equal(p.itself, in.p[12] == 0x20);
        for (size_t n = 0; n < in.n; n++)
            assert_int_equal(proxy_read(slice_first(in, n), &p, &used), PROXY_MORE);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_of_version_1_are_read),
        cmocka_unit_test(heads_of_version_2_are_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
