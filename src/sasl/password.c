/* password.c - hashes by crypt(3), SCRAM keys by libgsasl, comparison without haste. */
#include <crypt.h>
#include <gsasl.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <sys/random.h>
#include "base/ascii.h"
#include "base/base64.h"
#include "sasl/mechanism.h"
#include "sasl/password.h"

/* --- SASLprep -------------------------------------------------------------- */

bool password_prepare(struct slice password, bool stored, char to[SASL_PASSWORD_MAX + 1])
{
    char raw[SASL_PASSWORD_MAX + 1], *prepared = NULL;
    size_t n = 0;

    if (password.n == 0 || password.n > SASL_PASSWORD_MAX || memchr(password.p, '\0', password.n))
        return false;
    memcpy(raw, password.p, password.n);
    raw[password.n] = '\0';
    if (gsasl_saslprep(raw, stored ? 0 : GSASL_ALLOW_UNASSIGNED, &prepared, NULL) == GSASL_OK)
        n = strlen(prepared);
    if (n > 0 && n <= SASL_PASSWORD_MAX)
        memcpy(to, prepared, n + 1);
    if (prepared != NULL)
        explicit_bzero(prepared, n);
    gsasl_free(prepared);
    explicit_bzero(raw, sizeof raw);
    return n > 0 && n <= SASL_PASSWORD_MAX;
}

/* --- crypt(5) -------------------------------------------------------------- */

/* crypt_of - the hash of a text in the manner of `setting` (a hash or the start of
 * one), with a NUL in to[]. False: it cannot be computed. */

static bool crypt_of(const char *text, const char *setting, char to[CRYPT_OUTPUT_SIZE])
{
    struct crypt_data *room = calloc(1, sizeof *room);
    const char *hash = room != NULL ? crypt_r(text, setting, room) : NULL;
    bool done = hash != NULL && hash[0] != '*';

    if (done)
        memcpy(to, hash, strlen(hash) + 1);
    if (room != NULL)
        explicit_bzero(room, sizeof *room);
    free(room);
    return done;
}

static bool cstr_of(struct slice s, char to[CRYPT_OUTPUT_SIZE])
{
    if (s.n >= CRYPT_OUTPUT_SIZE)
        return false;
    memcpy(to, s.p, s.n);
    to[s.n] = '\0';
    return true;
}

bool hash_ok(struct slice hash)
{
    char setting[CRYPT_OUTPUT_SIZE];
    int known;

    if (!cstr_of(hash, setting))
        return false;
    known = crypt_checksalt(setting);
    return known == CRYPT_SALT_OK || known == CRYPT_SALT_METHOD_LEGACY;
}

static bool put_crypt(struct buf *out, const char *prepared)
{
    char setting[CRYPT_GENSALT_OUTPUT_SIZE], hash[CRYPT_OUTPUT_SIZE];

    if (crypt_gensalt_rn(NULL, 0, NULL, 0, setting, sizeof setting) == NULL
        || !crypt_of(prepared, setting, hash))
        return false;
    return buf_puts(out, "{crypt}") && buf_puts(out, hash);
}

static int check_crypt(struct slice hash, const char *prepared)
{
    char setting[CRYPT_OUTPUT_SIZE], found[CRYPT_OUTPUT_SIZE] = "";

    if (!cstr_of(hash, setting) || !crypt_of(prepared, setting, found))
        return -1;
    return strlen(found) == hash.n && CRYPTO_memcmp(found, hash.p, hash.n) == 0;
}

/* --- SCRAM ----------------------------------------------------------------- */

/* A verifier in bytes. */
struct keys {
    char   salt[SCRAM_SALT_MAX];
    size_t nsalt;
    char   salted[SCRAM_KEY], client[SCRAM_KEY], server[SCRAM_KEY], stored[SCRAM_KEY];
};

static bool keys_make(struct keys *k, const char *prepared, uint32_t iterations)
{
    return gsasl_scram_secrets_from_password(GSASL_HASH_SHA256, prepared, iterations, k->salt, k->nsalt,
                                             k->salted, k->client, k->server, k->stored) == GSASL_OK;
}

