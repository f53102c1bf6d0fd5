/* test_sasl_gssapi.c - Kerberos, client against server.
 *
 * Needs a realm: tests/scenario/test_auth_kerberos.py makes one and runs this with
 *     POSTRIDER_KEYTAB   a key table with smtp/mx.test
 *     POSTRIDER_REALM    its realm
 *     KRB5CCNAME         the ticket of alice
 * Without them it is skipped (exit status 77).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include <gssapi/gssapi_krb5.h>
#include "sasl/client.h"
#include "sasl/server.h"

static struct accounts accounts;
static const struct credential kerberos = { .kerberos = true };

/* talk - the server's verdict; user: who it was. change: flip a bit of the client's
 * message of this number, from 1; 0: none. */

static enum sasl_result talk(struct sasl *sasl, const char *host, unsigned change, char user[256])
{
    struct sasl_client *client = sasl_client_new(sasl, SASL_GSSAPI, &kerberos, slice_cstr(host));
    struct sasl_server *server = sasl_server_new(sasl, SASL_GSSAPI);
    struct buf say = BUF(SASL_MESSAGE_MAX), ask = BUF(SASL_MESSAGE_MAX);
    enum sasl_result mine, result = SASL_FAILED;
    bool first;

    assert_non_null(client);
    assert_non_null(server);
    mine = sasl_client_start(client, &first, &say);
    for (unsigned n = 1; mine == SASL_MORE || mine == SASL_DONE; n++) {
        if (n == change && say.n > 0)
            say.p[say.start + say.n - 1] ^= 1;
        result = n == 1 ? sasl_server_start(server, first, buf_view(&say), &ask)
                        : sasl_server_step(server, buf_view(&say), &ask);
        if (result != SASL_MORE)
            break;
        mine = sasl_client_step(client, buf_view(&ask), &say);
    }
    snprintf(user, 256, "%.*s", SLICE(sasl_server_user(server)));
    sasl_client_free(client);
    sasl_server_free(server);
    buf_free(&say);
    buf_free(&ask);
    return result;
}

static void a_principal_of_our_realm_is_an_account_without_it(void **state)
{
    struct sasl sasl;
    char user[256];

    (void)state;
    assert_true(sasl_begin(&sasl, &accounts, "mx.test", getenv("POSTRIDER_REALM"), getenv("POSTRIDER_KEYTAB")));
    assert_int_equal(sasl_server_set(&sasl), SASL_BIT(GSSAPI));
    assert_int_equal(talk(&sasl, "mx.test", 0, user), SASL_DONE);
    assert_string_equal(user, "alice");
    sasl_end(&sasl);
}

static void of_another_realm_it_keeps_it(void **state)
{
    struct sasl sasl;
    char user[256];

    (void)state;
    assert_true(sasl_begin(&sasl, &accounts, "mx.test", "OTHER.TEST", getenv("POSTRIDER_KEYTAB")));
    assert_int_equal(talk(&sasl, "mx.test", 0, user), SASL_DONE);
    assert_non_null(strchr(user, '@'));
    assert_string_equal(strchr(user, '@') + 1, getenv("POSTRIDER_REALM"));
    sasl_end(&sasl);
}

static void a_changed_message_fails(void **state)
{
    struct sasl sasl;
    char user[256];

    (void)state;
    assert_true(sasl_begin(&sasl, &accounts, "mx.test", getenv("POSTRIDER_REALM"), getenv("POSTRIDER_KEYTAB")));
    for (unsigned n = 1; n <= 3; n++) {
        enum sasl_result r = talk(&sasl, "mx.test", n, user);

        if (r != SASL_FAILED && r != SASL_BROKEN && !(n == 2 && r == SASL_DONE))    /* the 2nd is empty */
            fail_msg("message %u: %d", n, (int)r);
    }
    sasl_end(&sasl);
}

