/* tables.c - the recipients and aliases that the configuration names.
 *
 * Compiled by the master, so that no process which speaks with strangers needs
 * the files, and a mistake in one is found before anything depends on it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "master/master.h"
#include "table/table.h"

/* add - compile one file; none is named: nothing to do */

static bool add(struct handed_table *t, size_t *n, enum table_kind kind,
                const struct conf_domain *d, struct slice file, struct buf *errors)
{
    char path[4096];

    if (file.n == 0)
        return true;
    snprintf(path, sizeof path, "%.*s", SLICE(file));
    table_name(kind, d->name, t[*n].name);
    t[*n].fd = table_compile(kind, path, errors);
    if (t[*n].fd < 0)
        return false;
    (*n)++;
    return true;
}

bool tables_compile(const struct conf *conf, struct handed_table **tables, size_t *n,
                    struct buf *errors)
{
    struct handed_table *t = calloc(conf->ndomains * 2 + 1, sizeof *t);
    bool ok = t != NULL;

    *n = 0;
    *tables = NULL;
    for (size_t i = 0; ok && i < conf->ndomains; i++) {
        const struct conf_domain *d = &conf->domains[i];

        ok = add(t, n, TABLE_RECIPIENTS, d, d->recipients_file, errors)
          && add(t, n, TABLE_ALIASES, d, d->aliases_file, errors);
    }
    if (!ok) {
        tables_free(t, *n);
        return false;
    }
    *tables = t;
    return true;
}

void tables_free(struct handed_table *tables, size_t n)
{
    for (size_t i = 0; i < n; i++)
        close(tables[i].fd);
    free(tables);
}