static bool bytes_fit(struct slice text, size_t least, size_t most)
{
    struct buf bytes = BUF(SCRAM_SALT_MAX);
    bool fit = base64_take(&bytes, text) && bytes.n >= least && bytes.n <= most;

    buf_free(&bytes);
    return fit;
}

bool scram_parse(struct slice text, struct scram *v)
{
    struct slice number, keys, rest;
    uint64_t n;

    if (!slice_cut(text, ':', &number, &rest) || !slice_cut(rest, '$', &v->salt, &keys)
        || !slice_cut(keys, ':', &v->stored_key, &v->server_key)
        || !slice_u64(number, &n) || n < SCRAM_ITERATIONS_MIN || n > SCRAM_ITERATIONS_MAX)
        return false;
    v->iterations = (uint32_t)n;
    return bytes_fit(v->salt, 1, SCRAM_SALT_MAX) && bytes_fit(v->stored_key, SCRAM_KEY, SCRAM_KEY)
        && bytes_fit(v->server_key, SCRAM_KEY, SCRAM_KEY);
}

static bool put_scram(struct buf *out, const char *prepared)
{
    struct keys k = { .nsalt = SCRAM_SALT };
    bool made = getrandom(k.salt, SCRAM_SALT, 0) == SCRAM_SALT
             && keys_make(&k, prepared, SCRAM_ITERATIONS)
             && buf_printf(out, "{SCRAM-SHA-256}%d:", SCRAM_ITERATIONS)
             && base64_put(out, slice_of(k.salt, k.nsalt)) && buf_puts(out, "$")
             && base64_put(out, slice_of(k.stored, SCRAM_KEY)) && buf_puts(out, ":")
             && base64_put(out, slice_of(k.server, SCRAM_KEY));

    explicit_bzero(&k, sizeof k);
    return made;
}

/* salt_of, key_is - texts of base64 as bytes, compared as bytes */

static bool salt_of(struct keys *k, struct slice text)
{
    struct buf bytes = BUF(SCRAM_SALT_MAX);
    bool done = base64_take(&bytes, text);

    if (done && bytes.n > 0)
        memcpy(k->salt, buf_view(&bytes).p, bytes.n);
    k->nsalt = bytes.n;
    buf_free(&bytes);
    return done;
}

static bool key_is(const char key[SCRAM_KEY], struct slice text)
{
    struct buf bytes = BUF(SCRAM_SALT_MAX);
    bool is = base64_take(&bytes, text) && bytes.n == SCRAM_KEY
           && CRYPTO_memcmp(buf_view(&bytes).p, key, SCRAM_KEY) == 0;

    buf_free(&bytes);
    return is;
}

static int check_scram(struct slice text, const char *prepared)
{
    struct keys k = { 0 };
    struct scram v;
    int result = -1;

    if (scram_parse(text, &v) && salt_of(&k, v.salt) && keys_make(&k, prepared, v.iterations))
        result = key_is(k.stored, v.stored_key) && key_is(k.server, v.server_key);
    explicit_bzero(&k, sizeof k);
    return result;
}

/* --- all schemes ------------------------------------------------------------- */

bool password_make(const char *prepared, bool clear, struct buf *out)
{
    return put_crypt(out, prepared) && put_scram(out, prepared)
        && (!clear || (buf_puts(out, "{clear}") && buf_puts(out, prepared)));
}

/* check_clear - the length shows in the time taken, the content does not */

static int check_clear(struct slice clear, const char *prepared)
{
    return strlen(prepared) == clear.n && CRYPTO_memcmp(clear.p, prepared, clear.n) == 0;
}

int secret_check(const struct secret *s, const char *prepared)
{
    if (s->crypt.n > 0)
        return check_crypt(s->crypt, prepared);
    if (s->scram.n > 0)
        return check_scram(s->scram, prepared);
    return s->clear.n > 0 ? check_clear(s->clear, prepared) : -1;
}