static void tokens_that_are_none_fail(void **state)
{
    static const struct slice tokens[] = {
        SLICE_INIT("x"), SLICE_INIT("\x60\x82\x02"), SLICE_INIT("\x60\x00"), SLICE_INIT("\0\0\0\0"),
        SLICE_INIT("\x60\x84\xff\xff\xff\xff\x06\x09\x2a\x86\x48\x86\xf7\x12\x01\x02\x02"),
    };
    struct sasl sasl;

    (void)state;
    assert_true(sasl_begin(&sasl, &accounts, "mx.test", "", getenv("POSTRIDER_KEYTAB")));
    for (size_t i = 0; i < sizeof tokens / sizeof tokens[0]; i++) {
        struct sasl_server *s = sasl_server_new(&sasl, SASL_GSSAPI);
        struct buf out = BUF(SASL_MESSAGE_MAX);
        enum sasl_result r = sasl_server_start(s, true, tokens[i], &out);

        if (r == SASL_MORE)
            r = sasl_server_step(s, tokens[i], &out);
        if (r != SASL_FAILED && r != SASL_BROKEN)
            fail_msg("row %zu: %d", i, (int)r);
        sasl_server_free(s);
        buf_free(&out);
    }
    sasl_end(&sasl);
}

static void without_a_key_for_our_name_it_is_not_offered(void **state)
{
    struct sasl sasl;

    (void)state;
    assert_true(sasl_begin(&sasl, &accounts, "elsewhere.test", "", getenv("POSTRIDER_KEYTAB")));
    assert_int_equal(sasl_server_set(&sasl), 0);
    sasl_end(&sasl);
    assert_true(sasl_begin(&sasl, &accounts, "mx.test", "", "/nonexistent/keytab"));
    assert_int_equal(sasl_server_set(&sasl), 0);
    sasl_end(&sasl);
}

/* --- a client by hand, which says what no library says ------------------------------ */

static gss_name_t name_of(const char *text)
{
    gss_buffer_desc buffer = { strlen(text), (char *)(uintptr_t)text };
    gss_name_t name = GSS_C_NO_NAME;
    OM_uint32 minor;

    assert_int_equal(gss_import_name(&minor, &buffer, GSS_C_NT_HOSTBASED_SERVICE, &name), GSS_S_COMPLETE);
    return name;
}

static gss_buffer_desc in_of(const struct buf *b)
{
    return (gss_buffer_desc){ b->n, (char *)(uintptr_t)buf_view(b).p };
}

/* agree - make the context; the server's offer is in `out` afterwards */

static gss_ctx_id_t agree(struct sasl_server *s, OM_uint32 flags, struct buf *out)
{
    gss_buffer_desc in = GSS_C_EMPTY_BUFFER, token = GSS_C_EMPTY_BUFFER;
    gss_name_t name = name_of("smtp@mx.test");
    gss_ctx_id_t context = GSS_C_NO_CONTEXT;
    OM_uint32 major, minor;
    bool first = true;

    do {
        struct slice say;
        enum sasl_result r;

        major = gss_init_sec_context(&minor, GSS_C_NO_CREDENTIAL, &context, name,
                                     (gss_OID)(uintptr_t)gss_mech_krb5, flags, 0, NULL, &in, NULL, &token,
                                     NULL, NULL);
        assert_false(GSS_ERROR(major));
        say = slice_of(token.value, token.length);
        r = first ? sasl_server_start(s, true, say, out) : sasl_server_step(s, say, out);
        gss_release_buffer(&minor, &token);
        assert_int_equal(r, SASL_MORE);
        in = in_of(out);
        first = false;
    } while (major == GSS_S_CONTINUE_NEEDED);
    gss_release_name(&minor, &name);
    return context;
}

