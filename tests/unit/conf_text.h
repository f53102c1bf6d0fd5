/* conf_text.h - files and configurations from texts, for tests. */
#pragma once
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>
#include "conf/conf.h"

static inline void write_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    fputs(text, f);
    assert_int_equal(fclose(f), 0);
}

static inline unsigned lines_in(struct slice text)
{
    unsigned lines = 0;

    for (size_t i = 0; i < text.n; i++)
        lines += text.p[i] == '\n';
    return lines;
}

/* conf_of - this text as a configuration; the test fails where there is an error in it */

static inline struct conf *conf_of(const char *text)
{
    char path[] = "/tmp/postrider-conf-XXXXXX";
    struct buf errors = BUF(65536);
    struct conf *conf;
    int fd = mkstemp(path);

    assert_true(fd >= 0);
    close(fd);
    write_file(path, text);
    conf = conf_parse(path, &errors);
    unlink(path);
    if (conf == NULL)
        fail_msg("%.*s", SLICE(buf_view(&errors)));
    buf_free(&errors);
    return conf;
}
