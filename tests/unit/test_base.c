/* test_base.c - the ground that everything stands on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>
#include "base/arena.h"
#include "base/buf.h"
#include "base/crc32c.h"
#include "base/file.h"
#include "base/heap.h"
#include "base/id.h"
#include "base/ip.h"
#include "base/list.h"
#include "base/map.h"
#include "base/wire.h"

static void numbers_are_decimal_and_bounded(void **state)
{
    static const struct { const char *text; bool ok; uint64_t value; } cases[] = {
        { "0", true, 0 }, { "18446744073709551615", true, UINT64_MAX },
        { "18446744073709551616", false, 0 }, { "99999999999999999999", false, 0 },
        { "", false, 0 }, { "-1", false, 0 }, { "+5", false, 0 }, { " 1", false, 0 },
        { "1e3", false, 0 }, { "0x10", false, 0 },
    };
    uint64_t v;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        v = 0;
        assert_int_equal(slice_u64(slice_cstr(cases[i].text), &v), cases[i].ok);
        assert_true(v == cases[i].value);
    }
}

static void slices_are_cut_and_trimmed(void **state)
{
    struct slice head, rest;

    (void)state;
    assert_true(slice_cut(SLICE_LIT("a:b:c"), ':', &head, &rest));
    assert_true(slice_eq(head, SLICE_LIT("a")) && slice_eq(rest, SLICE_LIT("b:c")));
    assert_false(slice_cut(SLICE_LIT("abc"), ':', &head, &rest));
    assert_true(slice_eq(head, SLICE_LIT("abc")) && rest.n == 0);
    assert_true(slice_eq(slice_trim(SLICE_LIT(" \t x y\r\n")), SLICE_LIT("x y")));
    assert_true(slice_ieq(SLICE_LIT("MaIl"), SLICE_LIT("mAiL")));
    assert_false(slice_ieq(SLICE_LIT("a["), SLICE_LIT("a{")));
    assert_int_equal(slice_rchr(SLICE_LIT("a@b@c"), '@'), 3);
}

static void a_buffer_refuses_more_than_its_bound_and_says_so(void **state)
{
    struct buf b = BUF(600);

    (void)state;
    for (int i = 0; i < 60; i++)
        assert_true(buf_put(&b, "0123456789", 10));
    assert_false(buf_put(&b, "x", 1));
    assert_true(b.full);
    buf_drop(&b, 300);
    assert_false(buf_put(&b, "x", 1));      /* full sticks */
    assert_int_equal(buf_view(&b).n, 300);
    buf_clear(&b);
    assert_true(buf_printf(&b, "%d-%s", 7, "y"));
    assert_true(slice_eq(buf_view(&b), SLICE_LIT("7-y")));
    buf_free(&b);
}

static void an_arena_marks_that_it_ran_out(void **state)
{
    struct arena a = ARENA(8192);

    (void)state;
    assert_true(slice_eq(arena_copy(&a, SLICE_LIT("hello")), SLICE_LIT("hello")));
    assert_null(arena_alloc(&a, 9000));
    assert_true(a.spent);
    assert_null(arena_alloc(&a, 1));
    arena_reset(&a);
    assert_non_null(arena_alloc(&a, 1));
    assert_null(arena_array(&a, SIZE_MAX / 2, 4));
    arena_free(&a);
}

static void a_heap_gives_the_smallest_first(void **state)
{
    enum { N = 500 };
    struct heap h = { 0 };
    struct heap_node nodes[N] = { 0 };
    uint32_t seed = 1;
    int64_t last = -1;

    (void)state;
    for (int i = 0; i < N; i++) {
        seed = seed * 1664525 + 1013904223;
        assert_true(heap_insert(&h, &nodes[i], seed >> 8));
    }
    for (int i = 0; i < N; i += 3)
        heap_remove(&h, &nodes[i]);
    heap_remove(&h, &nodes[0]);
    while (heap_top(&h) != NULL) {
        assert_true(heap_top(&h)->key >= last);
        last = heap_top(&h)->key;
        heap_remove(&h, heap_top(&h));
    }
    heap_free(&h);
}

