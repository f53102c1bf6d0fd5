/* secrets.c - a look into the files that only the vault will use. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include "sasl/accounts.h"
#include "sasl/credentials.h"
#include "table/secrets.h"
#include "tls/signer.h"

enum { PATH = 4096 };

bool secrets_fault(struct buf *errors, const char *path, const char *what)
{
    buf_printf(errors, "%s: %s\n", path, what);
    return false;
}

int64_t secrets_size(int fd, const char *path, struct buf *errors)
{
    struct stat st;

    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size <= PRIVATE_FILE_MAX)
        return st.st_size;
    buf_printf(errors, "%s: is no plain file of at most %d MiB\n", path, PRIVATE_FILE_MAX >> 20);
    return -1;
}

/* read_all - the bytes of an open file, malloced; NULL: told */

static char *read_all(int fd, const char *path, size_t *n, struct buf *errors)
{
    int64_t size = secrets_size(fd, path, errors), got;
    char *text;

    if (size < 0)
        return NULL;
    text = malloc((size_t)size + 1);
    got = text != NULL ? pread(fd, text, (size_t)size, 0) : -1;
    if (got != size) {
        secrets_fault(errors, path, got < 0 ? strerror(errno) : "changed while it was read");
        free(text);
        return NULL;
    }
    text[got] = '\0';
    *n = (size_t)got;
    return text;
}

/* slurp - a file's bytes, or NULL: told, or *passed: it is not ours to read */

static char *slurp(struct slice file, char path[PATH], size_t *n, bool *passed,
                   struct buf *errors)
{
    char *text;
    int fd;

    snprintf(path, PATH, "%.*s", SLICE(file));
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    *passed = fd < 0 && errno == EACCES && geteuid() != 0;
    if (fd < 0) {
        if (!*passed)
            secrets_fault(errors, path, strerror(errno));
        return NULL;
    }
    text = read_all(fd, path, n, errors);
    close(fd);
    return text;
}

static void wipe(char *text, size_t n)
{
    if (text != NULL)
        explicit_bzero(text, n);
    free(text);
}

static bool check_key(const struct conf_tls *tls, struct slice chain, const char *chain_path,
                      struct buf *errors)
{
    char path[PATH];
    struct signer *key;
    struct why why;
    bool passed, ok;
    size_t n = 0;
    char *text = slurp(tls->key, path, &n, &passed, errors);

    if (text == NULL)
        return passed;
    key = signer_new(slice_of(text, n), path, &why);
    ok = key != NULL && signer_fits(key, path, chain, chain_path, &why);
    if (!ok)
        buf_printf(errors, "%s\n", why.text);
    signer_free(key);
    wipe(text, n);
    return ok;
}

static bool check_tls(const struct conf_tls *tls, struct buf *errors)
{
    char path[PATH];
    bool passed, ok;
    size_t n = 0;
    char *chain = slurp(tls->certificate, path, &n, &passed, errors);

    if (chain == NULL)
        return passed;
    ok = check_key(tls, slice_of(chain, n), path, errors);
    free(chain);
    return ok;
}

static bool check_accounts(struct slice file, struct buf *errors)
{
    struct accounts accounts = { 0 };
    char path[PATH];
    bool passed, ok;
    size_t n = 0;
    char *text = slurp(file, path, &n, &passed, errors);

    if (text == NULL)
        return passed;
    ok = accounts_parse(&accounts, text, n, path, errors);
    if (!ok)
        wipe(text, n);
    accounts_free(&accounts);
    return ok;
}

/* --- who we are elsewhere ---------------------------------------------------- */

static bool has_entry(const struct credentials *c, struct slice account, unsigned line,
                      const struct conf *conf, struct buf *errors)
{
    if (account.n == 0 || credentials_find(c, account) != NULL)
        return true;
    buf_printf(errors, "%.*s:%u: account: \"%.*s\" has no entry in the credentials file; add a "
               "line \"%.*s USER PASSWORD\"\n", SLICE(conf->file), line, SLICE(account),
               SLICE(account));
    return false;
}

static bool all_have_entries(const struct conf *conf, const struct credentials *c,
                             struct buf *errors)
{
    bool ok = true;

    for (size_t i = 0; i < conf->nroutes; i++)
        ok &= has_entry(c, conf->routes[i].account, conf->routes[i].line, conf, errors);
    for (size_t i = 0; i < conf->nfetches; i++)
        ok &= has_entry(c, conf->fetches[i].account, conf->fetches[i].line, conf, errors);
    for (size_t i = 0; i < conf->nconnectors; i++)
        ok &= has_entry(c, conf->connectors[i].account, conf->connectors[i].line, conf, errors);
    return ok;
}

static bool check_credentials(const struct conf *conf, struct buf *errors)
{
    struct credentials credentials = { 0 };
    bool passed = false, ok = true;
    char path[PATH], *text = NULL;
    size_t n = 0;

    if (conf->credentials.n > 0) {
        text = slurp(conf->credentials, path, &n, &passed, errors);
        if (text == NULL)
            return passed;
        ok = credentials_parse(&credentials, text, n, path, errors);
        if (!ok)
            wipe(text, n);
    }
    ok = ok && all_have_entries(conf, &credentials, errors);
    credentials_free(&credentials);
    return ok;
}

bool secrets_check(const struct conf *conf, struct buf *errors)
{
    bool ok = true;

    for (size_t i = 0; i < conf->ntls; i++)
        ok &= check_tls(&conf->tls[i], errors);
    if (conf->accounts.n > 0)
        ok &= check_accounts(conf->accounts, errors);
    return check_credentials(conf, errors) && ok;
}
