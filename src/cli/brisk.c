/* brisk.c - the handshake, message by message (RFC 8446 section 4).
 *
 *     step                 comes                   what is done
 *     0  server_hello      ServerHello             the secrets of the handshake
 *     1  nothing           EncryptedExtensions
 *                          CertificateRequest, if at all: we have none, and say so at the end
 *     2  certificate       Certificate             its place is noted
 *     3  signature         CertificateVerify       verified with the key of the certificate
 *     4  finished          Finished                compared; ours is sent; OPEN
 *     then                 tickets                 not looked at
 */
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include "cli/brisk.h"

enum {
    SAID_MAX = 128 << 10, PENDING_MAX = 256 << 10,
    BODY_MAX = BRISK_RECORD + 256,
};
enum { CHANGE_CIPHER = 20, ALERT = 21, HANDSHAKE = 22, DATA = 23 };        /* records */
enum { ECDSA_P256_SHA256 = 0x0403, RSA_PSS_SHA256 = 0x0804 };              /* signatures */
enum { X25519 = 0x001d, EXT_VERSIONS = 43, EXT_SHARE = 51 };

static bool fail(struct brisk *b, const char *why)
{
    if (b->state != BRISK_FAILED)
        b->why = why;
    b->state = BRISK_FAILED;
    ERR_clear_error();
    return false;
}

/* --- reading: numbers of the network's order ------------------------------------------------- */

struct cursor { struct slice in; bool bad; };

static struct slice cursor_bytes(struct cursor *c, size_t n)
{
    struct slice found = slice_first(c->in, n);

    c->bad |= found.n < n;
    c->in = slice_from(c->in, n);
    return found;
}

static size_t cursor_number(struct cursor *c, size_t bytes)
{
    struct slice s = cursor_bytes(c, bytes);
    size_t n = 0;

    for (size_t i = 0; i < s.n; i++)
        n = n << 8 | (unsigned char)s.p[i];
    return n;
}

/* cursor_run - bytes behind their length, which has so many bytes itself */

static struct slice cursor_run(struct cursor *c, size_t bytes)
{
    return cursor_bytes(c, cursor_number(c, bytes));
}

/* --- beginning and end ---------------------------------------------------------------------- */

struct brisk *brisk_new(const char *name)
{
    struct brisk *b = brisk_tools() != NULL ? calloc(1, sizeof *b) : NULL;

    if (b == NULL)
        return NULL;
    b->in = BUF(PENDING_MAX);
    b->out = BUF(PENDING_MAX);
    b->plain = BUF(PENDING_MAX);
    b->said = BUF(SAID_MAX);
    if (brisk_hello(b, name))
        return b;
    brisk_free(b);
    return NULL;
}

void brisk_free(struct brisk *b)
{
    if (b == NULL)
        return;
    EVP_PKEY_free(b->share);
    buf_free(&b->in);
    buf_free(&b->out);
    buf_free(&b->plain);
    buf_free(&b->said);
    OPENSSL_cleanse(b, sizeof *b);
    free(b);
}

/* --- secrets -------------------------------------------------------------------------------- */

static struct slice secret_view(const unsigned char secret[BRISK_HASH])
{
    return slice_of((const char *)secret, BRISK_HASH);
}

/* said_hash - of all that was said so far, and understood */

static bool said_hash(const struct brisk *b, unsigned char hash[BRISK_HASH])
{
    return brisk_hash(slice_first(buf_view(&b->said), b->heard), hash);
}

/* derive - the secret of this name, for all that was said so far */

static bool derive(const struct brisk *b, const char *label, unsigned char to[BRISK_HASH])
{
    unsigned char said[BRISK_HASH];

    return said_hash(b, said)
           && brisk_expand(b->secret, label, secret_view(said), to, BRISK_HASH);
}

/* secret_next - the next of the three, with what is new in it (section 7.1) */

static bool secret_next(unsigned char secret[BRISK_HASH], struct slice new)
{
    unsigned char none[BRISK_HASH], salt[BRISK_HASH];

    return brisk_hash((struct slice){ 0 }, none)
           && brisk_expand(secret, "derived", secret_view(none), salt, sizeof salt)
           && brisk_hmac(salt, new, secret);
}

/* shared_make - with the share of the server, and ours, which is not needed any more */

