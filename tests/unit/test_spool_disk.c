/* test_spool_disk.c - a disk that takes little at a time, and one that takes no more. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>
#include "spool/disk.h"

/* What the disk does: so much at once, until it holds so much; then it answers `at_end`. */
struct mean {
    char    file[32];
    size_t  at_once, room;
    ssize_t at_end;
};

static ssize_t mean_write(void *ctx, int handle, struct slice bytes, uint64_t at)
{
    struct mean *m = ctx;
    size_t n = bytes.n < m->at_once ? bytes.n : m->at_once;

    assert_int_equal(handle, 7);
    if (at >= m->room)
        return m->at_end;
    n = n < m->room - at ? n : m->room - at;
    memcpy(m->file + at, bytes.p, n);
    return (ssize_t)n;
}

static void all_is_written_or_the_reason_is_told(void **state)
{
    const struct {
        struct slice text;
        size_t       at_once, room;
        ssize_t      at_end;
        uint64_t     from;
        int          result;
        const char  *file;
    } cases[] = {
        { SLICE_LIT(""),           1,  0, -EIO,   0, 0,       "...................." },   /* not asked at all */
        { SLICE_LIT("0123456789"), 20, 20, -EIO,  0, 0,       "0123456789.........." },
        { SLICE_LIT("0123456789"), 3,  20, -EIO,  0, 0,       "0123456789.........." },
        { SLICE_LIT("0123456789"), 3,  20, -EIO,  5, 0,       ".....0123456789....." },
        { SLICE_LIT("0123456789"), 3,  10, -EIO,  0, 0,       "0123456789.........." },   /* just room */
        { SLICE_LIT("0123456789"), 3,  8,  -EIO,  0, -EIO,    "01234567............" },
        { SLICE_LIT("0123456789"), 3,  8,  0,     0, -ENOSPC, "01234567............" },
        { SLICE_LIT("0123456789"), 3,  0,  -EROFS, 0, -EROFS, "...................." },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct mean mean = { "....................", cases[i].at_once, cases[i].room, cases[i].at_end };
        const struct disk disk = { .ctx = &mean, .write = mean_write };

        assert_int_equal(disk_write_all(&disk, 7, cases[i].text, cases[i].from), cases[i].result);
        assert_string_equal(mean.file, cases[i].file);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_is_written_or_the_reason_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
