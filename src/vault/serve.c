/* serve.c - clients that log in here: from the first message to the verdict. */
#include "base/clock.h"
#include "base/fate.h"
#include "log/counters.h"
#include "log/log.h"
#include "vault/inside.h"

/* --- verdicts ------------------------------------------------------------------------ */

/* log_login - a name that nobody has is not logged: it may be a password in the wrong place */

static void log_login(const struct attempt *x, const char *result)
{
    struct slice user = sasl_server_known(x->server) ? sasl_server_user(x->server)
                                                     : (struct slice){ 0 };

    log_event(EVENT_AUTH, LF_STR("result", result), LF_TEXT("user", user), LF_STR("client", x->host),
              LF_STR("mechanism", sasl_name(x->mechanism)));
}

static void succeed(struct attempt *x, int64_t now)
{
    throttle_succeeded(&x->desk->throttle, slice_cstr(x->host), sasl_server_user(x->server), now);
    count_add(logins, 1);
    log_login(x, "done");
    attempt_finish(x, FATE_DONE, AUTH_OK, NULL);
}

/* hold - say no, a little later: the more often, the later */

static void hold(struct attempt *x, int64_t now)
{
    x->due = now + throttle_failed(&x->desk->throttle, slice_cstr(x->host),
                                   sasl_server_user(x->server), now);
    x->state = HELD;
    count_add(logins_failed, 1);
    log_login(x, "failed");
}

/* refused - too many failures before: neither yes nor no, whatever the password is */

static bool refused(struct attempt *x, int64_t now)
{
    if (throttle_allows(&x->desk->throttle, slice_cstr(x->host), sasl_server_user(x->server), now))
        return false;
    count_add(logins_refused, 1);
    log_login(x, "too many failures");
    attempt_finish(x, FATE_LATER, AUTH_TROUBLE, "too many failures");
    return true;
}

/* conclude - done or failed, as the mechanism or the thread found */

static void conclude(struct attempt *x, enum sasl_result result, int64_t now)
{
    switch (result) {
    case SASL_DONE:
        succeed(x, now);
        break;
    case SASL_FAILED:
        hold(x, now);
        break;
    case SASL_BROKEN:
        attempt_finish(x, FATE_NEVER, AUTH_MALFORMED, NULL);
        break;
    default:
        log_login(x, "cannot be checked now");
        attempt_finish(x, FATE_LATER, AUTH_TROUBLE, NULL);
    }
}

/* --- passwords on threads -------------------------------------------------------------- */

static void next_in_line(struct desk *desk);

static void on_thread(uv_work_t *work)
{
    struct attempt *x = work->data;

    sasl_server_check(x->server);
}

static void checked(uv_work_t *work, int status)
{
    struct attempt *x = work->data;
    struct desk *desk = x->desk;

    x->on_thread = false;
    desk->checking--;
    if (x->asker == NULL)
        attempt_free(x);
    else
        conclude(x, status == 0 ? sasl_server_checked(x->server) : SASL_LATER, clock_mono());
    next_in_line(desk);
}

static void begin_check(struct attempt *x)
{
    if (uv_queue_work(x->desk->loop, &x->work, on_thread, checked) != 0) {
        conclude(x, SASL_LATER, clock_mono());
        return;
    }
    x->on_thread = true;
    x->desk->checking++;
}

static void next_in_line(struct desk *desk)
{
    while (desk->checking < CHECKS_AT_ONCE && desk->nin_line > 0) {
        struct attempt *x = LIST_OWNER(list_pop(&desk->in_line), struct attempt, line);

        desk->nin_line--;
        begin_check(x);
    }
}

static void check(struct attempt *x, int64_t now)
{
    struct desk *desk = x->desk;

    if (refused(x, now))
        return;
    if (desk->nin_line >= CHECKS_WAITING) {
        conclude(x, SASL_LATER, now);
        return;
    }
    x->state = CHECKS;
    list_push(&desk->in_line, &x->line);
    desk->nin_line++;
    next_in_line(desk);
}

static void served(struct attempt *x, enum sasl_result result, const struct buf *out, int64_t now)
{
    if (result == SASL_MORE)
        attempt_say(x, false, true, out);
    else if (result == SASL_SLOW)
        check(x, now);
    else if ((result != SASL_DONE && result != SASL_FAILED) || !refused(x, now))
        conclude(x, result, now);
}

/* objection - what stands against this mechanism before anything is said */

static enum auth_why objection(const struct desk *desk, const struct msg_auth *m,
                               enum sasl_mechanism mechanism)
{
    unsigned flags = sasl_flags(mechanism);

    if (mechanism >= SASL_MECHANISM_COUNT || !(sasl_server_set(&desk->sasl) >> mechanism & 1))
        return AUTH_NO_MECHANISM;
    if ((flags & MECH_CLEAR) && m->secure == 0)
        return AUTH_NEEDS_TLS;
    if (m->has_initial && (flags & MECH_SERVER_FIRST) && !(flags & MECH_TAKES_FIRST))
        return AUTH_NO_INITIAL;
    return AUTH_OK;
}

void serve_open(struct asker *asker, const struct msg_auth *m, int64_t now)
{
    enum sasl_mechanism mechanism = sasl_find(m->mechanisms);
    enum auth_why why = objection(asker->desk, m, mechanism);
    struct buf out = BUF(SASL_MESSAGE_MAX);
    struct attempt *x;

    if (why != AUTH_OK) {
        attempt_tell(asker, m->ticket, FATE_NEVER, why, NULL);
        return;
    }
    x = attempt_new(asker, m, now);
    if (x != NULL) {
        x->mechanism = mechanism;
        x->server = sasl_server_new(&asker->desk->sasl, mechanism);
    }
    if (x == NULL || x->server == NULL) {
        attempt_tell(asker, m->ticket, FATE_LATER, AUTH_TROUBLE, "no memory");
        if (x != NULL)
            attempt_free(x);
        return;
    }
    served(x, sasl_server_start(x->server, m->has_initial, m->initial, &out), &out, now);
    buf_free(&out);
}

void serve_step(struct attempt *x, struct slice data, int64_t now)
{
    struct buf out = BUF(SASL_MESSAGE_MAX);

    served(x, sasl_server_step(x->server, data, &out), &out, now);
    buf_free(&out);
}