struct member { char key[8]; };

static struct slice member_key(const void *m)
{
    return slice_cstr(((const struct member *)m)->key);
}

static void a_map_finds_what_was_put_and_forgets_what_was_taken(void **state)
{
    enum { N = 1000 };
    static struct member members[N];
    struct map m = MAP(member_key);

    (void)state;
    for (int i = 0; i < N; i++) {
        snprintf(members[i].key, sizeof members[i].key, "k%d", i);
        assert_true(map_put(&m, &members[i]));
    }
    for (int i = 0; i < N; i += 2)
        assert_ptr_equal(map_take(&m, member_key(&members[i])), &members[i]);
    for (int i = 0; i < N; i++)
        assert_ptr_equal(map_get(&m, member_key(&members[i])), i % 2 ? &members[i] : NULL);
    map_free(&m);
}

static void siphash_is_the_published_one(void **state)
{
    uint8_t key[16];
    char in[15];

    (void)state;
    for (int i = 0; i < 16; i++)
        key[i] = (uint8_t)i;
    for (int i = 0; i < 15; i++)
        in[i] = (char)i;
    assert_true(hash_siphash(key, slice_of(in, 15)) == 0xa129ca6149be45e5u);
}

static void sums_can_be_joined_and_made_of_a_copy(void **state)
{
    static char bytes[20000], copy[sizeof bytes];
    struct slice all = slice_of(bytes, sizeof bytes);

    (void)state;
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (char)(i * 37 + i / 251);
    for (size_t n = 0; n <= sizeof bytes; n += n < 300 ? 1 : 997) {
        struct slice a = slice_first(all, n), b = slice_from(all, n);

        assert_int_equal(crc32c_join(crc32c(0, a), crc32c(0, b), b.n), crc32c(0, all));
        memset(copy, 0, sizeof copy);
        assert_int_equal(crc32c_copy(copy, b), crc32c(0, b));
        assert_memory_equal(copy, b.p, b.n);
    }
}

static void crc32c_is_castagnoli(void **state)
{
    char bytes[3000];
    uint32_t sum = 0;

    (void)state;
    assert_int_equal(crc32c(0, SLICE_LIT("123456789")), 0xe3069283u);
    assert_int_equal(crc32c(crc32c(0, SLICE_LIT("1234")), SLICE_LIT("56789")), 0xe3069283u);
    for (size_t n = 0; n < sizeof bytes; n++)
        bytes[n] = (char)(n * n >> 3);
    for (size_t n = 0; n < sizeof bytes; n++) {
        assert_int_equal(crc32c(0, slice_of(bytes, n)), sum);
        sum = crc32c(sum, slice_of(bytes + n, 1));      /* one by one is the plainest way */
    }
}

static void a_cursor_that_failed_stays_bad(void **state)
{
    struct buf b = BUF(100);
    struct wire w = wire_writer(&b), r;

    (void)state;
    wire_put_u16(&w, 0x1234);
    wire_put_bytes(&w, SLICE_LIT("abc"));
    for (size_t cut = 0; cut < buf_view(&b).n; cut++) {
        r = wire_reader(slice_first(buf_view(&b), cut));
        wire_get_u16(&r);
        wire_get_bytes(&r);
        assert_true(r.bad && !wire_done(&r));
    }
    r = wire_reader(buf_view(&b));
    assert_int_equal(wire_get_u16(&r), 0x1234);
    assert_true(slice_eq(wire_get_bytes(&r), SLICE_LIT("abc")));
    assert_true(wire_done(&r));
    buf_free(&b);
}

