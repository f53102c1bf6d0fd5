/* session.c - OpenSSL's state machine between two runs of bytes.
 *
 * A handshake whose private key is elsewhere runs as a job of OpenSSL's on a stack
 * of its own, so that it can rest in the middle of a signature:
 *
 *     tls_handshake            the job's stack
 *       SSL_do_handshake  -->    ... rsa_private
 *                                     key_ask: makes the op, rests
 *       WANT_ASYNC        <--
 *     keys->sign(op)           (nothing of the owner's runs over there)
 *       ...
 *     tls_signed: wake
 *     tls_handshake
 *       SSL_do_handshake  -->         key_ask: takes the signature, returns
 *
 * A job that rests is always run to its end, because only then is its stack free:
 * a session that is given up meanwhile resumes it with a failure.
 */
#include <openssl/async.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include "tls/inside.h"
#include "tls/stacks.h"

struct tls_session {
    SSL               *ssl;
    enum tls_state     state;
    struct slice      *in;          /* during a call of the owner's only */
    struct buf        *out;
    tls_wake_f        *wake;
    void              *user;
    struct tls_server *server;      /* one of these two */
    struct tls_client *client;
    struct tls_sign   *op;          /* the signature that is awaited */
    bool               given_up;    /* finish the job, whatever comes of it */
    bool               unsigned_;   /* the keeper of the key said no */
    bool               said_goodbye;
    bool               named;       /* client: there was a name to compare */
    size_t             place_n;     /* client: under what the session is kept */
    char              *place;
    const char        *why;         /* a text of OpenSSL's or ours, which lives for ever */
    const char        *what;        /* what was being done then */
    char               text[128];
};

static struct tls_session *running;     /* whose job it is */

/* --- the wire ------------------------------------------------------------ */

/* on_wire - every job comes by here, so it is noticed here that one runs */

static void on_wire(void)
{
    if (ASYNC_get_current_job() != NULL)
        stack_job();
}

static int wire_write(BIO *bio, const char *p, size_t n, size_t *written)
{
    struct tls_session *t = BIO_get_data(bio);
    size_t room;

    on_wire();
    BIO_clear_retry_flags(bio);
    *written = n;
    if (t->given_up)
        return 1;
    room = t->out != NULL ? t->out->max - t->out->n : 0;
    if (room == 0) {
        BIO_set_retry_write(bio);
        return 0;
    }
    *written = n < room ? n : room;
    return buf_put(t->out, p, *written);
}

static int wire_read(BIO *bio, char *p, size_t n, size_t *got)
{
    struct tls_session *t = BIO_get_data(bio);

    on_wire();
    BIO_clear_retry_flags(bio);
    if (t->in == NULL || t->in->n == 0) {
        BIO_set_retry_read(bio);
        return 0;
    }
    *got = n < t->in->n ? n : t->in->n;
    memcpy(p, t->in->p, *got);
    *t->in = slice_from(*t->in, *got);
    return 1;
}

static long wire_control(BIO *bio, int command, long number, void *p)
{
    (void)bio;
    (void)number;
    (void)p;
    return command == BIO_CTRL_FLUSH;
}

static const BIO_METHOD *wire_method(void)
{
    static BIO_METHOD *method;

    if (method == NULL
        && (method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "wire")) != NULL) {
        BIO_meth_set_write_ex(method, wire_write);
        BIO_meth_set_read_ex(method, wire_read);
        BIO_meth_set_ctrl(method, wire_control);
    }
    return method;
}

void tls_session_wire(struct tls_session *t, struct slice *in, struct buf *out)
{
    t->in = in;
    t->out = out;
}

/* --- signatures that come from elsewhere ---------------------------------- */

static struct tls_sign *op_new(struct tls_session *t, uint32_t key, enum tls_sign_kind kind,
                               const unsigned char *p, size_t n)
{
    struct tls_sign *op = n <= TLS_SIGN_MAX ? calloc(1, sizeof *op) : NULL;

    if (op == NULL)
        return NULL;
    op->key = key;
    op->kind = kind;
    op->n = n;
    op->session = t;
    memcpy(op->bytes, p, n);
    return op;
}

/* op_take - the signature out of an answered op */

static size_t op_take(struct tls_sign *op, unsigned char *signature, size_t room)
{
    size_t n = op->signature_n <= room ? op->signature_n : 0;

    memcpy(signature, op->signature, n);
    free(op);
    return n;
}

/* op_leave - nobody waits for the answer any more. Who was asked still has the op. */

static void op_leave(struct tls_sign *op)
{
    op->session = NULL;
    if (!op->asked)
        free(op);
}

ON_JOB
size_t key_ask(uint32_t key, enum tls_sign_kind kind, const unsigned char *p, size_t n,
                   unsigned char *signature, size_t room)
{
    struct tls_session *t = running;
    struct tls_sign *op;

    if (t == NULL || t->given_up || ASYNC_get_current_job() == NULL
        || (op = op_new(t, key, kind, p, n)) == NULL)
        return 0;
    t->op = op;
    while (!op->answered && !t->given_up) {
        ASYNC_pause_job();
        stack_job();
    }
    t->op = NULL;
    if (!op->answered) {
        op_leave(op);
        return 0;
    }
    n = op_take(op, signature, room);
    t->unsigned_ = n == 0;
    return n;
}

