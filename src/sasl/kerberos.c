/* kerberos.c - the three parts of the exchange.
 *
 *     TOKENS     the context is being made             until it is complete
 *     EMPTY      our last token is out                 the client has nothing to say
 *     OFFERED    "no layer" is offered                 the client takes it, and says who
 *     OVER
 */
#include <assert.h>
#include <gssapi/gssapi_ext.h>
#include <gssapi/gssapi_krb5.h>
#include <krb5.h>
#include <stdio.h>
#include <stdlib.h>
#include "sasl/kerberos.h"

#define KERBEROS_TABLE "MEMORY:postrider"

enum { NO_LAYER = 1 };

struct kerberos_login {
    gss_cred_id_t credential;           /* the process's */
    gss_ctx_id_t  context;
    enum { TOKENS, EMPTY, OFFERED, OVER } stage;
    char          principal[SASL_NAME_MAX + 1], authzid[SASL_NAME_MAX + 1];
};

/* --- our key --------------------------------------------------------------- */

static gss_name_t service_name(const char *hostname)
{
    char text[300];
    gss_buffer_desc buffer = { .value = text };
    gss_name_t name = GSS_C_NO_NAME;
    OM_uint32 minor;

    buffer.length = (size_t)snprintf(text, sizeof text, "smtp@%s", hostname);
    if (buffer.length >= sizeof text
        || gss_import_name(&minor, &buffer, GSS_C_NT_HOSTBASED_SERVICE, &name) != GSS_S_COMPLETE)
        return GSS_C_NO_NAME;
    return name;
}

/* copy_entries - every key of a table into another */

static bool copy_entries(krb5_context context, krb5_keytab from, krb5_keytab to)
{
    krb5_keytab_entry entry;
    krb5_kt_cursor cursor;
    bool copied = true;

    if (krb5_kt_start_seq_get(context, from, &cursor) != 0)
        return false;
    while (copied && krb5_kt_next_entry(context, from, &entry, &cursor) == 0) {
        copied = krb5_kt_add_entry(context, to, &entry) == 0;
        krb5_free_keytab_entry_contents(context, &entry);
    }
    krb5_kt_end_seq_get(context, from, &cursor);
    return copied;
}

/* read_keytab - the library would open the file again for each login, which a process
 * in a sandbox cannot: so it is read once, into a table in memory, kept in k->table */

static bool read_keytab(struct kerberos *k, krb5_context context, const char *path)
{
    krb5_keytab file = NULL, table = NULL;
    bool done = krb5_kt_resolve(context, path, &file) == 0
             && krb5_kt_resolve(context, KERBEROS_TABLE, &table) == 0
             && copy_entries(context, file, table);

    if (file != NULL)
        krb5_kt_close(context, file);
    if (table != NULL && !done)
        krb5_kt_close(context, table);
    k->table = done ? table : NULL;
    return done;
}

/* acquire - Kerberos only. No record of replays is kept: who repeats another's first
 * token has not his session key, and cannot say the last message. */

static gss_cred_id_t acquire(gss_name_t name)
{
    gss_key_value_element_desc elements[] = { { "keytab", KERBEROS_TABLE }, { "rcache", "none:" } };
    gss_key_value_set_desc store = { 2, elements };
    gss_OID_set_desc mechanisms = { 1, (gss_OID)(uintptr_t)gss_mech_krb5 };
    gss_cred_id_t credential = GSS_C_NO_CREDENTIAL;
    OM_uint32 minor;

    if (gss_acquire_cred_from(&minor, name, GSS_C_INDEFINITE, &mechanisms, GSS_C_ACCEPT, &store,
                              &credential, NULL, NULL) != GSS_S_COMPLETE)
        return GSS_C_NO_CREDENTIAL;
    return credential;
}

/* begin - the credential, or why there is none */

static const char *begin(struct kerberos *k, const char *hostname, const char *keytab)
{
    krb5_context context = NULL;
    gss_name_t name;
    OM_uint32 minor;

    if (krb5_init_context(&context) != 0)
        return "the configuration of Kerberos cannot be read";
    k->context = context;
    if (!read_keytab(k, context, keytab))
        return "the table of keys cannot be read";
    name = service_name(hostname);
    k->credential = name != GSS_C_NO_NAME ? acquire(name) : NULL;
    gss_release_name(&minor, &name);
    return k->credential != NULL ? NULL : "it has no key of smtp/HOSTNAME";
}

bool kerberos_begin(struct kerberos *k, const char *hostname, const char *keytab)
{
    const char *why;

    *k = (struct kerberos){ 0 };
    why = begin(k, hostname, keytab);
    if (why != NULL)
        kerberos_end(k);
    k->why = why;
    return why == NULL;
}

void kerberos_end(struct kerberos *k)
{
    gss_cred_id_t credential = k->credential;
    OM_uint32 minor;

    gss_release_cred(&minor, &credential);
    if (k->table != NULL)
        krb5_kt_close(k->context, k->table);
    if (k->context != NULL)
        krb5_free_context(k->context);
    *k = (struct kerberos){ 0 };
}

/* --- one exchange ------------------------------------------------------------ */

struct kerberos_login *kerberos_login_new(const struct kerberos *k)
{
    struct kerberos_login *l = calloc(1, sizeof *l);

    if (l != NULL)
        l->credential = k->credential;
    return l;
}

void kerberos_login_free(struct kerberos_login *l)
{
    OM_uint32 minor;

    if (l == NULL)
        return;
    gss_delete_sec_context(&minor, &l->context, GSS_C_NO_BUFFER);
    explicit_bzero(l, sizeof *l);
    free(l);
}

