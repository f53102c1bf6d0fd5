/* server_answers.c - who it is, and what libgsasl wants to know of the account.
 *
 * A name that nobody has gets a stand-in: the secrets of the file's first account
 * where time is what shows, random ones where the result is.
 */
#include <openssl/hmac.h>
#include <stdio.h>
#include <sys/random.h>
#include "base/base64.h"
#include "sasl/server_inside.h"

/* --- who it is ----------------------------------------------------------------- */

/* server_take_name - prepare a name into s->user; what cannot be prepared is nobody */

void server_take_name(struct sasl_server *s, const char *name)
{
    char *prepared = NULL;
    size_t n = 0;

    s->user[0] = '\0';
    if (name == NULL || gsasl_saslprep(name, GSASL_ALLOW_UNASSIGNED, &prepared, NULL) != GSASL_OK)
        return;
    n = strlen(prepared);
    if (account_name_ok(slice_of(prepared, n)))
        memcpy(s->user, prepared, n + 1);
    gsasl_free(prepared);
}

/* copy_secret - the accounts may be read anew while this exchange goes on */

static struct slice copy_part(struct sasl_server *s, size_t *at, struct slice text)
{
    struct slice copy = slice_of(s->texts + *at, text.n);

    if (text.n == 0 || text.n > SECRET_MAX - *at)
        return (struct slice){ 0 };
    memcpy(s->texts + *at, text.p, text.n);
    *at += text.n;
    return copy;
}

static void copy_secret(struct sasl_server *s, const struct secret *from)
{
    size_t at = 0;

    s->secret.crypt = copy_part(s, &at, from->crypt);
    s->secret.scram = copy_part(s, &at, from->scram);
    s->secret.clear = copy_part(s, &at, from->clear);
}

/* look - s->user's account, or the stand-in */

static void look(struct sasl_server *s)
{
    const struct accounts *a = s->sasl->accounts;
    const struct account *account = accounts_find(a, slice_cstr(s->user));

    s->looked = true;
    s->known = account != NULL;
    if (account == NULL && a->n > 0)
        account = &a->all[0];
    if (account != NULL)
        copy_secret(s, &account->secret);
}

/* server_authzid_ok - nobody may act for another: empty, or the same name */

bool server_authzid_ok(const struct sasl_server *s, const char *authzid)
{
    char *prepared = NULL;
    bool same;

    if (authzid == NULL || authzid[0] == '\0')
        return true;
    same = gsasl_saslprep(authzid, GSASL_ALLOW_UNASSIGNED, &prepared, NULL) == GSASL_OK
        && strcmp(prepared, s->user) == 0;
    gsasl_free(prepared);
    return same;
}

/* --- what libgsasl asks ---------------------------------------------------------- */

typedef int answer_f(struct sasl_server *s, Gsasl_session *session);

static struct slice text_of(Gsasl_session *session, Gsasl_property property)
{
    return slice_cstr(gsasl_property_fast(session, property));
}

/* answer_simple - keep the password for a thread; the verdict comes later */

static int answer_simple(struct sasl_server *s, Gsasl_session *session)
{
    server_take_name(s, gsasl_property_fast(session, GSASL_AUTHID));
    look(s);
    s->may_be = server_authzid_ok(s, gsasl_property_fast(session, GSASL_AUTHZID));
    s->simple = true;
    if (!password_prepare(text_of(session, GSASL_PASSWORD), false, s->password))
        s->password[0] = '\0';
    return GSASL_OK;
}

/* random_text - base64 of 32 random bytes: what nobody can have */

static bool random_text(char to[64])
{
    struct buf text = BUF(63);
    char bytes[32];
    bool made = getrandom(bytes, sizeof bytes, 0) == sizeof bytes
             && base64_put(&text, slice_of(bytes, sizeof bytes));

    if (made) {
        memcpy(to, buf_view(&text).p, text.n);
        to[text.n] = '\0';
    }
    buf_free(&text);
    return made;
}

static int set_random(Gsasl_session *session, Gsasl_property property)
{
    char text[64];

    return random_text(text) ? gsasl_property_set(session, property, text) : GSASL_CRYPTO_ERROR;
}

