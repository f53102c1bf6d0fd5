/* server.c - the server's side: libgsasl asks, the accounts answer.
 *
 *     stage      means                                     left by
 *     NEW        nothing came yet                          sasl_server_start
 *     ASKED      the client owes us a message              sasl_server_step
 *     PROVED     all is right, the client must take our    sasl_server_step (an empty one)
 *                last words (SCRAM: the server's proof)
 *     SLOW       a password waits to be checked            sasl_server_checked
 *     OVER       nothing more may come                     -
 *
 * PLAIN and LOGIN only bring a password out of libgsasl; whether it is right is
 * decided by secret_check. For SCRAM and CRAM-MD5 the library compares, with keys or
 * a password from the account (server_answers.c).
 */
#include <assert.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include "sasl/server_inside.h"

/* --- what a process shares --------------------------------------------------- */

static void copy_text(char *to, size_t size, const char *from)
{
    snprintf(to, size, "%s", from != NULL ? from : "");
}

/* make_key - the salts made up for names that nobody has should outlive this process:
 * who sees one change knows. So they come from a hash in the accounts whose own salt
 * never leaves us; without one, by chance. */

static bool make_key(struct sasl *sasl, const struct accounts *a)
{
    enum { LONG = 60 };     /* bytes of a hash with a salt that nobody can guess */
    unsigned n = 0;

    for (size_t i = 0; i < a->n; i++) {
        struct slice hash = a->all[i].secret.crypt;

        if (hash.n >= LONG)
            return HMAC(EVP_sha256(), "made-up salts", 13, (const unsigned char *)hash.p, hash.n,
                        sasl->key, &n) != NULL && n == sizeof sasl->key;
    }
    return getrandom(sasl->key, sizeof sasl->key, 0) == sizeof sasl->key;
}

bool sasl_begin(struct sasl *sasl, struct accounts *accounts, const char *hostname,
                const char *realm, const char *keytab)
{
    *sasl = (struct sasl){ .accounts = accounts };
    copy_text(sasl->hostname, sizeof sasl->hostname, hostname);
    copy_text(sasl->realm, sizeof sasl->realm, realm);
    sasl->gsasl = mechanism_session_begin();
    if (sasl->gsasl == NULL || !make_key(sasl, accounts))
        return false;
    if (keytab != NULL && keytab[0] != '\0')
        kerberos_begin(&sasl->kerberos, sasl->hostname, keytab);
    return true;
}

void sasl_end(struct sasl *sasl)
{
    kerberos_end(&sasl->kerberos);
    if (sasl->gsasl != NULL)
        gsasl_done(sasl->gsasl);
    explicit_bzero(sasl, sizeof *sasl);
}

uint32_t sasl_server_set(const struct sasl *sasl)
{
    uint32_t set = 0;

    if (sasl->accounts->n > 0)
        set = SASL_BIT(PLAIN) | SASL_BIT(LOGIN);
    if (sasl->accounts->any_scram)
        set |= SASL_BIT(SCRAM_SHA_256);
    if (sasl->accounts->any_clear)
        set |= SASL_BIT(CRAM_MD5);
    if (sasl->kerberos.credential != NULL)
        set |= SASL_BIT(GSSAPI);
    return set;
}

/* --- the exchange ------------------------------------------------------------------ */

/* begin_session - of the library that speaks the mechanism */

static bool begin_session(struct sasl_server *s)
{
    if (s->mechanism == SASL_GSSAPI) {
        s->kerberos = kerberos_login_new(&s->sasl->kerberos);
        return s->kerberos != NULL;
    }
    if (gsasl_server_start(s->sasl->gsasl, sasl_name(s->mechanism), &s->session) != GSASL_OK)
        return false;
    gsasl_session_hook_set(s->session, s);
    return true;
}

struct sasl_server *sasl_server_new(struct sasl *sasl, enum sasl_mechanism mechanism)
{
    struct sasl_server *s;

    if (mechanism >= SASL_MECHANISM_COUNT || !(sasl_server_set(sasl) >> mechanism & 1))
        return NULL;
    s = calloc(1, sizeof *s);
    if (s == NULL)
        return NULL;
    s->asked.answer = server_answer;
    s->sasl = sasl;
    s->mechanism = mechanism;
    if (!begin_session(s)) {
        free(s);
        return NULL;
    }
    return s;
}

static enum sasl_result over(struct sasl_server *s, enum sasl_result result)
{
    mechanism_session_end(&s->session);
    kerberos_login_free(s->kerberos);
    s->kerberos = NULL;
    s->stage = STAGE_OVER;
    return result;
}

/* proved - libgsasl has nothing against the client */

static enum sasl_result proved(struct sasl_server *s, const struct buf *out)
{
    if (s->simple) {
        mechanism_session_end(&s->session);
        s->stage = STAGE_SLOW;
        return SASL_SLOW;
    }
    if (!s->known || !s->may_be)
        return over(s, SASL_FAILED);
    if (out->n == 0)
        return over(s, SASL_DONE);
    mechanism_session_end(&s->session);
    s->stage = STAGE_PROVED;
    return SASL_MORE;
}