static enum sasl_result over(struct kerberos_login *l, enum sasl_result result)
{
    l->stage = OVER;
    return result;
}

/* put - the library's buffer into ours, and away */

static bool put(struct buf *out, gss_buffer_t from)
{
    bool fits = from->length <= SASL_MESSAGE_MAX && buf_put(out, from->value, from->length);
    OM_uint32 minor;

    gss_release_buffer(&minor, from);
    return fits;
}

/* take_text - a text without NUL, as a C string. False: it is none. */

static bool take_text(char to[SASL_NAME_MAX + 1], struct slice from)
{
    if (from.n > SASL_NAME_MAX || (from.n > 0 && memchr(from.p, '\0', from.n) != NULL))
        return false;
    if (from.n > 0)
        memcpy(to, from.p, from.n);
    to[from.n] = '\0';
    return true;
}

static bool take_principal(struct kerberos_login *l, gss_name_t name)
{
    gss_buffer_desc text = GSS_C_EMPTY_BUFFER;
    OM_uint32 minor;
    bool taken;

    if (gss_display_name(&minor, name, &text, NULL) != GSS_S_COMPLETE)
        return false;
    taken = take_text(l->principal, slice_of(text.value, text.length));
    gss_release_buffer(&minor, &text);
    return taken;
}

/* offer - no layer, and so no buffer (RFC 4752 §3.2) */

static enum sasl_result offer(struct kerberos_login *l, struct buf *out)
{
    char bits[4] = { NO_LAYER };
    gss_buffer_desc plain = { sizeof bits, bits }, wrapped = GSS_C_EMPTY_BUFFER;
    OM_uint32 minor;

    if (gss_wrap(&minor, l->context, 0, GSS_C_QOP_DEFAULT, &plain, NULL, &wrapped) != GSS_S_COMPLETE
        || !put(out, &wrapped))
        return over(l, SASL_LATER);
    l->stage = OFFERED;
    return SASL_MORE;
}

/* on_context - the context is complete: is it what was agreed on? */

static enum sasl_result on_context(struct kerberos_login *l, gss_name_t name, gss_OID mechanism,
                                   OM_uint32 flags, struct buf *out)
{
    if (!gss_oid_equal(mechanism, gss_mech_krb5) || !(flags & GSS_C_INTEG_FLAG)
        || (flags & GSS_C_ANON_FLAG) || !take_principal(l, name))
        return over(l, SASL_FAILED);
    if (out->n == 0)
        return offer(l, out);
    l->stage = EMPTY;
    return SASL_MORE;
}

static enum sasl_result on_token(struct kerberos_login *l, struct slice in, struct buf *out)
{
    gss_buffer_desc token = { in.n, (char *)(uintptr_t)in.p }, answer = GSS_C_EMPTY_BUFFER;
    enum sasl_result result = SASL_MORE;
    gss_name_t name = GSS_C_NO_NAME;
    gss_OID mechanism = GSS_C_NO_OID;
    OM_uint32 major, minor, flags = 0;

    major = gss_accept_sec_context(&minor, &l->context, l->credential, &token,
                                   GSS_C_NO_CHANNEL_BINDINGS, &name, &mechanism, &answer, &flags,
                                   NULL, NULL);
    if (!put(out, &answer) || GSS_ERROR(major)) {
        buf_clear(out);         /* an error token would be a 334, which says "go on" */
        result = over(l, SASL_FAILED);
    } else if (major == GSS_S_COMPLETE) {
        result = on_context(l, name, mechanism, flags, out);
    }
    gss_release_name(&minor, &name);
    return result;
}

/* accept - exactly the layer that was offered, no buffer, and a name */

static bool accept_choice(struct kerberos_login *l, struct slice choice)
{
    return choice.n >= 4 && choice.p[0] == NO_LAYER && choice.p[1] == 0 && choice.p[2] == 0
        && choice.p[3] == 0 && take_text(l->authzid, slice_from(choice, 4));
}

static enum sasl_result on_choice(struct kerberos_login *l, struct slice in)
{
    gss_buffer_desc wrapped = { in.n, (char *)(uintptr_t)in.p }, plain = GSS_C_EMPTY_BUFFER;
    OM_uint32 minor;
    bool accepted;

    if (gss_unwrap(&minor, l->context, &wrapped, &plain, NULL, NULL) != GSS_S_COMPLETE)
        return over(l, SASL_FAILED);
    accepted = accept_choice(l, slice_of(plain.value, plain.length));
    if (plain.length == 0)
        plain.length = 1;       /* else MIT's library would keep what it allocated */
    gss_release_buffer(&minor, &plain);
    return over(l, accepted ? SASL_DONE : SASL_FAILED);
}

enum sasl_result kerberos_step(struct kerberos_login *l, struct slice in, struct buf *out)
{
    assert(l->stage != OVER);
    buf_clear(out);
    switch (l->stage) {
    case TOKENS:
        return in.n > 0 ? on_token(l, in, out) : SASL_MORE;
    case EMPTY:
        return in.n == 0 ? offer(l, out) : over(l, SASL_BROKEN);
    case OFFERED:
        return on_choice(l, in);
    case OVER:
        break;
    }
    return SASL_LATER;
}

struct slice kerberos_principal(const struct kerberos_login *l)
{
    return slice_cstr(l->principal);
}

struct slice kerberos_authzid(const struct kerberos_login *l)
{
    return slice_cstr(l->authzid);
}