static int set_text(Gsasl_session *session, Gsasl_property property, struct slice text)
{
    return gsasl_property_set_raw(session, property, text.p, text.n);
}

/* answer_password - for CRAM-MD5: the clear text, or what nobody has */

static int answer_password(struct sasl_server *s, Gsasl_session *session)
{
    if (s->mechanism != SASL_CRAM_MD5)
        return GSASL_NO_CALLBACK;
    server_take_name(s, gsasl_property_fast(session, GSASL_AUTHID));
    look(s);
    s->may_be = true;
    if (!s->known || s->secret.clear.n == 0)
        return set_random(session, GSASL_PASSWORD);
    return set_text(session, GSASL_PASSWORD, s->secret.clear);
}

/* made_up_salt - of a name that nobody has: the same one each time */

static int made_up_salt(struct sasl_server *s, Gsasl_session *session, const char *name)
{
    struct buf text = BUF(64);
    unsigned char mac[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    int code = GSASL_CRYPTO_ERROR;

    if (HMAC(EVP_sha256(), s->sasl->key, sizeof s->sasl->key, (const unsigned char *)name,
             strlen(name), mac, &n) != NULL
        && base64_put(&text, slice_of((const char *)mac, SCRAM_SALT)))
        code = set_text(session, GSASL_SCRAM_SALT, buf_view(&text));
    buf_free(&text);
    return code;
}

/* verifier - of the account; false: it has none. Then `v` has the usual iterations. */

static bool verifier(const struct sasl_server *s, struct scram *v)
{
    bool there = s->secret.scram.n > 0 && scram_parse(s->secret.scram, v);

    if (!there)
        *v = (struct scram){ .iterations = SCRAM_ITERATIONS };
    return s->known && there;
}

static void look_for_scram(struct sasl_server *s, Gsasl_session *session)
{
    if (s->looked)
        return;
    server_take_name(s, gsasl_property_fast(session, GSASL_AUTHID));
    look(s);
    s->may_be = server_authzid_ok(s, gsasl_property_fast(session, GSASL_AUTHZID));
}

static int answer_iterations(struct sasl_server *s, Gsasl_session *session)
{
    struct scram v;
    char text[16];

    look_for_scram(s, session);
    verifier(s, &v);
    snprintf(text, sizeof text, "%u", v.iterations);
    return gsasl_property_set(session, GSASL_SCRAM_ITER, text);
}

static int answer_salt(struct sasl_server *s, Gsasl_session *session)
{
    struct scram v;

    look_for_scram(s, session);
    if (verifier(s, &v))
        return set_text(session, GSASL_SCRAM_SALT, v.salt);
    return made_up_salt(s, session, gsasl_property_fast(session, GSASL_AUTHID) != NULL
                                        ? gsasl_property_fast(session, GSASL_AUTHID) : "");
}

static int answer_stored_key(struct sasl_server *s, Gsasl_session *session)
{
    struct scram v;

    return verifier(s, &v) ? set_text(session, GSASL_SCRAM_STOREDKEY, v.stored_key)
                           : set_random(session, GSASL_SCRAM_STOREDKEY);
}

static int answer_server_key(struct sasl_server *s, Gsasl_session *session)
{
    struct scram v;

    return verifier(s, &v) ? set_text(session, GSASL_SCRAM_SERVERKEY, v.server_key)
                           : set_random(session, GSASL_SCRAM_SERVERKEY);
}

int server_answer(struct asked *owner, Gsasl_session *session, Gsasl_property property)
{
    static const struct { Gsasl_property property; answer_f *answer; } rows[] = {
        { GSASL_VALIDATE_SIMPLE, answer_simple },
        { GSASL_PASSWORD,        answer_password },
        { GSASL_SCRAM_ITER,      answer_iterations },
        { GSASL_SCRAM_SALT,      answer_salt },
        { GSASL_SCRAM_STOREDKEY, answer_stored_key },
        { GSASL_SCRAM_SERVERKEY, answer_server_key },
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (rows[i].property == property)
            return rows[i].answer((struct sasl_server *)(void *)owner, session);
    return GSASL_NO_CALLBACK;
}