static bool shared_make(struct brisk *b, struct slice share, unsigned char shared[BRISK_SHARE])
{
    EVP_PKEY *theirs = EVP_PKEY_new_raw_public_key(EVP_PKEY_X25519, NULL,
                                                   (const unsigned char *)share.p, share.n);
    EVP_PKEY_CTX *c = EVP_PKEY_CTX_new(b->share, NULL);
    size_t n = BRISK_SHARE;
    bool made = theirs != NULL && c != NULL && EVP_PKEY_derive_init(c) == 1
                && EVP_PKEY_derive_set_peer_ex(c, theirs, 0) == 1
                && EVP_PKEY_derive(c, shared, &n) == 1 && n == BRISK_SHARE;

    EVP_PKEY_CTX_free(c);
    EVP_PKEY_free(theirs);
    EVP_PKEY_free(b->share);
    b->share = NULL;
    return made;
}

static bool secrets_make(struct brisk *b, struct slice share)
{
    static const unsigned char nothing[BRISK_HASH];
    unsigned char shared[BRISK_SHARE];

    return shared_make(b, share, shared)
           && brisk_hmac(nothing, secret_view(nothing), b->secret)
           && secret_next(b->secret, slice_of((char *)shared, BRISK_SHARE))
           && derive(b, "c hs traffic", b->ours) && derive(b, "s hs traffic", b->theirs)
           && brisk_keys_make(&b->writes, b->ours) && brisk_keys_make(&b->reads, b->theirs);
}

/* finished_make - what proves that all was heard, by the one whose secret this is */

static bool finished_make(const struct brisk *b, const unsigned char secret[BRISK_HASH],
                          unsigned char proof[BRISK_HASH])
{
    unsigned char key[BRISK_HASH], said[BRISK_HASH];

    return said_hash(b, said)
           && brisk_expand(secret, "finished", (struct slice){ 0 }, key, sizeof key)
           && brisk_hmac(key, secret_view(said), proof);
}

/* --- certificates ---------------------------------------------------------------------------- */

/* The last certificate that was met: a server has one, and it is read once. */
static struct {
    struct buf    der;
    EVP_PKEY_CTX *verifier;
    size_t        scheme;       /* how it signs */
} known = { .der = { .max = SAID_MAX } };

static bool verifier_make(EVP_PKEY *key)
{
    bool rsa = key != NULL && EVP_PKEY_is_a(key, "RSA");

    known.scheme = rsa ? RSA_PSS_SHA256 : ECDSA_P256_SHA256;
    known.verifier = key != NULL ? EVP_PKEY_CTX_new(key, NULL) : NULL;
    return known.verifier != NULL && EVP_PKEY_verify_init(known.verifier) == 1
           && EVP_PKEY_CTX_set_signature_md(known.verifier, EVP_sha256()) == 1
           && (!rsa || (EVP_PKEY_CTX_set_rsa_padding(known.verifier, RSA_PKCS1_PSS_PADDING) == 1
                        && EVP_PKEY_CTX_set_rsa_pss_saltlen(known.verifier, RSA_PSS_SALTLEN_DIGEST) == 1));
}

static bool know(struct slice der)
{
    const unsigned char *p = (const unsigned char *)der.p;
    X509 *certificate;
    bool made;

    if (known.verifier != NULL && slice_eq(buf_view(&known.der), der))
        return true;
    EVP_PKEY_CTX_free(known.verifier);
    known.verifier = NULL;
    buf_clear(&known.der);
    certificate = d2i_X509(NULL, &p, (long)der.n);
    made = certificate != NULL && verifier_make(X509_get0_pubkey(certificate))
           && buf_put_slice(&known.der, der);
    X509_free(certificate);
    if (!made) {
        EVP_PKEY_CTX_free(known.verifier);
        known.verifier = NULL;
    }
    return made;
}

/* --- messages --------------------------------------------------------------------------------- */

/* A message's body; `heard` is still before it. */
typedef bool message_f(struct brisk *b, struct slice body, size_t whole);