/* take_principal - Kerberos says who it is. Our realm's "alice@REALM" is alice. */

static bool take_principal(struct sasl_server *s)
{
    struct slice principal = kerberos_principal(s->kerberos), authzid = kerberos_authzid(s->kerberos);
    size_t at = slice_rchr(principal, '@');
    char name[SASL_NAME_MAX + 1];

    /* a backslash hides an @ that divides nothing: nobody whom we would know */
    if (at == principal.n || memchr(principal.p, '\\', principal.n) != NULL)
        return false;
    snprintf(name, sizeof name, "%.*s", SLICE(principal));
    if (slice_eq(slice_from(principal, at + 1), slice_cstr(s->sasl->realm)))
        name[at] = '\0';
    server_take_name(s, name);
    s->known = s->user[0] != '\0';
    return s->known && (slice_eq(authzid, principal) || server_authzid_ok(s, authzid.p));
}

static enum sasl_result kerberos(struct sasl_server *s, struct slice in, struct buf *out)
{
    enum sasl_result result = kerberos_step(s->kerberos, in, out);

    s->stage = STAGE_ASKED;
    if (result == SASL_DONE && !take_principal(s))
        result = SASL_FAILED;
    return result == SASL_MORE ? SASL_MORE : over(s, result);
}

static enum sasl_result step(struct sasl_server *s, struct slice in, struct buf *out)
{
    int code;

    if (s->kerberos != NULL)
        return kerberos(s, in, out);
    code = session_step(s->session, in, out);
    if (code == GSASL_OK)
        return proved(s, out);
    if (code != GSASL_NEEDS_MORE) {
        buf_clear(out);
        return over(s, session_result(code));
    }
    s->stage = STAGE_ASKED;
    return SASL_MORE;
}

/* ask_usual - LOGIN's questions as everybody asks them: some clients compare */

static enum sasl_result ask_usual(const struct sasl_server *s, enum sasl_result result,
                                  struct buf *out)
{
    bool password = s->mechanism == SASL_LOGIN && slice_istarts(buf_view(out), SLICE_LIT("Pass"));

    if (s->mechanism == SASL_LOGIN && result == SASL_MORE) {
        buf_clear(out);
        buf_puts(out, password ? "Password:" : "Username:");
    }
    return result;
}

enum sasl_result sasl_server_start(struct sasl_server *s, bool has_first, struct slice first,
                                   struct buf *out)
{
    unsigned flags = sasl_flags(s->mechanism);
    enum sasl_result result;

    assert(s->stage == STAGE_NEW);
    buf_clear(out);
    if (has_first && (flags & MECH_SERVER_FIRST) && !(flags & MECH_TAKES_FIRST))
        return over(s, SASL_BROKEN);
    if (!has_first && !(flags & MECH_SERVER_FIRST)) {
        s->stage = STAGE_ASKED;     /* an empty challenge */
        return SASL_MORE;
    }
    if (!(flags & MECH_SERVER_FIRST)) {
        s->stage = STAGE_ASKED;
        return sasl_server_step(s, first, out);
    }
    result = step(s, (struct slice){ 0 }, out);
    if (has_first && result == SASL_MORE)
        return sasl_server_step(s, first, out);
    return ask_usual(s, result, out);
}

enum sasl_result sasl_server_step(struct sasl_server *s, struct slice in, struct buf *out)
{
    assert(s->stage == STAGE_ASKED || s->stage == STAGE_PROVED);
    buf_clear(out);
    if (s->stage == STAGE_PROVED)
        return over(s, in.n == 0 ? SASL_DONE : SASL_BROKEN);
    if (in.n > SASL_MESSAGE_MAX || !sasl_nuls_ok(s->mechanism, in))
        return over(s, SASL_BROKEN);
    if (in.n == 0 && s->mechanism != SASL_GSSAPI)
        return over(s, SASL_BROKEN);    /* libgsasl would take it for "not begun yet" */
    return ask_usual(s, step(s, in, out), out);
}

void sasl_server_check(struct sasl_server *s)
{
    assert(s->stage == STAGE_SLOW);
    s->checked = secret_check(&s->secret, s->password);
    explicit_bzero(s->password, sizeof s->password);
}

enum sasl_result sasl_server_checked(struct sasl_server *s)
{
    assert(s->stage == STAGE_SLOW);
    s->stage = STAGE_OVER;
    if (s->known && s->checked < 0)
        return SASL_LATER;
    return s->known && s->may_be && s->checked == 1 ? SASL_DONE : SASL_FAILED;
}

struct slice sasl_server_user(const struct sasl_server *s)
{
    return slice_cstr(s->user);
}

bool sasl_server_known(const struct sasl_server *s)
{
    return s->known;
}

void sasl_server_free(struct sasl_server *s)
{
    if (s == NULL)
        return;
    over(s, SASL_FAILED);
    explicit_bzero(s, sizeof *s);
    free(s);
}