void tls_signed(struct tls_sign *op, struct slice signature)
{
    struct tls_session *t = op->session;

    if (t == NULL) {
        free(op);
        return;
    }
    op->answered = true;
    op->signature_n = signature.n <= sizeof op->signature ? signature.n : 0;
    if (op->signature_n > 0)
        memcpy(op->signature, signature.p, op->signature_n);
    if (t->state == TLS_SIGNING)
        t->wake(t->user);
}

static void op_ask(struct tls_session *t)
{
    const struct tls_keys *keys = server_keys(t->server);

    if (t->op == NULL || t->op->asked)
        return;
    t->op->asked = true;
    keys->sign(keys->ctx, t->op);
}

static int job_run(struct tls_session *t)
{
    int r;

    running = t;
    ERR_clear_error();
    r = SSL_do_handshake(t->ssl);
    stack_main();
    running = NULL;
    return r;
}

static void job_give_up(struct tls_session *t)
{
    t->given_up = true;
    while (t->op != NULL)
        job_run(t);
}

/* --- beginning and end ---------------------------------------------------- */

static void session_end(struct tls_session *t)
{
    job_give_up(t);
    if (t->ssl != NULL && (t->state == TLS_OPEN || t->state == TLS_ENDED))
        SSL_set_shutdown(t->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_free(t->ssl);
    tls_server_free(t->server);
    tls_client_free(t->client);
    free(t->place);
    free(t);
}

/* session_begin - takes ssl, also when it fails */

static struct tls_session *session_begin(SSL *ssl, tls_wake_f *wake, void *user)
{
    struct tls_session *t = calloc(1, sizeof *t);
    BIO *bio = ssl != NULL ? BIO_new(wire_method()) : NULL;

    if (t == NULL || bio == NULL) {
        free(t);
        BIO_free(bio);
        SSL_free(ssl);
        return NULL;
    }
    BIO_set_data(bio, t);
    BIO_set_init(bio, 1);
    SSL_set_bio(ssl, bio, bio);
    SSL_set_app_data(ssl, t);
    t->ssl = ssl;
    t->wake = wake;
    t->user = user;
    return t;
}

struct tls_session *tls_session_server(struct tls_server *ctx, tls_wake_f *wake, void *user)
{
    struct tls_session *t = session_begin(server_ssl(ctx), wake, user);

    if (t == NULL)
        return NULL;
    t->server = tls_server_ref(ctx);
    SSL_set_accept_state(t->ssl);
    return t;
}

/* place_make - what must be equal for a session to be resumed */

static bool place_make(struct tls_session *t, const struct tls_peer *peer)
{
    int n;

    if (peer->place.n == 0)
        return true;
    n = asprintf(&t->place, "%u %.*s %.*s", (unsigned)peer->policy, SLICE(peer->name),
                 SLICE(peer->place));
    if (n < 0) {
        t->place = NULL;
        return false;
    }
    t->place_n = (size_t)n;
    return true;
}

struct tls_session *tls_session_client(struct tls_client *ctx, const struct tls_peer *peer,
                                       tls_wake_f *wake, void *user)
{
    struct tls_session *t = session_begin(client_ssl(ctx, peer), wake, user);

    if (t == NULL)
        return NULL;
    t->client = tls_client_ref(ctx);
    t->named = peer->name.n > 0;
    if (!place_make(t, peer)) {
        session_end(t);
        return NULL;
    }
    if (t->place != NULL)
        client_recall(ctx, t->ssl, slice_of(t->place, t->place_n));
    SSL_set_connect_state(t->ssl);
    return t;
}

void tls_session_free(struct tls_session *t)
{
    if (t != NULL)
        session_end(t);
}

struct slice ssl_place(const SSL *ssl)
{
    const struct tls_session *t = SSL_get_app_data(ssl);

    return slice_of(t->place, t->place_n);
}

struct tls_client *ssl_client(const SSL *ssl)
{
    const struct tls_session *t = SSL_get_app_data(ssl);

    return t->client;
}

/* --- failure -------------------------------------------------------------- */

/* The first error in the queue is where it began; the others are echoes. */

static void failure_find(struct tls_session *t)
{
    unsigned long error = ERR_peek_error();
    long verified = SSL_get_verify_result(t->ssl);

    if (t->unsigned_) {
        t->why = "there was no signature: the vault did not give one";
    } else if (ERR_GET_LIB(error) == ERR_LIB_SSL
               && ERR_GET_REASON(error) == SSL_R_CERTIFICATE_VERIFY_FAILED) {
        t->what = "certificate";
        t->why = X509_verify_cert_error_string(verified);
    } else {
        t->why = ERR_reason_error_string(error);
    }
    if (t->why == NULL)
        t->why = "out of step";
}

static void session_fail(struct tls_session *t, const char *what, const char *why)
{
    if (t->state == TLS_FAILED)
        return;
    t->what = what;
    t->why = why;
    if (why == NULL)
        failure_find(t);
    if (t->client != NULL && t->place != NULL)
        client_forget(t->client, slice_of(t->place, t->place_n));
    snprintf(t->text, sizeof t->text, "TLS %s: %s", t->what, t->why);
    t->state = TLS_FAILED;
    ERR_clear_error();
}

void tls_cut(struct tls_session *t)
{
    if (t->state == TLS_OPEN)
        session_fail(t, "connection", "cut off by the other side without a farewell");
    else if (t->state != TLS_ENDED)
        session_fail(t, "handshake", "the other side hung up");
}

/* session_again - is it only that more must come? A full `out` here means that the
 * other side makes us answer (handshakes, new keys) and does not take the answers. */

static bool session_again(struct tls_session *t, const char *what, int r)
{
    int error = SSL_get_error(t->ssl, r);

    if (error == SSL_ERROR_WANT_READ)
        return true;
    session_fail(t, what, error != SSL_ERROR_WANT_WRITE ? NULL
                          : "the other side does not take our answers");
    return false;
}

/* --- the handshake -------------------------------------------------------- */

static void session_open(struct tls_session *t)
{
    t->state = TLS_OPEN;
    SSL_clear_mode(t->ssl, SSL_MODE_ASYNC);
}

enum tls_state tls_handshake(struct tls_session *t)
{
    while (t->state == TLS_HANDSHAKE || t->state == TLS_SIGNING) {
        int r;

        if (t->op != NULL && !t->op->answered) {
            t->state = TLS_SIGNING;
            break;
        }
        t->state = TLS_HANDSHAKE;
        r = job_run(t);
        if (r == 1)
            session_open(t);
        else if (SSL_get_error(t->ssl, r) == SSL_ERROR_WANT_ASYNC)
            op_ask(t);
        else if (session_again(t, "handshake", r))
            break;
    }
    return t->state;
}

/* --- after it ------------------------------------------------------------- */

/* nothing_left - all that came has been read. To ask OpenSSL once more would have it take
 * a buffer for a whole record, and give it back. */

static bool nothing_left(const struct tls_session *t)
{
    return (t->in == NULL || t->in->n == 0) && SSL_has_pending(t->ssl) == 0;
}

size_t tls_read(struct tls_session *t, char *p, size_t n)
{
    size_t got = 0, more;

    ERR_clear_error();
    while (got < n && t->state == TLS_OPEN && !nothing_left(t)) {
        int r = SSL_read_ex(t->ssl, p + got, n - got, &more);

        if (r == 1)
            got += more;
        else if (SSL_get_error(t->ssl, r) == SSL_ERROR_ZERO_RETURN)
            t->state = TLS_ENDED;
        else if (session_again(t, "connection", r))
            break;
    }
    return got;
}

static bool may_write(const struct tls_session *t)
{
    return (t->state == TLS_OPEN || t->state == TLS_ENDED) && !t->said_goodbye;
}

size_t tls_write(struct tls_session *t, struct slice plain)
{
    size_t put = 0, more;

    ERR_clear_error();
    while (put < plain.n && may_write(t)) {
        int r = SSL_write_ex(t->ssl, plain.p + put, plain.n - put, &more);

        if (r == 1)
            put += more;
        else if (SSL_get_error(t->ssl, r) == SSL_ERROR_WANT_WRITE)
            break;
        else
            session_fail(t, "connection", NULL);
    }
    return put;
}

void tls_goodbye(struct tls_session *t)
{
    if (!may_write(t))
        return;
    t->said_goodbye = true;
    ERR_clear_error();
    SSL_shutdown(t->ssl);
    ERR_clear_error();
}

enum tls_state tls_session_state(const struct tls_session *t)
{
    return t->state;
}

const char *tls_session_error(const struct tls_session *t)
{
    return t->text;
}

/* --- what was agreed ------------------------------------------------------ */

static void info_verified(const struct tls_session *t, struct tls_info *info)
{
    long result = SSL_get_verify_result(t->ssl);

    if (SSL_get0_peer_certificate(t->ssl) == NULL)
        info->unverified = "there is no certificate";
    else if (result != X509_V_OK)
        info->unverified = X509_verify_cert_error_string(result);
    else if (!t->named)
        info->unverified = "there was no name to compare";
    info->verified = info->unverified == NULL;
}

const SSL *session_ssl(const struct tls_session *t)
{
    return t->ssl;
}

bool tls_session_info(const struct tls_session *t, struct tls_info *info)
{
    const char *name;

    if (t->state != TLS_OPEN && t->state != TLS_ENDED)
        return false;
    *info = (struct tls_info){
        .version = SSL_get_version(t->ssl), .cipher = SSL_get_cipher_name(t->ssl),
        .bits = (unsigned)SSL_get_cipher_bits(t->ssl, NULL),
        .resumed = SSL_session_reused(t->ssl) == 1,
    };
    if (t->client != NULL) {
        info_verified(t, info);
        return true;
    }
    name = SSL_get_servername(t->ssl, TLSEXT_NAMETYPE_host_name);
    if (name != NULL)
        snprintf(info->name, sizeof info->name, "%s", name);
    return true;
}