static enum sasl_result choose(struct sasl *sasl, OM_uint32 flags, struct slice choice)
{
    struct sasl_server *s = sasl_server_new(sasl, SASL_GSSAPI);
    struct buf out = BUF(SASL_MESSAGE_MAX);
    gss_ctx_id_t context = agree(s, flags, &out);
    gss_buffer_desc in = in_of(&out), offer = GSS_C_EMPTY_BUFFER, wrapped = GSS_C_EMPTY_BUFFER;
    gss_buffer_desc plain = { choice.n, (char *)(uintptr_t)choice.p };
    enum sasl_result r;
    OM_uint32 minor;

    assert_int_equal(gss_unwrap(&minor, context, &in, &offer, NULL, NULL), GSS_S_COMPLETE);
    assert_int_equal(offer.length, 4);
    assert_memory_equal(offer.value, "\1\0\0\0", 4);      /* no layer, no buffer */
    assert_int_equal(gss_wrap(&minor, context, 0, GSS_C_QOP_DEFAULT, &plain, NULL, &wrapped), GSS_S_COMPLETE);
    r = sasl_server_step(s, slice_of(wrapped.value, wrapped.length), &out);
    gss_release_buffer(&minor, &offer);
    gss_release_buffer(&minor, &wrapped);
    gss_delete_sec_context(&minor, &context, GSS_C_NO_BUFFER);
    sasl_server_free(s);
    buf_free(&out);
    return r;
}

static void only_what_was_offered_may_be_chosen_and_only_for_oneself(void **state)
{
    static const struct { struct slice choice; enum sasl_result result; } cases[] = {
        { SLICE_INIT("\1\0\0\0"), SASL_DONE }, { SLICE_INIT("\1\0\0\0" "alice"), SASL_DONE },
        { SLICE_INIT("\2\0\0\0"), SASL_FAILED }, { SLICE_INIT("\4\0\0\0"), SASL_FAILED },
        { SLICE_INIT("\7\0\0\0"), SASL_FAILED }, { SLICE_INIT("\0\0\0\0"), SASL_FAILED },
        { SLICE_INIT("\1\0\377\377"), SASL_FAILED }, { SLICE_INIT("\1\0\0\0" "bob"), SASL_FAILED },
        { SLICE_INIT("\1\0\0\0" "alice\0"), SASL_FAILED }, { SLICE_INIT("\1\0\0\0" "alice\0x"), SASL_FAILED },
        { SLICE_INIT("\1\0\0"), SASL_FAILED }, { SLICE_INIT(""), SASL_FAILED },
    };
    const OM_uint32 flags = GSS_C_INTEG_FLAG | GSS_C_SEQUENCE_FLAG;
    struct sasl sasl;

    (void)state;
    assert_true(sasl_begin(&sasl, &accounts, "mx.test", getenv("POSTRIDER_REALM"), getenv("POSTRIDER_KEYTAB")));
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        enum sasl_result r = choose(&sasl, flags, cases[i].choice);

        if (r != cases[i].result)
            fail_msg("row %zu: %d", i, (int)r);
    }
    sasl_end(&sasl);
}

/* Not ours, and once in the life of a process: libkrb5 when there is no key, libgssglue when
 * it begins. Their frames are only seen by the unwinder that is thorough. */

const char *__asan_default_options(void);
const char *__lsan_default_suppressions(void);

const char *__asan_default_options(void)
{
    return "fast_unwind_on_malloc=0";
}

const char *__lsan_default_suppressions(void)
{
    return "leak:gss_acquire_cred_from\nleak:libgssglue.so\n";
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_principal_of_our_realm_is_an_account_without_it),
        cmocka_unit_test(of_another_realm_it_keeps_it),
        cmocka_unit_test(a_changed_message_fails),
        cmocka_unit_test(tokens_that_are_none_fail),
        cmocka_unit_test(only_what_was_offered_may_be_chosen_and_only_for_oneself),
        cmocka_unit_test(without_a_key_for_our_name_it_is_not_offered),
    };

    if (getenv("POSTRIDER_KEYTAB") == NULL || getenv("POSTRIDER_REALM") == NULL)
        return 77;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