static void ids_only_grow_and_keep_their_slot(void **state)
{
    struct id_maker m = { .slot = 7 };
    uint64_t last = 0, id, back;
    char text[ID_TEXT + 1];

    (void)state;
    for (int i = 0; i < 10000; i++) {
        id = id_next(&m, i < 5000 ? 1000 : 900);    /* the clock went back */
        assert_true(id > last);
        assert_int_equal(id_slot(id), 7);
        last = id;
    }
    id_floor(&m, last + ((uint64_t)50 << 20));
    assert_true(id_next(&m, 0) > last + ((uint64_t)50 << 20));
    assert_true(id_parse(slice_cstr(id_text(last, text)), &back));
    assert_true(back == last);
    assert_false(id_parse(SLICE_LIT("ZZZZZZZZZZZZZ"), &back));
    assert_false(id_parse(SLICE_LIT("../etc/passwd"), &back));
}

static void networks_hold_what_their_prefix_says(void **state)
{
    static const struct { const char *net, *ip; bool in; } cases[] = {
        { "127.0.0.0/8", "127.1.2.3", true }, { "127.0.0.0/8", "128.0.0.1", false },
        { "::1/128", "::1", true }, { "10.0.0.0/9", "10.127.0.1", true },
        { "10.0.0.0/9", "10.128.0.1", false }, { "192.0.2.1", "192.0.2.1", true },
        { "127.0.0.0/8", "::ffff:127.0.0.1", true }, { "0.0.0.0/0", "9.9.9.9", true },
        { "0.0.0.0/0", "::1", false },
    };
    struct ip_net net;
    struct ip ip;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_true(ip_net_parse(slice_cstr(cases[i].net), &net));
        assert_true(ip_parse(slice_cstr(cases[i].ip), &ip));
        assert_int_equal(ip_net_has(&net, &ip), cases[i].in);
    }
    assert_false(ip_net_parse(SLICE_LIT("127.0.0.1/8"), &net));
    assert_false(ip_net_parse(SLICE_LIT("127.0.0.0/33"), &net));
    assert_false(ip_parse(SLICE_LIT("0x7f.1"), &ip));
    assert_false(ip_parse(SLICE_LIT("127.1"), &ip));
}

/* Either of two pieces may be empty, and both may be. */

static void two_pieces_are_written_one_behind_the_other(void **state)
{
    static const char *const pieces[][2] = { { "", "" }, { "ab", "" }, { "", "cd" }, { "ab", "cd" } };
    FILE *file = tmpfile();
    char text[16] = "";

    (void)state;
    assert_non_null(file);
    for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++)
        assert_true(fd_write_both(fileno(file), slice_of(pieces[i][0], strlen(pieces[i][0])),
                                  slice_of(pieces[i][1], strlen(pieces[i][1]))));
    assert_true(fd_write_both(fileno(file), (struct slice){ 0 }, (struct slice){ 0 }));
    rewind(file);
    assert_int_equal(fread(text, 1, sizeof text, file), 8);
    assert_memory_equal(text, "abcdabcd", 8);
    fclose(file);
    assert_false(fd_write_both(-1, slice_of("ab", 2), slice_of("cd", 2)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_decimal_and_bounded),
        cmocka_unit_test(slices_are_cut_and_trimmed),
        cmocka_unit_test(a_buffer_refuses_more_than_its_bound_and_says_so),
        cmocka_unit_test(an_arena_marks_that_it_ran_out),
        cmocka_unit_test(a_heap_gives_the_smallest_first),
        cmocka_unit_test(a_map_finds_what_was_put_and_forgets_what_was_taken),
        cmocka_unit_test(siphash_is_the_published_one),
        cmocka_unit_test(crc32c_is_castagnoli),
        cmocka_unit_test(sums_can_be_joined_and_made_of_a_copy),
        cmocka_unit_test(two_pieces_are_written_one_behind_the_other),
        cmocka_unit_test(a_cursor_that_failed_stays_bad),
        cmocka_unit_test(ids_only_grow_and_keep_their_slot),
        cmocka_unit_test(networks_hold_what_their_prefix_says),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
