/* lookup_world.h - a resolver with four domains, for the tests of who is asked about:
 * file.test has files, sys.test the users that find() knows, any.test and one with a
 * name beyond ASCII take all.
 */
#pragma once
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>
#include <cmocka.h>
#include "lookup/resolver.h"
#include "conf_text.h"

static char recipients[] = "/tmp/postrider-lookup-r-XXXXXX";
static char aliases[] = "/tmp/postrider-lookup-a-XXXXXX";

static uv_loop_t loop;
static struct conf *conf;
static struct resolver resolver;

static void add_table(enum table_kind kind, const char *domain, const char *path)
{
    char name[TABLE_NAME];
    int fd = table_compile(kind, path, NULL);

    assert_true(fd >= 0);
    assert_true(table_set_add(&resolver.tables, table_name(kind, slice_cstr(domain), name), fd));
    close(fd);
}

/* world_begin - what file.test's two files say, and how the system is asked */

static int world_begin(const char *recipients_text, const char *aliases_text, users_find_f *find)
{
    char text[2000];

    close(mkstemp(recipients));
    close(mkstemp(aliases));
    write_file(recipients, recipients_text);
    write_file(aliases, aliases_text);
    snprintf(text, sizeof text,
             "domain \"file.test\" { recipients = \"file:%s\" aliases = \"file:%s\" }\n"
             "domain \"sys.test\" { }\n"
             "domain \"any.test\" { recipients = any deliver = \"lmtp:127.0.0.1:24\" }\n"
             "domain \"xn--mller-kva.test\" { recipients = any deliver = \"discard\" }\n",
             recipients, aliases);
    conf = conf_of(text);
    assert_int_equal(uv_loop_init(&loop), 0);
    resolver_begin(&resolver, conf, &loop, find);
    add_table(TABLE_RECIPIENTS, "file.test", recipients);
    add_table(TABLE_ALIASES, "file.test", aliases);
    return 0;
}

static int world_end(void **state)
{
    (void)state;
    resolver_end(&resolver);
    uv_loop_close(&loop);
    conf_free(conf);
    return unlink(recipients) | unlink(aliases);
}