static bool on_server_hello(struct brisk *b, struct slice body, size_t whole)
{
    struct cursor c = { .in = body }, extensions, share = { .bad = true };
    size_t version = cursor_number(&c, 2), suite;
    bool new = false;

    cursor_bytes(&c, 32);
    cursor_run(&c, 1);
    suite = cursor_number(&c, 2);
    cursor_number(&c, 1);
    extensions = (struct cursor){ .in = cursor_run(&c, 2) };
    while (!extensions.bad && extensions.in.n > 0) {
        size_t type = cursor_number(&extensions, 2);
        struct cursor value = { .in = cursor_run(&extensions, 2) };

        if (type == EXT_VERSIONS)
            new = cursor_number(&value, 2) == 0x0304;
        else if (type == EXT_SHARE)
            share = value;
    }
    if (c.bad || extensions.bad || version != 0x0303 || !new || suite != 0x1301)
        return fail(b, "the server does not choose TLS 1.3 with TLS_AES_128_GCM_SHA256");
    if (cursor_number(&share, 2) != X25519 || (share.in = cursor_run(&share, 2)).n != BRISK_SHARE || share.bad)
        return fail(b, "the server does not choose X25519");
    b->heard += whole;
    return secrets_make(b, share.in) || fail(b, "no secrets can be made of the server's share");
}

static bool on_nothing(struct brisk *b, struct slice body, size_t whole)
{
    (void)body;
    b->heard += whole;
    return true;
}

/* on_certificate - the first of the list is the server's own. Its place is kept as a distance:
 * the buffer may move. */

static bool on_certificate(struct brisk *b, struct slice body, size_t whole)
{
    struct cursor c = { .in = body }, list;
    struct slice leaf;

    cursor_run(&c, 1);
    list = (struct cursor){ .in = cursor_run(&c, 3) };
    leaf = cursor_run(&list, 3);
    if (c.bad || list.bad || leaf.n == 0)
        return fail(b, "the server has no certificate");
    b->leaf_at = (size_t)(leaf.p - buf_view(&b->said).p);
    b->leaf_n = leaf.n;
    b->heard += whole;
    return true;
}

/* signed_hash - of what the server signs (section 4.4.3) */

static bool signed_hash(const struct brisk *b, unsigned char hash[BRISK_HASH])
{
    static const char context[] = "TLS 1.3, server CertificateVerify";
    char text[64 + sizeof context + BRISK_HASH];
    unsigned char said[BRISK_HASH];

    memset(text, ' ', 64);
    memcpy(text + 64, context, sizeof context);
    if (!said_hash(b, said))
        return false;
    memcpy(text + 64 + sizeof context, said, sizeof said);
    return brisk_hash(slice_of(text, sizeof text), hash);
}

static bool on_signature(struct brisk *b, struct slice body, size_t whole)
{
    struct cursor c = { .in = body };
    size_t scheme = cursor_number(&c, 2);
    struct slice signature = cursor_run(&c, 2);
    unsigned char hash[BRISK_HASH];

    if (c.bad || !know(slice_of(buf_view(&b->said).p + b->leaf_at, b->leaf_n)) || scheme != known.scheme)
        return fail(b, "the server's certificate is not of a kind that is known here");
    if (!signed_hash(b, hash)
        || EVP_PKEY_verify(known.verifier, (const unsigned char *)signature.p, signature.n,
                           hash, sizeof hash) != 1)
        return fail(b, "the server's signature is wrong");
    b->heard += whole;
    return true;
}

static bool say_no_certificate(struct brisk *b)
{
    struct slice none = SLICE_LIT("\x0b\0\0\4" "\0" "\0\0\0");     /* no context, an empty list */

    if (!buf_put_slice(&b->said, none))
        return false;
    b->heard = b->said.n;
    return brisk_record(&b->writes, HANDSHAKE, none, &b->out);
}

/* open_now - the server has proved itself: our proof, and other keys */

static bool open_now(struct brisk *b)
{
    static const unsigned char nothing[BRISK_HASH];
    unsigned char proof[4 + BRISK_HASH] = { 20, 0, 0, BRISK_HASH }, ours[BRISK_HASH], theirs[BRISK_HASH];

    b->state = BRISK_OPEN;
    return secret_next(b->secret, secret_view(nothing))
           && derive(b, "c ap traffic", ours) && derive(b, "s ap traffic", theirs)
           && (!b->asked || say_no_certificate(b))
           && finished_make(b, b->ours, proof + 4)
           && brisk_record(&b->writes, HANDSHAKE, slice_of((char *)proof, sizeof proof), &b->out)
           && brisk_keys_make(&b->writes, ours) && brisk_keys_make(&b->reads, theirs);
}

