/* session.c - questions to their owners, steps with bounds, an end that wipes. */
#include "sasl/session.h"

static int on_question(Gsasl *gsasl, Gsasl_session *session, Gsasl_property property)
{
    struct asked *owner = session != NULL ? gsasl_session_hook_get(session) : NULL;

    (void)gsasl;
    return owner != NULL ? owner->answer(owner, session, property) : GSASL_NO_CALLBACK;
}

Gsasl *mechanism_session_begin(void)
{
    Gsasl *gsasl;

    if (gsasl_init(&gsasl) != GSASL_OK)
        return NULL;
    gsasl_callback_set(gsasl, on_question);
    return gsasl;
}

int session_step(Gsasl_session *session, struct slice in, struct buf *out)
{
    char *answer = NULL;
    size_t n = 0;
    int code;

    buf_clear(out);
    code = gsasl_step(session, in.n > 0 ? in.p : "", in.n, &answer, &n);
    if ((code == GSASL_OK || code == GSASL_NEEDS_MORE) && n > 0
        && (n > SASL_MESSAGE_MAX || !buf_put(out, answer, n)))
        code = GSASL_MALLOC_ERROR;
    if (answer != NULL)
        explicit_bzero(answer, n);
    gsasl_free(answer);
    return code;
}

enum sasl_result session_result(int code)
{
    static const struct { int code; enum sasl_result result; } rows[] = {
        { GSASL_AUTHENTICATION_ERROR,                SASL_FAILED },
        { GSASL_INTEGRITY_ERROR,                     SASL_FAILED },
        { GSASL_SASLPREP_ERROR,                      SASL_FAILED },
        { GSASL_NO_AUTHID,                           SASL_FAILED },
        { GSASL_NO_PASSWORD,                         SASL_FAILED },
        { GSASL_GSSAPI_INIT_SEC_CONTEXT_ERROR,       SASL_FAILED },
        { GSASL_GSSAPI_ACCEPT_SEC_CONTEXT_ERROR,     SASL_FAILED },
        { GSASL_GSSAPI_UNWRAP_ERROR,                 SASL_FAILED },
        { GSASL_GSSAPI_UNSUPPORTED_PROTECTION_ERROR, SASL_FAILED },
        { GSASL_MECHANISM_PARSE_ERROR,               SASL_BROKEN },
        { GSASL_BASE64_ERROR,                        SASL_BROKEN },
        { GSASL_MECHANISM_CALLED_TOO_MANY_TIMES,     SASL_BROKEN },
        { GSASL_GSSAPI_DECAPSULATE_TOKEN_ERROR,      SASL_BROKEN },
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (rows[i].code == code)
            return rows[i].result;
    return SASL_LATER;
}

/* wipe - the library frees its copies as they are */

static void wipe(Gsasl_session *session, Gsasl_property property)
{
    char *text = (char *)(uintptr_t)gsasl_property_fast(session, property);

    if (text != NULL)
        explicit_bzero(text, strlen(text));
}

void mechanism_session_end(Gsasl_session **session)
{
    static const Gsasl_property secrets[] = {
        GSASL_PASSWORD, GSASL_SCRAM_SALTED_PASSWORD, GSASL_SCRAM_STOREDKEY, GSASL_SCRAM_SERVERKEY,
    };

    if (*session == NULL)
        return;
    for (size_t i = 0; i < sizeof secrets / sizeof secrets[0]; i++)
        wipe(*session, secrets[i]);
    gsasl_finish(*session);
    *session = NULL;
}
