/* fuzz_accounts.c - the files of accounts and of credentials. */
#include "tests/fuzz/target.h"
#include "sasl/accounts.h"
#include "sasl/credentials.h"

static char *copy_of(const uint8_t *data, size_t size)
{
    char *copy = malloc(size > 0 ? size : 1);

    must(copy != NULL);
    memcpy(copy, data, size);
    return copy;
}

static void accounts_hold(const struct accounts *a)
{
    for (size_t i = 0; i < a->n; i++) {
        const struct account *one = &a->all[i];
        struct scram v;

        must(account_name_ok(one->name) && accounts_find(a, one->name) == one);
        must(one->secret.crypt.n + one->secret.scram.n + one->secret.clear.n > 0);
        must(one->secret.scram.n == 0 || scram_parse(one->secret.scram, &v));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct accounts a = { 0 };
    struct credentials c = { 0 };
    struct buf errors = BUF(64 << 10);
    char *text = copy_of(data, size);

    if (accounts_parse(&a, text, size, "f", &errors)) {
        accounts_hold(&a);
        accounts_free(&a);
    } else {
        must(errors.n > 0);
        free(text);
    }
    buf_clear(&errors);
    text = copy_of(data, size);
    if (credentials_parse(&c, text, size, "f", &errors)) {
        for (size_t i = 0; i < c.n; i++)
            must(credentials_find(&c, c.all[i].name) == &c.all[i]);
        credentials_free(&c);
    } else {
        must(errors.n > 0);
        free(text);
    }
    buf_free(&errors);
    return 0;
}