static bool on_finished(struct brisk *b, struct slice body, size_t whole)
{
    unsigned char proof[BRISK_HASH];

    if (!finished_make(b, b->theirs, proof) || body.n != sizeof proof
        || CRYPTO_memcmp(body.p, proof, sizeof proof) != 0)
        return fail(b, "the server's Finished is wrong");
    b->heard += whole;
    if (b->heard < b->said.n)
        return fail(b, "more came behind the server's Finished");
    return open_now(b) || fail(b, "no keys can be made");
}

static const struct { uint8_t type; message_f *take; } steps[] = {
    { 2, on_server_hello }, { 8, on_nothing }, { 11, on_certificate }, { 15, on_signature },
    { 20, on_finished },
};

/* is_question - for a certificate, where it may be asked (section 4.3.2) */

static bool is_question(const struct brisk *b, size_t type)
{
    return type == 13 && b->step == 2 && !b->asked;
}

/* messages_take - all that are whole. Keys change between ServerHello and the rest: nothing
 * may stand behind it in its record. */

static bool messages_take(struct brisk *b)
{
    while (b->state == BRISK_HANDSHAKE) {
        struct cursor c = { .in = slice_from(buf_view(&b->said), b->heard) };
        size_t type = cursor_number(&c, 1);
        struct slice body = cursor_run(&c, 3);

        if (c.bad)
            return true;
        if (is_question(b, type)) {
            b->asked = true;
            b->heard += 4 + body.n;
            continue;
        }
        if (type != steps[b->step].type)
            return fail(b, "the server sends another message than is due");
        if (b->step == 0 && c.in.n > 0)
            return fail(b, "more came behind the server's hello");
        if (!steps[b->step].take(b, body, 4 + body.n))
            return false;
        b->step++;
    }
    return true;
}

/* --- records ------------------------------------------------------------------------------------ */

static bool on_alert(struct brisk *b, struct slice body)
{
    if (body.n != 2 || body.p[1] != 0)
        return fail(b, "the server sent an alert");
    b->state = BRISK_ENDED;
    return true;
}

static bool record_take(struct brisk *b, uint8_t type, struct slice body)
{
    switch (type) {
    case ALERT:
        return on_alert(b, body);
    case HANDSHAKE:
        if (b->state == BRISK_OPEN)         /* a ticket; new keys would show at the next record */
            return true;
        return buf_put_slice(&b->said, body) ? messages_take(b) : fail(b, "the handshake is too long");
    case DATA:
        if (b->state == BRISK_OPEN && b->reads.on)
            return buf_put_slice(&b->plain, body) || fail(b, "too much came at once");
        return fail(b, "data came before the handshake was over");
    default:
        return fail(b, "a record of an unknown type came");
    }
}

/* record_next - one that is whole, off the front of `in`. False: there is none, or it is over. */

static bool record_next(struct brisk *b)
{
    struct slice in = buf_view(&b->in), body;
    struct cursor c = { .in = in };
    uint8_t type = (uint8_t)cursor_number(&c, 1);
    size_t n;
    bool taken;

    cursor_number(&c, 2);
    n = cursor_number(&c, 2);
    body = cursor_bytes(&c, n);
    if (n > BODY_MAX)
        return fail(b, "a record is too long");
    if (c.bad)
        return false;
    if (type == CHANGE_CIPHER && slice_eq(body, SLICE_LIT("\1")))       /* says nothing (section 5) */
        taken = true;
    else if (b->reads.on && (type != DATA || !brisk_unseal(&b->reads, in.p, &body, &type)))
        taken = fail(b, "a record is not sealed as it should be");
    else
        taken = record_take(b, type, body);
    buf_drop(&b->in, BRISK_HEADER + n);
    return taken;
}

void brisk_take(struct brisk *b, struct slice bytes)
{
    if (!buf_put_slice(&b->in, bytes))
        fail(b, "too much came at once");
    while (b->state <= BRISK_OPEN && record_next(b))
        ;
}

bool brisk_seal(struct brisk *b, struct slice plain)
{
    return b->state == BRISK_OPEN
           && (brisk_record(&b->writes, DATA, slice_first(plain, BRISK_RECORD), &b->out)
               || fail(b, "nothing can be sealed"));
}
