/* tables.c - the files that the configuration names: recipients and aliases,
 * compiled; certificates, keys and passwords, as they are.
 *
 * Read by the master, so that no process which speaks with strangers needs the
 * files, and a mistake in one is found before anything depends on it. Nobody
 * can change what was handed over.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include "master/master.h"
#include "table/secrets.h"
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

/* copy - the whole of a file into memory that nobody can change any more */

static bool copy(int from, int to, const char *path, struct buf *errors)
{
    int64_t size = secrets_size(from, path, errors);
    ssize_t n = 0;

    if (size < 0)
        return false;
    for (off_t at = 0; at < size; at += n) {
        char chunk[64 << 10];

        n = pread(from, chunk, sizeof chunk, at);
        if (n <= 0 || write(to, chunk, (size_t)n) != n)
            return secrets_fault(errors, path, n < 0 ? strerror(errno) : "changed while it was read");
    }
    if (fcntl(to, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) != 0)
        return secrets_fault(errors, path, strerror(errno));
    return true;
}

/* secret_ok - others must not be able to read what is secret */

static bool secret_ok(int fd, const char *path, struct buf *errors)
{
    struct stat st;

    if (fstat(fd, &st) == 0 && (st.st_mode & 0007) == 0)
        return true;
    return secrets_fault(errors, path, "can be read by everybody; chmod o= it");
}

static bool add_content(struct handed_table *t, size_t *n, const char *name, struct slice file,
                        bool secret, struct buf *errors)
{
    char path[4096];
    int from, to;
    bool ok;

    if (file.n == 0)
        return true;
    snprintf(path, sizeof path, "%.*s", SLICE(file));
    from = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (from < 0)
        return secrets_fault(errors, path, strerror(errno));
    to = memfd_create("postrider.file", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    ok = to >= 0 && (!secret || secret_ok(from, path, errors)) && copy(from, to, path, errors);
    close(from);
    if (!ok) {
        if (to >= 0)
            close(to);
        return false;
    }
    snprintf(t[*n].name, sizeof t[*n].name, "%s", name);
    t[(*n)++].fd = to;
    return true;
}

static bool add_tls(struct handed_table *t, size_t *n, const struct conf_tls *tls,
                    struct buf *errors)
{
    char name[TABLE_NAME];

    snprintf(name, sizeof name, "certificate:%.*s", SLICE(tls->name));
    if (!add_content(t, n, name, tls->certificate, false, errors))
        return false;
    snprintf(name, sizeof name, "key:%.*s", SLICE(tls->name));
    return add_content(t, n, name, tls->key, true, errors);
}

bool tables_compile(const struct conf *conf, struct handed_table **tables, size_t *n,
                    struct buf *errors)
{
    struct handed_table *t = calloc(conf->ndomains * 2 + conf->ntls * 2 + 4, sizeof *t);
    bool ok = t != NULL && secrets_check(conf, errors);

    *n = 0;
    *tables = NULL;
    for (size_t i = 0; ok && i < conf->ndomains; i++) {
        const struct conf_domain *d = &conf->domains[i];

        ok = add(t, n, TABLE_RECIPIENTS, d, d->recipients_file, errors)
          && add(t, n, TABLE_ALIASES, d, d->aliases_file, errors);
    }
    for (size_t i = 0; ok && i < conf->ntls; i++)
        ok = add_tls(t, n, &conf->tls[i], errors);
    ok = ok && add_content(t, n, "accounts", conf->accounts, true, errors)
      && add_content(t, n, "credentials", conf->credentials, true, errors)
      && add_content(t, n, "keytab", conf->keytab, true, errors);
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
